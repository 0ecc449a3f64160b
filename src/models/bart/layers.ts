import { pipe } from 'fp-ts/lib/function.js';
import type { KeyValue } from '../../layers/cache.ts';
import { type EncoderLayerOptions, normedSum, postNormMlp } from '../../layers/encoderLayer.ts';
import { noTap } from '../../layers/intercept.ts';
import { causalSelfAttention, crossAttention, type SelfAttentionOptions } from '../../layers/selfAttention.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { BartDecoderLayerParams } from './params.ts';

/**
 * What a decoder layer depends on besides its parameters: what an encoder layer does, and what there is to read. Dropout
 * has two places more: 3 and 4 are in cross-attention what 0 and 1 are in the layer's own.
 */
export interface BartDecoderLayerOptions extends EncoderLayerOptions {
  readonly past: SelfAttentionOptions['past'];
  /** Keys and values of the encoder's places. */
  readonly memory: KeyValue;
  /** Which of the encoder's places are real, `[batch, encoderLength]` bool. */
  readonly encoderPaddingMask: Tensor | undefined;
}

const kept = (x: Tensor): Tensor => x;

/**
 * One decoder layer, post-norm: `h = norm(x + attention(x))`, `c = norm(h + crossAttention(h))`, then
 * `y = norm(c + mlp(c))`. The `input` is the residual stream.
 *
 * @returns The residual stream after the layer, `[batch, length, hiddenDim]`, and its own keys and values.
 * @see Lewis et al. 2019; keras_hub.layers.TransformerDecoder
 */
export const bartDecoderLayer =
  (params: BartDecoderLayerParams, options: BartDecoderLayerOptions) =>
  (input: Tensor): { readonly y: Tensor; readonly present: KeyValue } => {
    const { paddingMask, past, memory, encoderPaddingMask, emptyRows, epsilon, tap, drop } = options;
    const seen = tap ?? noTap;
    const x = seen('residualPre')(input);
    const { attended, present } = causalSelfAttention(params.selfAttention, {
      paddingMask,
      past,
      emptyRows,
      tap,
      dropPattern: drop?.(0),
    })(x);
    const h = pipe(attended, seen('attentionOut'), drop?.(1) ?? kept, (added) =>
      normedSum(params.selfAttentionLayerNorm, { epsilon, tap, as: 'attention' })(x, added),
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
      (added) => normedSum(params.crossAttentionLayerNorm, { epsilon, tap, as: 'crossAttention' })(h, added),
      postNormMlp(params, options),
    );
    return { y, present };
  };
