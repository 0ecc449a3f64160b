import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, numbers } from './elementwise.ts';

const negativeOp = defineElementwise({
  name: 'negative',
  dtype: numbers,
  value: (x) => -x,
  wgsl: ([x]) => `-(${x})`,
  vjp: (_, dy) => [negative(dy)],
});

/**
 * `-x`, element by element.
 *
 * @param x - Any shape, float or int32.
 * @see keras.ops.negative
 */
export const negative = (x: Tensor): Tensor => applyElementwise(negativeOp, x);
