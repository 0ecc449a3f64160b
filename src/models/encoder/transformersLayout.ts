import type { JsonObject } from '../configReader.ts';
import type { TransformersLayout } from '../transformersLayout.ts';
import { transformersActivation } from '../transformersLayout.ts';
import type { EncoderConfig, HeadlessEncoderConfig } from './config.ts';

/** The classes of an encoder's family, whose names begin alike. */
export const encoderTransformersClasses =
  (name: string): TransformersLayout<unknown>['classes'] =>
  () => ({
    backbone: `${name}Model`,
    maskedLM: `${name}ForMaskedLM`,
    textClassifier: `${name}ForSequenceClassification`,
  });

/** Fields that only a masked LM's head reads. */
export const headFields = ['headActivation', 'headLayerNormEpsilon'] as const;

/** The fields of transformers' config that encoders after BERT have, but for heads. */
export const headlessFields = (config: HeadlessEncoderConfig): JsonObject => ({
  vocab_size: config.vocabularySize,
  num_hidden_layers: config.numLayers,
  hidden_size: config.hiddenDim,
  intermediate_size: config.intermediateDim,
  hidden_dropout_prob: config.dropout,
  max_position_embeddings: config.maxSequenceLength,
  layer_norm_eps: config.layerNormEpsilon,
  hidden_act: transformersActivation[config.activation],
});

/** The same of those that attend. */
export const encoderFields = (config: EncoderConfig): JsonObject => ({
  ...headlessFields(config),
  num_attention_heads: config.numHeads,
  attention_probs_dropout_prob: config.dropout,
});
