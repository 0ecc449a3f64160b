import * as E from 'fp-ts/lib/Either.js';
import { ArgumentError, DTypeError, ShapeError } from '../tensor/errors.ts';
import { broadcastShapes, count, formatShape, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { arange } from './arange.ts';
import { broadcastTo } from './broadcastTo.ts';
import { constant, tensor } from './constant.ts';
import { cos } from './cos.ts';
import { applyElementwise, defineElementwise, integers } from './elementwise.ts';
import { equal } from './equal.ts';
import { log } from './log.ts';
import { multiply } from './multiply.ts';
import { expandDims, reshape } from './reshape.ts';
import { sliceAxis } from './slice.ts';
import { sqrt } from './sqrt.ts';
import { subtract } from './subtract.ts';
import { threefry } from './threefry.ts';
import { where } from './where.ts';

/** Streams of a key: the numbers it gives, and the keys it gives. */
const NUMBERS = 0;
const KEYS = 1;

/**
 * A key of random numbers from a seed: the seed's low and high 32 bits.
 *
 * @param seed - A whole number that a double holds exactly; both halves count.
 * @returns `[2]`, int32.
 * @throws {ArgumentError} If the seed is no such number.
 * @see jax.random.key
 */
export const key = (seed: number): Tensor => {
  if (!Number.isSafeInteger(seed))
    throw new ArgumentError(`key: expected a seed that is a whole number of 53 bits at most, got ${seed}`);
  const high = Math.floor(seed / 2 ** 32);
  return tensor(Int32Array.of(seed - high * 2 ** 32, high));
};

/** The two words of keys `[..., 2]`, each `[..., 1]`. */
const words = (op: string, keys: Tensor): readonly [Tensor, Tensor] => {
  if (keys.dtype !== 'int32')
    throw new DTypeError(`${op}: expected a key of dtype int32, got ${keys.dtype}; make keys with key and foldIn`);
  if (keys.shape.at(-1) !== 2)
    throw new ShapeError(`${op}: expected a key of shape [..., 2], got ${formatShape(keys.shape)}`);
  return [sliceAxis(keys, -1, 0, 1), sliceAxis(keys, -1, 1, 2)];
};

/** The two words of one key `[2]`, each a scalar. */
const oneKey = (op: string, from: Tensor): readonly [Tensor, Tensor] => {
  if (from.shape.length !== 1)
    throw new ShapeError(`${op}: expected one key of shape [2], got ${formatShape(from.shape)}`);
  const [key0, key1] = words(op, from);
  return [reshape(key0, []), reshape(key1, [])];
};

/**
 * A new key from a key and a number: other numbers, other keys. The new keys have nothing to do with the numbers that the
 * key itself gives.
 *
 * @param from - `[2]` or `[..., 2]`, int32.
 * @param data - Numbers, int32, `[]` or `[...]`; with the key's axes before the last, they broadcast.
 * @returns `[..., 2]`, int32: a key for each number.
 * @see jax.random.fold_in
 */
export const foldIn = (from: Tensor, data: Tensor | number): Tensor => {
  const numbers = expandDims(typeof data === 'number' ? constant(data, { dtype: 'int32' }) : data, -1);
  const leading = broadcastShapes('foldIn', from.shape.slice(0, -1), numbers.shape.slice(0, -1));
  if (E.isLeft(leading)) throw leading.left;
  // All in the result's shape, so that one kernel computes it.
  const [key0, key1, counter] = [...words('foldIn', from), numbers].map((x) => broadcastTo(x, [...leading.right, 2]));
  const [first, second] = ([0, 1] as const).map((word) => threefry(key0!, key1!, counter!, { stream: KEYS, word }));
  return where(equal(arange(2), 0), first!, second!);
};

/**
 * Several keys from one.
 *
 * @param from - `[2]`, int32.
 * @returns `[number, 2]`, int32.
 * @see jax.random.split
 */
export const split = (from: Tensor, number = 2): Tensor => foldIn(from, arange(number));

/**
 * Random bits: element `i`, in row-major order, is the first word of Threefry-2x32 of the key at counter `i`.
 *
 * @param from - `[2]`, int32.
 * @returns int32 of any sign, of that shape.
 * @see jax.random.bits
 */
export const randomBits = (from: Tensor, shape: Shape): Tensor => {
  const [key0, key1] = oneKey('randomBits', from);
  return threefry(key0, key1, reshape(arange(count(shape)), shape), { stream: NUMBERS });
};

const bitsToUniformOp = defineElementwise({
  name: 'bitsToUniform',
  dtype: (op, inputs) => E.map(() => 'float32' as const)(integers(op, inputs)),
  value: (bits) => (bits >>> 8) * 2 ** -24,
  wgsl: ([bits]) => `(f32(u32(${bits}) >> 8u) * 5.9604644775390625e-8)`,
});

/**
 * Numbers in [0, 1) from random bits: the upper 24 bits times 2^-24, the same to the last digit on every device.
 *
 * @param bits - int32.
 * @returns float32, of the same shape.
 */
export const bitsToUniform = (bits: Tensor): Tensor => applyElementwise(bitsToUniformOp, bits);

/**
 * Random numbers in [0, 1), multiples of 2^-24.
 *
 * @param from - A key, `[2]`, int32.
 * @returns float32, of that shape.
 * @see jax.random.uniform
 */
export const uniform = (from: Tensor, shape: Shape): Tensor => bitsToUniform(randomBits(from, shape));

/**
 * Random numbers of the normal distribution with mean 0 and deviation 1: `sqrt(-2 log(1 - u)) * cos(2 pi v)` for two
 * uniform numbers `u` and `v`, the words that the key gives at one counter. They lie within 5.8 deviations.
 *
 * @param from - A key, `[2]`, int32.
 * @returns float32, of that shape.
 * @see Box and Muller 1958; jax.random.normal
 */
export const normal = (from: Tensor, shape: Shape): Tensor => {
  const [key0, key1] = oneKey('normal', from);
  const counter = reshape(arange(count(shape)), shape);
  const [u, v] = ([0, 1] as const).map((word) =>
    bitsToUniform(threefry(key0, key1, counter, { stream: NUMBERS, word })),
  );
  // Half a turn less: devices know the cosine best between -pi and pi, and the distribution is the same.
  const angle = multiply(subtract(v!, 0.5), 2 * Math.PI);
  return multiply(sqrt(multiply(log(subtract(1, u!)), -2)), cos(angle));
};
