import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, comparison, defineElementwise, type TensorLike } from './elementwise.ts';

const lessOp = defineElementwise({
  name: 'less',
  dtype: comparison,
  value: (a, b) => (a < b ? 1 : 0),
  wgsl: ([a, b]) => `(${a} < ${b})`,
});

/**
 * `a < b`, element by element, shapes broadcast.
 *
 * @param a - Floats or int32; a number stands for a scalar.
 * @param b - Of the same kind.
 * @throws {ShapeError} If the shapes do not broadcast.
 * @see keras.ops.less
 */
export const less = (a: TensorLike, b: TensorLike): Tensor => applyElementwise(lessOp, a, b);
