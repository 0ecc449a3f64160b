import { describe, expect, it } from 'vitest';
import { fourierMix, wavesOf } from '../../src/layers/fourierMix.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { sum } from '../../src/ops/sum.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectClose } from '../support/agree.ts';
import { drawn, referenceValues } from '../support/draw.ts';
import { expectGradients } from '../support/gradient.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

/** The real part of the transform by its definition, in double precision. */
const transformed = (x: ArrayLike<number>, [batch, length, width]: readonly [number, number, number]): Float32Array => {
  const y = new Float32Array(x.length);
  for (let b = 0; b < batch; b++)
    for (let t = 0; t < length; t++)
      for (let h = 0; h < width; h++) {
        let total = 0;
        for (let s = 0; s < length; s++)
          for (let j = 0; j < width; j++)
            total +=
              Math.cos(2 * Math.PI * (((t * s) % length) / length + ((h * j) % width) / width)) *
              x[(b * length + s) * width + j]!;
        y[(b * length + t) * width + h] = total;
      }
  return y;
};

const sizes = [1, 2, 3, 4, 5, 8, 9, 13, 17];

describe('fourierMix', () => {
  it.each(sizes)('is the real part of the transform of %i places, whatever the width', (length) => {
    for (const width of sizes) {
      const shape = [2, length, width] as const;
      const x = drawn(shape, { seed: length * 100 + width });
      const expected = { data: transformed(referenceValues(x), shape), shape, dtype: 'float32' } as const;
      // Cosines are rounded to float32, by 3e-8 each; up to 289 of them are added.
      expectClose(evaluateReference([fourierMix(x)])[0]!, expected, { atol: 1e-5 });
    }
  });

  it('applied twice, gives the mirror image of what it was given', () => {
    // Half of it, and the other half as it was: x[-s, -j] + x[s, j], times length * width / 2.
    const x = drawn([1, 6, 10]);
    const values = referenceValues(x);
    const twice = referenceValues(fourierMix(fourierMix(x)));
    for (let s = 0; s < 6; s++)
      for (let j = 0; j < 10; j++)
        expect(twice[s * 10 + j]).toBeCloseTo(
          30 * (values[s * 10 + j]! + values[((6 - s) % 6) * 10 + ((10 - j) % 10)]!),
          3,
        );
  });

  it('is its own gradient', () => {
    const x = drawn([2, 7, 12]);
    const dy = drawn([2, 7, 12], { seed: 2 });
    const [dx] = gradients(sum(multiply(fourierMix(x), dy)), [x]);
    const [actual, expected] = evaluateReference([dx!, fourierMix(dy)]);
    expectClose(actual!, expected!, { atol: 1e-5 });
    return expectGradients((input) => fourierMix(input!), [drawn([2, 5, 6])], {
      tolerance: { atol: 1e-5, rtol: 1e-5 },
    });
  });

  it.each([[[1, 1, 1]], [[2, 13, 24]], [[3, 16, 7]], [[1, 67, 96]]])('agrees on WebGPU for %j', async (shape) => {
    await expectAllAgree(fourierMix(drawn(shape)), { atol: 2e-4 });
  });

  it('agrees where the tensor does not fit one binding', () =>
    expectAgreesInParts(fourierMix(drawn([3, 37, 40])), 8192, { atol: 2e-4 }));

  it('says what does not fit', () => {
    expect(() => fourierMix(drawn([3, 4]))).toThrow(
      'fourierMix: expected x of shape [batch, length, width] with waves of length and width, got [3, 4] and waves of 4 and 1',
    );
    expect(() => fourierMix(drawn([1, 3, 4]), [wavesOf(3), wavesOf(5)])).toThrow(
      'fourierMix: expected x of shape [batch, length, width] with waves of length and width, got [1, 3, 4] and waves of 3 and 5',
    );
  });
});
