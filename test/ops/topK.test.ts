import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { argmax } from '../../src/ops/argmax.ts';
import { cast } from '../../src/ops/cast.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { topK } from '../../src/ops/topK.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { drawn, drawnIntegers, matrices, referenceValues } from '../support/draw.ts';
import { expectAgreesInParts, expectAgreesOnManyRows, expectAllAgree } from '../support/variants.ts';

const both = (x: Tensor, k: number): readonly Tensor[] => {
  const { values, indices } = topK(x, k);
  return [values, indices];
};

describe('topK', () => {
  const few = matrices(fc.integer({ min: -3, max: 3 }));

  it('sorts, largest first, equal ones by rising index', () =>
    fc.assert(
      fc.property(few, fc.nat(), (rows, n) => {
        const k = 1 + (n % rows[0]!.length);
        const { values, indices } = topK(tensor(rows), k);
        const sorted = rows.map((row) =>
          row
            .map((value, index) => ({ value, index }))
            .sort((a, b) => b.value - a.value || a.index - b.index)
            .slice(0, k),
        );
        expect(referenceValues(values)).toEqual(sorted.flat().map(({ value }) => value));
        expect(referenceValues(indices)).toEqual(sorted.flat().map(({ index }) => index));
      }),
    ));

  it('is argmax for k = 1', () =>
    fc.assert(
      fc.property(few, (rows) => {
        expect(referenceValues(topK(tensor(rows), 1).indices)).toEqual(referenceValues(argmax(tensor(rows))));
      }),
    ));

  it('says what it got when there are no k columns', () => {
    expect(() => topK(tensor([1, 2]), 3)).toThrow('topK: expected k from 1 to the 2 columns of x, got 3');
    expect(() => topK(tensor([1, 2]), 0)).toThrow('topK: expected k from 1 to the 2 columns of x, got 0');
    expect(() => topK(constant(1), 1)).toThrow('topK: expected x of rank 1 or more, got rank 0 (shape [])');
    expect(() => topK(tensor(Int32Array.of(1, 2)), 2)).toThrow('topK: expected x of a float dtype, got int32');
  });

  it.each([
    [[1], 1],
    [[3, 7], 2],
    [[3, 7], 7],
    [[2, 2, 8], 8],
    [[3, 65], 64],
    [[2, 257], 257],
    [[1, 50257], 5],
    [[2, 50257], 64],
  ])('agrees on WebGPU for %j and k = %i, with and without ties', async (shape, k) => {
    await expectAllAgree([...both(drawn(shape), k), ...both(cast(drawnIntegers(shape, -2, 3), 'float32'), k)]);
  });

  it('agrees on more rows than a grid has in one dimension', () =>
    expectAgreesOnManyRows((rows) => [
      ...both(drawn([rows, 3]), 2),
      ...both(cast(drawnIntegers([rows, 3], -2, 3), 'float32'), 2),
    ]));

  it('counts on to the end through masked positions', () =>
    expectAllAgree(both(tensor([[-3.4028234663852886e38, 1, -3.4028234663852886e38, -1e9]]), 4)));

  it('agrees where rows do not fit one binding', () => expectAgreesInParts(both(drawn([301, 13]), 3), 4096));
});
