import { ShapeError } from '../tensor/errors.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { cast } from './cast.ts';
import { divide } from './divide.ts';
import { type ReduceOptions, reducedAxes } from './reduce.ts';
import { sum } from './sum.ts';

/**
 * Mean over axes: the sum divided by the number of elements that went into it.
 *
 * @param x - Floats, int32 or bool.
 * @param options - Which axes go (default: all) and whether they stay as axes of size 1.
 * @returns float32.
 * @throws {ShapeError} If an axis is not one of `x`, is named twice, or has no elements.
 * @see keras.ops.mean
 */
export const mean = (x: Tensor, options: ReduceOptions = {}): Tensor => {
  const size = reducedAxes('mean', x.shape, options.axis).reduce((product, axis) => product * x.shape[axis]!, 1);
  if (size === 0)
    throw new ShapeError(`mean: expected axes of size 1 or more to reduce, got x of shape ${formatShape(x.shape)}`);
  return divide(sum(cast(x, 'float32'), options), size);
};
