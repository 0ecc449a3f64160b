import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';
import { multiply } from './multiply.ts';

const expOp = defineElementwise({
  name: 'exp',
  dtype: floats,
  value: (x) => Math.exp(x),
  wgsl: ([x]) => `exp(${x})`,
  vjp: ({ output: y }, dy) => [multiply(dy, y)],
});

/**
 * `e^x`, element by element.
 *
 * @param x - Any shape, float.
 * @see keras.ops.exp
 */
export const exp = (x: Tensor): Tensor => applyElementwise(expOp, x);
