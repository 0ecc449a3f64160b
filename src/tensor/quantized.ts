import type { Shape } from './shape.ts';

// Matrices in whole numbers of few bits. A matrix of K rows (what a product sums over) and N columns is cut into strips of
// 64 columns; a strip holds its rows one after the other, so that whoever computes some columns reads memory in order.
// Words are of 32 bits, the first of a word's columns lowest. Columns that fill up the last strip are zeros.

/** Bits of a number. */
export type QuantizedBits = 8 | 4;

/** How a matrix is quantized. */
export interface QuantizedFormat {
  /** 8: from -127 to 127, `w = scale q`, one scale a column. 4: from 0 to 15, `w = scale (q - zero)`, a pair for each block. */
  readonly bits: QuantizedBits;
  /** Columns of the matrix. */
  readonly columns: number;
  /** Rows that share a scale; the last block may have fewer. */
  readonly block: number;
}

/** Columns of a strip. */
export const STRIP = 64;

/** Words of a row of a strip. */
export const stripWords = (bits: QuantizedBits): number => (STRIP * bits) / 32;

/** How many strips hold so many columns. */
export const countStrips = (columns: number): number => Math.ceil(columns / STRIP);

/** How many blocks hold so many rows. */
export const countBlocks = (rows: number, { block }: Pick<QuantizedFormat, 'block'>): number =>
  Math.max(1, Math.ceil(rows / block));

/** The shapes of what holds a matrix of `rows` rows: words, and scales (zeros have the scales'). */
export const quantizedShapes = (
  rows: number,
  format: QuantizedFormat,
): { readonly words: Shape; readonly scales: Shape } => {
  const strips = countStrips(format.columns);
  return { words: [strips, rows, stripWords(format.bits)], scales: [strips, countBlocks(rows, format), STRIP] };
};

/** A matrix in few bits, on the host. */
export interface QuantizedMatrix {
  readonly format: QuantizedFormat;
  readonly rows: number;
  /** `[strips, rows, words of a row]`. */
  readonly words: Int32Array;
  /** `[strips, blocks, 64]`. */
  readonly scales: Float32Array;
  /** Of 4 bits: the number that stands for zero, of the scales' shape. */
  readonly zeros?: Float32Array;
}

/** Doubles of this size lie one apart: to add it rounds to the nearest whole number, ties to the even one. */
const WHOLE = 1.5 * 2 ** 52;

const roundEven = (x: number): number => x + WHOLE - WHOLE;

const clip = (x: number, low: number, high: number): number => Math.max(low, Math.min(high, x));

const { fround } = Math;

/** Keras's epsilon, which keeps a column of zeros from dividing by zero. */
const EPSILON = fround(1e-7);

/**
 * A matrix in whole numbers: with 8 bits scaled by the largest magnitude of each column; with 4 bits between the smallest and
 * the largest number of each block of a column. The arithmetic is Keras's, in float32.
 *
 * @param data - `[rows, columns]`, row-major.
 * @see keras.quantizers.abs_max_quantize, abs_max_quantize_grouped_with_zero_point
 */
export const quantizeMatrix = (data: Float32Array, rows: number, format: QuantizedFormat): QuantizedMatrix => {
  const { bits, columns, block } = format;
  const blocks = countBlocks(rows, format);
  const width = stripWords(bits);
  const perWord = 32 / bits;
  const words = new Int32Array(countStrips(columns) * rows * width);
  const scales = new Float32Array(countStrips(columns) * blocks * STRIP);
  const zeros = bits === 4 ? new Float32Array(scales.length) : undefined;
  // Of the block at hand, by column: the least and the largest number; what numbers are multiplied or divided by; the zero.
  const low = new Float32Array(columns);
  const high = new Float32Array(columns);
  const step = new Float32Array(columns);
  const zero = new Float32Array(columns);
  for (let own = 0; own < blocks; own++) {
    const end = Math.min(rows, (own + 1) * block);
    // Zero lies within every range, or a block of one sign could not be said (Keras has that only where a block is cut short).
    low.fill(0);
    high.fill(0);
    for (let k = own * block; k < end; k++)
      for (let j = 0; j < columns; j++) {
        const w = data[k * columns + j]!;
        if (w < low[j]!) low[j] = w;
        if (w > high[j]!) high[j] = w;
      }
    for (let j = 0; j < columns; j++) {
      const at = (Math.floor(j / STRIP) * blocks + own) * STRIP + (j % STRIP);
      // Keras multiplies by the inverse of the scale where there is one for a column, and divides by those of blocks.
      if (zeros === undefined) {
        step[j] = 127 / fround(Math.max(-low[j]!, high[j]!) + EPSILON);
        scales[at] = 1 / step[j]!;
      } else {
        step[j] = fround(fround(high[j]! - low[j]!) + EPSILON) / 15;
        zero[j] = clip(roundEven(fround(-low[j]! / step[j]!)), 0, 15);
        scales[at] = step[j]!;
        zeros[at] = zero[j]!;
      }
    }
    for (let k = own * block; k < end; k++)
      for (let first = 0; first < columns; first += perWord) {
        let word = 0;
        for (let j = first; j < Math.min(columns, first + perWord); j++) {
          const w = data[k * columns + j]!;
          const q =
            bits === 8
              ? clip(roundEven(fround(w * step[j]!)), -127, 127) & 0xff
              : clip(roundEven(fround(w / step[j]!)) + zero[j]!, 0, 15);
          word |= q << ((j - first) * bits);
        }
        words[(Math.floor(first / STRIP) * rows + k) * width + (first % STRIP) / perWord] = word;
      }
  }
  return { format, rows, words, scales, ...(zeros && { zeros }) };
};

/** What reads one number of a matrix in few bits, given as it is stored. */
export const quantizedReader = (
  { bits, block }: QuantizedFormat,
  rows: number,
  words: ArrayLike<number>,
  scales: ArrayLike<number>,
  zeros: ArrayLike<number> | undefined,
): ((row: number, column: number) => number) => {
  const blocks = countBlocks(rows, { block });
  const width = stripWords(bits);
  const perWord = 32 / bits;
  return (row, column) => {
    const strip = Math.floor(column / STRIP);
    const place = column % STRIP;
    const word = words[(strip * rows + row) * width + Math.floor(place / perWord)]!;
    const shifted = word << (32 - bits - (place % perWord) * bits);
    const at = (strip * blocks + Math.floor(row / block)) * STRIP + place;
    return zeros === undefined
      ? (shifted >> (32 - bits)) * scales[at]!
      : ((shifted >>> (32 - bits)) - zeros[at]!) * scales[at]!;
  };
};
