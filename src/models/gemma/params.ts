import type { DenseParams } from '../../layers/dense.ts';
import type { EmbeddingParams } from '../../layers/embedding.ts';
import type { RmsNormParams } from '../../layers/rmsNorm.ts';
import type { SelfAttentionParams } from '../../layers/selfAttention.ts';

/**
 * Parameters of one decoder layer, by KerasHub's names. Kernels to heads are stored head by head,
 * `[heads, hiddenDim, headDim]`; scales of norms are stored less 1.
 */
export type GemmaLayerParams = {
  /** The norm before attention. */
  readonly preAttentionNorm: RmsNormParams;
  /** Projections to heads, and from them. */
  readonly attention: SelfAttentionParams;
  /** The norm behind attention, in Gemma 2. */
  readonly postAttentionNorm?: RmsNormParams;
  /** The norm before the MLP. */
  readonly preFfwNorm: RmsNormParams;
  /** The gate, before its activation: `[hiddenDim, intermediateDim / 2]`. */
  readonly ffwGating: DenseParams;
  /** What the gate multiplies, of the same shape. */
  readonly ffwGating2: DenseParams;
  /** `[intermediateDim / 2, hiddenDim]`. */
  readonly ffwLinear: DenseParams;
  /** The norm behind the MLP, in Gemma 2. */
  readonly postFfwNorm?: RmsNormParams;
};

/** Parameters of a Gemma: the token table is also the output table, stored once and used twice. */
export type GemmaParams = {
  /** `[vocabularySize, hiddenDim]`. */
  readonly tokenEmbedding: EmbeddingParams;
  /** First to last. */
  readonly transformerLayers: readonly GemmaLayerParams[];
  /** The norm after the last layer. */
  readonly finalNormalization: RmsNormParams;
};
