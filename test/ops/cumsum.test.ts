import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constant, tensor } from '../../src/ops/constant.ts';
import { cumsum } from '../../src/ops/cumsum.ts';
import { drawn, drawnIntegers, matrices, referenceValues } from '../support/draw.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

describe('cumsum', () => {
  it('has the elements as its differences', () =>
    fc.assert(
      fc.property(matrices(fc.integer({ min: -99, max: 99 })), (rows) => {
        const columns = rows[0]!.length;
        const y = referenceValues(cumsum(tensor(rows)));
        expect(y.map((v, i) => v - (i % columns === 0 ? 0 : y[i - 1]!))).toEqual(rows.flat());
      }),
    ));

  it('says what it got', () => {
    expect(() => cumsum(constant(1))).toThrow('cumsum: expected x of rank 1 or more, got rank 0 (shape [])');
    expect(() => cumsum(tensor([true]))).toThrow('cumsum: expected all floats or all int32, got bool');
  });

  it.each([[[1]], [[3, 7]], [[2, 2, 8]], [[3, 65]], [[3, 257]], [[1, 50257]], [[66000, 3]]])(
    'agrees on WebGPU for %j',
    async (shape) => {
      await expectAllAgree(cumsum(drawnIntegers(shape, -2000000000, 2000000000)));
      await expectAllAgree(cumsum(drawn(shape)), { atol: 1e-3 });
    },
  );

  it('agrees where rows do not fit one binding', () =>
    expectAgreesInParts(cumsum(drawn([301, 13])), 4096, { atol: 1e-5 }));
});
