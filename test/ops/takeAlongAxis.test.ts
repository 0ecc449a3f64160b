import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arange } from '../../src/ops/arange.ts';
import { broadcastTo } from '../../src/ops/broadcastTo.ts';
import { tensor } from '../../src/ops/constant.ts';
import { takeAlongAxis } from '../../src/ops/takeAlongAxis.ts';
import { drawn, drawnIntegers, matrices, referenceValues } from '../support/draw.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

describe('takeAlongAxis', () => {
  it('takes from each row by its own indices, held within the row', () =>
    expect(
      referenceValues(
        takeAlongAxis(
          tensor([
            [1, 2, 3],
            [4, 5, 6],
          ]),
          tensor(
            [
              [2, 0, -1, 9],
              [1, 1, 0, 2],
            ],
            { dtype: 'int32' },
          ),
        ),
      ),
    ).toEqual([3, 1, 1, 3, 5, 5, 4, 6]));

  it('gives the rows back for all indices in order', () =>
    fc.assert(
      fc.property(matrices(fc.integer({ min: -99, max: 99 })), (rows) => {
        const x = tensor(rows);
        expect(referenceValues(takeAlongAxis(x, broadcastTo(arange(rows[0]!.length), x.shape)))).toEqual(rows.flat());
      }),
    ));

  it('broadcasts the axes before the last', () => {
    expect(referenceValues(takeAlongAxis(tensor([[1, 2]]), tensor([[1], [0]], { dtype: 'int32' })))).toEqual([2, 1]);
    expect(() => takeAlongAxis(drawn([3, 2]), drawnIntegers([2, 2], 0, 2))).toThrow(
      'takeAlongAxis: expected x and indices alike but for the last axis, got [3, 2] and [2, 2]',
    );
    expect(() => takeAlongAxis(drawn([3, 2]), drawn([3, 1]))).toThrow(
      'takeAlongAxis: expected indices of dtype int32, got float32; use cast to convert',
    );
  });

  it.each([
    [[1], 1],
    [[3, 7], 2],
    [[2, 2, 8], 65],
    [[3, 50257], 5],
    [[66000, 3], 2],
  ])('agrees on WebGPU for %j and %i indices a row', async (shape, k) => {
    const indices = drawnIntegers([...shape.slice(0, -1), k], -1, shape.at(-1)! + 1);
    await expectAllAgree([
      takeAlongAxis(drawn(shape), indices),
      takeAlongAxis(drawnIntegers(shape, -9, 9), indices),
      takeAlongAxis(drawn(shape, { dtype: 'bool' }), indices),
      takeAlongAxis(drawn(shape, { dtype: 'bfloat16' }), indices),
    ]);
  });

  it('agrees where rows do not fit one binding', () =>
    expectAgreesInParts(takeAlongAxis(drawn([301, 13]), drawnIntegers([301, 4], 0, 13)), 4096));
});
