import { ShapeError } from '../tensor/errors.ts';
import { formatShape, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type BoxStart, placeBox, takeBox } from './box.ts';

/**
 * A box out of a tensor, from where tensors say: along each axis, `size` elements from `start` on. The reverse of
 * `sliceUpdate`; with numbers alone, `slice`.
 *
 * @param x - Any shape, any dtype.
 * @param start - Where the box begins, for each axis a whole number or an int32 tensor of shape `[]`; or all of them as one
 *   int32 tensor, `[rank]`. What tensors say is clamped, so that the box fits: `[0, x.shape[a] - size[a]]`.
 * @param size - For each axis, how many elements.
 * @returns Of shape `size`; float32 for floats.
 * @throws {ShapeError} If the box does not fit, or a number of `start` would put it outside of `x`.
 * @throws {DTypeError} If a start is not int32.
 * @see keras.ops.slice; jax.lax.dynamic_slice
 */
export const dynamicSlice = (x: Tensor, start: BoxStart, size: Shape): Tensor => {
  if (size.length !== x.shape.length || size.some((length, a) => !(length >= 0 && length <= x.shape[a]!)))
    throw new ShapeError(
      `dynamicSlice: expected a size of rank ${x.shape.length} that fits x of shape ${formatShape(x.shape)}, got ${formatShape(size)}`,
    );
  const { place, input } = placeBox('dynamicSlice', 'size', x.shape, start, size);
  return takeBox(x, size, place, input);
};
