import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';

const cosOp = defineElementwise({
  name: 'cos',
  dtype: floats,
  value: (x) => Math.cos(x),
  wgsl: ([x]) => `cos(${x})`,
});

/**
 * `cos x`, element by element.
 *
 * @param x - Any shape, float.
 * @see keras.ops.cos
 */
export const cos = (x: Tensor): Tensor => applyElementwise(cosOp, x);
