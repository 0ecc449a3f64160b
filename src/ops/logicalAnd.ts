import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, logical, type TensorLike } from './elementwise.ts';

const logicalAndOp = defineElementwise({
  name: 'logicalAnd',
  dtype: logical,
  value: (a, b) => a & b,
  wgsl: ([a, b]) => `(${a} && ${b})`,
});

/**
 * `a and b`, element by element, shapes broadcast.
 *
 * @param a - Bools; a number stands for a scalar.
 * @param b - Of the same kind.
 * @throws {ShapeError} If the shapes do not broadcast.
 * @see keras.ops.logical_and
 */
export const logicalAnd = (a: TensorLike, b: TensorLike): Tensor => applyElementwise(logicalAndOp, a, b);
