import * as E from 'fp-ts/lib/Either.js';
import { ShapeError } from '../tensor/errors.ts';
import type { Layout } from '../tensor/kernel.ts';
import { formatShape, type Shape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { apply, defineOp } from './op.ts';
import { viewReference } from './view.ts';

interface Broadcast {
  readonly to: Shape;
}

/** A layout repeated along new axes and axes of size 1: stride 0 there. */
export const broadcastLayout = ({ shape, strides, offset }: Layout, to: Shape): Layout => ({
  shape: to,
  strides: to.map((_, axis) => {
    const own = axis - to.length + shape.length;
    return own < 0 || shape[own] === 1 ? 0 : strides[own]!;
  }),
  offset,
});

const broadcastView = (layout: Layout, { to }: Broadcast): Layout => broadcastLayout(layout, to);

const broadcastOp = defineOp<Broadcast>({
  name: 'broadcastTo',
  shape: ([x = []], { to }) =>
    to.length >= x.length && x.every((size, i) => size === 1 || size === to[i + to.length - x.length])
      ? E.right(to)
      : E.left(
          new ShapeError(`broadcastTo: expected a shape that ${formatShape(x)} broadcasts to, got ${formatShape(to)}`),
        ),
  dtype: ([x]) => E.right(x!),
  reference: viewReference(broadcastView),
  // The transform sums over what was repeated.
  vjp: (_, dy) => [dy],
  kernel: { kind: 'view', view: broadcastView },
});

/**
 * The tensor `x` repeated along new leading axes and along axes of size 1, until it is of this `shape`.
 *
 * @throws {ShapeError} If the shapes do not allow it.
 * @see keras.ops.broadcast_to
 */
export const broadcastTo = (x: Tensor, shape: Shape): Tensor =>
  sameShape(x.shape, shape) ? x : apply(broadcastOp, [x], { to: shape });
