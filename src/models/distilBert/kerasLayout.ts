import * as E from 'fp-ts/lib/Either.js';
import { cannotSay, encoderLayerGroups } from '../encoder/kerasLayers.ts';
import type { EncoderKerasLayout } from '../kerasLayout.ts';
import type { DistilBertConfig } from './config.ts';

/**
 * How KerasHub writes a DistilBERT down.
 *
 * @see keras_hub.models.DistilBertBackbone, keras_hub.models.DistilBertMaskedLM,
 * keras_hub.models.DistilBertTextClassifier
 */
export const distilBertKerasLayout: EncoderKerasLayout<DistilBertConfig> = {
  folder: 'distil_bert',
  backbone: { className: 'DistilBertBackbone', name: 'distil_bert_backbone' },
  tokenizer: { className: 'DistilBertTokenizer', name: 'distil_bert_tokenizer' },
  maskedLM: { className: 'DistilBertMaskedLM', name: 'distil_bert_masked_lm' },
  maskedLMPreprocessor: { className: 'DistilBertMaskedLMPreprocessor', name: 'distil_bert_masked_lm_preprocessor' },
  textClassifier: { className: 'DistilBertTextClassifier', name: 'distil_bert_text_classifier' },
  textClassifierPreprocessor: {
    className: 'DistilBertTextClassifierPreprocessor',
    name: 'distil_bert_text_classifier_preprocessor',
  },

  config: (config) =>
    cannotSay('DistilBertBackbone', config, {
      layerNormEpsilon: 1e-12,
      activation: 'gelu',
      headActivation: 'gelu',
      headLayerNormEpsilon: 1e-5,
    }) ??
    E.right({
      vocabulary_size: config.vocabularySize,
      num_layers: config.numLayers,
      num_heads: config.numHeads,
      hidden_dim: config.hiddenDim,
      intermediate_dim: config.intermediateDim,
      dropout: config.dropout,
      max_sequence_length: config.maxSequenceLength,
    }),

  layers: ({ numLayers }) => [
    ['', 'distil_bert_backbone'],
    ['layers/input_layer', 'token_ids'],
    ['layers/token_and_position_embedding', 'token_and_position_embedding'],
    ['layers/token_and_position_embedding/token_embedding', 'token_embedding'],
    ['layers/token_and_position_embedding/position_embedding', 'position_embedding'],
    ['layers/layer_normalization', 'embeddings_layer_norm'],
    ['layers/dropout', 'embeddings_dropout'],
    ['layers/input_layer_1', 'padding_mask'],
    ...encoderLayerGroups(numLayers, (index) => `transformer_layer_${index}`),
  ],
};
