import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { broadcastTo } from '../../src/ops/broadcastTo.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { max } from '../../src/ops/max.ts';
import { mean } from '../../src/ops/mean.ts';
import { min } from '../../src/ops/min.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { sum } from '../../src/ops/sum.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { drawn, drawnIntegers, matrices, referenceValues } from '../support/draw.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

const x = tensor([
  [1, 2, 3],
  [4, 5, 6],
]);

describe('sum', () => {
  it('sums over one axis, some, or all', () => {
    expect(referenceValues(sum(x))).toEqual([21]);
    expect(referenceValues(sum(x, { axis: 0 }))).toEqual([5, 7, 9]);
    expect(referenceValues(sum(x, { axis: -1 }))).toEqual([6, 15]);
    expect(referenceValues(sum(x, { axis: [1, 0] }))).toEqual([21]);
    expect(referenceValues(sum(x, { axis: [] }))).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('keeps axes as axes of size 1 when asked', () => {
    expect(sum(drawn([2, 3, 4]), { axis: [0, 2], keepDims: true }).shape).toEqual([1, 3, 1]);
    expect(sum(drawn([2, 3, 4]), { axis: [0, 2] }).shape).toEqual([3]);
    expect(sum(drawn([2, 3, 4]), { keepDims: true }).shape).toEqual([1, 1, 1]);
  });

  it('is linear', () =>
    fc.assert(
      fc.property(matrices(fc.integer({ min: -99, max: 99 })), (rows) => {
        const a = tensor(rows);
        expect(referenceValues(sum(add(a, a), { axis: 0 }))).toEqual(
          referenceValues(add(sum(a, { axis: 0 }), sum(a, { axis: 0 }))),
        );
      }),
    ));

  it('gives 0 for nothing', async () => {
    const nothing = tensor([], { shape: [0, 3] });
    expect(referenceValues(sum(nothing))).toEqual([0]);
    expect(referenceValues(sum(nothing, { axis: 0 }))).toEqual([0, 0, 0]);
    await expectAllAgree([sum(nothing, { axis: 0 }), sum(nothing, { axis: 1 })]);
  });

  it('sums int32 modulo 2^32', async () => {
    const [total] = await expectAllAgree(sum(tensor(Int32Array.of(2147483647, 1, 1))));
    expect([...total!.data]).toEqual([-2147483647]);
  });

  it('says which axis is wrong', () => {
    expect(() => sum(x, { axis: 2 })).toThrow('sum: expected an axis from -2 to 1, got 2');
    expect(() => sum(x, { axis: [0, -2] })).toThrow('sum: expected each axis once, got axis 0 twice');
    expect(() => sum(tensor([true]))).toThrow('sum: expected all floats or all int32, got bool');
  });

  // Every axis is last, first and in the middle of something; 8, 32 and 64 are lanes that meet or go side by side.
  it.each([[[1]], [[7, 1]], [[1, 7]], [[9, 33]], [[2, 31, 5]], [[65, 3, 64]], [[5, 257]], [[66000, 2]], [[2, 66000]]])(
    'agrees on WebGPU along every axis of %j',
    async (shape) => {
      const from = drawn(shape);
      const ways = [
        undefined,
        ...shape.map((_, axis) => axis),
        [0, shape.length - 1].filter((a, i) => i === 0 || a > 0),
      ];
      // Sums of up to 132,000 numbers below 1.
      await expectAllAgree(
        ways.map((axis) => sum(from, axis === undefined ? {} : { axis })),
        { atol: 1e-3, rtol: 1e-5 },
      );
    },
  );

  it('agrees on a long flat tensor, which many workgroups share', () =>
    expectAllAgree([sum(drawn([3000017])), max(drawn([3000017])), sum(drawn([3, 70001, 2]), { axis: 1 })], {
      // 3 million numbers of either sign: errors of rounding grow like the root of that.
      atol: 5e-3,
    }));

  it('reads views where they lie', () =>
    expectAllAgree(
      [
        sum(transpose(drawn([37, 65])), { axis: 1 }),
        sum(sliceAxis(drawn([37, 65]), 1, 3, 40), { axis: 0 }),
        sum(broadcastTo(drawn([65]), [37, 65]), { axis: 0 }),
        sum(transpose(drawn([5, 37, 65]), [1, 0, 2]), { axis: [0, 2] }),
      ],
      { atol: 1e-4 },
    ));

  it('agrees where x, or what it is reduced to, does not fit one binding', async () => {
    await expectAgreesInParts(
      [
        sum(drawn([1001, 37]), { axis: 0 }),
        sum(drawn([37, 1001]), { axis: 1 }),
        sum(drawn([3, 5000, 7]), { axis: 1 }),
        sum(drawn([50000])),
        max(drawn([4, 3001]), { axis: 0 }),
        sum(transpose(drawn([1001, 37])), { axis: 0 }),
      ],
      4096,
      { atol: 1e-3 },
    );
  });
});

describe('max and min', () => {
  it('find the extremes', async () => {
    expect(referenceValues(max(x, { axis: 0 }))).toEqual([4, 5, 6]);
    expect(referenceValues(min(x, { axis: 1, keepDims: true }))).toEqual([1, 4]);
    const [lowest] = await expectAllAgree(min(tensor(Int32Array.of(5, -2147483648, 7))));
    expect([...lowest!.data]).toEqual([-2147483648]);
  });

  it('refuse nothing at all', () =>
    expect(() => max(tensor([], { shape: [0] }))).toThrow(
      'max: expected axes of size 1 or more to reduce, got an axis of size 0',
    ));

  it.each([[[1]], [[9, 33]], [[2, 31, 5]], [[1, 5000]], [[66000, 2]]])('agree on WebGPU for %j', async (shape) => {
    const from = drawn(shape, { low: -9, high: -1 });
    const integers = drawnIntegers(shape, -2000000000, 2000000000);
    await expectAllAgree([max(from), min(from), max(from, { axis: 0 }), min(from, { axis: -1 })]);
    await expectAllAgree([max(integers), min(integers, { axis: 0 }), sum(integers, { axis: -1 })]);
  });
});

describe('mean', () => {
  it('divides by what was counted', () => {
    expect(referenceValues(mean(x))).toEqual([3.5]);
    expect(referenceValues(mean(x, { axis: 0 }))).toEqual([2.5, 3.5, 4.5]);
    expect(referenceValues(mean(tensor([true, false, false, true])))).toEqual([0.5]);
  });

  it('refuses nothing at all', () => {
    expect(() => mean(tensor([], { shape: [2, 0] }), { axis: 1 })).toThrow(
      'mean: expected axes of size 1 or more to reduce, got x of shape [2, 0]',
    );
    expect(mean(constant(3)).shape).toEqual([]);
  });
});
