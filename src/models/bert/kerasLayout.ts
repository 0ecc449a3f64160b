import * as E from 'fp-ts/lib/Either.js';
import { cannotSay, encoderLayerGroups } from '../encoder/kerasLayers.ts';
import type { EncoderKerasLayout } from '../kerasLayout.ts';
import type { BertConfig } from './config.ts';

/**
 * How KerasHub writes a BERT down.
 *
 * @see keras_hub.models.BertBackbone, keras_hub.models.BertMaskedLM, keras_hub.models.BertTextClassifier
 */
export const bertKerasLayout: EncoderKerasLayout<BertConfig> = {
  folder: 'bert',
  backbone: { className: 'BertBackbone', name: 'bert_backbone' },
  tokenizer: { className: 'BertTokenizer', name: 'bert_tokenizer' },
  maskedLM: { className: 'BertMaskedLM', name: 'bert_masked_lm' },
  maskedLMPreprocessor: { className: 'BertMaskedLMPreprocessor', name: 'bert_masked_lm_preprocessor' },
  textClassifier: { className: 'BertTextClassifier', name: 'bert_text_classifier' },
  textClassifierPreprocessor: {
    className: 'BertTextClassifierPreprocessor',
    name: 'bert_text_classifier_preprocessor',
  },

  config: (config) =>
    cannotSay('BertBackbone', config, {
      layerNormEpsilon: 1e-12,
      activation: 'geluApproximate',
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
      num_segments: config.numSegments,
    }),

  layers: ({ numLayers }) => [
    ['', 'bert_backbone'],
    ['layers/input_layer', 'token_ids'],
    ['layers/reversible_embedding', 'token_embedding'],
    ['layers/input_layer_1', 'segment_ids'],
    ['layers/position_embedding', 'position_embedding'],
    ['layers/embedding', 'segment_embedding'],
    ['layers/add', 'embeddings_add'],
    ['layers/layer_normalization', 'embeddings_layer_norm'],
    ['layers/dropout', 'embeddings_dropout'],
    ['layers/input_layer_2', 'padding_mask'],
    ...encoderLayerGroups(numLayers, (index) => `transformer_layer_${index}`),
    ['layers/dense', 'pooled_dense'],
  ],
};
