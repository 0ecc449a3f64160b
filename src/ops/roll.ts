import * as E from 'fp-ts/lib/Either.js';
import { ArgumentError } from '../tensor/errors.ts';
import { count, normalizeAxis } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { concatenate } from './concatenate.ts';
import { reshape } from './reshape.ts';
import { sliceAxis } from './slice.ts';

/**
 * Elements moved along an axis, those that fall off the end put in front: `y[i] = x[i - shift]`, places taken modulo the
 * length. With shift -1 along the axis of places, tokens become the tokens that should follow them.
 *
 * @param x - `[...]`, of any dtype.
 * @param shift - A whole number of either sign.
 * @param options - `axis`; left out, the elements are rolled in row-major order.
 * @returns Of the shape of `x`.
 * @throws {ArgumentError} If the shift is no whole number.
 * @throws {ShapeError} If there is no such axis.
 * @see keras.ops.roll
 */
export const roll = (x: Tensor, shift: number, { axis }: { readonly axis?: number } = {}): Tensor => {
  if (!Number.isSafeInteger(shift))
    throw new ArgumentError(`roll: expected a shift that is a whole number, got ${shift}`);
  if (axis === undefined) return reshape(roll(reshape(x, [count(x.shape)]), shift, { axis: 0 }), x.shape);
  const along = normalizeAxis('roll', axis, x.shape.length);
  if (E.isLeft(along)) throw along.left;
  const length = x.shape[along.right]!;
  const cut = length === 0 ? 0 : ((-shift % length) + length) % length;
  return cut === 0
    ? x
    : concatenate([sliceAxis(x, along.right, cut), sliceAxis(x, along.right, 0, cut)], { axis: along.right });
};
