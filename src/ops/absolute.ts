import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, numbers } from './elementwise.ts';
import { multiply } from './multiply.ts';
import { sign } from './sign.ts';

const absoluteOp = defineElementwise({
  name: 'absolute',
  dtype: numbers,
  value: (x) => Math.abs(x),
  wgsl: ([x]) => `abs(${x})`,
  vjp: ({ inputs: [x] }, dy) => [multiply(dy, sign(x!))],
});

/**
 * `|x|`, element by element.
 *
 * @param x - Any shape, float or int32.
 * @see keras.ops.absolute
 */
export const absolute = (x: Tensor): Tensor => applyElementwise(absoluteOp, x);
