import { type TransformersLayout, transformersActivation } from '../transformersLayout.ts';
import { type BartConfig, parseBartConfig } from './config.ts';

/** How transformers writes a BART down. @see transformers.BartConfig */
export const bartTransformersLayout: TransformersLayout<BartConfig> = {
  // A bias of the logits stands beside the base model.
  classes: ({ finalLogitsBias }) => ({
    backbone: finalLogitsBias ? 'BartForConditionalGeneration' : 'BartModel',
    seq2seqLM: 'BartForConditionalGeneration',
  }),
  parse: parseBartConfig,
  outside: ['final_logits_bias'],
  // The weights say it.
  free: ['finalLogitsBias'],
  config: (config) => ({
    model_type: 'bart',
    vocab_size: config.vocabularySize,
    encoder_layers: config.numLayers,
    // KerasHub's converter reads this name of it.
    num_hidden_layers: config.numLayers,
    encoder_attention_heads: config.numHeads,
    encoder_ffn_dim: config.intermediateDim,
    decoder_layers: config.decoderNumLayers,
    decoder_attention_heads: config.decoderNumHeads,
    decoder_ffn_dim: config.decoderIntermediateDim,
    d_model: config.hiddenDim,
    max_position_embeddings: config.maxSequenceLength,
    dropout: config.dropout,
    attention_dropout: config.dropout,
    activation_dropout: 0,
    activation_function: transformersActivation[config.activation],
    scale_embedding: config.scaleEmbedding,
    is_encoder_decoder: true,
    tie_word_embeddings: true,
  }),
};
