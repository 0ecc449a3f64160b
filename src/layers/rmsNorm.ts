import { add } from '../ops/add.ts';
import { divide } from '../ops/divide.ts';
import { mean } from '../ops/mean.ts';
import { multiply } from '../ops/multiply.ts';
import { rmsNorm as rmsNormOp } from '../ops/rmsNorm.ts';
import { sqrt } from '../ops/sqrt.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tap } from './intercept.ts';

/** The gain of an RMS norm: `scale` is `[width]`. */
export type RmsNormParams = {
  readonly scale: Tensor;
};

/** What an RMS norm depends on besides its parameters. */
export interface RmsNormOptions {
  /** Added to the mean square. */
  readonly epsilon: number;
  /** Added to the scale: 1 where scales are stored by their distance from 1. Default 0. */
  readonly offset?: number;
  /** Who looks at the norm's inside, and which norm of the model this is. */
  readonly watched?:
    | { readonly tap: Tap; readonly as: 'attention' | 'attentionPost' | 'mlp' | 'mlpPost' | 'final' }
    | undefined;
}

/**
 * `y = x / sqrt(mean(x^2) + epsilon) * (offset + scale)` over the last axis.
 *
 * The divisor and the divided `x` are there for an intercept; the fused kernel runs unless it replaces one of them.
 *
 * @see Zhang and Sennrich 2019; keras.layers.RMSNormalization
 */
export const rmsNorm =
  ({ scale: gain }: RmsNormParams, { epsilon, offset = 0, watched }: RmsNormOptions) =>
  (x: Tensor): Tensor => {
    const fused = () => rmsNormOp(x, gain, { epsilon, offset });
    if (watched === undefined) return fused();
    const { tap, as } = watched;
    const offered = sqrt(add(mean(multiply(x, x), { axis: -1, keepDims: true }), epsilon));
    const scale = tap(`${as}NormScale`)(offered);
    const quotient = divide(x, scale);
    const normalized = tap(`${as}Normalized`)(quotient);
    if (scale === offered && normalized === quotient) return fused();
    return multiply(normalized, offset === 0 ? gain : add(gain, offset));
  };
