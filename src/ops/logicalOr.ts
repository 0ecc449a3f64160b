import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, logical, type TensorLike } from './elementwise.ts';

const logicalOrOp = defineElementwise({
  name: 'logicalOr',
  dtype: logical,
  value: (a, b) => a | b,
  wgsl: ([a, b]) => `(${a} || ${b})`,
});

/**
 * `a or b`, element by element, shapes broadcast.
 *
 * @param a - Bools; a number stands for a scalar.
 * @param b - Of the same kind.
 * @throws {ShapeError} If the shapes do not broadcast.
 * @see keras.ops.logical_or
 */
export const logicalOr = (a: TensorLike, b: TensorLike): Tensor => applyElementwise(logicalOrOp, a, b);
