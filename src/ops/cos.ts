import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';
import { multiply } from './multiply.ts';
import { negative } from './negative.ts';
import { sin } from './sin.ts';
import { sineFunction } from './sine.ts';

const cosOp = defineElementwise({
  name: 'cos',
  dtype: floats,
  value: (x) => Math.cos(x),
  wgsl: ([x]) => `sine(${x}, 1u)`,
  functions: sineFunction,
  vjp: ({ inputs: [x] }, dy) => [negative(multiply(dy, sin(x!)))],
});

/**
 * `cos x`, element by element.
 *
 * @param x - Any shape, float.
 * @see keras.ops.cos
 */
export const cos = (x: Tensor): Tensor => applyElementwise(cosOp, x);
