import { pipe } from 'fp-ts/lib/function.js';
import { add } from '../ops/add.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type DenseParams, dense } from './dense.ts';
import type { Dropouts } from './dropout.ts';
import { noTap, type Tap } from './intercept.ts';
import { type LayerNormParams, layerNorm } from './layerNorm.ts';
import { causalSelfAttention, type SelfAttentionOptions, type SelfAttentionParams } from './selfAttention.ts';
import type { Site } from './sites.ts';

/** Parameters of a post-norm MLP, by KerasHub's names. */
export type PostNormMlpParams = {
  /** `W1`, to `intermediateDim`. */
  readonly feedforwardIntermediateDense: DenseParams;
  /** `W2`, back to `hiddenDim`. */
  readonly feedforwardOutputDense: DenseParams;
  /** After the sum of both. */
  readonly feedforwardLayerNorm: LayerNormParams;
};

/** Parameters of a post-norm encoder layer, by KerasHub's names. */
export type EncoderLayerParams = PostNormMlpParams & {
  /** Attention of the stack to itself. */
  readonly selfAttention: SelfAttentionParams;
  /** After what it gives was added. */
  readonly selfAttentionLayerNorm: LayerNormParams;
};

/** What an encoder layer depends on besides its parameters. */
export interface EncoderLayerOptions {
  readonly activation: (x: Tensor) => Tensor;
  /** Added to the variance in both norms. */
  readonly epsilon: number;
  /** Which places are real, `[batch, length]` bool; masks keys only. Default: all. */
  readonly paddingMask?: Tensor | undefined;
  /** What a query gets whose keys are all masked: nothing, or the mean of all values. */
  readonly emptyRows: SelfAttentionOptions['emptyRows'];
  readonly tap?: Tap | undefined;
  /** Dropout at the layer's places: 0 the pattern, 1 what attention adds, 2 what the MLP adds. */
  readonly drop?: Dropouts | undefined;
}

/** The sites of a post-norm layer up to its MLP, in order. */
export const postNormAttentionSites: readonly Site[] = Object.freeze([
  'residualPre',
  'query',
  'key',
  'value',
  'scores',
  'pattern',
  'z',
  'perHead',
  'attentionOut',
  'residualMid',
  'attentionNormScale',
  'attentionNormalized',
  'attentionNormOut',
]);

/** The sites of a post-norm MLP, in order. */
export const postNormMlpSites: readonly Site[] = Object.freeze([
  'mlpPre',
  'mlpPost',
  'mlpOut',
  'mlpNormScale',
  'mlpNormalized',
  'residualPost',
]);

/** The sites of an encoder's layer, in order. */
export const encoderLayerSites: readonly Site[] = Object.freeze([...postNormAttentionSites, ...postNormMlpSites]);

const kept = (x: Tensor): Tensor => x;

const sumSites = {
  attention: ['residualMid', 'attentionNormOut'],
  crossAttention: ['residualCross', 'crossAttentionNormOut'],
} as const satisfies Readonly<Record<string, readonly [Site, Site]>>;

/**
 * What follows an attention in a post-norm layer: `norm(x + added)`.
 *
 * @param x - The residual stream before, `[batch, length, hiddenDim]`.
 * @param added - What attention adds to it, of the same shape.
 */
export const normedSum =
  (
    params: LayerNormParams,
    { epsilon, tap, as }: Pick<EncoderLayerOptions, 'epsilon' | 'tap'> & { readonly as: keyof typeof sumSites },
  ) =>
  (x: Tensor, added: Tensor): Tensor => {
    const seen = tap ?? noTap;
    const [sum, normed] = sumSites[as];
    return pipe(add(x, added), seen(sum), layerNorm(params, { epsilon, watched: tap && { tap, as } }), seen(normed));
  };

/**
 * The MLP that ends a post-norm layer: `y = norm(h + W2 act(W1 h))`.
 *
 * @returns The residual stream after the layer, of `h`'s shape.
 */
export const postNormMlp =
  (
    params: PostNormMlpParams,
    { activation, epsilon, tap, drop }: Pick<EncoderLayerOptions, 'activation' | 'epsilon' | 'tap' | 'drop'>,
  ) =>
  (h: Tensor): Tensor => {
    const seen = tap ?? noTap;
    return pipe(
      h,
      dense(params.feedforwardIntermediateDense),
      seen('mlpPre'),
      activation,
      seen('mlpPost'),
      dense(params.feedforwardOutputDense),
      seen('mlpOut'),
      drop?.(2) ?? kept,
      (added) => add(h, added),
      layerNorm(params.feedforwardLayerNorm, { epsilon, watched: tap && { tap, as: 'mlp' } }),
      seen('residualPost'),
    );
  };

/**
 * What follows the mixing of places in a post-norm layer: `h = norm(x + mixed)`, then `y = norm(h + W2 act(W1 h))`.
 *
 * @param x - The residual stream before the layer, `[batch, length, hiddenDim]`.
 * @param mixed - What mixing adds to it, of the same shape.
 */
export const afterMixing =
  (
    params: Omit<EncoderLayerParams, 'selfAttention'>,
    options: Pick<EncoderLayerOptions, 'activation' | 'epsilon' | 'tap' | 'drop'>,
  ) =>
  (x: Tensor, mixed: Tensor): Tensor => {
    const added = (options.drop?.(1) ?? kept)(mixed);
    return postNormMlp(
      params,
      options,
    )(normedSum(params.selfAttentionLayerNorm, { ...options, as: 'attention' })(x, added));
  };

/**
 * One encoder layer, post-norm: `h = norm(x + attention(x))`, then `y = norm(h + mlp(h))`, where every place sees every
 * real one.
 *
 * @returns The residual stream after the layer, `[batch, length, hiddenDim]`.
 * @see Devlin et al. 2019; keras_hub.layers.TransformerEncoder
 */
export const encoderLayer =
  (params: EncoderLayerParams, options: EncoderLayerOptions) =>
  (input: Tensor): Tensor => {
    const { paddingMask, emptyRows, tap, drop } = options;
    const seen = tap ?? noTap;
    const x = seen('residualPre')(input);
    const { attended } = causalSelfAttention(params.selfAttention, {
      causal: false,
      paddingMask,
      emptyRows,
      tap,
      dropPattern: drop?.(0),
    })(x);
    return afterMixing(params, options)(x, seen('attentionOut')(attended));
  };
