import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, numbers } from './elementwise.ts';

const absoluteOp = defineElementwise({
  name: 'absolute',
  dtype: numbers,
  value: (x) => Math.abs(x),
  wgsl: ([x]) => `abs(${x})`,
});

/**
 * `|x|`, element by element.
 *
 * @param x - Any shape, float or int32.
 * @see keras.ops.absolute
 */
export const absolute = (x: Tensor): Tensor => applyElementwise(absoluteOp, x);
