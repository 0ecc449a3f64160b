import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bfloat16Bits, bfloat16FromBits, float16Bits, float16FromBits } from '../../src/tensor/dtype.ts';

describe('float16', () => {
  it('gives every finite pattern back', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = float16FromBits(bits);
      if (!Number.isNaN(value)) expect(float16Bits(value)).toBe(bits);
    }
  });

  it('rounds to the nearest of its neighbours, ties to even', () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7bfe }), fc.double({ min: 0, max: 1, noNaN: true }), (bits, t) => {
        const low = float16FromBits(bits);
        const high = float16FromBits(bits + 1);
        const value = Math.fround(low + (high - low) * t);
        const distance = Math.abs(float16FromBits(float16Bits(value)) - value);
        expect(distance).toBe(Math.min(value - low, high - value));
        const middle = (low + high) / 2;
        expect(float16Bits(middle) & 1).toBe(0);
      }),
    ));

  it('has infinity beyond 65504', () => {
    expect(float16FromBits(float16Bits(65519))).toBe(65504);
    expect(float16FromBits(float16Bits(65520))).toBe(Number.POSITIVE_INFINITY);
    expect(float16FromBits(float16Bits(Number.NaN))).toBeNaN();
  });
});

describe('bfloat16', () => {
  it('gives every pattern back', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = bfloat16FromBits(bits);
      if (!Number.isNaN(value)) expect(bfloat16Bits(value)).toBe(bits);
    }
  });

  it('rounds ties to even', () => {
    expect(bfloat16FromBits(bfloat16Bits(1 + 2 ** -8))).toBe(1);
    expect(bfloat16FromBits(bfloat16Bits(1 + 3 * 2 ** -8))).toBe(1 + 2 ** -6);
    expect(bfloat16FromBits(bfloat16Bits(Number.NaN))).toBeNaN();
  });
});
