import { pipe } from 'fp-ts/lib/function.js';
import type { KeyValue } from '../../layers/cache.ts';
import { dense } from '../../layers/dense.ts';
import type { Dropouts } from '../../layers/dropout.ts';
import { noTap, type Tap } from '../../layers/intercept.ts';
import { layerNorm } from '../../layers/layerNorm.ts';
import { causalSelfAttention, crossAttention, type SelfAttentionOptions } from '../../layers/selfAttention.ts';
import { add } from '../../ops/add.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { activations } from '../activations.ts';
import type { BartConfig } from './config.ts';
import type { BartDecoderLayerParams, BartEncoderLayerParams, BartFeedforwardParams } from './params.ts';

/** Added to the variance in every layer norm: both libraries know no other. */
export const layerNormEpsilon = 1e-5;

/** What a layer depends on besides its parameters. */
export interface BartLayerOptions {
  readonly activation: BartConfig['activation'];
  /** What a query gets whose keys are all masked: nothing, or the mean of all values. */
  readonly emptyRows: SelfAttentionOptions['emptyRows'];
  readonly tap?: Tap | undefined;
  /** Dropout by place: 0 the pattern, 1 what attention adds, 2 what the MLP adds, 3 and 4 as 0 and 1 in cross-attention. */
  readonly drop?: Dropouts | undefined;
}

const kept = (x: Tensor): Tensor => x;

/** `x` plus what a part of a layer adds, normed. */
const normed =
  (
    x: Tensor,
    params: BartEncoderLayerParams['selfAttentionLayerNorm'],
    as: 'attention' | 'crossAttention' | 'mlp',
    tap: Tap | undefined,
  ) =>
  (added: Tensor): Tensor => {
    const seen = tap ?? noTap;
    const sum = add(x, added);
    const tapped = as === 'mlp' ? sum : seen(as === 'attention' ? 'residualMid' : 'residualCross')(sum);
    const y = layerNorm(params, { epsilon: layerNormEpsilon, watched: tap && { tap, as } })(tapped);
    return as === 'mlp' ? seen('residualPost')(y) : seen(`${as}NormOut`)(y);
  };

/** `norm(x + W2 act(W1 x))`. */
const feedforward =
  (params: BartFeedforwardParams, { activation, tap, drop }: BartLayerOptions) =>
  (x: Tensor): Tensor => {
    const seen = tap ?? noTap;
    return pipe(
      x,
      dense(params.feedforwardIntermediateDense),
      seen('mlpPre'),
      activations[activation],
      seen('mlpPost'),
      dense(params.feedforwardOutputDense),
      seen('mlpOut'),
      drop?.(2) ?? kept,
      normed(x, params.feedforwardLayerNorm, 'mlp', tap),
    );
  };

/**
 * One encoder layer, post-norm: `h = norm(x + attention(x))`, then `y = norm(h + mlp(h))`.
 *
 * The `input` is the residual stream; `paddingMask` says which places are real, `[batch, length]` bool.
 *
 * @returns The residual stream after the layer, `[batch, length, hiddenDim]`.
 * @see Lewis et al. 2019; keras_hub.layers.TransformerEncoder
 */
export const bartEncoderLayer =
  (
    params: BartEncoderLayerParams,
    { paddingMask, ...options }: BartLayerOptions & { readonly paddingMask: Tensor | undefined },
  ) =>
  (input: Tensor): Tensor => {
    const { emptyRows, tap, drop } = options;
    const seen = tap ?? noTap;
    const x = seen('residualPre')(input);
    const { attended } = causalSelfAttention(params.selfAttention, {
      causal: false,
      paddingMask,
      emptyRows,
      tap,
      dropPattern: drop?.(0),
    })(x);
    return pipe(
      attended,
      seen('attentionOut'),
      drop?.(1) ?? kept,
      normed(x, params.selfAttentionLayerNorm, 'attention', tap),
      feedforward(params, options),
    );
  };

/** What a decoder layer depends on besides. */
export interface BartDecoderLayerOptions extends BartLayerOptions {
  /** Which of the decoder's places are real, `[batch, length]` bool. */
  readonly paddingMask: Tensor | undefined;
  readonly past: SelfAttentionOptions['past'];
  /** Keys and values of the encoder's places. */
  readonly memory: KeyValue;
  /** Which of the encoder's places are real, `[batch, encoderLength]` bool. */
  readonly encoderPaddingMask: Tensor | undefined;
}

/**
 * One decoder layer, post-norm: `h = norm(x + attention(x))`, `c = norm(h + crossAttention(h))`, then
 * `y = norm(c + mlp(c))`. The `input` is the residual stream.
 *
 * @returns The residual stream after the layer, `[batch, length, hiddenDim]`, and its own keys and values.
 * @see Lewis et al. 2019; keras_hub.layers.TransformerDecoder
 */
export const bartDecoderLayer =
  (
    params: BartDecoderLayerParams,
    { paddingMask, past, memory, encoderPaddingMask, ...options }: BartDecoderLayerOptions,
  ) =>
  (input: Tensor): { readonly y: Tensor; readonly present: KeyValue } => {
    const { emptyRows, tap, drop } = options;
    const seen = tap ?? noTap;
    const x = seen('residualPre')(input);
    const { attended, present } = causalSelfAttention(params.selfAttention, {
      paddingMask,
      past,
      emptyRows,
      tap,
      dropPattern: drop?.(0),
    })(x);
    const h = pipe(
      attended,
      seen('attentionOut'),
      drop?.(1) ?? kept,
      normed(x, params.selfAttentionLayerNorm, 'attention', tap),
    );
    const y = pipe(
      h,
      crossAttention(params.crossAttention, memory, {
        paddingMask: encoderPaddingMask,
        emptyRows,
        tap,
        dropPattern: drop?.(3),
      }),
      seen('crossAttentionOut'),
      drop?.(4) ?? kept,
      normed(h, params.crossAttentionLayerNorm, 'crossAttention', tap),
      feedforward(params, options),
    );
    return { y, present };
  };
