import { pipe } from 'fp-ts/lib/function.js';
import type { KeyValue } from '../../layers/cache.ts';
import type { Dropouts } from '../../layers/dropout.ts';
import { gatedMlp } from '../../layers/gatedMlp.ts';
import { noTap, type Tap } from '../../layers/intercept.ts';
import { type RmsNormOptions, type RmsNormParams, rmsNorm } from '../../layers/rmsNorm.ts';
import { causalSelfAttention, type SelfAttentionOptions } from '../../layers/selfAttention.ts';
import { add } from '../../ops/add.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { activations } from '../activations.ts';
import type { GemmaConfig } from './config.ts';
import type { GemmaLayerParams } from './params.ts';

/** What a decoder layer depends on besides its parameters and the config. */
export interface DecoderLayerOptions extends Pick<SelfAttentionOptions, 'paddingMask' | 'past' | 'rotate' | 'tap'> {
  /** Whether its queries see only the last places of the window. */
  readonly isSliding: boolean;
  /** Dropout at the layer's places: 0 the pattern, 1 what attention adds. KerasHub has none behind the MLP. */
  readonly drop?: Dropouts | undefined;
}

/** A norm of Gemma, whose scales are stored less 1, seen from inside by those who ask. */
export const gemmaNorm = (
  params: RmsNormParams,
  epsilon: number,
  tap: Tap | undefined,
  as: NonNullable<RmsNormOptions['watched']>['as'],
): ((x: Tensor) => Tensor) => rmsNorm(params, { epsilon, offset: 1, watched: tap && { tap, as } });

/**
 * One Gemma decoder layer: `h = x + attention(norm(x))`, then `y = h + mlp(norm(h))`; in Gemma 2, what attention and MLP give
 * passes a norm of its own before it is added. The `input` is the residual stream, `[batch, length, hiddenDim]`.
 *
 * @returns The residual stream after the layer, of the same shape, and this layer's keys and values.
 * @see Gemma Team 2024a, section 2; Gemma Team 2024b, section 2; keras_hub.models.GemmaBackbone
 */
export const gemmaDecoderLayer =
  (
    params: GemmaLayerParams,
    { blockNormEpsilon: epsilon, activation, queryScale, attentionLogitSoftCap, slidingWindowSize }: GemmaConfig,
    { isSliding, drop, ...options }: DecoderLayerOptions,
  ) =>
  (input: Tensor): { readonly y: Tensor; readonly present: KeyValue } => {
    const { tap = noTap } = options;
    const kept = (x: Tensor): Tensor => x;
    /** What attention or MLP gave, past the norm behind it if there is one. */
    const behind = (norm: RmsNormParams | undefined, as: 'attention' | 'mlp') => (x: Tensor) =>
      norm === undefined ? x : pipe(x, tap(`${as}Projected`), gemmaNorm(norm, epsilon, options.tap, `${as}Post`));

    const x = tap('residualPre')(input);
    const { attended, present } = pipe(
      x,
      gemmaNorm(params.preAttentionNorm, epsilon, options.tap, 'attention'),
      tap('attentionNormOut'),
      causalSelfAttention(params.attention, {
        ...options,
        headsFirst: true,
        emptyRows: 'zero',
        scoring: {
          scale: queryScale,
          ...(attentionLogitSoftCap === null ? {} : { softCap: attentionLogitSoftCap }),
          ...(isSliding ? { window: slidingWindowSize } : {}),
        },
        dropPattern: drop?.(0),
      }),
    );
    const h = pipe(
      attended,
      behind(params.postAttentionNorm, 'attention'),
      tap('attentionOut'),
      drop?.(1) ?? kept,
      (added) => add(x, added),
      tap('residualMid'),
    );
    const fed = pipe(
      h,
      gemmaNorm(params.preFfwNorm, epsilon, options.tap, 'mlp'),
      tap('mlpNormOut'),
      gatedMlp(
        { gate: params.ffwGating, up: params.ffwGating2, down: params.ffwLinear },
        { activation: activations[activation], tap },
      ),
      behind(params.postFfwNorm, 'mlp'),
      tap('mlpOut'),
    );
    return { y: pipe(add(h, fed), tap('residualPost')), present };
  };
