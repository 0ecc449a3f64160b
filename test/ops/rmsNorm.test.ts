import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { concatenate } from '../../src/ops/concatenate.ts';
import { tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { pullback } from '../../src/ops/pullback.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { rmsNorm } from '../../src/ops/rmsNorm.ts';
import { square } from '../../src/ops/square.ts';
import { sum } from '../../src/ops/sum.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectClose } from '../support/agree.ts';
import { testDevice } from '../support/device.ts';
import { drawn, logits, matrices, referenceValues } from '../support/draw.ts';
import { expectGradients } from '../support/gradient.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

const reference = (x: Tensor) => evaluateReference([x])[0]!;

describe('rmsNorm', () => {
  it('divides by the root of the mean square, and applies the gain', () =>
    expect(referenceValues(rmsNorm(tensor([[1, 7]]), tensor([1, 2]), { epsilon: 0 })).map((y) => y.toFixed(6))).toEqual(
      ['0.200000', '2.800000'],
    ));

  it('gives rows whose mean square is 1', () =>
    fc.assert(
      fc.property(matrices(logits), (rows) => {
        fc.pre(rows.every((row) => Math.max(...row.map(Math.abs)) > 1e-2));
        const y = referenceValues(rmsNorm(tensor(rows), undefined, { epsilon: 0 }));
        const columns = rows[0]!.length;
        for (let start = 0; start < y.length; start += columns)
          expect(y.slice(start, start + columns).reduce((total, v) => total + v * v, 0) / columns).toBeCloseTo(1, 4);
      }),
    ));

  it('does not change when the row is stretched, save for epsilon', () =>
    expectClose(
      reference(rmsNorm(multiply(drawn([3, 5]), 4), undefined, { epsilon: 16e-3 })),
      reference(rmsNorm(drawn([3, 5]), undefined, { epsilon: 1e-3 })),
      { atol: 1e-6 },
    ));

  it('adds the offset to the scale', async () => {
    const [x, scale] = [drawn([3, 5]), drawn([5], { seed: 2 })];
    const [y] = await expectAllAgree(rmsNorm(x, scale, { offset: 1 }), { atol: 1e-6 });
    expectClose(y!, reference(rmsNorm(x, add(scale, 1))), { atol: 1e-6 });
  });

  it('says when the scale does not fit', () =>
    expect(() => rmsNorm(drawn([2, 3]), drawn([2]))).toThrow(
      'rmsNorm: expected scale of shape [3] for x of shape [2, 3], got [2]',
    ));

  it.each([[[3, 1]], [[2, 7]], [[2, 2, 9]], [[3, 65]], [[5, 257]], [[512, 768]], [[65537, 2]]])(
    'agrees on WebGPU for %j',
    async (shape) => {
      await expectAllAgree(rmsNorm(drawn(shape), drawn([shape.at(-1)!], { seed: 2 })), { atol: 1e-5 });
    },
  );

  it.each(['float32', 'float16', 'bfloat16'] as const)('reads a scale stored as %s, or none', async (dtype) => {
    await expectAllAgree([rmsNorm(drawn([3, 77])), rmsNorm(drawn([3, 77]), drawn([77], { seed: 2, dtype }))], {
      atol: 1e-5,
    });
  });

  it('agrees where rows do not fit one binding', () =>
    expectAgreesInParts(rmsNorm(drawn([301, 13]), drawn([13])), 4096, { atol: 1e-5 }));

  it('is added to what it is a branch of by the same launch', async () => {
    const { traits } = await testDevice();
    const branch = ([rows, columns]: readonly [number, number], scale?: Tensor): Tensor =>
      add(drawn([rows, columns], { seed: 3 }), rmsNorm(drawn([rows, columns]), scale));
    for (const y of [branch([1, 3]), branch([7, 65], drawn([65], { seed: 2 })), branch([65537, 2])]) {
      expect(plan([y], { traits }).steps).toHaveLength(1);
      await expectAllAgree(y, { atol: 1e-5 });
    }
    await expectAgreesInParts(branch([301, 13], drawn([13], { seed: 2 })), 4096, { atol: 1e-5 });
    // A gain is no residual, and neither is one number.
    const x = rmsNorm(drawn([7, 65]));
    for (const y of [multiply(x, drawn([7, 65], { seed: 2 })), add(x, drawn([65], { seed: 2 })), add(x, 1)]) {
      expect(plan([y], { traits }).steps).toHaveLength(2);
      await expectAllAgree(y, { atol: 1e-5 });
    }
  });
});

describe('the gradient of rmsNorm', () => {
  const options = { epsilon: 1e-3 };

  it('is that of central differences', async () => {
    const x = drawn([2, 3, 5], { low: -2, high: 2 });
    const check = { agrees: expectAllAgree };
    await expectGradients((x, gamma) => rmsNorm(x!, gamma!, options), [x, drawn([5], { seed: 2 })], check);
    await expectGradients((own) => rmsNorm(own!, undefined, options), [x], check);
    const centred = { ...options, offset: 1 };
    await expectGradients((x, gamma) => rmsNorm(x!, gamma!, centred), [x, drawn([5], { seed: 2 })], check);
  });

  it('has a gradient itself', async () => {
    const first = (x: Tensor, gamma: Tensor) =>
      concatenate(
        gradients(sum(square(rmsNorm(x, gamma, { ...options, offset: 0.5 }))), [x, gamma]).map((dx) =>
          reshape(dx, [-1]),
        ),
      );
    await expectGradients((x, gamma) => first(x!, gamma!), [drawn([2, 5]), drawn([5], { low: 0.5, seed: 2 })], {
      tolerance: { atol: 5e-6, rtol: 1e-5 },
    });
  });

  it.each([[[3, 1]], [[2, 7]], [[3, 65]], [[5, 257]], [[70001, 3]]])('agrees on WebGPU for %j', async (shape) => {
    const [x, gamma] = [drawn(shape), drawn([shape.at(-1)!], { seed: 2 })];
    const y = rmsNorm(x, gamma, options);
    const all = pullback('test', [{ y, dy: drawn(shape, { seed: 3 }) }], [x, gamma]).map((dx) => dx!);
    // Sums of up to 70,001 rows.
    await expectAllAgree(all, { atol: 1e-4, rtol: 1e-4 });
  });

  it.each(['float16', 'bfloat16'] as const)('reads a gain stored as %s', async (dtype) => {
    const [x, gamma] = [drawn([3, 77]), drawn([77], { seed: 2, dtype })];
    const y = rmsNorm(x, gamma);
    await expectAllAgree(pullback('test', [{ y, dy: drawn([3, 77], { seed: 3 }) }], [x])[0]!, { atol: 1e-5 });
  });

  it('agrees where rows do not fit one binding', async () => {
    const [x, gamma] = [drawn([301, 13]), drawn([13], { seed: 2 })];
    const [dx] = pullback('test', [{ y: rmsNorm(x, gamma), dy: drawn([301, 13], { seed: 3 }) }], [x]);
    await expectAgreesInParts(dx!, 4096, { atol: 1e-5 });
  });
});
