import { greaterEqual } from '../ops/greaterEqual.ts';
import { multiply } from '../ops/multiply.ts';
import { foldIn, uniform } from '../ops/random.ts';
import { where } from '../ops/where.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** What dropout depends on. */
export interface DropoutOptions {
  /** A random key, int32 `[2]`: one key, one mask, on every device. */
  readonly key: Tensor;
  /** The share that is dropped, from 0 to below 1. At 0 there is no dropout in the expression at all. */
  readonly rate: number;
}

/** Uniform numbers are whole multiples of this. */
const GRAIN = 2 ** -24;

/**
 * Inverted dropout: `y = x / (1 - rate)` where a uniform number of the key reaches the rate, else 0; the expectation is x.
 *
 * @returns `x` of any shape to the same shape, float32.
 * @throws {ArgumentError} If the rate is not from 0 to below 1.
 * @see Srivastava et al. 2014; keras.layers.Dropout
 */
export const dropout = ({ key, rate }: DropoutOptions): ((x: Tensor) => Tensor) => {
  if (!(rate >= 0 && rate < 1)) throw new ArgumentError(`dropout: expected a rate from 0 to below 1, got ${rate}`);
  if (rate === 0) return (x) => x;
  // Rounded up to what a uniform number can be, so that float32 and double agree on which side every number lies.
  const threshold = Math.ceil(rate / GRAIN) * GRAIN;
  return (x) => where(greaterEqual(uniform(key, x.shape), threshold), multiply(x, 1 / (1 - rate)), 0);
};

/** Dropout by the number of the place where it stands: each has a key of its own. */
export type Dropouts = (place: number) => (x: Tensor) => Tensor;

/** Dropouts whose keys are that of the `options`, folded with the number of the place; undefined where nothing is dropped. */
export const dropouts = (options: DropoutOptions | undefined): Dropouts | undefined =>
  options === undefined || options.rate === 0
    ? undefined
    : (place) => dropout({ key: foldIn(options.key, place), rate: options.rate });
