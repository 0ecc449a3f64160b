import { broadcastTo } from '../ops/broadcastTo.ts';
import { cast } from '../ops/cast.ts';
import { divide } from '../ops/divide.ts';
import { equal } from '../ops/equal.ts';
import { expandDims, reshape, squeeze } from '../ops/reshape.ts';
import { where } from '../ops/where.ts';
import { ShapeError } from '../tensor/errors.ts';
import { formatShape, type Shape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** `x / by`, but 0 where the divisor is 0. */
export const divideOrZero = (x: Tensor, by: Tensor): Tensor => {
  const isZero = equal(by, 0);
  return where(isZero, 0, divide(x, where(isZero, 1, by)));
};

/**
 * Where ranks differ by one and the longer shape ends in 1, one of the two gets or loses an axis so that they are of
 * one rank.
 *
 * @see keras.losses.loss.squeeze_or_expand_to_same_rank
 */
export const toSameRank = (a: Tensor, b: Tensor): readonly [Tensor, Tensor] => {
  if (a.shape.length === b.shape.length + 1 && a.shape.at(-1) === 1)
    return b.shape.length === 1 ? [a, expandDims(b, -1)] : [squeeze(a, { axis: -1 }), b];
  if (b.shape.length === a.shape.length + 1 && b.shape.at(-1) === 1)
    return a.shape.length === 1 ? [expandDims(a, -1), b] : [a, squeeze(b, { axis: -1 })];
  return [a, b];
};

/**
 * Targets and predictions as float32 of one shape.
 *
 * @throws {ShapeError} If their shapes differ.
 */
export const alike = (name: string, yTrue: Tensor, yPred: Tensor): readonly [Tensor, Tensor] => {
  const [target, prediction] = toSameRank(cast(yTrue, 'float32'), cast(yPred, 'float32'));
  if (!sameShape(target.shape, prediction.shape))
    throw new ShapeError(
      `${name}: expected yTrue and yPred of one shape, got ${formatShape(yTrue.shape)} and ${formatShape(yPred.shape)}`,
    );
  return [target, prediction];
};

/**
 * Targets that are numbers of classes, `[...]` int32, given as `[...]` or `[..., 1]` for predictions `[..., classes]`.
 *
 * @throws {ShapeError} If the shapes do not fit.
 */
export const classesOf = (name: string, yTrue: Tensor, yPred: Tensor): Tensor => {
  const isColumn = yTrue.shape.length === yPred.shape.length && yTrue.shape.at(-1) === 1;
  const target = cast(isColumn ? squeeze(yTrue, { axis: -1 }) : yTrue, 'int32');
  if (yPred.shape.length === 0 || !sameShape(target.shape, yPred.shape.slice(0, -1)))
    throw new ShapeError(
      `${name}: expected yTrue of the shape of yPred without its last axis, got ${formatShape(yTrue.shape)} and ${formatShape(yPred.shape)}`,
    );
  return target;
};

/**
 * Weights repeated to a shape: from its leading axes over the others, and along axes of size 1.
 *
 * @throws {ShapeError} If the shapes do not fit.
 */
export const spread = (name: string, weights: Tensor, shape: Shape): Tensor => {
  const missing = shape.length - weights.shape.length;
  if (missing < 0 || !weights.shape.every((size, axis) => size === 1 || size === shape[axis]))
    throw new ShapeError(
      `${name}: expected weights for values of shape ${formatShape(shape)}, or for its leading axes, got shape ${formatShape(weights.shape)}`,
    );
  return broadcastTo(reshape(weights, [...weights.shape, ...Array<number>(missing).fill(1)]), shape);
};
