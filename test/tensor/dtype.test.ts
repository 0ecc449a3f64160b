import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bfloat16Bits,
  bfloat16FromBits,
  float16Bits,
  float16FromBits,
  narrow,
  wordsOf,
} from '../../src/tensor/dtype.ts';

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

describe('narrow', () => {
  const float32 = (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0]!;

  it.each([
    ['float16', float16Bits],
    ['bfloat16', bfloat16Bits],
  ] as const)('rounds to %s as is done one by one', (dtype, bitsOf) => {
    const edges = [
      0, 1, 0x387fffff, 0x38800000, 0x477fefff, 0x477ff000, 0x477fffff, 0x47800000, 0x7f7fffff, 0x7f800000,
    ];
    const both = edges.flatMap((bits) => [bits, (bits | 0x80000000) >>> 0]);
    fc.assert(
      fc.property(fc.array(fc.nat(0xffffffff)), (drawn) => {
        // NaN has many bits; which of them stay says nothing.
        const bits = Uint32Array.from([...both, ...drawn.filter((own) => (own & 0x7fffffff) <= 0x7f800000)]);
        const halves = new Uint16Array(bits.length);
        narrow(bits, dtype, halves);
        expect(Array.from(halves)).toEqual(Array.from(bits, (own) => bitsOf(float32(own))));
      }),
    );
    const halves = new Uint16Array(2);
    narrow(Uint32Array.of(0x7f800001, 0xffffffff), dtype, halves);
    const widened = dtype === 'float16' ? float16FromBits : bfloat16FromBits;
    expect(Array.from(halves, widened)).toEqual([Number.NaN, Number.NaN]);
  });

  it('takes bytes wherever they begin', () => {
    const bytes = new Uint8Array(12);
    new DataView(bytes.buffer).setFloat32(5, 1.5, true);
    expect(wordsOf(bytes.subarray(5, 9))[0]).toBe(0x3fc00000);
    expect(wordsOf(bytes.subarray(4, 8)).buffer).toBe(bytes.buffer);
  });
});
