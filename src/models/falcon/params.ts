import type { DenseParams, HeadsParams } from '../../layers/dense.ts';
import type { EmbeddingParams } from '../../layers/embedding.ts';
import type { LayerNormParams } from '../../layers/layerNorm.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Projections of attention, by KerasHub's names. */
export type FalconAttentionParams = {
  /** Kernel `[hiddenDim, numAttentionHeads, headDim]`. */
  readonly queryDense: HeadsParams;
  /** Kernel `[hiddenDim, numKeyValueHeads, headDim]`. */
  readonly keyDense: HeadsParams;
  /** Kernel `[hiddenDim, numKeyValueHeads, headDim]`. */
  readonly valueDense: HeadsParams;
  /** Kernel `[hiddenDim, hiddenDim]`. */
  readonly outputDense: DenseParams;
};

/** Parameters of one decoder layer, by KerasHub's names. */
export type FalconLayerParams = {
  /** The norm before attention; in parallel layers of one norm, before the MLP too. */
  readonly inputLayernorm: LayerNormParams;
  /** The projections to and from heads. */
  readonly attention: FalconAttentionParams;
  /** The norm before the MLP, in sequential layers. */
  readonly postAttentionLayernorm?: LayerNormParams;
  /** The norm before the MLP, in parallel layers of two norms. */
  readonly mlpLayernorm?: LayerNormParams;
  /** To the MLP's neurons. */
  readonly denseHTo4h: DenseParams;
  /** Back from them. */
  readonly dense4hToH: DenseParams;
};

/** Parameters of a Falcon. */
export type FalconParams = {
  /** `[vocabularySize, hiddenDim]`; a model whose output table is its own has that as `[hiddenDim, vocabularySize]`. */
  readonly tokenEmbedding: EmbeddingParams & { readonly reverseEmbeddings?: Tensor };
  /** First to last. */
  readonly transformerLayers: readonly FalconLayerParams[];
  /** The norm after the last layer. */
  readonly finalLayernorm: LayerNormParams;
};
