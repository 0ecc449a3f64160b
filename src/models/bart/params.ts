import type { DenseParams } from '../../layers/dense.ts';
import type { EmbeddingParams } from '../../layers/embedding.ts';
import type { LayerNormParams } from '../../layers/layerNorm.ts';
import type { SelfAttentionParams } from '../../layers/selfAttention.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Parameters of what follows attention in a layer: `W2 act(W1 x)`, and the norm of the sum. */
export type BartFeedforwardParams = {
  /** `W1`, to `intermediateDim`. */
  readonly feedforwardIntermediateDense: DenseParams;
  /** `W2`, back to `hiddenDim`. */
  readonly feedforwardOutputDense: DenseParams;
  /** After the sum of both. */
  readonly feedforwardLayerNorm: LayerNormParams;
};

/** Parameters of one encoder layer, by KerasHub's names. */
export type BartEncoderLayerParams = BartFeedforwardParams & {
  /** Attention of the stack to itself. */
  readonly selfAttention: SelfAttentionParams;
  /** After what it gives was added. */
  readonly selfAttentionLayerNorm: LayerNormParams;
};

/** Parameters of one decoder layer, by KerasHub's names. */
export type BartDecoderLayerParams = BartEncoderLayerParams & {
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
  readonly encoderTransformerLayers: readonly BartEncoderLayerParams[];
  /** `[maxSequenceLength, hiddenDim]`. */
  readonly decoderPositionEmbedding: EmbeddingParams;
  /** After the sum of the decoder's embeddings. */
  readonly decoderEmbeddingsLayerNorm: LayerNormParams;
  /** First to last. */
  readonly decoderTransformerLayers: readonly BartDecoderLayerParams[];
  /** `[vocabularySize]`, added to the logits; transformers' only. */
  readonly finalLogitsBias?: Tensor;
};
