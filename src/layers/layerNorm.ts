import { layerNorm as layerNormOp } from '../ops/layerNorm.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Gain and offset of a layer norm, each `[width]`. */
export type LayerNormParams = {
  readonly gamma: Tensor;
  readonly beta: Tensor;
};

/**
 * `y = (x - mean(x)) / sqrt(var(x) + epsilon) * gamma + beta` over the last axis, with the biased variance.
 *
 * @see Ba et al. 2016; keras.layers.LayerNormalization
 */
export const layerNorm =
  ({ gamma, beta }: LayerNormParams, { epsilon }: { readonly epsilon: number }) =>
  (x: Tensor): Tensor =>
    layerNormOp(x, gamma, beta, { epsilon });
