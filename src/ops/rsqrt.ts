import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';
import { multiply } from './multiply.ts';
import { square } from './square.ts';

const rsqrtOp = defineElementwise({
  name: 'rsqrt',
  dtype: floats,
  value: (x) => 1 / Math.sqrt(x),
  wgsl: ([x]) => `inverseSqrt(${x})`,
  vjp: ({ output: y }, dy) => [multiply(multiply(dy, -0.5), multiply(y, square(y)))],
});

/**
 * `1 / sqrt(x)`, element by element.
 *
 * @param x - Any shape, float.
 * @see keras.ops.rsqrt
 */
export const rsqrt = (x: Tensor): Tensor => applyElementwise(rsqrtOp, x);
