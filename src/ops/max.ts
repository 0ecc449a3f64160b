import type { Tensor } from '../tensor/tensor.ts';
import { type ReduceOptions, reduce } from './reduce.ts';

/**
 * Largest element over axes.
 *
 * @param x - Finite floats or int32.
 * @param options - Which axes go (default: all) and whether they stay as axes of size 1.
 * @throws {ShapeError} If an axis is not one of `x`, is named twice, or has no elements.
 * @see keras.ops.max
 */
export const max = (x: Tensor, options: ReduceOptions = {}): Tensor => reduce('max', x, options);
