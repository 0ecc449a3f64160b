import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';
import { greater } from './greater.ts';
import { where } from './where.ts';

const reluOp = defineElementwise({
  name: 'relu',
  dtype: floats,
  value: (x) => Math.max(x, 0),
  wgsl: ([x]) => `max(${x}, 0.0)`,
  vjp: ({ output: y }, dy) => [where(greater(y, 0), dy, 0)],
});

/**
 * `max(x, 0)`, element by element.
 *
 * @param x - Any shape, float.
 * @see keras.ops.relu
 */
export const relu = (x: Tensor): Tensor => applyElementwise(reluOp, x);
