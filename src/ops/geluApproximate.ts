import type { Tensor } from '../tensor/tensor.ts';
import { add } from './add.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';
import { multiply } from './multiply.ts';
import { sigmoid } from './sigmoid.ts';
import { square } from './square.ts';
import { subtract } from './subtract.ts';

const geluApproximateOp = defineElementwise({
  name: 'geluApproximate',
  dtype: floats,
  value: (x) => x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  wgsl: ([x]) => `geluApproximate(${x})`,
  functions: `fn geluApproximate(x: f32) -> f32 {
  return x / (1.0 + exp(clamp(-1.5957691216057308 * (x + 0.044715 * x * x * x), -80.0, 80.0)));
}
`,
  // With y = x s, s = sigmoid 2u: dx = dy (s + y (1 - s) 2u'), where 2u' = 2 sqrt(2/pi) (1 + 0.134145 x^2).
  vjp: ({ inputs: [x], output: y }, dy) => {
    const squared = square(x!);
    const scale = 2 * Math.sqrt(2 / Math.PI);
    const s = sigmoid(multiply(x!, add(scale, multiply(scale * 0.044715, squared))));
    const slope = add(scale, multiply(scale * 0.134145, squared));
    return [multiply(dy, add(s, multiply(multiply(y, subtract(1, s)), slope)))];
  },
});

/**
 * `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, element by element. Written as `x / (1 + e^-2u)`, which is the same.
 *
 * @param x - Any shape, float.
 * @see keras.ops.gelu
 */
export const geluApproximate = (x: Tensor): Tensor => applyElementwise(geluApproximateOp, x);
