import * as E from 'fp-ts/lib/Either.js';
import { cannotSay } from '../encoder/kerasLayers.ts';
import type { EncoderKerasLayout } from '../kerasLayout.ts';
import { numbered } from '../weightRows.ts';
import type { FNetConfig } from './config.ts';

/** The groups of one layer, in the order in which KerasHub writes them. */
const layerGroups = (index: number): readonly (readonly [group: string, name: string])[] => {
  const encoder = `layers/${numbered('f_net_encoder', index)}`;
  return [
    [encoder, `f_net_layer_${index}`],
    [`${encoder}/_mixing_layer_norm`, 'mixing_layer_norm'],
    [`${encoder}/_output_layer_norm`, 'output_layer_norm'],
    [`${encoder}/_intermediate_dense`, 'intermediate_dense'],
    [`${encoder}/_output_dense`, 'output_dense'],
    [`${encoder}/_output_dropout`, 'output_dropout'],
  ];
};

/**
 * How KerasHub writes an FNet down.
 *
 * @see keras_hub.models.FNetBackbone, keras_hub.models.FNetMaskedLM, keras_hub.models.FNetTextClassifier
 */
export const fNetKerasLayout: EncoderKerasLayout<FNetConfig> = {
  folder: 'f_net',
  backbone: { className: 'FNetBackbone', name: 'f_net_backbone' },
  tokenizer: { className: 'FNetTokenizer', name: 'f_net_tokenizer' },
  maskedLM: { className: 'FNetMaskedLM', name: 'f_net_masked_lm' },
  maskedLMPreprocessor: { className: 'FNetMaskedLMPreprocessor', name: 'f_net_masked_lm_preprocessor' },
  textClassifier: { className: 'FNetTextClassifier', name: 'f_net_text_classifier' },
  textClassifierPreprocessor: {
    className: 'FNetTextClassifierPreprocessor',
    name: 'f_net_text_classifier_preprocessor',
  },

  config: (config) =>
    cannotSay('FNetBackbone', config, {
      layerNormEpsilon: 1e-12,
      activation: 'geluApproximate',
      headActivation: 'gelu',
      headLayerNormEpsilon: 1e-5,
    }) ??
    E.right({
      vocabulary_size: config.vocabularySize,
      num_layers: config.numLayers,
      hidden_dim: config.hiddenDim,
      intermediate_dim: config.intermediateDim,
      dropout: config.dropout,
      max_sequence_length: config.maxSequenceLength,
      num_segments: config.numSegments,
    }),

  layers: ({ numLayers }) => [
    ['', 'f_net_backbone'],
    ['layers/input_layer', 'token_ids'],
    ['layers/reversible_embedding', 'token_embedding'],
    ['layers/input_layer_1', 'segment_ids'],
    ['layers/position_embedding', 'position_embedding'],
    ['layers/embedding', 'segment_embedding'],
    ['layers/add', 'embeddings_add'],
    ['layers/layer_normalization', 'embeddings_layer_norm'],
    ['layers/dense', 'embedding_projection'],
    ['layers/dropout', 'embeddings_dropout'],
    ...Array.from({ length: numLayers }, (_, index) => layerGroups(index)).flat(),
    ['layers/dense_1', 'pooled_dense'],
  ],
};
