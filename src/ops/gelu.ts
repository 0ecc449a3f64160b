import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';

/** The error function in double precision: its Taylor series up to 3, a continued fraction of erfc beyond. */
export const erf = (x: number): number => {
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

const geluOp = defineElementwise({
  name: 'gelu',
  dtype: floats,
  value: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  wgsl: ([x]) => `gelu(${x})`,
  // erf by formula 7.1.26 of Abramowitz and Stegun, right to 1.5e-7.
  functions: `fn gelu(x: f32) -> f32 {
  let z = abs(x) * 0.7071067811865476;
  let t = 1.0 / (1.0 + 0.3275911 * z);
  let tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  let erf = 1.0 - tail * exp(max(-z * z, -80.0));
  return 0.5 * x * (1.0 + sign(x) * erf);
}
`,
});

/**
 * `x * Phi(x)`, the Gaussian error linear unit in its exact form: `0.5 x (1 + erf(x / sqrt(2)))`.
 *
 * @param x - Any shape, float.
 * @see Hendrycks and Gimpel 2016; keras.ops.gelu with approximate=False
 */
export const gelu = (x: Tensor): Tensor => applyElementwise(geluOp, x);
