/**
 * Models: pure functions from parameters and inputs to expressions.
 *
 * @module
 */
export type { CausalContext, CausalInputs, CausalModel, CausalOutputs } from './causalModel.ts';
export { type GPT2Config, type GPT2Options, makeGPT2Config, parseGPT2Config } from './gpt2/config.ts';
export { decoderLayer } from './gpt2/decoderLayer.ts';
export { applyGPT2, gpt2, gpt2Logits } from './gpt2/gpt2.ts';
export { gpt2KerasLayout } from './gpt2/kerasLayout.ts';
export type { GPT2LayerParams, GPT2Params } from './gpt2/params.ts';
export { gpt2Presets } from './gpt2/presets.ts';
export { gpt2Weights } from './gpt2/weightNames.ts';
export type { KerasClass, KerasLayout } from './kerasLayout.ts';
export {
  addLora,
  defaultLoraLayerNames,
  type Lora,
  type LoraLayer,
  type LoraOptions,
  loraEntries,
  loraModel,
  loraTrainable,
  mergedLora,
  planLora,
  replaceLora,
} from './lora.ts';
export type { PresetInfo } from './presetInfo.ts';
export { builtInPresets } from './presets.ts';
export type {
  LayerEntry,
  ParamPath,
  PresetLayout,
  TensorPart,
  WeightEntry,
  WeightSource,
  WeightTable,
} from './weightEntry.ts';
