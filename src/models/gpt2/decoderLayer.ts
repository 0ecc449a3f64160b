import { pipe } from 'fp-ts/lib/function.js';
import type { KeyValue } from '../../layers/cache.ts';
import { dense } from '../../layers/dense.ts';
import type { Dropouts } from '../../layers/dropout.ts';
import { noTap } from '../../layers/intercept.ts';
import { layerNorm } from '../../layers/layerNorm.ts';
import { causalSelfAttention, type SelfAttentionOptions } from '../../layers/selfAttention.ts';
import { add } from '../../ops/add.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { activations } from '../activations.ts';
import type { GPT2Config } from './config.ts';
import type { GPT2LayerParams } from './params.ts';

/** What a decoder layer depends on besides its parameters. */
export interface DecoderLayerOptions extends Omit<SelfAttentionOptions, 'dropPattern'> {
  /** Dropout at the layer's places: 0 the pattern, 1 what attention adds, 2 what the MLP adds. */
  readonly drop?: Dropouts | undefined;
}

/**
 * One GPT-2 decoder layer, pre-norm: `h = x + attention(norm(x))`, then `y = h + mlp(norm(h))`.
 *
 * `activation` and `layerNormEpsilon` are the config's. The `input` is the residual stream, `[batch, length, hiddenDim]`.
 *
 * @returns The residual stream after the layer, of the same shape, and this layer's keys and values.
 * @see Radford et al. 2019, section 2.3; keras_hub.layers.TransformerDecoder
 */
export const decoderLayer =
  (
    params: GPT2LayerParams,
    { activation, layerNormEpsilon: epsilon }: Pick<GPT2Config, 'activation' | 'layerNormEpsilon'>,
    { drop, ...options }: DecoderLayerOptions,
  ) =>
  (input: Tensor): { readonly y: Tensor; readonly present: KeyValue } => {
    const { tap = noTap } = options;
    const watched = (as: 'attention' | 'mlp') => (options.tap === undefined ? undefined : { tap: options.tap, as });
    const kept = (x: Tensor): Tensor => x;

    const x = tap('residualPre')(input);
    const { attended, present } = pipe(
      x,
      layerNorm(params.selfAttentionLayerNorm, { epsilon, watched: watched('attention') }),
      tap('attentionNormOut'),
      causalSelfAttention(params.selfAttention, { ...options, dropPattern: drop?.(0) }),
    );
    const h = pipe(attended, tap('attentionOut'), drop?.(1) ?? kept, (added) => add(x, added), tap('residualMid'));
    const fed = pipe(
      h,
      layerNorm(params.feedforwardLayerNorm, { epsilon, watched: watched('mlp') }),
      tap('mlpNormOut'),
      dense(params.feedforwardIntermediateDense),
      tap('mlpPre'),
      activations[activation],
      tap('mlpPost'),
      dense(params.feedforwardOutputDense),
      tap('mlpOut'),
      drop?.(2) ?? kept,
    );
    return { y: pipe(add(h, fed), tap('residualPost')), present };
  };
