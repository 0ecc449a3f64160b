import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, numbers, type TensorLike } from './elementwise.ts';
import { extremeVjp } from './extreme.ts';

const maximumOp = defineElementwise({
  name: 'maximum',
  dtype: numbers,
  value: (a, b) => Math.max(a, b),
  wgsl: ([a, b]) => `max(${a}, ${b})`,
  vjp: extremeVjp,
});

/**
 * `max(a, b)`, element by element, shapes broadcast.
 *
 * @param a - Floats or int32; a number stands for a scalar.
 * @param b - Of the same kind.
 * @throws {ShapeError} If the shapes do not broadcast.
 * @see keras.ops.maximum
 */
export const maximum = (a: TensorLike, b: TensorLike): Tensor => applyElementwise(maximumOp, a, b);
