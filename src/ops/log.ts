import type { Tensor } from '../tensor/tensor.ts';
import { divide } from './divide.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';

const logOp = defineElementwise({
  name: 'log',
  dtype: floats,
  value: (x) => Math.log(x),
  wgsl: ([x]) => `log(${x})`,
  vjp: ({ inputs: [x] }, dy) => [divide(dy, x!)],
});

/**
 * `ln x`, element by element.
 *
 * @param x - Any shape, float.
 * @see keras.ops.log
 */
export const log = (x: Tensor): Tensor => applyElementwise(logOp, x);
