import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';

const geluApproximateOp = defineElementwise({
  name: 'geluApproximate',
  dtype: floats,
  value: (x) => x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  wgsl: ([x]) => `geluApproximate(${x})`,
  functions: `fn geluApproximate(x: f32) -> f32 {
  return x / (1.0 + exp(clamp(-1.5957691216057308 * (x + 0.044715 * x * x * x), -80.0, 80.0)));
}
`,
});

/**
 * `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, element by element. Written as `x / (1 + e^-2u)`, which is the same.
 *
 * @param x - Any shape, float.
 * @see keras.ops.gelu
 */
export const geluApproximate = (x: Tensor): Tensor => applyElementwise(geluApproximateOp, x);
