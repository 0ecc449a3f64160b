import { ShapeError } from '../tensor/errors.ts';
import { formatShape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * A function from an activation to the activation that takes its place.
 *
 * @param x - `[batch, length, hiddenDim]`, float32.
 * @param index - -1 for the embeddings, else the 0-based layer whose output `x` is.
 */
export type LayerIntercept = (x: Tensor, index: number) => Tensor;

/** Leaves every activation as it is. */
export const identityIntercept: LayerIntercept = (x) => x;

/** Gives an intercept an activation; what it returns must have the same shape. */
export const tap = (intercept: LayerIntercept, x: Tensor, index: number): Tensor => {
  const y = intercept(x, index);
  if (!sameShape(y.shape, x.shape))
    throw new ShapeError(
      `intercept: expected a tensor of shape ${formatShape(x.shape)} at index ${index}, got ${formatShape(y.shape)}`,
    );
  return y;
};
