import * as E from 'fp-ts/lib/Either.js';
import { type ConfigError, preview } from '../configReader.ts';
import type { KerasLayout } from '../kerasLayout.ts';
import type { GemmaConfig } from './config.ts';

/** A name as Keras counts it: the first of a kind has no number. */
const numbered = (name: string, index: number): string => (index === 0 ? name : `${name}_${index}`);

/** What KerasHub's layout cannot say, where it is other than what KerasHub computes. */
const unsaid = (config: GemmaConfig): readonly (readonly [field: string, expected: unknown, got: unknown])[] => {
  const { headDim, useSlidingWindowAttention, slidingLayers } = config;
  const everyOther = slidingLayers.map((_, index) => useSlidingWindowAttention && index % 2 === 0);
  const fields = [
    ['blockNormEpsilon', 1e-6, config.blockNormEpsilon],
    ['queryScale', 1 / Math.sqrt(headDim), config.queryScale],
    ['slidingLayers', everyOther, slidingLayers],
    ['activation', 'geluApproximate', config.activation],
    ['ropeMaxWavelength', 10000, config.ropeMaxWavelength],
    ['attentionBias', false, config.attentionBias],
  ] as const;
  return fields.filter(([, expected, got]) => JSON.stringify(expected) !== JSON.stringify(got));
};

/**
 * How KerasHub writes a Gemma down. It has no word for `maxSequenceLength`, which is left out: a preset that is written and
 * read again has no limit.
 *
 * @see keras_hub.models.GemmaBackbone, keras_hub.models.GemmaCausalLM
 */
export const gemmaKerasLayout: KerasLayout<GemmaConfig> = {
  folder: 'gemma',
  backbone: { className: 'GemmaBackbone', name: 'gemma_backbone' },
  tokenizer: { className: 'GemmaTokenizer', name: 'gemma_tokenizer' },
  causalLM: { className: 'GemmaCausalLM', name: 'gemma_causal_lm' },
  causalLMPreprocessor: { className: 'GemmaCausalLMPreprocessor', name: 'gemma_causal_lm_preprocessor' },

  config: (config): E.Either<ConfigError, Readonly<Record<string, unknown>>> => {
    const [wrong] = unsaid(config);
    if (wrong !== undefined) {
      const [field, expected, got] = wrong;
      return E.left({
        _tag: 'WrongConfig',
        message: `GemmaBackbone: expected ${field} ${preview(expected)}, the only one that KerasHub's layout can say, got ${preview(got)}; write transformers' layout instead`,
      });
    }
    return E.right({
      vocabulary_size: config.vocabularySize,
      num_layers: config.numLayers,
      num_query_heads: config.numQueryHeads,
      num_key_value_heads: config.numKeyValueHeads,
      hidden_dim: config.hiddenDim,
      intermediate_dim: config.intermediateDim,
      head_dim: config.headDim,
      layer_norm_epsilon: config.layerNormEpsilon,
      dropout: config.dropout,
      query_head_dim_normalize: config.queryHeadDimNormalize,
      use_post_ffw_norm: config.usePostFfwNorm,
      use_post_attention_norm: config.usePostAttentionNorm,
      final_logit_soft_cap: config.finalLogitSoftCap,
      attention_logit_soft_cap: config.attentionLogitSoftCap,
      sliding_window_size: config.slidingWindowSize,
      use_sliding_window_attention: config.useSlidingWindowAttention,
    });
  },

  einsumLayers: ['ffw_gating', 'ffw_gating_2', 'ffw_linear'],

  layers: ({ numLayers, dropout, usePostAttentionNorm, usePostFfwNorm }) => [
    ['', 'gemma_backbone'],
    ['layers/input_layer', 'token_ids'],
    ['layers/input_layer_1', 'padding_mask'],
    ['layers/reversible_embedding', 'token_embedding'],
    ...Array.from({ length: numLayers }, (_, index) => index).flatMap((index) => {
      const decoder = `layers/${numbered('gemma_decoder_block', index)}`;
      const attention = `${decoder}/attention`;
      // Dropout layers are counted in order of their making: each block's own two, if there is dropout, then attention's.
      const own = dropout > 0 ? 2 * numLayers : 0;
      return [
        [decoder, `decoder_block_${index}`],
        [`${decoder}/pre_attention_norm`, 'pre_attention_norm'],
        [attention, 'attention'],
        [`${attention}/query_dense`, 'query'],
        [`${attention}/key_dense`, 'key'],
        [`${attention}/value_dense`, 'value'],
        [`${attention}/dropout_layer`, numbered('dropout', own + index)],
        [`${attention}/output_dense`, 'attention_output'],
        [`${attention}/softmax`, numbered('softmax', index)],
        [`${attention}/rope_layer`, numbered('rotary_embedding', index)],
        ...(usePostAttentionNorm ? [[`${decoder}/post_attention_norm`, 'post_attention_norm'] as const] : []),
        ...(dropout > 0
          ? [
              [`${decoder}/attention_dropout`, numbered('dropout', 2 * index)] as const,
              [`${decoder}/feedforward_dropout`, numbered('dropout', 2 * index + 1)] as const,
            ]
          : []),
        [`${decoder}/pre_ffw_norm`, 'pre_ffw_norm'],
        ...(usePostFfwNorm ? [[`${decoder}/post_ffw_norm`, 'post_ffw_norm'] as const] : []),
        [`${decoder}/gating_ffw`, 'ffw_gating'],
        [`${decoder}/gating_ffw_2`, 'ffw_gating_2'],
        [`${decoder}/ffw_linear`, 'ffw_linear'],
      ] as const;
    }),
    ['layers/rms_normalization', 'final_normalization'],
  ],
};
