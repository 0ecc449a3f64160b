import type { Tensor } from '../tensor/tensor.ts';
import { add } from './add.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';
import { erf, erfFunction, erfValue } from './erf.ts';
import { exp } from './exp.ts';
import { multiply } from './multiply.ts';
import { square } from './square.ts';

const geluOp = defineElementwise({
  name: 'gelu',
  dtype: floats,
  value: (x) => 0.5 * x * (1 + erfValue(x * Math.SQRT1_2)),
  wgsl: ([x]) => `(0.5 * ${x} * (1.0 + erf(${x} * 0.7071067811865476)))`,
  functions: erfFunction,
  // dx = dy (Phi(x) + x phi(x)), phi the density of the normal distribution.
  vjp: ({ inputs: [x] }, dy) => {
    const distribution = add(0.5, multiply(0.5, erf(multiply(x!, Math.SQRT1_2))));
    const density = multiply(1 / Math.sqrt(2 * Math.PI), exp(multiply(-0.5, square(x!))));
    return [multiply(dy, add(distribution, multiply(x!, density)))];
  },
});

/**
 * `x * Phi(x)`, the Gaussian error linear unit in its exact form: `0.5 x (1 + erf(x / sqrt(2)))`.
 *
 * @param x - Any shape, float.
 * @see Hendrycks and Gimpel 2016; keras.ops.gelu with approximate=False
 */
export const gelu = (x: Tensor): Tensor => applyElementwise(geluOp, x);
