import type { Tensor } from '../tensor/tensor.ts';
import { type ReduceOptions, reduce } from './reduce.ts';

/**
 * Sum over axes: `y = sum_i x[..., i, ...]`.
 *
 * @param x - Floats, summed in float32, or int32, summed modulo 2^32.
 * @param options - Which axes go (default: all) and whether they stay as axes of size 1.
 * @throws {ShapeError} If an axis is not one of `x`, or named twice.
 * @see keras.ops.sum
 */
export const sum = (x: Tensor, options: ReduceOptions = {}): Tensor => reduce('sum', x, options);
