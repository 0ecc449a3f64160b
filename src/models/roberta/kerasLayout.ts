import * as E from 'fp-ts/lib/Either.js';
import { cannotSay, encoderLayerGroups } from '../encoder/kerasLayers.ts';
import type { EncoderKerasLayout } from '../kerasLayout.ts';
import type { RobertaConfig } from './config.ts';

/** The names that differ between the two families of one architecture. */
type Names = Omit<EncoderKerasLayout<RobertaConfig>, 'config' | 'layers'>;

/** How KerasHub writes a family of RoBERTa's architecture down, by its own names. */
export const robertaLayoutOf = (names: Names): EncoderKerasLayout<RobertaConfig> => ({
  ...names,

  // Where transformers keeps its places says nothing of the model itself.
  config: (config) =>
    cannotSay(names.backbone.className, config, {
      layerNormEpsilon: 1e-5,
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
    ['', names.backbone.name],
    ['layers/input_layer', 'token_ids'],
    ['layers/token_and_position_embedding', 'embeddings'],
    ['layers/token_and_position_embedding/token_embedding', 'token_embedding'],
    ['layers/token_and_position_embedding/position_embedding', 'position_embedding'],
    ['layers/layer_normalization', 'embeddings_layer_norm'],
    ['layers/dropout', 'embeddings_dropout'],
    ['layers/input_layer_1', 'padding_mask'],
    ...encoderLayerGroups(numLayers, (index) => `transformer_layer_${index}`),
  ],
});

/**
 * How KerasHub writes a RoBERTa down.
 *
 * @see keras_hub.models.RobertaBackbone, keras_hub.models.RobertaMaskedLM, keras_hub.models.RobertaTextClassifier
 */
export const robertaKerasLayout: EncoderKerasLayout<RobertaConfig> = robertaLayoutOf({
  folder: 'roberta',
  backbone: { className: 'RobertaBackbone', name: 'roberta_backbone' },
  tokenizer: { className: 'RobertaTokenizer', name: 'roberta_tokenizer' },
  maskedLM: { className: 'RobertaMaskedLM', name: 'roberta_masked_lm' },
  maskedLMPreprocessor: { className: 'RobertaMaskedLMPreprocessor', name: 'roberta_masked_lm_preprocessor' },
  textClassifier: { className: 'RobertaTextClassifier', name: 'roberta_text_classifier' },
  textClassifierPreprocessor: {
    className: 'RobertaTextClassifierPreprocessor',
    name: 'roberta_text_classifier_preprocessor',
  },
});
