import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { argmax } from '../../src/ops/argmax.ts';
import { cast } from '../../src/ops/cast.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { drawn, drawnIntegers, matrices, referenceValues } from '../support/draw.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

describe('argmax', () => {
  it('is the lowest index of the largest element', () =>
    fc.assert(
      fc.property(matrices(fc.integer({ min: -2, max: 2 })), (rows) => {
        expect(referenceValues(argmax(tensor(rows)))).toEqual(rows.map((row) => row.indexOf(Math.max(...row))));
      }),
    ));

  it('says what it got when there is nothing to choose from', () => {
    expect(() => argmax(constant(1))).toThrow('argmax: expected x of rank 1 or more, got rank 0 (shape [])');
    expect(() => argmax(tensor([], { shape: [2, 0] }))).toThrow(
      'argmax: expected a last axis of size 1 or more, got shape [2, 0]',
    );
    expect(() => argmax(tensor(Int32Array.of(1)))).toThrow('argmax: expected x of a float dtype, got int32');
  });

  it.each([[[1]], [[3, 7]], [[2, 2, 8]], [[3, 65]], [[2, 257]], [[1, 50257]], [[66000, 3]]])(
    'agrees on WebGPU for %j, with and without ties',
    async (shape) => {
      await expectAllAgree([argmax(drawn(shape)), argmax(cast(drawnIntegers(shape, -2, 3), 'float32'))]);
    },
  );

  it('finds something in a row of masked positions', async () => {
    await expectAllAgree(argmax(tensor([[-3.4028234663852886e38, -3.4028234663852886e38]])));
  });

  it('agrees where rows do not fit one binding', () => expectAgreesInParts(argmax(drawn([301, 13])), 4096));
});
