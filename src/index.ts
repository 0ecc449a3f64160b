/**
 * purelm: KerasHub's language models as pure functions, on WebGPU and on a reference interpreter.
 *
 * @packageDocumentation
 */

export {
  at,
  compose,
  type Intercept,
  identityIntercept,
  interceptMonoid,
  type LayerIntercept,
  layerIntercept,
  type Place,
  type Selector,
} from './layers/intercept.ts';
export { type Axis, type LayerSite, type ModelSite, type Site, type SiteInfo, siteTable } from './layers/sites.ts';
export type { Lora, LoraLayer, LoraOptions } from './models/lora.ts';
export { type Nested, type TensorOptions, type TensorValues, tensor } from './ops/constant.ts';
export * as ops from './ops/index.ts';
export {
  type Device,
  type DeviceChoice,
  getDevice,
  type ReadOptions,
  read,
  referenceDevice,
  type Values,
} from './runtime/device.ts';
export { DeviceError, type DeviceProblem } from './runtime/webgpu/errors.ts';
export {
  CustomSampler,
  GreedySampler,
  RandomSampler,
  type Sampler,
  type SamplerLike,
  type SamplerName,
  TopKSampler,
  TopPSampler,
} from './samplers/index.ts';
export type { BackboneInputs, CausalBackbone } from './tasks/backbone.ts';
export type { GeneratedTokens, GenerateOptions } from './tasks/causalLM.ts';
export { CausalLM } from './tasks/fromPreset.ts';
export { GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor, GPT2Tokenizer } from './tasks/gpt2.ts';
export type { TokenInputs } from './tasks/inputs.ts';
export type { LoadProgress } from './tasks/loadWeights.ts';
export type { BackbonePresetOptions, TaskPresetOptions } from './tasks/presets.ts';
export type { ScoreInputs, ScoreRequest } from './tasks/score.ts';
export type { DType } from './tensor/dtype.ts';
export { ArgumentError, DTypeError, ShapeError } from './tensor/errors.ts';
export type { NDArray } from './tensor/ndarray.ts';
export { formatTensor } from './tensor/print.ts';
export type { Shape } from './tensor/shape.ts';
export type { Tensor } from './tensor/tensor.ts';
export type { Tree } from './tensor/tree.ts';
export { type GradientOptions, gradients } from './transforms/gradients.ts';
export { PresetError } from './weights/index.ts';
