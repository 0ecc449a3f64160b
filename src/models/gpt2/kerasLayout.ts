import * as E from 'fp-ts/lib/Either.js';
import { type ConfigError, preview } from '../configReader.ts';
import type { KerasLayout } from '../kerasLayout.ts';
import type { GPT2Config } from './config.ts';

/** A name as Keras counts it: the first of a kind has no number. */
const numbered = (name: string, index: number): string => (index === 0 ? name : `${name}_${index}`);

const cannotSay = (field: string, expected: unknown, got: unknown): E.Either<ConfigError, never> =>
  E.left({
    _tag: 'WrongConfig',
    message: `GPT2Backbone: expected ${field} ${preview(expected)}, the only one that KerasHub's layout can say, got ${preview(got)}; write transformers' layout instead`,
  });

/**
 * How KerasHub writes a GPT-2 down.
 *
 * @see keras_hub.models.GPT2Backbone, keras_hub.models.GPT2CausalLM
 */
export const gpt2KerasLayout: KerasLayout<GPT2Config> = {
  folder: 'gpt2',
  backbone: { className: 'GPT2Backbone', name: 'gpt2_backbone' },
  tokenizer: { className: 'GPT2Tokenizer', name: 'gpt2_tokenizer' },
  causalLM: { className: 'GPT2CausalLM', name: 'gpt2_causal_lm' },
  causalLMPreprocessor: { className: 'GPT2CausalLMPreprocessor', name: 'gpt2_causal_lm_preprocessor' },

  config: (config) =>
    config.layerNormEpsilon !== 1e-5
      ? cannotSay('layerNormEpsilon', 1e-5, config.layerNormEpsilon)
      : config.activation !== 'geluApproximate'
        ? cannotSay('activation', 'geluApproximate', config.activation)
        : E.right({
            vocabulary_size: config.vocabularySize,
            num_layers: config.numLayers,
            num_heads: config.numHeads,
            hidden_dim: config.hiddenDim,
            intermediate_dim: config.intermediateDim,
            dropout: config.dropout,
            max_sequence_length: config.maxSequenceLength,
          }),

  layers: ({ numLayers }) => [
    ['', 'gpt2_backbone'],
    ['layers/input_layer', 'token_ids'],
    ['layers/input_layer_1', 'padding_mask'],
    ['layers/reversible_embedding', 'token_embedding'],
    ['layers/position_embedding', 'position_embedding'],
    ['layers/add', 'embeddings_add'],
    ['layers/dropout', 'embeddings_dropout'],
    ...Array.from({ length: numLayers }, (_, index) => index).flatMap((index) => {
      const decoder = `layers/${numbered('transformer_decoder', index)}`;
      const attention = `${decoder}/_self_attention_layer`;
      return [
        [decoder, `transformer_layer_${index}`],
        [`${decoder}/_self_attention_layer_norm`, 'self_attention_layer_norm'],
        [attention, 'self_attention'],
        [`${attention}/query_dense`, 'query'],
        [`${attention}/key_dense`, 'key'],
        [`${attention}/value_dense`, 'value'],
        [`${attention}/_softmax`, numbered('softmax', index)],
        [`${attention}/_dropout_layer`, numbered('dropout', index)],
        [`${attention}/output_dense`, 'attention_output'],
        [`${decoder}/_self_attention_dropout`, 'self_attention_dropout'],
        [`${decoder}/_feedforward_layer_norm`, 'feedforward_layer_norm'],
        [`${decoder}/_feedforward_intermediate_dense`, 'feedforward_intermediate_dense'],
        [`${decoder}/_feedforward_output_dense`, 'feedforward_output_dense'],
        [`${decoder}/_feedforward_dropout`, 'feedforward_dropout'],
      ] as const;
    }),
    ['layers/layer_normalization', 'layer_norm'],
  ],
};
