export { type BeamOptions, BeamSampler } from './beamSampler.ts';
export {
  type Candidates,
  draw,
  keepMinP,
  keepTopK,
  keepTopP,
  type Narrowing,
  type RandomState,
} from './candidates.ts';
export { type ContrastiveOptions, ContrastiveSampler } from './contrastiveSampler.ts';
export type { Decoded, Decoder, Decoding, Draft, Given, Predicted, Prefilled } from './decoding.ts';
export { getSampler, type SamplerConfig, type SamplerLike, type SamplerName } from './getSampler.ts';
export {
  badWords,
  logitBias,
  repetitionPenalty,
  type Scores,
  type Shaping,
  temperature,
  withLogits,
} from './logits.ts';
export type { NextFunction, NextPrediction, SampleFunction, SampleOptions } from './sample.ts';
export {
  type Decided,
  type Sampler,
  type SamplerStart,
  type TemperatureOptions,
  type TokenSampler,
  tokenSampler,
} from './sampler.ts';
export * from './samplers.ts';
export { type SpeculativeOptions, SpeculativeSampler } from './speculativeSampler.ts';
