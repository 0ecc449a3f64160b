import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, numbers, type TensorLike } from './elementwise.ts';

const addOp = defineElementwise({
  name: 'add',
  dtype: numbers,
  value: (a, b) => a + b,
  wgsl: ([a, b]) => `(${a} + ${b})`,
  vjp: (_, dy) => [dy, dy],
});

/**
 * `a + b`, element by element, shapes broadcast.
 *
 * @param a - Floats or int32; a number stands for a scalar.
 * @param b - Of the same kind.
 * @throws {ShapeError} If the shapes do not broadcast.
 * @see keras.ops.add
 */
export const add = (a: TensorLike, b: TensorLike): Tensor => applyElementwise(addOp, a, b);
