import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats, type TensorLike } from './elementwise.ts';
import { equal } from './equal.ts';
import { greater } from './greater.ts';
import { log } from './log.ts';
import { multiply } from './multiply.ts';
import { subtract } from './subtract.ts';
import { where } from './where.ts';

const powerOp = defineElementwise({
  name: 'power',
  dtype: floats,
  value: (base, exponent) => base ** exponent,
  wgsl: ([base, exponent]) => `power(${base}, ${exponent})`,
  // Whole exponents by squaring: log2 is right to 2^-21 alone, which shows in b^t where b is near 1.
  functions: `fn power(base: f32, exponent: f32) -> f32 {
  if (abs(exponent) >= 16777216.0 || exponent != floor(exponent)) {
    return select(0.0, exp2(exponent * log2(max(base, 1.1754944e-38))), base > 0.0);
  }
  var result = 1.0;
  var factor = base;
  for (var rest = u32(abs(exponent)); rest != 0u; rest >>= 1u) {
    if ((rest & 1u) == 1u) { result *= factor; }
    factor *= factor;
  }
  return select(result, 1.0 / result, exponent < 0.0);
}
`,
  // da = dy b a^(b - 1), db = dy y log a. Where b = 0 or a = 0, the factor 0 wins over one that has no bound.
  vjp: ({ inputs: [a, b], output: y }, dy) => [
    multiply(dy, multiply(b!, power(a!, where(equal(b!, 0), 1, subtract(b!, 1))))),
    multiply(dy, multiply(y, log(where(greater(a!, 0), a!, 1)))),
  ],
});

/**
 * `base ^ exponent`, element by element, shapes broadcast.
 *
 * @param base - Floats; not negative where the exponent is no whole number. A number stands for a scalar.
 * @param exponent - Floats; a number stands for a scalar.
 * @throws {ShapeError} If the shapes do not broadcast.
 * @see keras.ops.power
 */
export const power = (base: TensorLike, exponent: TensorLike): Tensor => applyElementwise(powerOp, base, exponent);
