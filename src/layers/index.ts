/**
 * Layers: `(params, options) => (x) => y`.
 *
 * @module
 */
export { type Cache, extend, type KeyValue } from './cache.ts';
export {
  type DenseParams,
  dense,
  type FromHeadsParams,
  fromHeads,
  type HeadsParams,
  toHeads,
} from './dense.ts';
export { type EmbeddingParams, embed, positions, unembed } from './embedding.ts';
export { identityIntercept, type LayerIntercept } from './intercept.ts';
export { type LayerNormParams, layerNorm } from './layerNorm.ts';
export { causalSelfAttention, type SelfAttentionOptions, type SelfAttentionParams } from './selfAttention.ts';
