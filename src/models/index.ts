/**
 * Models: pure functions from parameters and inputs to expressions.
 *
 * @module
 */
export { type Activation, activations } from './activations.ts';
export { type BartMemory, bart, bartLogits, decodeBart, encodeBart, rememberBart } from './bart/bart.ts';
export { type BartConfig, type BartOptions, makeBartConfig, parseBartConfig } from './bart/config.ts';
export { bartKerasLayout } from './bart/kerasLayout.ts';
export { bartDecoderLayer, bartEncoderLayer } from './bart/layers.ts';
export type { BartDecoderLayerParams, BartEncoderLayerParams, BartParams } from './bart/params.ts';
export { bartPresets } from './bart/presets.ts';
export { bartWeights } from './bart/weightNames.ts';
export type { CausalContext, CausalInputs, CausalModel, CausalOutputs } from './causalModel.ts';
export { type FalconConfig, type FalconOptions, makeFalconConfig, parseFalconConfig } from './falcon/config.ts';
export { falconDecoderLayer } from './falcon/decoderLayer.ts';
export { alibiSlopes, applyFalcon, falcon, falconLogits } from './falcon/falcon.ts';
export { falconKerasLayout } from './falcon/kerasLayout.ts';
export type { FalconAttentionParams, FalconLayerParams, FalconParams } from './falcon/params.ts';
export { falconPresets } from './falcon/presets.ts';
export { falconWeights } from './falcon/weightNames.ts';
export { type GemmaConfig, type GemmaOptions, makeGemmaConfig, parseGemmaConfig } from './gemma/config.ts';
export { gemmaDecoderLayer } from './gemma/decoderLayer.ts';
export { applyGemma, gemma, gemmaLogits } from './gemma/gemma.ts';
export { gemmaKerasLayout } from './gemma/kerasLayout.ts';
export type { GemmaLayerParams, GemmaParams } from './gemma/params.ts';
export { gemmaPresets } from './gemma/presets.ts';
export { gemmaWeights } from './gemma/weightNames.ts';
export { type GPT2Config, type GPT2Options, makeGPT2Config, parseGPT2Config } from './gpt2/config.ts';
export { decoderLayer } from './gpt2/decoderLayer.ts';
export { applyGPT2, gpt2, gpt2Logits } from './gpt2/gpt2.ts';
export { gpt2KerasLayout } from './gpt2/kerasLayout.ts';
export type { GPT2LayerParams, GPT2Params } from './gpt2/params.ts';
export { gpt2Presets } from './gpt2/presets.ts';
export { gpt2Weights } from './gpt2/weightNames.ts';
export type { KerasClass, KerasLayout, Seq2SeqKerasLayout } from './kerasLayout.ts';
export {
  addLora,
  defaultLoraLayerNames,
  type Lora,
  type LoraLayer,
  type LoraOptions,
  loraEntries,
  loraModel,
  loraSeq2SeqModel,
  loraTrainable,
  mergedLora,
  planLora,
  replaceLora,
} from './lora.ts';
export type { PresetInfo } from './presetInfo.ts';
export { builtInPresets } from './presets.ts';
export {
  applySeq2Seq,
  type EncoderContext,
  type Seq2SeqInputs,
  type Seq2SeqModel,
  type Seq2SeqOutputs,
} from './seq2seqModel.ts';
export type {
  LayerEntry,
  ParamPath,
  PresetLayout,
  TensorPart,
  WeightEntry,
  WeightSource,
  WeightTable,
} from './weightEntry.ts';
