import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { rmsNorm } from '../../src/ops/rmsNorm.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectClose } from '../support/agree.ts';
import { drawn, logits, matrices, referenceValues } from '../support/draw.ts';
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
});
