import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { broadcastTo } from '../../src/ops/broadcastTo.ts';
import { concatenate } from '../../src/ops/concatenate.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { oneHot } from '../../src/ops/oneHot.ts';
import { pad } from '../../src/ops/pad.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { sum } from '../../src/ops/sum.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { drawn, drawnIntegers, matrices, referenceValues } from '../support/draw.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

describe('concatenate', () => {
  it('puts rows below and columns beside each other', () => {
    const a = tensor([[1, 2]]);
    const b = tensor([[3, 4]]);
    expect(referenceValues(concatenate([a, b], { axis: 0 }))).toEqual([1, 2, 3, 4]);
    expect(concatenate([a, b], { axis: 0 }).shape).toEqual([2, 2]);
    expect(referenceValues(concatenate([transpose(a), transpose(b)], { axis: 1 }))).toEqual([1, 3, 2, 4]);
  });

  it('undoes a cut at any place along any axis', () =>
    fc.assert(
      fc.property(matrices(fc.integer({ min: -99, max: 99 })), fc.nat(), fc.constantFrom(0, 1, -1), (rows, n, axis) => {
        const x = tensor(rows);
        const at = n % (x.shape.at(axis)! + 1);
        const parts = [sliceAxis(x, axis, 0, at), sliceAxis(x, axis, at)];
        expect(referenceValues(concatenate(parts, { axis }))).toEqual(rows.flat());
      }),
    ));

  it('says what does not fit', () => {
    expect(() => concatenate([drawn([2, 3]), drawn([3, 3])])).toThrow(
      'concatenate: expected shapes alike but for axis -1, got [2, 3] and [3, 3]',
    );
    expect(() => concatenate([drawn([2]), drawnIntegers([2], 0, 2)])).toThrow(
      'concatenate: expected tensors of one kind, got float32, int32; use cast to convert',
    );
    expect(() => concatenate([drawn([2])], { axis: 1 })).toThrow('concatenate: expected an axis from -1 to 0, got 1');
    expect(() => concatenate([])).toThrow('concatenate: expected one tensor or more, got none');
  });

  it.each([[[1]], [[3, 7]], [[2, 64, 3]], [[5, 65]], [[66000, 2]]])(
    'agrees on WebGPU along every axis of %j',
    async (shape) => {
      const a = drawn(shape);
      const c = drawnIntegers(shape, -9, 9);
      await expectAllAgree(
        shape.flatMap((_, axis) => [
          concatenate([a, drawn(shape, { seed: 2, dtype: 'float16' }), sliceAxis(a, axis, 1), a], { axis }),
          concatenate([c, c], { axis }),
        ]),
      );
    },
  );

  it('reads views where they lie', () =>
    expectAllAgree([
      concatenate([sliceAxis(drawn([37, 65]), 1, 40), sliceAxis(drawn([37, 65]), 1, 0, 40)]),
      concatenate([transpose(drawn([37, 65])), broadcastTo(drawn([37]), [65, 37])], { axis: 0 }),
      concatenate([sliceAxis(drawn([5, 33], { dtype: 'bfloat16' }), 1, 3), drawn([5, 2], { dtype: 'float16' })]),
    ]));

  it('joins more tensors than one op takes', () => {
    const many = Array.from({ length: 600 }, (_, i) => constant([i]));
    expect(referenceValues(concatenate(many, { axis: 0 }))).toEqual(many.map((_, i) => i));
  });

  it('agrees where neither inputs nor output fit one binding', () =>
    expectAgreesInParts(
      [
        concatenate([drawn([301, 13]), drawn([301, 4], { dtype: 'float16' })]),
        concatenate([drawn([301, 13]), drawn([5, 13])], { axis: 0 }),
        concatenate([drawn([3000]), drawn([2000])]),
      ],
      4096,
    ));
});

describe('pad', () => {
  it('adds elements before and after', async () => {
    const y = pad(tensor([[1, 2]]), [{ before: 1 }, { after: 2 }], { value: 9 });
    expect(y.shape).toEqual([2, 4]);
    expect(referenceValues(y)).toEqual([9, 9, 9, 9, 1, 2, 9, 9]);
    await expectAllAgree([
      y,
      pad(drawnIntegers([3, 5], 0, 9), [{}, { before: 2, after: 1 }]),
      pad(drawn([3, 5], { dtype: 'bool' }), [{ after: 1 }, {}], { value: 1 }),
    ]);
  });

  it('is undone by a slice', () =>
    fc.assert(
      fc.property(matrices(fc.integer()), fc.nat({ max: 5 }), fc.nat({ max: 5 }), (rows, before, after) => {
        const x = tensor(rows, { dtype: 'int32' });
        const padded = pad(x, [{}, { before, after }]);
        expect(referenceValues(sliceAxis(padded, 1, before, before + x.shape[1]!))).toEqual(rows.flat());
      }),
    ));

  it('says what it got', () => {
    expect(() => pad(drawn([2, 2]), [{}])).toThrow(
      'pad: expected padding for each axis of x of shape [2, 2], got 1 entries',
    );
    expect(() => pad(drawn([2]), [{ before: -1 }])).toThrow(
      'pad: expected lengths of 0 or more along axis 0, got before -1 and after 0',
    );
  });
});

describe('oneHot', () => {
  it('has one 1 in each row, where the index is', async () => {
    expect(referenceValues(oneHot(tensor(Int32Array.of(2, 0, 5)), 3))).toEqual([0, 0, 1, 1, 0, 0, 0, 0, 0]);
    expect(referenceValues(sum(oneHot(drawnIntegers([9], 0, 4), 4)))).toEqual([9]);
    expect(() => oneHot(tensor([1]), 2)).toThrow(
      'oneHot: expected indices of dtype int32, got float32; use cast to convert',
    );
    await expectAllAgree(oneHot(drawnIntegers([7, 3], 0, 4), 4));
  });
});
