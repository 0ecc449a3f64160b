import { ArgumentError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { maximum } from './maximum.ts';
import { minimum } from './minimum.ts';

/**
 * `x` held between two numbers, element by element.
 *
 * @param x - Any shape, float or int32.
 * @throws {ArgumentError} If `low` is above `high`.
 * @see keras.ops.clip
 */
export const clip = (x: Tensor, low: number, high: number): Tensor => {
  if (!(low <= high)) throw new ArgumentError(`clip: expected low up to high, got ${low} and ${high}`);
  return minimum(maximum(x, low), high);
};
