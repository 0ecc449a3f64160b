/**
 * purelm: KerasHub's language models as pure functions, on WebGPU and on a reference interpreter.
 *
 * @packageDocumentation
 */

export { type DownloadProgress, HubError, type HubProblem } from './hub/index.ts';
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
export {
  type Axis,
  type LayerSite,
  type ModelSite,
  type Site,
  type SiteInfo,
  type Stack,
  siteTable,
} from './layers/sites.ts';
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
export type { Compiled, CompileOptions } from './runtime/webgpu/compile.ts';
export { DeviceError, type DeviceProblem } from './runtime/webgpu/errors.ts';
export { type LaunchTime, type Profilable, type Profiled, profile } from './runtime/webgpu/profile.ts';
export * as samplers from './samplers/index.ts';
export {
  BeamSampler,
  ContrastiveSampler,
  CustomSampler,
  type Decided,
  type Draft,
  GreedySampler,
  RandomSampler,
  type SampleOptions,
  type Sampler,
  type SamplerConfig,
  type SamplerLike,
  type SamplerName,
  SpeculativeSampler,
  type TokenSampler,
  TopKSampler,
  TopPSampler,
} from './samplers/index.ts';
export {
  AlbertBackbone,
  AlbertMaskedLM,
  AlbertMaskedLMPreprocessor,
  AlbertTextClassifier,
  AlbertTextClassifierPreprocessor,
  AlbertTokenizer,
} from './tasks/albert.ts';
export type { BackboneInputs, CausalBackbone } from './tasks/backbone.ts';
export { BartBackbone, BartSeq2SeqLM, BartSeq2SeqLMPreprocessor, BartTokenizer } from './tasks/bart.ts';
export { Backbone, Preprocessor, Task, Tokenizer } from './tasks/bases.ts';
export type { Dataset } from './tasks/batches.ts';
export {
  BertBackbone,
  BertMaskedLM,
  BertMaskedLMPreprocessor,
  BertTextClassifier,
  BertTextClassifierPreprocessor,
  BertTokenizer,
} from './tasks/bert.ts';
export type { GeneratedTokens } from './tasks/causalLM.ts';
export {
  DebertaV3Backbone,
  DebertaV3MaskedLM,
  DebertaV3MaskedLMPreprocessor,
  DebertaV3TextClassifier,
  DebertaV3TextClassifierPreprocessor,
  DebertaV3Tokenizer,
} from './tasks/debertaV3.ts';
export {
  DistilBertBackbone,
  DistilBertMaskedLM,
  DistilBertMaskedLMPreprocessor,
  DistilBertTextClassifier,
  DistilBertTextClassifierPreprocessor,
  DistilBertTokenizer,
} from './tasks/distilBert.ts';
export type { EncoderBackbone } from './tasks/encoderBackbone.ts';
export type {
  MaskedLMPresetOptions,
  TextClassifierPresetOptions,
  TextEmbedderPresetOptions,
} from './tasks/encoderFamily.ts';
export type { EncoderBackboneInputs, MaskedLMTokens } from './tasks/encoderInputs.ts';
export { MaskedLM, TextClassifier, TextEmbedder } from './tasks/encoders.ts';
export {
  FalconBackbone,
  FalconCausalLM,
  FalconCausalLMPreprocessor,
  FalconTokenizer,
} from './tasks/falcon.ts';
export { type FitProgress, type History, NonFiniteLossError } from './tasks/fit.ts';
export {
  FNetBackbone,
  FNetMaskedLM,
  FNetMaskedLMPreprocessor,
  FNetTextClassifier,
  FNetTextClassifierPreprocessor,
  FNetTokenizer,
} from './tasks/fNet.ts';
export { CausalLM, Seq2SeqLM } from './tasks/fromPreset.ts';
export {
  GemmaBackbone,
  GemmaCausalLM,
  GemmaCausalLMPreprocessor,
  GemmaTokenizer,
  type GemmaTokenizerOptions,
} from './tasks/gemma.ts';
export type { Beam, GeneratedText, GenerateOptions } from './tasks/generate.ts';
export { GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor, GPT2Tokenizer } from './tasks/gpt2.ts';
export type { TokenInputs } from './tasks/inputs.ts';
export type { CompileTaskOptions } from './tasks/languageModel.ts';
export type { LoadProgress } from './tasks/loadWeights.ts';
export type { FilledMask, FillMaskOptions, MaskedLMScoreRequest } from './tasks/maskedLM.ts';
export type { BackbonePresetOptions, TaskPresetOptions } from './tasks/presets.ts';
export type { QuantizationMode, QuantizeOptions } from './tasks/quantize.ts';
export {
  RobertaBackbone,
  RobertaMaskedLM,
  RobertaMaskedLMPreprocessor,
  RobertaTextClassifier,
  RobertaTextClassifierPreprocessor,
  RobertaTokenizer,
} from './tasks/roberta.ts';
export type { SavesToPreset } from './tasks/savable.ts';
export type { SaveToPresetOptions } from './tasks/saveToPreset.ts';
export type { ScoreInputs, ScoreRequest } from './tasks/score.ts';
export type { Seq2SeqBackbone, Seq2SeqBackboneInputs } from './tasks/seq2seqBackbone.ts';
export type { Seq2SeqPresetOptions } from './tasks/seq2seqFamily.ts';
export type { GeneratedSeq2SeqTokens, Seq2SeqPrompts } from './tasks/seq2seqLM.ts';
export type { Seq2SeqScoreInputs, Seq2SeqScoreRequest } from './tasks/seq2seqScore.ts';
export type { ClassifierActivation, ClassifierOptions, ClassifierScoreRequest } from './tasks/textClassifier.ts';
export type { EncodeTextOptions, PoolingMode } from './tasks/textEmbedder.ts';
export type { EvaluateOptions, FitOptions, PredictOptions } from './tasks/training.ts';
export { type UploadPresetOptions, uploadPreset } from './tasks/uploadPreset.ts';
export {
  XLMRobertaBackbone,
  XLMRobertaMaskedLM,
  XLMRobertaMaskedLMPreprocessor,
  XLMRobertaTextClassifier,
  XLMRobertaTextClassifierPreprocessor,
  XLMRobertaTokenizer,
} from './tasks/xlmRoberta.ts';
export type { DType } from './tensor/dtype.ts';
export { ArgumentError, DTypeError, ShapeError } from './tensor/errors.ts';
export type { NDArray } from './tensor/ndarray.ts';
export { formatTensor } from './tensor/print.ts';
export type { Shape } from './tensor/shape.ts';
export type { Tensor } from './tensor/tensor.ts';
export { leaves, mapTree, paths, type Tree, withLeaves } from './tensor/tree.ts';
export type { Seq2SeqLengths, Seq2SeqTexts, Seq2SeqTokens } from './tokenizers/seq2seqLMPreprocessor.ts';
export {
  type Callback,
  type CallbackLike,
  CSVLogger,
  EarlyStopping,
  LearningRateScheduler,
  ModelCheckpoint,
  ReduceLROnPlateau,
  TerminateOnNaN,
  type TrainingAction,
  type TrainingEvent,
  type TrainingRun,
} from './training/callbacks.ts';
export {
  Adafactor,
  Adagrad,
  Adam,
  Adamax,
  AdamW,
  BinaryAccuracy,
  BinaryCrossentropy,
  CategoricalAccuracy,
  CategoricalCrossentropy,
  CosineDecay,
  CosineDecayRestarts,
  ExponentialDecay,
  getLoss,
  getMetric,
  getOptimizer,
  getSchedule,
  InverseTimeDecay,
  Lion,
  type Loss,
  type LossLike,
  MeanSquaredError,
  type Metric,
  type MetricLike,
  Nadam,
  type Optimizer,
  type OptimizerLike,
  type OptimizerState,
  Perplexity,
  PiecewiseConstantDecay,
  PolynomialDecay,
  RMSprop,
  type Schedule,
  SGD,
  SparseCategoricalAccuracy,
  SparseCategoricalCrossentropy,
  SparseTopKCategoricalAccuracy,
} from './training/index.ts';
export { type GradientOptions, gradients } from './transforms/gradients.ts';
export { PresetError } from './weights/index.ts';
