import * as E from 'fp-ts/lib/Either.js';
import type { Tensor } from '../tensor/tensor.ts';
import { applyElementwise, defineElementwise, floats } from './elementwise.ts';

const isFiniteOp = defineElementwise({
  name: 'isFinite',
  dtype: (op, inputs) => E.map(() => 'bool' as const)(floats(op, inputs)),
  value: (x) => (Number.isFinite(Math.fround(x)) ? 1 : 0),
  // By the bits: WGSL lets comparisons take it that there is no NaN and no infinity.
  wgsl: ([x]) => `((bitcast<u32>(${x}) & 0x7f800000u) != 0x7f800000u)`,
});

/**
 * Whether an element is a number, neither infinite nor NaN.
 *
 * @param x - Any shape, float.
 * @returns bool, of the same shape.
 * @see keras.ops.isfinite
 */
const finite = (x: Tensor): Tensor => applyElementwise(isFiniteOp, x);

export { finite as isFinite };
