import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arange } from '../../src/ops/arange.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { take } from '../../src/ops/take.ts';
import { drawn, drawnIntegers, matrices, referenceValues } from '../support/draw.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

describe('take', () => {
  const table = tensor([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);

  it('takes rows', () => {
    const y = take(table, tensor([[2, 0]], { dtype: 'int32' }));
    expect(y.shape).toEqual([1, 2, 2]);
    expect(referenceValues(y)).toEqual([5, 6, 1, 2]);
  });

  it('takes elements of a vector, by a scalar too', () => {
    const y = take(tensor([7, 8, 9]), constant(1, { dtype: 'int32' }));
    expect(y.shape).toEqual([]);
    expect(referenceValues(y)).toEqual([8]);
  });

  it('gives the table back for all its rows in order', () =>
    fc.assert(
      fc.property(matrices(fc.integer({ min: -99, max: 99 })), (rows) => {
        expect(referenceValues(take(tensor(rows), arange(rows.length)))).toEqual(rows.flat());
      }),
    ));

  it('holds indices within the table', async () => {
    const [y] = await expectAllAgree(take(table, tensor(Int32Array.of(-7, 3, 2147483647))));
    expect([...y!.data]).toEqual([1, 2, 5, 6, 5, 6]);
  });

  it('says what it got', () => {
    expect(() => take(table, tensor([1]))).toThrow(
      'take: expected indices of dtype int32, got float32; use cast to convert',
    );
    expect(() => take(constant(1), arange(1))).toThrow('take: expected a table of one row or more, got shape []');
  });

  it.each([
    [[1, 1], [1]],
    [
      [11, 7],
      [5, 3],
    ],
    [[101, 64], [2]],
    [[101, 65], [9]],
    [[13, 3, 5], [4]],
    [[101], [1000]],
    [[5, 2], [66000]],
  ])('agrees on WebGPU for a table %j and indices %j', async (shape, indices) => {
    await expectAllAgree(take(drawn(shape), drawnIntegers(indices, -2, shape[0]! + 2)));
  });

  it.each(['float16', 'bfloat16', 'int32', 'bool'] as const)('reads a table stored as %s', async (dtype) => {
    const values = drawn([11, 7], { low: -9, high: 9, dtype });
    const y = take(values, drawnIntegers([9], 0, 11));
    expect(y.dtype).toBe(dtype === 'int32' || dtype === 'bool' ? dtype : 'float32');
    await expectAllAgree(y);
  });

  it.each(['float32', 'float16', 'bfloat16'] as const)(
    'agrees where neither table nor result fits one binding (%s)',
    (dtype) => expectAgreesInParts(take(drawn([501, 13], { dtype }), drawnIntegers([400], 0, 501)), 4096),
  );
});
