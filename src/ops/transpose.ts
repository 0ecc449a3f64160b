import * as E from 'fp-ts/lib/Either.js';
import { ShapeError } from '../tensor/errors.ts';
import type { Layout } from '../tensor/kernel.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { apply, defineOp } from './op.ts';
import { viewReference } from './view.ts';

interface Transpose {
  readonly axes: readonly number[];
}

const transposeLayout = ({ shape, strides, offset }: Layout, { axes }: Transpose): Layout => ({
  shape: axes.map((axis) => shape[axis]!),
  strides: axes.map((axis) => strides[axis]!),
  offset,
});

const transposeOp = defineOp<Transpose>({
  name: 'transpose',
  shape: ([x = []], { axes }) =>
    axes.length === x.length && [...axes].sort((a, b) => a - b).every((axis, i) => axis === i)
      ? E.right(axes.map((axis) => x[axis]!))
      : E.left(
          new ShapeError(
            `transpose: expected each axis of x of shape ${formatShape(x)} once, got axes ${formatShape(axes)}`,
          ),
        ),
  dtype: ([x]) => E.right(x!),
  reference: viewReference(transposeLayout),
  // Axis i went to where i stands in axes.
  vjp: ({ attributes: { axes } }, dy) => [
    transpose(
      dy,
      axes.map((_, axis) => axes.indexOf(axis)),
    ),
  ],
  kernel: { kind: 'view', view: transposeLayout },
});

/**
 * The axes in another order: `y.shape[i] = x.shape[axes[i]]`.
 *
 * @param axes - Default: all axes reversed. Negative axes count from the back.
 * @throws {ShapeError} If `axes` does not name every axis once.
 * @see keras.ops.transpose
 */
export const transpose = (x: Tensor, axes?: readonly number[]): Tensor =>
  apply(transposeOp, [x], {
    axes:
      axes === undefined
        ? x.shape.map((_, i) => x.shape.length - 1 - i)
        : axes.map((axis) => (axis < 0 ? axis + x.shape.length : axis)),
  });
