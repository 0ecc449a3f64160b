import { add } from '../ops/add.ts';
import { divide } from '../ops/divide.ts';
import { layerNorm as layerNormOp } from '../ops/layerNorm.ts';
import { mean } from '../ops/mean.ts';
import { multiply } from '../ops/multiply.ts';
import { sqrt } from '../ops/sqrt.ts';
import { subtract } from '../ops/subtract.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tap } from './intercept.ts';

/** Gain `gamma` and offset `beta` of a layer norm, each `[width]`. */
export type LayerNormParams = {
  readonly gamma: Tensor;
  readonly beta: Tensor;
};

/** What a layer norm depends on besides its parameters. */
export interface LayerNormOptions {
  /** Added to the variance. */
  readonly epsilon: number;
  /** Who looks at the norm's inside, and which norm of the model this is. */
  readonly watched?: { readonly tap: Tap; readonly as: 'attention' | 'crossAttention' | 'mlp' | 'final' } | undefined;
}

/**
 * `y = (x - mean(x)) / sqrt(var(x) + epsilon) * gamma + beta` over the last axis, with the biased variance.
 *
 * Scale and normalized `x` are there for an intercept; the fused kernel runs unless it replaces one of them.
 *
 * @see Ba et al. 2016; keras.layers.LayerNormalization
 */
export const layerNorm =
  ({ gamma, beta }: LayerNormParams, { epsilon, watched }: LayerNormOptions) =>
  (x: Tensor): Tensor => {
    const fused = () => layerNormOp(x, gamma, beta, { epsilon });
    if (watched === undefined) return fused();
    const { tap, as } = watched;
    const last = { axis: -1, keepDims: true };
    const centred = subtract(x, mean(x, last));
    const offered = sqrt(add(mean(multiply(centred, centred), last), epsilon));
    const scale = tap(`${as}NormScale`)(offered);
    const quotient = divide(centred, scale);
    const normalized = tap(`${as}Normalized`)(quotient);
    return scale === offered && normalized === quotient ? fused() : add(multiply(normalized, gamma), beta);
  };
