/**
 * How numbers are stored. Arithmetic is always float32 (double on the reference interpreter): float16 and bfloat16 are
 * forms of storage, widened when they are read.
 */
export type DType = 'float32' | 'float16' | 'bfloat16' | 'int32' | 'bool';

/** All dtypes, in the order of their declaration. */
export const dtypes: readonly DType[] = ['float32', 'float16', 'bfloat16', 'int32', 'bool'];

/** Bytes of one element in a file: `bool` is one byte there. */
export const fileBytes = (dtype: DType): number =>
  dtype === 'float32' || dtype === 'int32' ? 4 : dtype === 'bool' ? 1 : 2;

/** Bytes of one element on a device: `bool` is a 32-bit word there, halves are packed two to a word. */
export const deviceBytes = (dtype: DType): number => (dtype === 'float16' || dtype === 'bfloat16' ? 2 : 4);

/** Whether a dtype holds fractions. */
export const isFloat = (dtype: DType): boolean => dtype === 'float32' || dtype === 'float16' || dtype === 'bfloat16';

const float32View = new Float32Array(1);
const bitsView = new Uint32Array(float32View.buffer);

/** The bits of `value` rounded to float32. */
export const float32Bits = (value: number): number => {
  float32View[0] = value;
  return bitsView[0]!;
};

/** The float32 whose bits these are. */
export const float32FromBits = (bits: number): number => {
  bitsView[0] = bits;
  return float32View[0]!;
};

/** The bits of `value` rounded to bfloat16, to nearest, ties to even; NaN stays NaN. */
export const bfloat16Bits = (value: number): number => {
  const bits = float32Bits(value);
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
};

/** The value of bfloat16 bits: the upper half of a float32. */
export const bfloat16FromBits = (bits: number): number => float32FromBits((bits << 16) >>> 0);

/** The bits of `value` rounded to float16, to nearest, ties to even; beyond 65504 is infinity. */
export const float16Bits = (value: number): number => {
  const bits = float32Bits(value);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal: a multiple of 2^-24. Math.round would take ties upwards, so ties are looked at by hand.
    const scaled = float32FromBits(magnitude) * 2 ** 24;
    const floor = Math.floor(scaled);
    const rest = scaled - floor;
    return sign | (rest > 0.5 || (rest === 0.5 && (floor & 1) === 1) ? floor + 1 : floor);
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
};

/** Bytes as 32-bit words, without a copy where they lie on a word's edge. */
export const wordsOf = (bytes: Uint8Array): Uint32Array => {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
};

/**
 * Rounds float32 numbers, given as their bits, to halves, as `float16Bits` and `bfloat16Bits` do one by one.
 *
 * @param halves - Where they go: fresh memory for each piece of a file costs more than rounding does.
 */
export const narrow = (bits: Uint32Array, dtype: 'float16' | 'bfloat16', halves: Uint16Array): void => {
  // Signed, as the engine's own whole numbers of 32 bits are: twice as fast.
  const words = new Int32Array(bits.buffer, bits.byteOffset, bits.length);
  if (dtype === 'float16')
    for (let i = 0; i < words.length; i++) {
      const own = words[i]!;
      const magnitude = own & 0x7fffffff;
      // Most numbers are normal in both.
      if (magnitude >= 0x38800000 && magnitude < 0x47800000)
        halves[i] = ((own >>> 16) & 0x8000) | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
      else halves[i] = float16Bits(float32FromBits(own));
    }
  else
    for (let i = 0; i < words.length; i++) {
      const own = words[i]!;
      const isNumber = (own & 0x7fffffff) <= 0x7f800000;
      halves[i] = isNumber ? ((own + 0x7fff + ((own >>> 16) & 1)) | 0) >>> 16 : (own >>> 16) | 0x40;
    }
};

/** The value of float16 bits. */
export const float16FromBits = (bits: number): number => {
  const magnitude = bits & 0x7fff;
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  if (magnitude < 0x400) return sign * magnitude * 2 ** -24;
  // Infinity and NaN have the highest exponent here and there.
  return sign * float32FromBits((magnitude << 13) + (magnitude < 0x7c00 ? 0x38000000 : 0x70000000));
};
