import * as fc from 'fast-check';
import { tensor } from '../../src/ops/constant.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import { count, type Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

/** Numbers in [0, 1), the same on every run: for tensors that are too large to be drawn by fast-check. */
export const uniformNumbers = (length: number, seed = 1): Float32Array => {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0;
  return Float32Array.from({ length }, () => {
    // A 32-bit counter through the finisher of MurmurHash3.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 8) * 2 ** -24;
  });
};

/** How the numbers of `drawn` spread. */
export interface Spread {
  readonly low?: number;
  readonly high?: number;
  readonly seed?: number;
  readonly dtype?: DType;
}

/** A tensor of numbers spread evenly over [low, high), the same on every run. */
export const drawn = (shape: Shape, { low = -1, high = 1, seed = 1, dtype = 'float32' }: Spread = {}): Tensor =>
  tensor(
    uniformNumbers(count(shape), seed).map((u) => low + (high - low) * u),
    { shape, dtype },
  );

/** Int32 numbers from `low` to `high - 1`, the same on every run. */
export const drawnIntegers = (shape: Shape, low: number, high: number, seed = 1): Tensor =>
  tensor(
    Int32Array.from(uniformNumbers(count(shape), seed), (u) => low + Math.floor((high - low) * u)),
    { shape },
  );

/** Arrays of numbers as rows: `[rows][columns]`. */
export const matrices = (values: fc.Arbitrary<number>, most = 12): fc.Arbitrary<number[][]> =>
  fc
    .record({ rows: fc.integer({ min: 1, max: 4 }), columns: fc.integer({ min: 1, max: most }) })
    .chain(({ rows, columns }) =>
      fc.array(fc.array(values, { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows }),
    );

/** Numbers of a size that logits have. */
export const logits = fc.float({ min: -30, max: 30, noNaN: true });

/** The reference interpreter's values of an expression, as a plain list. */
export const referenceValues = (x: Tensor): number[] => [...evaluateReference([x])[0]!.data];
