/**
 * Models: pure functions from parameters and inputs to expressions.
 *
 * @module
 */
export { type Activation, activations } from './activations.ts';
export { type AlbertParams, albert, albertClassifierHead, albertMaskedLMHead } from './albert/albert.ts';
export { type AlbertConfig, type AlbertOptions, makeAlbertConfig, parseAlbertConfig } from './albert/config.ts';
export { albertKerasLayout } from './albert/kerasLayout.ts';
export { albertPresets } from './albert/presets.ts';
export { albertWeights } from './albert/weightNames.ts';
export { type BartMemory, bart, bartLogits, decodeBart, encodeBart, rememberBart } from './bart/bart.ts';
export { type BartConfig, type BartOptions, makeBartConfig, parseBartConfig } from './bart/config.ts';
export { bartKerasLayout } from './bart/kerasLayout.ts';
export { bartDecoderLayer } from './bart/layers.ts';
export type { BartDecoderLayerParams, BartParams } from './bart/params.ts';
export { bartPresets } from './bart/presets.ts';
export { bartWeights } from './bart/weightNames.ts';
export { type BertParams, bert, bertClassifierHead, bertMaskedLMHead } from './bert/bert.ts';
export { type BertConfig, type BertOptions, makeBertConfig, parseBertConfig } from './bert/config.ts';
export { bertKerasLayout } from './bert/kerasLayout.ts';
export { bertPresets } from './bert/presets.ts';
export { bertWeights } from './bert/weightNames.ts';
export type { CausalContext, CausalInputs, CausalModel, CausalOutputs } from './causalModel.ts';
export {
  bucketsOf,
  type DebertaV3Config,
  type DebertaV3Options,
  makeDebertaV3Config,
  parseDebertaV3Config,
} from './debertaV3/config.ts';
export {
  type DebertaV3LayerParams,
  type DebertaV3Params,
  debertaV3,
  debertaV3ClassifierHead,
  debertaV3MaskedLMHead,
} from './debertaV3/debertaV3.ts';
export { debertaV3KerasLayout } from './debertaV3/kerasLayout.ts';
export { debertaV3Presets } from './debertaV3/presets.ts';
export { debertaV3Weights } from './debertaV3/weightNames.ts';
export {
  type DistilBertConfig,
  type DistilBertOptions,
  makeDistilBertConfig,
  parseDistilBertConfig,
} from './distilBert/config.ts';
export {
  type DistilBertParams,
  distilBert,
  distilBertClassifierHead,
  distilBertMaskedLMHead,
} from './distilBert/distilBert.ts';
export { distilBertKerasLayout } from './distilBert/kerasLayout.ts';
export { distilBertPresets } from './distilBert/presets.ts';
export { distilBertWeights } from './distilBert/weightNames.ts';
export {
  type ClassifierHeadOptions,
  type ClassifierHeadParams,
  type ClassifierHeadSpec,
  classifierHead,
  type Head,
  type MaskedLMHeadInputs,
  type MaskedLMHeadParams,
  type MaskedLMHeadSpec,
  maskedLMHead,
} from './encoder/heads.ts';
export {
  type TransformerEncoderConfig,
  type TransformerEncoderParams,
  type TransformerEncoderSpec,
  transformerEncoder,
} from './encoder/transformerEncoder.ts';
export type { EncoderInputs, EncoderModel, EncoderOutputs } from './encoderModel.ts';
export { type FalconConfig, type FalconOptions, makeFalconConfig, parseFalconConfig } from './falcon/config.ts';
export { falconDecoderLayer } from './falcon/decoderLayer.ts';
export { alibiSlopes, applyFalcon, falcon, falconLogits } from './falcon/falcon.ts';
export { falconKerasLayout } from './falcon/kerasLayout.ts';
export type { FalconAttentionParams, FalconLayerParams, FalconParams } from './falcon/params.ts';
export { falconPresets } from './falcon/presets.ts';
export { falconWeights } from './falcon/weightNames.ts';
export { type FNetConfig, type FNetOptions, makeFNetConfig, parseFNetConfig } from './fNet/config.ts';
export { type FNetLayerParams, type FNetParams, fNet, fNetClassifierHead, fNetMaskedLMHead } from './fNet/fNet.ts';
export { fNetKerasLayout } from './fNet/kerasLayout.ts';
export { fNetPresets } from './fNet/presets.ts';
export { fNetWeights } from './fNet/weightNames.ts';
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
export { makeRobertaConfig, parseRobertaConfig, type RobertaConfig, type RobertaOptions } from './roberta/config.ts';
export { robertaKerasLayout } from './roberta/kerasLayout.ts';
export { robertaPresets } from './roberta/presets.ts';
export { type RobertaParams, roberta, robertaClassifierHead, robertaMaskedLMHead } from './roberta/roberta.ts';
export { robertaWeights } from './roberta/weightNames.ts';
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
export {
  makeXLMRobertaConfig,
  parseXLMRobertaConfig,
  type XLMRobertaConfig,
  type XLMRobertaOptions,
} from './xlmRoberta/config.ts';
export { xlmRobertaKerasLayout } from './xlmRoberta/kerasLayout.ts';
export { xlmRobertaPresets } from './xlmRoberta/presets.ts';
export { xlmRobertaWeights } from './xlmRoberta/weightNames.ts';
export {
  type XLMRobertaParams,
  xlmRoberta,
  xlmRobertaClassifierHead,
  xlmRobertaMaskedLMHead,
} from './xlmRoberta/xlmRoberta.ts';
