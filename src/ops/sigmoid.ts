import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';
import { multiply } from './multiply.ts';
import { subtract } from './subtract.ts';

const sigmoidOp = defineElementwise({
  name: 'sigmoid',
  dtype: floats,
  value: (x) => 1 / (1 + Math.exp(-x)),
  wgsl: ([x]) => `1.0 / (1.0 + exp(min(-(${x}), 80.0)))`,
  vjp: ({ output: y }, dy) => [multiply(dy, multiply(y, subtract(1, y)))],
});

/**
 * `1 / (1 + e^-x)`, element by element.
 *
 * @param x - Any shape, float.
 * @see keras.ops.sigmoid
 */
export const sigmoid = (x: Tensor): Tensor => applyElementwise(sigmoidOp, x);
