import * as E from 'fp-ts/lib/Either.js';
import { ShapeError } from '../tensor/errors.ts';
import type { Layout } from '../tensor/kernel.ts';
import { count, formatShape, rowMajorStrides, type Shape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { apply, defineOp } from './op.ts';
import { viewReference } from './view.ts';

interface Reshape {
  readonly to: Shape;
}

/**
 * Strides of a layout seen in another shape, if there are such: axes are matched in groups of equal size, and within a
 * group the old axes must lie one after the other.
 */
export const reshapeLayout = ({ shape: from, strides, offset }: Layout, _: Reshape, to: Shape): Layout | undefined => {
  if (count(to) === 0) return { shape: to, strides: rowMajorStrides(to), offset };
  const result = new Array<number>(to.length).fill(0);
  let i = 0;
  let j = 0;
  while (i < from.length || j < to.length) {
    let own = from[i] ?? 1;
    let wanted = to[j] ?? 1;
    const first = i++;
    const start = j++;
    while (own !== wanted) {
      if (own < wanted) own *= from[i++] ?? 1;
      else wanted *= to[j++] ?? 1;
    }
    // Old axes first..i-1 are new axes start..j-1.
    const axes = [];
    for (let axis = first; axis < Math.min(i, from.length); axis++) if (from[axis] !== 1) axes.push(axis);
    for (let k = 1; k < axes.length; k++)
      if (strides[axes[k - 1]!] !== strides[axes[k]!]! * from[axes[k]!]!) return undefined;
    const last = axes.at(-1);
    let step = last === undefined ? 0 : strides[last]!;
    for (let axis = Math.min(j, to.length) - 1; axis >= start; axis--) {
      result[axis] = step;
      step *= to[axis]!;
    }
  }
  return { shape: to, strides: result, offset };
};

const reshapeOp = defineOp<Reshape>({
  name: 'reshape',
  shape: ([x = []], { to }) => {
    const unknown = to.filter((size) => size === -1).length;
    const known = to.reduce((product, size) => (size === -1 ? product : product * size), 1);
    const shape = unknown === 1 && known > 0 ? to.map((size) => (size === -1 ? count(x) / known : size)) : to;
    return unknown <= 1 && shape.every((size) => Number.isSafeInteger(size) && size >= 0) && count(shape) === count(x)
      ? E.right(shape)
      : E.left(
          new ShapeError(
            `reshape: expected a shape of ${count(x)} elements for x of shape ${formatShape(x)}, got ${formatShape(to)}`,
          ),
        );
  },
  dtype: ([x]) => E.right(x!),
  reference: viewReference(reshapeLayout),
  vjp: ({ inputs: [x] }, dy) => [reshape(dy, x!.shape)],
  kernel: { kind: 'view', view: reshapeLayout },
});

/**
 * The same elements, in row-major order, in another shape.
 *
 * @param x - Of any shape and dtype.
 * @param shape - Sizes; one of them may be -1 and is then what is left.
 * @throws {ShapeError} If the number of elements would change.
 * @see keras.ops.reshape
 */
export const reshape = (x: Tensor, shape: Shape): Tensor =>
  sameShape(x.shape, shape) ? x : apply(reshapeOp, [x], { to: shape });

const insert = (shape: Shape, axis: number): Shape => {
  const at = axis < 0 ? axis + shape.length + 1 : axis;
  return [...shape.slice(0, at), 1, ...shape.slice(at)];
};

/**
 * `x` with a new axis of size 1 before `axis`; -1 puts it last: `[2, 3]` becomes `[2, 1, 3]` for 1.
 *
 * @see keras.ops.expand_dims
 */
export const expandDims = (x: Tensor, axis: number): Tensor => {
  if (!Number.isInteger(axis) || axis > x.shape.length || axis < -x.shape.length - 1)
    throw new ShapeError(`expandDims: expected an axis from ${-x.shape.length - 1} to ${x.shape.length}, got ${axis}`);
  return reshape(x, insert(x.shape, axis));
};

/**
 * `x` without an `axis` of size 1: `[2, 1, 3]` becomes `[2, 3]` for 1.
 *
 * @throws {ShapeError} If the axis is of another size.
 * @see keras.ops.squeeze
 */
export const squeeze = (x: Tensor, { axis }: { readonly axis: number }): Tensor => {
  const at = axis < 0 ? axis + x.shape.length : axis;
  if (x.shape[at] !== 1)
    throw new ShapeError(`squeeze: expected axis ${axis} of size 1, got shape ${formatShape(x.shape)}`);
  return reshape(x, [...x.shape.slice(0, at), ...x.shape.slice(at + 1)]);
};
