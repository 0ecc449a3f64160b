import { encoderTransformersClasses, headFields } from '../encoder/transformersLayout.ts';
import { type TransformersLayout, transformersActivation } from '../transformersLayout.ts';
import { type DistilBertConfig, parseDistilBertConfig } from './config.ts';

/** How transformers writes a DistilBERT down. @see transformers.DistilBertConfig */
export const distilBertTransformersLayout: TransformersLayout<DistilBertConfig> = {
  classes: encoderTransformersClasses('DistilBert'),
  parse: parseDistilBertConfig,
  only: { maskedLM: headFields },
  config: (config) => ({
    model_type: 'distilbert',
    vocab_size: config.vocabularySize,
    n_layers: config.numLayers,
    n_heads: config.numHeads,
    dim: config.hiddenDim,
    hidden_dim: config.intermediateDim,
    dropout: config.dropout,
    attention_dropout: config.dropout,
    max_position_embeddings: config.maxSequenceLength,
    activation: transformersActivation[config.activation],
    sinusoidal_pos_embds: false,
  }),
};
