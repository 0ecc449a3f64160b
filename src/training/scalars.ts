import { add } from '../ops/add.ts';
import { cast } from '../ops/cast.ts';
import { divide } from '../ops/divide.ts';
import type { TensorLike } from '../ops/elementwise.ts';
import { exp } from '../ops/exp.ts';
import { floor } from '../ops/floor.ts';
import { less } from '../ops/less.ts';
import { multiply } from '../ops/multiply.ts';
import { subtract } from '../ops/subtract.ts';
import { where } from '../ops/where.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** `floor(n / by)` of int32 `n` of at least 0, exact over the whole range, though float32 holds 24 bits. */
export const floorDivide = (n: Tensor, by: number): Tensor => {
  // The half keeps quotients of multiples away from the edge that an inexact division could fall off.
  const near = (x: Tensor): Tensor => cast(floor(divide(add(cast(x, 'float32'), 0.5), by)), 'int32');
  const quotient = near(n);
  return add(quotient, near(subtract(n, multiply(quotient, by))));
};

/** Whether `by` divides int32 `n`, as bool. */
export const isMultiple = (n: Tensor, by: number): Tensor => less(subtract(n, multiply(floorDivide(n, by), by)), 1);

/** `base^exponent` of a number from 0 on, float32. */
export const powerOf = (base: number, exponent: Tensor): Tensor =>
  base === 0 ? cast(less(exponent, 0.5), 'float32') : exp(multiply(exponent, Math.log(base)));

/**
 * `1 - base^exponent` for a base from 0 to below 1, without the digits that the subtraction would lose where the power
 * is near 1: Adam's first correction is `1 - 0.999`.
 */
export const complementOfPower = (base: number, exponent: Tensor): Tensor => {
  if (base === 0) return subtract(1, powerOf(0, exponent));
  const x = multiply(exponent, -Math.log(base));
  // 1 - e^-x = x (1 - x/2 (1 - x/3 (1 - x/4 (1 - x/5)))), to 1e-7 of itself while x is below 1/8.
  const series = [2, 3, 4, 5].reduceRight<TensorLike>((rest, n) => subtract(1, multiply(divide(x, n), rest)), 1);
  return where(less(x, 0.125), multiply(x, series), subtract(1, exp(multiply(x, -1))));
};

/**
 * The value, if it is a finite number.
 *
 * @throws {ArgumentError} If it is not.
 */
export const checkNumber = (what: string, value: unknown): number => {
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new ArgumentError(`${what}: expected a finite number, got ${shown(value)}`);
  return value;
};

/** A value as it appears in an error. */
export const shown = (value: unknown): string =>
  typeof value === 'function'
    ? `the function ${value.name || '(without a name)'}`
    : typeof value === 'number' || value === undefined
      ? String(value)
      : (JSON.stringify(value) ?? String(value));

/**
 * Refuses options that nobody knows.
 *
 * @throws {ArgumentError} If there is one, with those that are known.
 */
export const checkKnown = (what: string, options: unknown, known: readonly string[]): void => {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new ArgumentError(`${what}: expected a record of options, got ${shown(options)}`);
  refuseUnknown(what, options, known);
};

/**
 * What `registry` holds by a name, by Keras's spellings: `adam`, `Adam` and `ADAM` are one, and so are
 * `mean_squared_error` and `MeanSquaredError`.
 *
 * @throws {ArgumentError} If there is none of that name, with those there are.
 */
export const named = <T>(what: string, name: string, registry: Readonly<Record<string, T>>): T => {
  const plain = (text: string): string => text.replaceAll('_', '').toLowerCase();
  const key = Object.keys(registry).find((one) => plain(one) === plain(name));
  if (key === undefined)
    throw new ArgumentError(`${what}: expected one of ${Object.keys(registry).join(', ')}, got ${shown(name)}`);
  return registry[key]!;
};
