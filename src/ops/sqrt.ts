import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';

const sqrtOp = defineElementwise({
  name: 'sqrt',
  dtype: floats,
  value: (x) => Math.sqrt(x),
  wgsl: ([x]) => `sqrt(${x})`,
});

/**
 * `sqrt(x)`, element by element.
 *
 * @param x - Any shape, float.
 * @see keras.ops.sqrt
 */
export const sqrt = (x: Tensor): Tensor => applyElementwise(sqrtOp, x);
