import * as E from 'fp-ts/lib/Either.js';
import { cannotSay } from '../encoder/kerasLayers.ts';
import type { EncoderKerasLayout } from '../kerasLayout.ts';
import { numbered } from '../weightRows.ts';
import { type DebertaV3Config, hasKerasBuckets } from './config.ts';

/** The groups of one layer, in the order in which KerasHub writes them; unnamed dropouts are counted through the model. */
const layerGroups = (index: number): readonly (readonly [group: string, name: string])[] => {
  const encoder = `layers/${numbered('disentangled_attention_encoder', index)}`;
  const attention = `${encoder}/_self_attention_layer`;
  return [
    [encoder, `disentangled_attention_encoder_layer_${index}`],
    [attention, 'self_attention_layer'],
    [`${attention}/_query_dense`, 'query'],
    [`${attention}/_key_dense`, 'key'],
    [`${attention}/_value_dense`, 'value'],
    [`${attention}/_position_dropout_layer`, numbered('dropout', index)],
    [`${attention}/_attn_dropout_layer`, 'attention_dropout'],
    [`${attention}/_softmax`, 'attention_softmax'],
    [`${attention}/_output_dense`, 'attention_output'],
    [`${encoder}/_self_attention_layer_norm`, 'self_attention_layer_norm'],
    [`${encoder}/_self_attention_dropout`, 'self_attention_dropout'],
    [`${encoder}/_feedforward_layer_norm`, 'feedforward_layer_norm'],
    [`${encoder}/_feedforward_intermediate_dense`, 'feedforward_intermediate_dense'],
    [`${encoder}/_feedforward_output_dense`, 'feedforward_output_dense'],
    [`${encoder}/_feedforward_dropout`, 'feedforward_dropout'],
  ];
};

/**
 * How KerasHub writes a DeBERTa V3 down.
 *
 * @see keras_hub.models.DebertaV3Backbone, keras_hub.models.DebertaV3MaskedLM,
 *   keras_hub.models.DebertaV3TextClassifier
 */
export const debertaV3KerasLayout: EncoderKerasLayout<DebertaV3Config> = {
  folder: 'deberta_v3',
  backbone: { className: 'DebertaV3Backbone', name: 'deberta_v3_backbone' },
  tokenizer: { className: 'DebertaV3Tokenizer', name: 'deberta_v3_tokenizer' },
  maskedLM: { className: 'DebertaV3MaskedLM', name: 'deberta_v3_masked_lm' },
  maskedLMPreprocessor: { className: 'DebertaV3MaskedLMPreprocessor', name: 'deberta_v3_masked_lm_preprocessor' },
  textClassifier: { className: 'DebertaV3TextClassifier', name: 'deberta_v3_text_classifier' },
  textClassifierPreprocessor: {
    className: 'DebertaV3TextClassifierPreprocessor',
    name: 'deberta_v3_text_classifier_preprocessor',
  },

  config: (config) =>
    cannotSay('DebertaV3Backbone', config, {
      layerNormEpsilon: 1e-7,
      activation: 'gelu',
      headActivation: 'gelu',
      headLayerNormEpsilon: 1e-5,
      poolerActivation: 'gelu',
      maxRelativePositions: config.maxSequenceLength,
      // transformers' rounding can be said where both give the same.
      ...(hasKerasBuckets(config) ? {} : { bucketRounding: 'keras' as const }),
    }) ??
    E.right({
      vocabulary_size: config.vocabularySize,
      num_layers: config.numLayers,
      num_heads: config.numHeads,
      hidden_dim: config.hiddenDim,
      intermediate_dim: config.intermediateDim,
      dropout: config.dropout,
      max_sequence_length: config.maxSequenceLength,
      bucket_size: config.bucketSize,
    }),

  einsumLayers: ['attention_output'],

  layers: ({ numLayers }) => [
    ['', 'deberta_v3_backbone'],
    ['layers/input_layer', 'token_ids'],
    ['layers/reversible_embedding', 'token_embedding'],
    ['layers/layer_normalization', 'embeddings_layer_norm'],
    ['layers/dropout', 'embeddings_dropout'],
    ['layers/input_layer_1', 'padding_mask'],
    ['layers/relative_embedding', 'rel_embedding'],
    ['layers/relative_embedding/layer_norm', 'rel_embeddings_layer_norm'],
    ...Array.from({ length: numLayers }, (_, index) => layerGroups(index)).flat(),
  ],
};
