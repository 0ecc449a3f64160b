import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, numbers } from './elementwise.ts';
import { multiply } from './multiply.ts';

const squareOp = defineElementwise({
  name: 'square',
  dtype: numbers,
  value: (x) => x * x,
  integerValue: (x) => Math.imul(x, x),
  wgsl: ([x]) => `(${x} * ${x})`,
  vjp: ({ inputs: [x] }, dy) => [multiply(dy, multiply(2, x!))],
});

/**
 * `x * x`, element by element.
 *
 * @param x - Any shape, float or int32.
 * @see keras.ops.square
 */
export const square = (x: Tensor): Tensor => applyElementwise(squareOp, x);
