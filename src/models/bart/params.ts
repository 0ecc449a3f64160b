import type { EmbeddingParams } from '../../layers/embedding.ts';
import type { EncoderLayerParams } from '../../layers/encoderLayer.ts';
import type { LayerNormParams } from '../../layers/layerNorm.ts';
import type { SelfAttentionParams } from '../../layers/selfAttention.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Parameters of one decoder layer, by KerasHub's names. */
export type BartDecoderLayerParams = EncoderLayerParams & {
  /** Attention to the encoder: queries are the decoder's, keys and values the encoder's. */
  readonly crossAttention: SelfAttentionParams;
  /** After what it gives was added. */
  readonly crossAttentionLayerNorm: LayerNormParams;
};

/** Parameters of a BART: one token table embeds for both stacks and is the output table too. */
export type BartParams = {
  /** `[vocabularySize, hiddenDim]`. */
  readonly tokenEmbedding: EmbeddingParams;
  /** `[maxSequenceLength, hiddenDim]`. */
  readonly encoderPositionEmbedding: EmbeddingParams;
  /** After the sum of the encoder's embeddings. */
  readonly encoderEmbeddingsLayerNorm: LayerNormParams;
  /** First to last. */
  readonly encoderTransformerLayers: readonly EncoderLayerParams[];
  /** `[maxSequenceLength, hiddenDim]`. */
  readonly decoderPositionEmbedding: EmbeddingParams;
  /** After the sum of the decoder's embeddings. */
  readonly decoderEmbeddingsLayerNorm: LayerNormParams;
  /** First to last. */
  readonly decoderTransformerLayers: readonly BartDecoderLayerParams[];
  /** `[vocabularySize]`, added to the logits; transformers' only. */
  readonly finalLogitsBias?: Tensor;
};
