import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';
import { exp } from './exp.ts';
import { multiply } from './multiply.ts';
import { negative } from './negative.ts';
import { square } from './square.ts';

/** The error function in double precision: its Taylor series up to 3, a continued fraction of erfc beyond. */
export const erfValue = (x: number): number => {
  const t = Math.abs(x);
  if (t > 6) return Math.sign(x);
  if (t < 3) {
    let term = t;
    let sum = t;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-t * t) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (t + fraction);
  return Math.sign(x) * (1 - Math.exp(-t * t) / (Math.sqrt(Math.PI) * (t + fraction)));
};

/** `erf` in WGSL, by formula 7.1.26 of Abramowitz and Stegun: right to 1.5e-7. */
export const erfFunction = `fn erf(x: f32) -> f32 {
  let z = abs(x);
  let t = 1.0 / (1.0 + 0.3275911 * z);
  let tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return sign(x) * (1.0 - tail * exp(max(-z * z, -80.0)));
}
`;

const erfOp = defineElementwise({
  name: 'erf',
  dtype: floats,
  value: erfValue,
  wgsl: ([x]) => `erf(${x})`,
  functions: erfFunction,
  vjp: ({ inputs: [x] }, dy) => [multiply(dy, multiply(2 / Math.sqrt(Math.PI), exp(negative(square(x!)))))],
});

/**
 * The error function, `2 / sqrt(pi)` times the integral of `e^(-t^2)` from 0 to `x`, element by element.
 *
 * @param x - Any shape, float.
 * @see keras.ops.erf
 */
export const erf = (x: Tensor): Tensor => applyElementwise(erfOp, x);
