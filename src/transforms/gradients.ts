import { broadcastTo } from '../ops/broadcastTo.ts';
import { constant } from '../ops/constant.ts';
import { pullback } from '../ops/pullback.ts';
import { zeros } from '../ops/zeros.ts';
import { isFloat } from '../tensor/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../tensor/errors.ts';
import { formatShape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Options of `gradients`. */
export interface GradientOptions {
  /** What an `x` gets that `y` does not depend on: an error (the default), or zeros. */
  readonly unconnected?: 'error' | 'zeros';
}

const describe = (tensor: Tensor): string => `${tensor.op.name} ${tensor.dtype} ${formatShape(tensor.shape)}`;

/**
 * Derivatives of a scalar with respect to nodes of its expression: parameters, inputs, or any value on the way, such as
 * an activation that an intercept caught. They are expressions too, so they can be differentiated again.
 *
 * Reverse mode: walks the expression once from `y` back, and adds up each node's cotangent over its uses.
 *
 * @param y - Scalar, float32.
 * @param xs - Float nodes that `y` is computed from.
 * @returns `dy / dx` for each `x`, of its shape, float32.
 * @throws {ShapeError} If `y` is not a scalar.
 * @throws {DTypeError} If `y` or an `x` is not float.
 * @throws {ArgumentError} If `y` does not depend on an `x` (unless `unconnected` is `'zeros'`), or does by way of an op
 *   that has no gradient.
 * @see Griewank and Walther 2008, chapter 3
 */
export const gradients = (
  y: Tensor,
  xs: readonly Tensor[],
  { unconnected = 'error' }: GradientOptions = {},
): readonly Tensor[] => {
  if (y.shape.length !== 0)
    throw new ShapeError(`gradients: expected a scalar y, got ${describe(y)}; reduce it first, with sum or mean`);
  if (!isFloat(y.dtype)) throw new DTypeError(`gradients: expected a float y, got ${describe(y)}`);
  for (const [i, x] of xs.entries())
    if (!isFloat(x.dtype))
      throw new DTypeError(
        `gradients: expected float xs, got ${describe(x)} at ${i}; whole numbers have no derivative`,
      );

  const cotangents = pullback('gradients', [{ y, dy: constant(1) }], xs);
  return xs.map((x, i) => {
    const dx = cotangents[i];
    if (dx !== undefined) return sameShape(dx.shape, x.shape) ? dx : broadcastTo(dx, x.shape);
    if (unconnected === 'zeros') return zeros(x.shape);
    throw new ArgumentError(
      `gradients: expected y to depend on every x, got ${describe(x)} at ${i}, which it does not depend on (or only through stopGradient); pass unconnected: 'zeros' for zeros`,
    );
  });
};
