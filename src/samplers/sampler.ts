import { cast } from '../ops/cast.ts';
import { divide } from '../ops/divide.ts';
import { softmax } from '../ops/softmax.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import { type Decoding, tokenByToken } from './decoding.ts';
import { type SampleFunction, sampleBy } from './sample.ts';

/** What a sampler starts from. */
export interface SamplerStart {
  /** A random key for each row, `[batch, 2]` int32. */
  readonly keys: Tensor;
  /** The place for which the first token will be chosen, int32 scalar. */
  readonly position: Tensor;
}

/** What has been decided when a token is to be chosen. */
export interface Decided {
  /** Ids of prompt and answer, `[batch, length]` int32; those from `position` on do not count. */
  readonly tokenIds: Tensor;
  /** The place that is to be filled, int32 scalar. */
  readonly position: Tensor;
}

/** How a generation goes on: what `compile` takes, and what `generate` runs. */
export interface Sampler<Sampled extends Tree = Tree> {
  /** Such as `top_k`; errors say it. */
  readonly name: string;
  /** The seed of its random choices, if it was given one. */
  readonly seed?: number | undefined;
  /** Probabilities of the next token, `[batch, vocabulary]`, before anything is cut off. */
  probabilities(logits: Tensor): Tensor;
  /** How columns of tokens are decided. */
  readonly decoding: Decoding;
  /** Fills a prompt by a function that predicts its next token, as an expression: the whole loop of `generate`. */
  readonly sample: SampleFunction<Sampled>;
}

/**
 * A sampler that chooses one token after another: a pure function from logits and a state to tokens and the next state.
 * The states of a sampler all have one form, so that a loop of steps is one plan.
 *
 * @typeParam State - Whatever the sampler carries along, as a tree of tensors.
 */
export interface TokenSampler<State extends Tree = Tree> extends Sampler<Tensor> {
  /** The state before the first token. */
  init(start: SamplerStart): State;
  /**
   * The next token of each row, `[batch]` int32, and the next state.
   *
   * @param decided - What came before, for samplers that look back.
   */
  step(state: State, logits: Tensor, decided?: Decided): readonly [Tensor, State];
}

/**
 * A sampler from the functions that choose one token after another.
 *
 * @param parts - All of a sampler but its loop.
 */
export const tokenSampler = <State extends Tree>(
  parts: Pick<TokenSampler<State>, 'name' | 'seed' | 'init' | 'probabilities' | 'step'>,
): TokenSampler<State> => {
  const decoding = tokenByToken(parts);
  return Object.freeze<TokenSampler<State>>({ ...parts, decoding, sample: sampleBy(parts, decoding) });
};

/** Options of every sampler that looks at probabilities. */
export interface TemperatureOptions {
  /** Logits are divided by it before the softmax. Above 0; default 1. */
  readonly temperature?: number;
}

/** `softmax(logits / temperature)` over the last axis, in float32. */
export const temper =
  (temperature: number) =>
  (logits: Tensor): Tensor =>
    softmax(temperature === 1 ? cast(logits, 'float32') : divide(logits, temperature));

/**
 * The temperature, if it is one.
 *
 * @throws {ArgumentError} If it is not a number above 0.
 */
export const checkTemperature = (name: string, temperature: number): number => {
  if (!(temperature > 0 && Number.isFinite(temperature)))
    throw new ArgumentError(
      `${name}: expected a temperature above 0, got ${temperature}; for the likeliest token use the greedy sampler`,
    );
  return temperature;
};

/**
 * A number of things, if it is one.
 *
 * @throws {ArgumentError} If it is no whole number from 1.
 */
export const checkCount = (name: string, what: string, value: number): number => {
  if (!Number.isInteger(value) || value < 1)
    throw new ArgumentError(`${name}: expected ${what} to be a whole number from 1, got ${value}`);
  return value;
};

/**
 * A seed, if it is one.
 *
 * @throws {ArgumentError} If it is no whole number.
 */
export const checkSeed = (name: string, seed: number | undefined): number | undefined => {
  if (seed !== undefined && !Number.isSafeInteger(seed))
    throw new ArgumentError(`${name}: expected a whole number as seed, got ${seed}`);
  return seed;
};

/**
 * A flag, if it is one.
 *
 * @throws {ArgumentError} If it is neither true nor false.
 */
export const checkFlag = (name: string, what: string, value: boolean): boolean => {
  if (typeof value !== 'boolean')
    throw new ArgumentError(`${name}: expected ${what} to be true or false, got ${value}`);
  return value;
};
