import { cast } from '../ops/cast.ts';
import { divide } from '../ops/divide.ts';
import { softmax } from '../ops/softmax.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';

/** What a sampler starts from. */
export interface SamplerStart {
  /** A random key for each row, `[batch, 2]` int32. */
  readonly keys: Tensor;
  /** The place for which the first token will be chosen, int32 scalar. */
  readonly position: Tensor;
}

/**
 * How the next token is chosen: a pure function from logits and a state to tokens and the next state. The states of a
 * sampler all have one form, so that a loop of steps is one plan.
 *
 * @typeParam State - Whatever the sampler carries along, as a tree of tensors.
 */
export interface Sampler<State extends Tree = Tree> {
  /** Such as `top_k`; errors say it. */
  readonly name: string;
  /** The seed of its random choices, if it was given one. */
  readonly seed?: number | undefined;
  /** The state before the first token. */
  init(start: SamplerStart): State;
  /** Probabilities of the next token, `[batch, vocabulary]`, before anything is cut off. */
  probabilities(logits: Tensor): Tensor;
  /** The next token of each row, `[batch]` int32, and the next state. */
  step(state: State, logits: Tensor): readonly [Tensor, State];
}

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
