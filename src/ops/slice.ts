import * as E from 'fp-ts/lib/Either.js';
import { ShapeError } from '../tensor/errors.ts';
import type { Layout } from '../tensor/kernel.ts';
import { formatShape, type Shape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { apply, defineOp } from './op.ts';
import { pad } from './pad.ts';
import { viewReference } from './view.ts';

interface Slice {
  readonly start: readonly number[];
  readonly size: Shape;
}

const sliceLayout = ({ strides, offset }: Layout, { start, size }: Slice): Layout => ({
  shape: size,
  strides,
  offset: strides.reduce((sum, stride, axis) => sum + stride * start[axis]!, offset),
});

const sliceOp = defineOp<Slice>({
  name: 'slice',
  shape: ([x = []], { start, size }) =>
    start.length === x.length &&
    size.length === x.length &&
    x.every(
      (length, axis) =>
        Number.isInteger(start[axis]) &&
        Number.isInteger(size[axis]) &&
        start[axis]! >= 0 &&
        size[axis]! >= 0 &&
        start[axis]! + size[axis]! <= length,
    )
      ? E.right(size)
      : E.left(
          new ShapeError(
            `slice: expected a part of x of shape ${formatShape(x)}, got start ${formatShape(start)} and size ${formatShape(size)}`,
          ),
        ),
  dtype: ([x]) => E.right(x!),
  reference: viewReference(sliceLayout),
  // Zeros around it.
  vjp: ({ inputs: [x], attributes: { start, size } }, dy) => [
    pad(
      dy,
      x!.shape.map((length, axis) => ({ before: start[axis]!, after: length - start[axis]! - size[axis]! })),
    ),
  ],
  kernel: { kind: 'view', view: sliceLayout },
});

/**
 * A box out of a tensor: along each axis, `size` elements from `start` on.
 *
 * @throws {ShapeError} If the box does not lie within `x`.
 * @see keras.ops.slice
 */
export const slice = (x: Tensor, start: readonly number[], size: Shape): Tensor =>
  sameShape(x.shape, size) && start.every((at) => at === 0) ? x : apply(sliceOp, [x], { start, size });

/**
 * Part of one axis of `x`: elements `start` to `end - 1`. Negative numbers count from the back; `end` defaults to the length.
 *
 * @throws {ShapeError} If the part does not lie within the axis.
 */
export const sliceAxis = (x: Tensor, axis: number, start: number, end?: number): Tensor => {
  const at = axis < 0 ? axis + x.shape.length : axis;
  const length = x.shape[at] ?? 0;
  const from = start < 0 ? start + length : start;
  const to = end === undefined ? length : end < 0 ? end + length : end;
  return slice(
    x,
    x.shape.map((_, i) => (i === at ? from : 0)),
    x.shape.map((size, i) => (i === at ? to - from : size)),
  );
};
