import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { arange } from '../../src/ops/arange.ts';
import { broadcastTo } from '../../src/ops/broadcastTo.ts';
import { tensor } from '../../src/ops/constant.ts';
import { erfValue as erf } from '../../src/ops/erf.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { threefry2x32 } from '../../src/ops/threefry.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

const values = (x: Tensor) => [...evaluateReference([x])[0]!.data];

describe('views', () => {
  const x = reshape(arange(6), [2, 3]);

  it('transpose turns rows into columns', () => expect(values(transpose(x))).toEqual([0, 3, 1, 4, 2, 5]));
  it('slice takes a box', () => expect(values(sliceAxis(x, 1, -2))).toEqual([1, 2, 4, 5]));
  it('broadcastTo repeats', () =>
    expect(values(broadcastTo(sliceAxis(x, 0, 0, 1), [2, 3]))).toEqual([0, 1, 2, 0, 1, 2]));
  it('reshape after transpose reads in the new order', () =>
    expect(values(reshape(transpose(x), [6]))).toEqual([0, 3, 1, 4, 2, 5]));
  it('reshape refuses another number of elements', () =>
    expect(() => reshape(x, [4])).toThrow('reshape: expected a shape of 6 elements for x of shape [2, 3], got [4]'));
});

describe('elementwise', () => {
  it('broadcasts by the rule of NumPy', () =>
    expect(values(add(tensor([[1], [2]]), tensor([10, 20, 30])))).toEqual([11, 21, 31, 12, 22, 32]));
  it('broadcasts an inner axis', () =>
    expect(values(add(tensor([[[1], [2]]]), tensor([[[10, 20]], [[30, 40]]])))).toEqual([
      11, 21, 12, 22, 31, 41, 32, 42,
    ]));
  it('refuses shapes that do not fit', () =>
    expect(() => add(tensor([1, 2]), tensor([1, 2, 3]))).toThrow(
      'add: expected shapes that broadcast, got [2] and [3] (axis -1: 2 and 3)',
    ));
  it('refuses dtypes that do not fit', () =>
    expect(() => add(tensor([1]), arange(1))).toThrow('add: expected all floats or all int32, got float32, int32'));
  it('multiplies int32 modulo 2^32', () =>
    expect(values(multiply(tensor([2147483647], { dtype: 'int32' }), 2147483647))).toEqual([1]));
});

describe('reference numbers', () => {
  // Values from Abramowitz and Stegun, table 7.1.
  it('erf', () => {
    expect(erf(0.5)).toBeCloseTo(0.5204998778, 9);
    expect(erf(-2)).toBeCloseTo(-0.995322265, 9);
    expect(erf(3.5)).toBeCloseTo(0.9999992569, 9);
  });
  // The known answers that come with the Random123 library.
  it('threefry2x32', () => {
    expect(threefry2x32(0, 0, 0, 0)).toEqual([0x6b200159, 0x99ba4efe]);
    expect(threefry2x32(-1, -1, -1, -1)).toEqual([0x1cb996fc, 0xbb002be7]);
    expect(threefry2x32(0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3)).toEqual([0xc4923a9c, 0x483df7a0]);
  });
});
