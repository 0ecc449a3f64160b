import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, numbers } from './elementwise.ts';

const signOp = defineElementwise({
  name: 'sign',
  dtype: numbers,
  value: (x) => Math.sign(x),
  wgsl: ([x]) => `sign(${x})`,
  vjp: () => [undefined],
});

/**
 * -1 for negative numbers, 1 for positive ones, 0 for 0, element by element. No gradient flows through it: it is constant
 * on either side of 0.
 *
 * @param x - Any shape, float or int32.
 * @see keras.ops.sign
 */
export const sign = (x: Tensor): Tensor => applyElementwise(signOp, x);
