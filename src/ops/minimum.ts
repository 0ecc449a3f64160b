import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, numbers, type TensorLike } from './elementwise.ts';
import { extremeVjp } from './extreme.ts';

const minimumOp = defineElementwise({
  name: 'minimum',
  dtype: numbers,
  value: (a, b) => Math.min(a, b),
  wgsl: ([a, b]) => `min(${a}, ${b})`,
  vjp: extremeVjp,
});

/**
 * `min(a, b)`, element by element, shapes broadcast.
 *
 * @param a - Floats or int32; a number stands for a scalar.
 * @param b - Of the same kind.
 * @throws {ShapeError} If the shapes do not broadcast.
 * @see keras.ops.minimum
 */
export const minimum = (a: TensorLike, b: TensorLike): Tensor => applyElementwise(minimumOp, a, b);
