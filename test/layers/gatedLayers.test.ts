import { describe, expect, it } from 'vitest';
import { toHeads } from '../../src/layers/dense.ts';
import { gatedMlp } from '../../src/layers/gatedMlp.ts';
import type { Tap } from '../../src/layers/intercept.ts';
import { rmsNorm } from '../../src/layers/rmsNorm.ts';
import type { Site } from '../../src/layers/sites.ts';
import { geluApproximate } from '../../src/ops/geluApproximate.ts';
import { identity } from '../../src/ops/identity.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees, expectClose } from '../support/agree.ts';
import { drawn } from '../support/draw.ts';

/** Both have the same values on the reference, and on WebGPU. */
const expectSame = async (a: Tensor, b: Tensor): Promise<void> => {
  const [left, right] = await expectAgrees([a, b], { atol: 1e-5 });
  expectClose(left!, right!, { atol: 1e-5 });
};

/** A tap that lists the sites it is called for, and puts a node of its own in the place of one of them. */
const listing = (replaced?: Site): { readonly sites: Site[]; readonly tap: Tap } => {
  const sites: Site[] = [];
  return {
    sites,
    tap: (site) => (x) => {
      sites.push(site);
      return site === replaced ? identity(x) : x;
    },
  };
};

describe('toHeads', () => {
  const x = drawn([2, 3, 5]);
  const kernel = drawn([4, 5, 2], { seed: 2 });

  it('reads kernels that are stored head by head', async () => {
    const bias = drawn([4, 2], { seed: 3 });
    await expectSame(
      toHeads({ kernel, bias }, { headsFirst: true })(x),
      toHeads({ kernel: transpose(kernel, [1, 0, 2]), bias })(x),
    );
  });

  it('adds the product of LoRA factors, whose second is shared by the heads', async () => {
    const [a, b] = [drawn([4, 5, 2], { seed: 4 }), drawn([2, 2], { seed: 5 })];
    await expectSame(
      toHeads({ kernel, loraKernelA: a, loraKernelB: b }, { headsFirst: true })(x),
      toHeads({ kernel: transpose(kernel, [1, 0, 2]), loraKernelA: transpose(a, [1, 0, 2]), loraKernelB: b })(x),
    );
  });
});

describe('rmsNorm, the layer', () => {
  const x = drawn([2, 3, 7]);
  const params = { scale: drawn([7], { seed: 2 }) };

  it.each(['attentionPostNormScale', 'attentionPostNormalized'] as const)(
    'gives the same where %s is replaced by its like',
    async (site) => {
      const { sites, tap } = listing(site);
      const options = { epsilon: 1e-6, offset: 1 };
      await expectSame(
        rmsNorm(params, { ...options, watched: { tap, as: 'attentionPost' } })(x),
        rmsNorm(params, options)(x),
      );
      expect(sites).toEqual(['attentionPostNormScale', 'attentionPostNormalized']);
    },
  );

  it('is the fused kernel where all is left as it is', () => {
    const { tap } = listing();
    const watched = rmsNorm(params, { epsilon: 1e-6, watched: { tap, as: 'final' } })(x);
    expect(watched.op.name).toBe('rmsNorm');
  });
});

describe('gatedMlp', () => {
  const params = {
    gate: { kernel: drawn([3, 5]) },
    up: { kernel: drawn([3, 5], { seed: 2 }) },
    down: { kernel: drawn([5, 3], { seed: 3 }) },
  };

  it('multiplies neurons by the activation of the gate', () => {
    const [y] = evaluateReference([gatedMlp(params, { activation: geluApproximate })(drawn([2, 3]))]);
    const [x, gate, up, down] = evaluateReference([
      drawn([2, 3]),
      ...Object.values(params).map(({ kernel }) => kernel),
    ]);
    const column = (row: number, kernel: typeof gate, j: number): number =>
      [0, 1, 2].reduce((total, k) => total + x!.data[row * 3 + k]! * kernel!.data[k * 5 + j]!, 0);
    const gelu = (v: number): number => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
    for (let row = 0; row < 2; row++)
      for (let i = 0; i < 3; i++) {
        const expected = [0, 1, 2, 3, 4].reduce(
          (total, j) => total + gelu(column(row, gate, j)) * column(row, up, j) * down!.data[j * 3 + i]!,
          0,
        );
        expect(y!.data[row * 3 + i]).toBeCloseTo(expected, 5);
      }
  });

  it('shows its inside in order', () => {
    const { sites, tap } = listing();
    gatedMlp(params, { activation: geluApproximate, tap })(drawn([2, 3]));
    expect(sites).toEqual(['mlpPre', 'mlpGate', 'mlpUp', 'mlpPost']);
  });
});
