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
export {
  type Buckets,
  bucketOf,
  type DisentangledAttentionOptions,
  type DisentangledAttentionParams,
  disentangledSelfAttention,
  type RelativePlaces,
  relativePlaces,
  skew,
} from './disentangledAttention.ts';
export { type DropoutOptions, type Dropouts, dropout, dropouts } from './dropout.ts';
export { type EmbeddingParams, embed, positions, unembed } from './embedding.ts';
export { fourierMix, type Waves, wavesOf } from './fourierMix.ts';
export { type GatedMlpOptions, type GatedMlpParams, gatedMlp } from './gatedMlp.ts';
export {
  at,
  checkIntercept,
  compose,
  type Intercept,
  identityIntercept,
  interceptMonoid,
  type LayerIntercept,
  layerIntercept,
  noTap,
  type Place,
  type Selector,
  type Tap,
  tapOf,
} from './intercept.ts';
export { type LayerNormOptions, type LayerNormParams, layerNorm } from './layerNorm.ts';
export {
  effectiveKernel,
  heUniform,
  type LoraParams,
  loraShapes,
  loraUpdate,
  mostLoraRank,
} from './lora.ts';
export { type RmsNormOptions, type RmsNormParams, rmsNorm } from './rmsNorm.ts';
export { type RotaryOptions, rotary } from './rotary.ts';
export {
  causalSelfAttention,
  crossAttention,
  crossKeyValue,
  type SelfAttentionOptions,
  type SelfAttentionParams,
} from './selfAttention.ts';
export {
  type Axis,
  decoderSites,
  gatedSites,
  isLayerSite,
  type LayerSite,
  type ModelSite,
  postNormSites,
  preNormSites,
  rotarySites,
  type Site,
  type SiteInfo,
  type Stack,
  siteNames,
  sitesWith,
  siteTable,
} from './sites.ts';
