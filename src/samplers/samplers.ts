import { flow } from 'fp-ts/lib/function.js';
import { add } from '../ops/add.ts';
import { argmax } from '../ops/argmax.ts';
import { cast } from '../ops/cast.ts';
import { refuseUnknown } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Candidates, draw, keepTopK, keepTopP, type Narrowing, type RandomState } from './candidates.ts';
import {
  checkCount,
  checkSeed,
  checkTemperature,
  type TemperatureOptions,
  type TokenSampler,
  temper,
  tokenSampler,
} from './sampler.ts';

/** Options of samplers that draw. */
export interface RandomOptions extends TemperatureOptions {
  /** Seed of the draws. Default: a new one for every row of every call. */
  readonly seed?: number;
}

/**
 * A sampler that draws from what its narrowings leave of the probabilities.
 *
 * @param name - What errors say.
 * @param narrow - Any composition of `keepTopK`, `keepTopP`, `keepMinP` and functions of your own.
 */
export const drawingSampler = (name: string, options: RandomOptions, narrow: Narrowing): TokenSampler<RandomState> => {
  refuseUnknown(name, options, ['temperature', 'seed']);
  const { temperature = 1, seed } = options;
  const probabilities = temper(checkTemperature(name, temperature));
  return tokenSampler<RandomState>({
    name,
    seed: checkSeed(name, seed),
    init: ({ keys, position }) => ({ keys, position }),
    probabilities,
    step: (state, logits) => {
      const candidates: Candidates = narrow({ probabilities: probabilities(logits) });
      return [draw(state, candidates), { keys: state.keys, position: add(state.position, 1) }];
    },
  });
};

/**
 * Always the likeliest token; the lowest id where several are.
 *
 * @see keras_hub.samplers.GreedySampler
 */
export const GreedySampler = (options: TemperatureOptions = {}): TokenSampler<readonly []> => {
  refuseUnknown('greedy', options, ['temperature']);
  const { temperature = 1 } = options;
  return tokenSampler<readonly []>({
    name: 'greedy',
    init: () => [],
    probabilities: temper(checkTemperature('greedy', temperature)),
    step: (state, logits) => [argmax(cast(logits, 'float32')), state],
  });
};

/**
 * Draws from all tokens by their probability.
 *
 * @see keras_hub.samplers.RandomSampler
 */
export const RandomSampler = (options: RandomOptions = {}): TokenSampler<RandomState> =>
  drawingSampler('random', options, (candidates) => candidates);

/**
 * Draws from the `k` likeliest tokens. Default `k`: 5.
 *
 * @throws {ArgumentError} If `k` is no whole number from 1; when it exceeds the vocabulary, at the first step.
 * @see keras_hub.samplers.TopKSampler
 */
export const TopKSampler = ({
  k = 5,
  ...options
}: RandomOptions & { readonly k?: number } = {}): TokenSampler<RandomState> => {
  return drawingSampler('top_k', options, keepTopK(k));
};

/**
 * Draws from the smallest set of likeliest tokens whose probabilities exceed `p` (default 0.1); with `k`, from the `k`
 * likeliest of the vocabulary at most.
 *
 * @throws {ArgumentError} If `p` is not between 0 and 1.
 * @see Holtzman et al. 2019; keras_hub.samplers.TopPSampler
 */
export const TopPSampler = ({
  p = 0.1,
  k,
  ...options
}: RandomOptions & { readonly p?: number; readonly k?: number } = {}): TokenSampler<RandomState> => {
  if (k !== undefined) checkCount('top_p', 'k', k);
  return drawingSampler('top_p', options, k === undefined ? keepTopP(p) : flow(keepTopK(k), keepTopP(p)));
};

/**
 * A sampler of one's own from a function that picks a token. Its options: `nextToken`, a temperature, and the `name` that
 * errors say (default `custom`).
 *
 * @param options - `nextToken` goes from probabilities `[batch, vocabulary]` to tokens `[batch]` int32, as an expression.
 * @see keras_hub.samplers.Sampler, get_next_token
 */
export const CustomSampler = (
  options: TemperatureOptions & {
    readonly nextToken: (probabilities: Tensor) => Tensor;
    readonly name?: string;
  },
): TokenSampler<readonly []> => {
  refuseUnknown('sampler', options, ['nextToken', 'temperature', 'name']);
  const { nextToken, temperature = 1, name = 'custom' } = options;
  const probabilities = temper(checkTemperature(name, temperature));
  return tokenSampler<readonly []>({
    name,
    init: () => [],
    probabilities,
    step: (state, logits) => [nextToken(probabilities(logits)), state],
  });
};
