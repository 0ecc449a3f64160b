import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats, type TensorLike } from './elementwise.ts';
import { multiply } from './multiply.ts';
import { negative } from './negative.ts';

const divideOp = defineElementwise({
  name: 'divide',
  dtype: floats,
  value: (a, b) => a / b,
  wgsl: ([a, b]) => `(${a} / ${b})`,
  // da = dy / b, db = -dy a / b^2.
  vjp: ({ inputs: [, b], output: y }, dy) => [divide(dy, b!), negative(divide(multiply(dy, y), b!))],
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
