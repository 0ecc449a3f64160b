import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, numbers, type TensorLike } from './elementwise.ts';

const multiplyOp = defineElementwise({
  name: 'multiply',
  dtype: numbers,
  value: (a, b) => a * b,
  integerValue: Math.imul,
  wgsl: ([a, b]) => `(${a} * ${b})`,
  vjp: ({ inputs: [a, b] }, dy) => [multiply(dy, b!), multiply(dy, a!)],
});

/**
 * `a * b`, element by element, shapes broadcast.
 *
 * @param a - Floats or int32; a number stands for a scalar.
 * @param b - Of the same kind.
 * @throws {ShapeError} If the shapes do not broadcast.
 * @see keras.ops.multiply
 */
export const multiply = (a: TensorLike, b: TensorLike): Tensor => applyElementwise(multiplyOp, a, b);
