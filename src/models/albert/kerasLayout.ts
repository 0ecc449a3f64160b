import * as E from 'fp-ts/lib/Either.js';
import { cannotSay, encoderLayerGroups } from '../encoder/kerasLayers.ts';
import type { EncoderKerasLayout } from '../kerasLayout.ts';
import type { AlbertConfig } from './config.ts';
import { albertLayers } from './weightNames.ts';

/**
 * How KerasHub writes an ALBERT down.
 *
 * @see keras_hub.models.AlbertBackbone, keras_hub.models.AlbertMaskedLM, keras_hub.models.AlbertTextClassifier
 */
export const albertKerasLayout: EncoderKerasLayout<AlbertConfig> = {
  folder: 'albert',
  backbone: { className: 'AlbertBackbone', name: 'albert_backbone' },
  tokenizer: { className: 'AlbertTokenizer', name: 'albert_tokenizer' },
  maskedLM: { className: 'AlbertMaskedLM', name: 'albert_masked_lm' },
  maskedLMPreprocessor: { className: 'AlbertMaskedLMPreprocessor', name: 'albert_masked_lm_preprocessor' },
  textClassifier: { className: 'AlbertTextClassifier', name: 'albert_text_classifier' },
  textClassifierPreprocessor: {
    className: 'AlbertTextClassifierPreprocessor',
    name: 'albert_text_classifier_preprocessor',
  },

  config: (config) =>
    cannotSay('AlbertBackbone', config, {
      layerNormEpsilon: 1e-12,
      activation: 'geluApproximate',
      headActivation: 'geluApproximate',
      headLayerNormEpsilon: 1e-5,
    }) ??
    E.right({
      vocabulary_size: config.vocabularySize,
      num_layers: config.numLayers,
      num_heads: config.numHeads,
      num_groups: config.numGroups,
      num_inner_repetitions: config.numInnerRepetitions,
      embedding_dim: config.embeddingDim,
      hidden_dim: config.hiddenDim,
      intermediate_dim: config.intermediateDim,
      dropout: config.dropout,
      max_sequence_length: config.maxSequenceLength,
      num_segments: config.numSegments,
    }),

  layers: (config) => {
    const own = albertLayers(config);
    return [
      ['', 'albert_backbone'],
      ['layers/input_layer', 'token_ids'],
      ['layers/reversible_embedding', 'token_embedding'],
      ['layers/input_layer_1', 'segment_ids'],
      ['layers/position_embedding', 'position_embedding'],
      ['layers/embedding', 'segment_embedding'],
      ['layers/add', 'embeddings_add'],
      ['layers/layer_normalization', 'embeddings_layer_norm'],
      ['layers/dropout', 'embeddings_dropout'],
      ['layers/dense', 'embedding_projection'],
      ['layers/input_layer_2', 'padding_mask'],
      ...encoderLayerGroups(own.length, (index) => own[index]!.name),
      ['layers/dense_1', 'pooled_dense'],
    ];
  },
};
