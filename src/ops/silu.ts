import type { Tensor } from '../tensor/tensor.ts';
import { add } from './add.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';
import { multiply } from './multiply.ts';
import { sigmoid } from './sigmoid.ts';
import { subtract } from './subtract.ts';

const siluOp = defineElementwise({
  name: 'silu',
  dtype: floats,
  value: (x) => x / (1 + Math.exp(-x)),
  wgsl: ([x]) => `silu(${x})`,
  functions: `fn silu(x: f32) -> f32 { return x / (1.0 + exp(min(-x, 80.0))); }\n`,
  // dx = dy (s + y (1 - s)), where s = sigmoid x.
  vjp: ({ inputs: [x], output: y }, dy) => {
    const s = sigmoid(x!);
    return [multiply(dy, add(s, multiply(y, subtract(1, s))))];
  },
});

/**
 * `x / (1 + e^-x)`, element by element.
 *
 * @param x - Any shape, float.
 * @see keras.ops.silu
 */
export const silu = (x: Tensor): Tensor => applyElementwise(siluOp, x);
