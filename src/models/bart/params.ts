import type { DenseParams } from '../../layers/dense.ts';
import type { EmbeddingParams } from '../../layers/embedding.ts';
import type { LayerNormParams } from '../../layers/layerNorm.ts';
import type { SelfAttentionParams } from '../../layers/selfAttention.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Parameters of what follows attention in a layer: `W2 act(W1 x)`, and the norm of the sum. */
export type BartFeedforwardParams = {
  readonly feedforwardIntermediateDense: DenseParams;
  readonly feedforwardOutputDense: DenseParams;
  readonly feedforwardLayerNorm: LayerNormParams;
};

/** Parameters of one encoder layer, by KerasHub's names. */
export type BartEncoderLayerParams = BartFeedforwardParams & {
  readonly selfAttention: SelfAttentionParams;
  readonly selfAttentionLayerNorm: LayerNormParams;
};

/** Parameters of one decoder layer, by KerasHub's names. */
export type BartDecoderLayerParams = BartEncoderLayerParams & {
  readonly crossAttention: SelfAttentionParams;
  readonly crossAttentionLayerNorm: LayerNormParams;
};

/** Parameters of a BART: one token table embeds for both stacks and is the output table too. */
export type BartParams = {
  /** `[vocabularySize, hiddenDim]`. */
  readonly tokenEmbedding: EmbeddingParams;
  /** `[maxSequenceLength, hiddenDim]`. */
  readonly encoderPositionEmbedding: EmbeddingParams;
  readonly encoderEmbeddingsLayerNorm: LayerNormParams;
  /** First to last. */
  readonly encoderTransformerLayers: readonly BartEncoderLayerParams[];
  /** `[maxSequenceLength, hiddenDim]`. */
  readonly decoderPositionEmbedding: EmbeddingParams;
  readonly decoderEmbeddingsLayerNorm: LayerNormParams;
  /** First to last. */
  readonly decoderTransformerLayers: readonly BartDecoderLayerParams[];
  /** `[vocabularySize]`, added to the logits; transformers' only. */
  readonly finalLogitsBias?: Tensor;
};
