import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tensor } from '../../src/ops/constant.ts';
import { flip } from '../../src/ops/flip.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { drawn, drawnIntegers, matrices, referenceValues } from '../support/draw.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

describe('flip', () => {
  it('turns an axis round', () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(referenceValues(flip(x))).toEqual([3, 2, 1, 6, 5, 4]);
    expect(referenceValues(flip(x, { axis: 0 }))).toEqual([4, 5, 6, 1, 2, 3]);
    expect(() => flip(x, { axis: 2 })).toThrow('flip: expected an axis from -2 to 1, got 2');
  });

  it('undoes itself, and is the other axis of the transpose', () =>
    fc.assert(
      fc.property(matrices(fc.integer({ min: -99, max: 99 })), fc.constantFrom(0, 1), (rows, axis) => {
        const x = tensor(rows);
        expect(referenceValues(flip(flip(x, { axis }), { axis }))).toEqual(rows.flat());
        const other = transpose(flip(transpose(x), { axis: 1 - axis }));
        expect(referenceValues(flip(x, { axis }))).toEqual(referenceValues(other));
      }),
    ));

  it.each([[[1]], [[3, 7]], [[2, 64, 3]], [[2, 65]], [[66000, 2]], [[1, 5, 200]]])(
    'agrees on WebGPU along every axis of %j',
    async (shape) => {
      await expectAllAgree(
        shape.flatMap((_, axis) => [
          flip(drawn(shape), { axis }),
          flip(drawn(shape, { dtype: 'float16' }), { axis }),
          flip(drawnIntegers(shape, -9, 9), { axis }),
        ]),
      );
    },
  );

  it('agrees where the tensor does not fit one binding', async () => {
    await expectAgreesInParts(flip(drawn([301, 13]), { axis: 0 }), 4096);
    await expectAgreesInParts(flip(drawn([301, 13]), { axis: 1 }), 4096);
    await expectAgreesInParts(flip(drawn([7, 301, 3]), { axis: 1 }), 4096);
  });
});
