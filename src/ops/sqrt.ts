import type { Tensor } from '../tensor/tensor.ts';
import { divide } from './divide.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';
import { multiply } from './multiply.ts';

const sqrtOp = defineElementwise({
  name: 'sqrt',
  dtype: floats,
  value: (x) => Math.sqrt(x),
  wgsl: ([x]) => `sqrt(${x})`,
  vjp: ({ output: y }, dy) => [divide(multiply(dy, 0.5), y)],
});

/**
 * `sqrt(x)`, element by element.
 *
 * @param x - Any shape, float.
 * @see keras.ops.sqrt
 */
export const sqrt = (x: Tensor): Tensor => applyElementwise(sqrtOp, x);
