import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats, type TensorLike } from './elementwise.ts';

const divideOp = defineElementwise({
  name: 'divide',
  dtype: floats,
  value: (a, b) => a / b,
  wgsl: ([a, b]) => `(${a} / ${b})`,
});

/**
 * `a / b`, element by element, shapes broadcast.
 *
 * @param a - Floats; a number stands for a scalar.
 * @param b - Of the same kind.
 * @throws {ShapeError} If the shapes do not broadcast.
 * @see keras.ops.divide
 */
export const divide = (a: TensorLike, b: TensorLike): Tensor => applyElementwise(divideOp, a, b);
