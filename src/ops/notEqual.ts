import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, comparison, defineElementwise, type TensorLike } from './elementwise.ts';

const notEqualOp = defineElementwise({
  name: 'notEqual',
  dtype: comparison,
  value: (a, b) => (a !== b ? 1 : 0),
  wgsl: ([a, b]) => `(${a} != ${b})`,
});

/**
 * `a != b`, element by element, shapes broadcast.
 *
 * @param a - Floats or int32; a number stands for a scalar.
 * @param b - Of the same kind.
 * @throws {ShapeError} If the shapes do not broadcast.
 * @see keras.ops.not_equal
 */
export const notEqual = (a: TensorLike, b: TensorLike): Tensor => applyElementwise(notEqualOp, a, b);
