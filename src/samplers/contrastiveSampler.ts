import { add } from '../ops/add.ts';
import { arange } from '../ops/arange.ts';
import { argmax } from '../ops/argmax.ts';
import { tensor } from '../ops/constant.ts';
import { less } from '../ops/less.ts';
import { matmul } from '../ops/matmul.ts';
import { max } from '../ops/max.ts';
import { maximum } from '../ops/maximum.ts';
import { multiply } from '../ops/multiply.ts';
import { expandDims, reshape } from '../ops/reshape.ts';
import { rsqrt } from '../ops/rsqrt.ts';
import { sliceUpdate } from '../ops/sliceUpdate.ts';
import { subtract } from '../ops/subtract.ts';
import { sum } from '../ops/sum.ts';
import { take } from '../ops/take.ts';
import { topK } from '../ops/topK.ts';
import { transpose } from '../ops/transpose.ts';
import { where } from '../ops/where.ts';
import { zeros } from '../ops/zeros.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import { type Decoder, type Decoding, type Given, unlessGiven } from './decoding.ts';
import { floorDivided, sampleBy } from './sample.ts';
import { checkCount, checkTemperature, type Sampler, type TemperatureOptions, temper } from './sampler.ts';

/** Options of `ContrastiveSampler`. */
export interface ContrastiveOptions extends TemperatureOptions {
  /** How many of the likeliest tokens are tried. Default 5. */
  readonly k?: number;
  /** How much likeness to what came before counts against a token, from 0 (not at all) to 1. Default 0.6. */
  readonly alpha?: number;
}

type ContrastiveState = {
  readonly tokens: Tensor;
  readonly index: Tensor;
  readonly cache: Tree;
  /** Of the token at `index`, `[batch, vocabulary]`. */
  readonly logits: Tensor;
  /** States of all tokens before `index`, each divided by its length: `[batch, length, hiddenDim]`. */
  readonly directions: Tensor;
};

/** The last axis divided by its Euclidean length. */
const direction = (x: Tensor): Tensor =>
  multiply(x, rsqrt(maximum(sum(multiply(x, x), { axis: -1, keepDims: true }), 1e-30)));

const contrastiveDecoding = (k: number, alpha: number, probabilities: (logits: Tensor) => Tensor): Decoding => {
  const choose = (
    { tokens, index, cache, logits, directions }: ContrastiveState,
    { mask }: Given,
    decoder: Decoder,
  ): ContrastiveState => {
    const [batch = 0, vocabulary = 0] = logits.shape;
    if (k > vocabulary)
      throw new ArgumentError(`contrastive: expected k from 1 to the ${vocabulary} tokens there are, got ${k}`);
    const length = tokens.shape[1]!;
    const { values, indices } = topK(probabilities(logits), k);
    const repeated = floorDivided(batch * k, k);
    const beams = take(tokens, repeated);
    const tried = sliceUpdate(beams, [0, index], unlessGiven(beams, mask, index, reshape(indices, [batch * k])));
    // Each candidate is read at its place: its state says how much it is like what came before.
    const following = decoder.next(tried, cache, add(index, 1));
    const states = reshape(direction(following.hidden), [batch, k, following.hidden.shape[1]!]);
    const likeness = matmul(states, transpose(directions, [0, 2, 1])); // [batch, k, length]
    const closest = max(where(less(arange(length), index), likeness, -1), { axis: -1 });
    const score = subtract(multiply(values, 1 - alpha), multiply(closest, alpha));
    const firsts = tensor(Int32Array.from({ length: batch }, (_, row) => row * k));
    const best = add(argmax(score), firsts); // [batch]
    return {
      tokens: take(tried, best),
      index: add(index, 1),
      cache: decoder.reorder(following.cache, take(best, repeated)),
      logits: take(following.logits, best),
      directions: sliceUpdate(
        directions,
        [0, index, 0],
        expandDims(take(reshape(states, [batch * k, states.shape[2]!]), best), 1),
      ),
    };
  };
  const own: Decoding<ContrastiveState> = {
    copies: k,
    readsStates: true,
    start: ({ tokens, index, cache, logits, hidden }, given, decoder) => {
      const [batch = 0, length = 0] = tokens.shape;
      const [, places = 0, width = 0] = hidden.shape;
      const known = direction(hidden);
      const directions = places === length ? known : sliceUpdate(zeros([batch, length, width]), [0, 0, 0], known);
      return choose({ tokens, index, cache, logits, directions }, given, decoder);
    },
    advance: choose,
  };
  return own as unknown as Decoding;
};

/**
 * Contrastive search: of the `k` likeliest tokens, the one with the largest
 * `(1 - alpha) * probability - alpha * (largest cosine between its hidden state and those before)`; states are those
 * after the final norm.
 *
 * @throws {ArgumentError} If `k` is no whole number from 1 or above the vocabulary, `alpha` not from 0 to 1, or the
 *   temperature not above 0.
 * @see Su et al. 2022, equation 5; keras_hub.samplers.ContrastiveSampler
 */
export const ContrastiveSampler = (options: ContrastiveOptions = {}): Sampler<Tensor> => {
  refuseUnknown('contrastive', options, ['k', 'alpha', 'temperature']);
  const { k = 5, alpha = 0.6, temperature = 1 } = options;
  if (!(alpha >= 0 && alpha <= 1)) throw new ArgumentError(`contrastive: expected alpha from 0 to 1, got ${alpha}`);
  const probabilities = temper(checkTemperature('contrastive', temperature));
  const decoding = contrastiveDecoding(checkCount('contrastive', 'k', k), alpha, probabilities);
  const named = { name: 'contrastive' };
  return Object.freeze<Sampler<Tensor>>({ ...named, probabilities, decoding, sample: sampleBy(named, decoding) });
};
