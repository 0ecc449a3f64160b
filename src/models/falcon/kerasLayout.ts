import * as E from 'fp-ts/lib/Either.js';
import { type ConfigError, preview } from '../configReader.ts';
import type { KerasLayout } from '../kerasLayout.ts';
import type { FalconConfig } from './config.ts';

/** A name as Keras counts it: the first of a kind has no number. */
const numbered = (name: string, index: number): string => (index === 0 ? name : `${name}_${index}`);

const cannotSay = (field: string, expected: unknown, got: unknown): E.Either<ConfigError, never> =>
  E.left({
    _tag: 'WrongConfig',
    message: `FalconBackbone: expected ${field} ${preview(expected)}, the only one that KerasHub's layout can say, got ${preview(got)}; write transformers' layout instead`,
  });

/** What every Falcon of KerasHub's has. */
const fixed = (config: FalconConfig): Partial<FalconConfig> => ({
  numKeyValueHeads: config.numAttentionHeads,
  blockLayerNormEpsilon: 1e-5,
  parallelAttention: false,
  useBias: true,
  activation: 'gelu',
  positions: 'alibi',
  tieWordEmbeddings: true,
});

/**
 * How KerasHub writes a Falcon down.
 *
 * @see keras_hub.models.FalconBackbone, keras_hub.models.FalconCausalLM
 */
export const falconKerasLayout: KerasLayout<FalconConfig> = {
  folder: 'falcon',
  backbone: { className: 'FalconBackbone', name: 'falcon_backbone' },
  tokenizer: { className: 'FalconTokenizer', name: 'falcon_tokenizer' },
  causalLM: { className: 'FalconCausalLM', name: 'falcon_causal_lm' },
  causalLMPreprocessor: { className: 'FalconCausalLMPreprocessor', name: 'falcon_causal_lm_preprocessor' },

  config: (config) => {
    const wanted = fixed(config);
    const other = (Object.keys(wanted) as (keyof FalconConfig)[]).find((field) => config[field] !== wanted[field]);
    return other !== undefined
      ? cannotSay(other, wanted[other], config[other])
      : E.right({
          vocabulary_size: config.vocabularySize,
          num_layers: config.numLayers,
          num_attention_heads: config.numAttentionHeads,
          hidden_dim: config.hiddenDim,
          intermediate_dim: config.intermediateDim,
          attention_dropout_rate: config.attentionDropoutRate,
          feedforward_dropout_rate: config.feedforwardDropoutRate,
          layer_norm_epsilon: config.layerNormEpsilon,
        });
  },

  layers: ({ numLayers }) => [
    ['', 'falcon_backbone'],
    ['layers/input_layer', 'token_ids'],
    ['layers/input_layer_1', 'padding_mask'],
    ['layers/reversible_embedding', 'token_embedding'],
    ...Array.from({ length: numLayers }, (_, index) => index).flatMap((index) => {
      const decoder = `layers/${numbered('falcon_transformer_decoder', index)}`;
      const attention = `${decoder}/attention_layer`;
      return [
        [decoder, `transformer_layer_${index}`],
        [`${decoder}/input_layernorm`, 'input_layernorm'],
        [attention, 'attention'],
        [`${attention}/query_dense`, 'query_dense'],
        [`${attention}/key_dense`, 'key_dense'],
        [`${attention}/value_dense`, 'value_dense'],
        [`${attention}/attention_dropout`, 'attention_dropout'],
        [`${attention}/output_dense`, 'output_dense'],
        [`${attention}/softmax`, 'softmax'],
        [`${decoder}/attention_dropout`, 'attention_dropout'],
        [`${decoder}/post_attention_layernorm`, 'post_attention_layernorm'],
        [`${decoder}/dense_h_to_4h`, 'dense_h_to_4h'],
        [`${decoder}/dense_4h_to_h`, 'dense_4h_to_h'],
        [`${decoder}/feedforward_dropout`, 'feedforward_dropout'],
      ] as const;
    }),
    ['layers/layer_normalization', 'final_layernorm'],
  ],
};
