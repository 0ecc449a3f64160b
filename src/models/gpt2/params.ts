import type { DenseParams } from '../../layers/dense.ts';
import type { EmbeddingParams } from '../../layers/embedding.ts';
import type { LayerNormParams } from '../../layers/layerNorm.ts';
import type { SelfAttentionParams } from '../../layers/selfAttention.ts';

/**
 * Parameters of one decoder layer, by KerasHub's names: `selfAttentionLayerNorm` and `selfAttention`, then
 * `feedforwardLayerNorm`, `feedforwardIntermediateDense` and `feedforwardOutputDense`.
 */
export type GPT2LayerParams = {
  readonly selfAttentionLayerNorm: LayerNormParams;
  readonly selfAttention: SelfAttentionParams;
  readonly feedforwardLayerNorm: LayerNormParams;
  readonly feedforwardIntermediateDense: DenseParams;
  readonly feedforwardOutputDense: DenseParams;
};

/** Parameters of a GPT-2: the token table is also the output table, stored once and used twice. */
export type GPT2Params = {
  /** `[vocabularySize, hiddenDim]`. */
  readonly tokenEmbedding: EmbeddingParams;
  /** `[maxSequenceLength, hiddenDim]`. */
  readonly positionEmbedding: EmbeddingParams;
  /** First to last. */
  readonly transformerLayers: readonly GPT2LayerParams[];
  /** The norm after the last layer. */
  readonly layerNorm: LayerNormParams;
};
