import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { concatenate } from '../../src/ops/concatenate.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { layerNorm } from '../../src/ops/layerNorm.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { pullback } from '../../src/ops/pullback.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { square } from '../../src/ops/square.ts';
import { sum } from '../../src/ops/sum.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectClose } from '../support/agree.ts';
import { drawn, logits, matrices, referenceValues } from '../support/draw.ts';
import { expectGradients } from '../support/gradient.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

const reference = (x: Tensor) => evaluateReference([x])[0]!;

describe('layerNorm', () => {
  it('takes the mean away and divides by the spread', () =>
    expect(referenceValues(layerNorm(tensor([[1, 3]]), undefined, undefined, { epsilon: 0 }))).toEqual([-1, 1]));

  it('divides by the biased variance, and applies gain, then offset', () =>
    expect(
      referenceValues(layerNorm(tensor([[0, 4]]), tensor([2, 3]), tensor([10, 20]), { epsilon: 5 })).map((y) =>
        y.toFixed(6),
      ),
    ).toEqual([(10 - 4 / 3).toFixed(6), '22.000000']));

  it('does not change when a constant is added or the row is stretched', () =>
    fc.assert(
      fc.property(matrices(logits), fc.integer({ min: -9, max: 9 }), fc.integer({ min: 1, max: 9 }), (rows, c, s) => {
        // A row that is almost constant is normalized to what rounding left of it.
        fc.pre(rows.every((row) => row.length === 1 || Math.max(...row) - Math.min(...row) > 1e-2));
        const x = tensor(rows);
        expectClose(
          reference(layerNorm(multiply(add(x, c), s), undefined, undefined, { epsilon: 0.001 * s * s })),
          reference(layerNorm(x, undefined, undefined, { epsilon: 0.001 })),
          { atol: 1e-3 },
        );
      }),
    ));

  it('says which weight does not fit', () => {
    expect(() => layerNorm(drawn([2, 3]), drawn([4]))).toThrow(
      'layerNorm: expected gamma of shape [3] for x of shape [2, 3], got [4]',
    );
    expect(() => layerNorm(drawn([2, 3]), undefined, drawn([1, 3]))).toThrow(
      'layerNorm: expected beta of shape [3] for x of shape [2, 3], got [1, 3]',
    );
    expect(() => layerNorm(constant(1))).toThrow('layerNorm: expected x of rank 1 or more, got rank 0 (shape [])');
  });

  it.each([[[3, 1]], [[2, 7]], [[2, 2, 9]], [[3, 65]], [[5, 257]], [[512, 768]], [[65537, 2]]])(
    'agrees on WebGPU for %j',
    async (shape) => {
      const columns = shape.at(-1)!;
      await expectAllAgree(
        layerNorm(drawn(shape), drawn([columns], { seed: 2 }), drawn([columns], { seed: 3 }), { epsilon: 1e-5 }),
        // Rows of two close numbers divide by little.
        { atol: columns === 2 ? 1e-4 : 1e-5, rtol: 1e-5 },
      );
    },
  );

  it.each(['float32', 'float16', 'bfloat16'] as const)('reads gain and offset stored as %s, or none', async (dtype) => {
    const x = drawn([3, 77]);
    const gamma = drawn([77], { seed: 2, dtype });
    const beta = drawn([77], { seed: 3, dtype });
    await expectAllAgree(
      [layerNorm(x), layerNorm(x, gamma), layerNorm(x, undefined, beta), layerNorm(x, gamma, beta)],
      { atol: 1e-5 },
    );
  });

  it('keeps its digits where the mean is a hundred times the spread', () =>
    // One float32 rounding of the reference's own input is 4e-6 here, but both read the same input.
    expectAllAgree(layerNorm(drawn([7, 768], { low: 99, high: 101 })), { atol: 1e-5 }));

  it('agrees where rows do not fit one binding', () =>
    expectAgreesInParts(layerNorm(drawn([301, 13]), drawn([13]), drawn([13])), 4096, { atol: 1e-5 }));
});

describe('the gradient of layerNorm', () => {
  const options = { epsilon: 1e-3 };

  it('is that of central differences', async () => {
    const x = drawn([2, 3, 5], { low: -2, high: 2 });
    const check = { agrees: expectAllAgree };
    await expectGradients(
      (x, gamma, beta) => layerNorm(x!, gamma!, beta!, options),
      [x, drawn([5], { seed: 2 }), drawn([5], { seed: 3 })],
      check,
    );
    await expectGradients((own) => layerNorm(own!, undefined, undefined, options), [x], check);
  });

  it('has a gradient itself', async () => {
    const first = (x: Tensor, gamma: Tensor) =>
      concatenate(
        gradients(sum(square(layerNorm(x, gamma, undefined, options))), [x, gamma]).map((dx) => reshape(dx, [-1])),
      );
    await expectGradients((x, gamma) => first(x!, gamma!), [drawn([2, 5]), drawn([5], { low: 0.5, seed: 2 })], {
      tolerance: { atol: 5e-6, rtol: 1e-5 },
      // Made of ops that agree each; a cold driver compiles this one for half a minute.
      device: false,
    });
  });

  it.each([[[3, 1]], [[2, 7]], [[3, 65]], [[5, 257]], [[70001, 3]]])('agrees on WebGPU for %j', async (shape) => {
    const [x, gamma] = [drawn(shape), drawn([shape.at(-1)!], { seed: 2 })];
    const y = layerNorm(x, gamma, undefined, options);
    const all = pullback('test', [{ y, dy: drawn(shape, { seed: 3 }) }], [x, gamma]).map((dx) => dx!);
    // Sums of up to 70,001 rows.
    await expectAllAgree(all, { atol: 1e-4, rtol: 1e-4 });
  });

  it.each(['float16', 'bfloat16'] as const)('reads a gain stored as %s', async (dtype) => {
    const [x, gamma] = [drawn([3, 77]), drawn([77], { seed: 2, dtype })];
    const y = layerNorm(x, gamma);
    await expectAllAgree(pullback('test', [{ y, dy: drawn([3, 77], { seed: 3 }) }], [x])[0]!, { atol: 1e-5 });
  });

  it('agrees where rows do not fit one binding', async () => {
    const [x, gamma] = [drawn([301, 13]), drawn([13], { seed: 2 })];
    const [dx] = pullback('test', [{ y: layerNorm(x, gamma), dy: drawn([301, 13], { seed: 3 }) }], [x]);
    await expectAgreesInParts(dx!, 4096, { atol: 1e-5 });
  });
});
