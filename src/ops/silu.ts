import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';

const siluOp = defineElementwise({
  name: 'silu',
  dtype: floats,
  value: (x) => x / (1 + Math.exp(-x)),
  wgsl: ([x]) => `silu(${x})`,
  functions: `fn silu(x: f32) -> f32 { return x / (1.0 + exp(min(-x, 80.0))); }\n`,
});

/**
 * `x / (1 + e^-x)`, element by element.
 *
 * @param x - Any shape, float.
 * @see keras.ops.silu
 */
export const silu = (x: Tensor): Tensor => applyElementwise(siluOp, x);
