import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';
import { multiply } from './multiply.ts';
import { square } from './square.ts';
import { subtract } from './subtract.ts';

const tanhOp = defineElementwise({
  name: 'tanh',
  dtype: floats,
  value: (x) => Math.tanh(x),
  wgsl: ([x]) => `tanh(clamp(${x}, -15.0, 15.0))`,
  vjp: ({ output: y }, dy) => [multiply(dy, subtract(1, square(y)))],
});

/**
 * `tanh x`, element by element. The shader clamps to 15, where float32 has reached 1: drivers may compute it from `exp` and overflow.
 *
 * @param x - Any shape, float.
 * @see keras.ops.tanh
 */
export const tanh = (x: Tensor): Tensor => applyElementwise(tanhOp, x);
