import type { Tensor } from '../tensor/tensor.ts';
import { cos } from './cos.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';
import { multiply } from './multiply.ts';
import { sineFunction } from './sine.ts';

const sinOp = defineElementwise({
  name: 'sin',
  dtype: floats,
  value: (x) => Math.sin(x),
  wgsl: ([x]) => `sine(${x}, 0u)`,
  functions: sineFunction,
  vjp: ({ inputs: [x] }, dy) => [multiply(dy, cos(x!))],
});

/**
 * `sin x`, element by element.
 *
 * @param x - Any shape, float.
 * @see keras.ops.sin
 */
export const sin = (x: Tensor): Tensor => applyElementwise(sinOp, x);
