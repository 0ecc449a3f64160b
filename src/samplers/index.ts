export { type Candidates, draw, keepTopK, keepTopP, type Narrowing, type RandomState } from './candidates.ts';
export type { Sampler, SamplerStart, TemperatureOptions } from './sampler.ts';
export * from './samplers.ts';
