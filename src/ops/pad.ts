import { isFloat } from '../tensor/dtype.ts';
import { ShapeError } from '../tensor/errors.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { broadcastTo } from './broadcastTo.ts';
import { concatenate } from './concatenate.ts';
import { constant } from './constant.ts';

/** How many elements are added along an axis. */
export interface Padding {
  /** Default: 0. */
  readonly before?: number;
  /** Default: 0. */
  readonly after?: number;
}

const isLength = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;

/**
 * A tensor with elements added before and after along its axes.
 *
 * @param x - Any dtype.
 * @param padding - For each axis, how many elements.
 * @param options - `value` of the new elements, default 0.
 * @returns float32 for floats.
 * @throws {ShapeError} If `padding` has not one entry an axis, or a length is negative.
 * @see keras.ops.pad
 */
export const pad = (
  x: Tensor,
  padding: readonly Padding[],
  { value = 0 }: { readonly value?: number } = {},
): Tensor => {
  if (padding.length !== x.shape.length)
    throw new ShapeError(
      `pad: expected padding for each axis of x of shape ${formatShape(x.shape)}, got ${padding.length} entries`,
    );
  const fill = constant(value, { dtype: isFloat(x.dtype) ? 'float32' : x.dtype });
  return padding.reduce((y, { before = 0, after = 0 }, axis) => {
    if (!isLength(before) || !isLength(after))
      throw new ShapeError(
        `pad: expected lengths of 0 or more along axis ${axis}, got before ${before} and after ${after}`,
      );
    const filled = (size: number): readonly Tensor[] =>
      size === 0
        ? []
        : [
            broadcastTo(
              fill,
              y.shape.map((own, i) => (i === axis ? size : own)),
            ),
          ];
    return before + after === 0 ? y : concatenate([...filled(before), y, ...filled(after)], { axis });
  }, x);
};
