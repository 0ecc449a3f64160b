import { add } from '../ops/add.ts';
import { arange } from '../ops/arange.ts';
import { broadcastTo } from '../ops/broadcastTo.ts';
import { cast } from '../ops/cast.ts';
import { concatenate } from '../ops/concatenate.ts';
import { tensor } from '../ops/constant.ts';
import { divide } from '../ops/divide.ts';
import { equal } from '../ops/equal.ts';
import { greater } from '../ops/greater.ts';
import { greaterEqual } from '../ops/greaterEqual.ts';
import { less } from '../ops/less.ts';
import { min } from '../ops/min.ts';
import { multiply } from '../ops/multiply.ts';
import { expandDims, reshape } from '../ops/reshape.ts';
import { scatterAdd } from '../ops/scatterAdd.ts';
import { sliceAxis } from '../ops/slice.ts';
import { subtract } from '../ops/subtract.ts';
import { takeAlongAxis } from '../ops/takeAlongAxis.ts';
import { where } from '../ops/where.ts';
import { zeros } from '../ops/zeros.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import type { Decoder, Decoding } from './decoding.ts';
import { sampleBy } from './sample.ts';
import { checkTemperature, type Decided, type Sampler, type TokenSampler, tokenSampler } from './sampler.ts';

/** Logits of the next token, and what came before it. */
export interface Scores {
  /** `[batch, vocabulary]`. */
  readonly logits: Tensor;
  /** What has been decided; pieces that look back ask for it. */
  readonly decided?: Decided | undefined;
}

/** A step from logits to others, before any probability is looked at. Such steps compose by `flow`. */
export type Shaping = (scores: Scores) => Scores;

/** A logit so low that the token never comes. */
const FORBIDDEN = -1e30;

const shaped =
  (f: (logits: Tensor, scores: Scores) => Tensor): Shaping =>
  (scores) => ({ ...scores, logits: f(cast(scores.logits, 'float32'), scores) });

const needDecided = (name: string, { decided }: Scores): Decided => {
  if (decided === undefined)
    throw new ArgumentError(`${name}: expected the tokens that were decided, got none; pass them to step`);
  return decided;
};

const checkIds = (name: string, ids: readonly number[]): void => {
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0);
  if (wrong !== undefined) throw new ArgumentError(`${name}: expected token ids from 0, got ${wrong}`);
};

const checkWithin = (name: string, ids: readonly number[], vocabulary: number): void => {
  const wrong = ids.find((id) => id >= vocabulary);
  if (wrong !== undefined)
    throw new RangeError(`${name}: expected token ids from 0 to ${vocabulary - 1} (the vocabulary's), got ${wrong}`);
};

/** How often each token of `[batch, vocabulary]` is meant by `ids [batch, n]`, counted by `weights` of the same shape. */
const counted = (ids: Tensor, weights: Tensor, [batch = 0, vocabulary = 0]: readonly number[]): Tensor => {
  const firsts = multiply(reshape(arange(batch), [batch, 1]), vocabulary);
  return reshape(scatterAdd(zeros([batch * vocabulary]), add(ids, firsts), weights), [batch, vocabulary]);
};

/**
 * Divides logits by a number: below 1 the likely get likelier, above 1 all become more alike.
 *
 * Law: `temperature(a)`, then `temperature(b)`, is `temperature(a * b)`; `temperature(1)` changes nothing.
 *
 * @throws {ArgumentError} If it is not above 0.
 * @see Ackley et al. 1985, equation 4
 */
export const temperature = (by: number): Shaping => {
  checkTemperature('temperature', by);
  return shaped((logits) => (by === 1 ? logits : divide(logits, by)));
};

/**
 * Makes tokens less likely that are in the prompt or the answer already: positive logits are divided by `penalty`, negative
 * ones multiplied.
 *
 * Law: `repetitionPenalty(1)` changes nothing; the logit of a token that has not come is never changed.
 *
 * @param penalty - Above 0; below 1 it makes them likelier.
 * @throws {ArgumentError} If it is not above 0.
 * @see Keskar et al. 2019, section 4.1; transformers.RepetitionPenaltyLogitsProcessor
 */
export const repetitionPenalty = (penalty: number): Shaping => {
  if (!(penalty > 0 && Number.isFinite(penalty)))
    throw new ArgumentError(`repetitionPenalty: expected a penalty above 0, got ${penalty}`);
  return shaped((logits, scores) => {
    const { tokenIds, position } = needDecided('repetitionPenalty', scores);
    const places = broadcastTo(cast(less(arange(tokenIds.shape[1]!), position), 'float32'), tokenIds.shape);
    const hasCome = greater(counted(tokenIds, places, logits.shape), 0);
    const penalized = where(greater(logits, 0), multiply(logits, 1 / penalty), multiply(logits, penalty));
    return where(hasCome, penalized, logits);
  });
};

/**
 * Adds to the logits of some tokens.
 *
 * Law: `logitBias(a)`, then `logitBias(b)`, is `logitBias` of their sums; `logitBias({})` changes nothing.
 *
 * @param bias - What is added, by token id: `{ 50256: -5 }`.
 * @throws {ArgumentError} If an id is no whole number from 0, or a number is not finite.
 * @throws {RangeError} When it is applied, if an id is outside the vocabulary.
 * @see transformers.SequenceBiasLogitsProcessor
 */
export const logitBias = (bias: Readonly<Record<number, number>>): Shaping => {
  const entries = Object.entries(bias).map(([id, by]) => [Number(id), by] as const);
  const ids = entries.map(([id]) => id);
  checkIds('logitBias', ids);
  const wrong = entries.find(([, by]) => !Number.isFinite(by));
  if (wrong !== undefined)
    throw new ArgumentError(`logitBias: expected finite numbers, got ${wrong[1]} for ${wrong[0]}`);
  return shaped((logits) => {
    const vocabulary = logits.shape.at(-1)!;
    checkWithin('logitBias', ids, vocabulary);
    const all = new Float32Array(vocabulary);
    for (const [id, by] of entries) all[id] = by;
    return add(logits, tensor(all));
  });
};

/** Which tokens would complete a sequence of `length` ids, `[batch, vocabulary]` bool. */
const completed = (
  sequences: readonly (readonly number[])[],
  length: number,
  { tokenIds, position }: Decided,
  [batch = 0, vocabulary = 0]: readonly number[],
): Tensor => {
  const behind = length - 1;
  const places = reshape(add(arange(behind), subtract(position, behind)), [1, behind]);
  const last = takeAlongAxis(tokenIds, broadcastTo(places, [batch, behind]));
  const beginnings = tensor(Int32Array.from(sequences.flatMap((ids) => ids.slice(0, -1))), {
    shape: [sequences.length, behind],
  });
  const isSame = min(cast(equal(expandDims(last, 1), beginnings), 'float32'), { axis: -1 }); // [batch, sequences]
  // Before there are as many tokens, no sequence can have begun.
  const hits = multiply(isSame, cast(greaterEqual(position, behind), 'float32'));
  const ends = tensor(Int32Array.from(sequences, (ids) => ids.at(-1)!));
  return greater(counted(broadcastTo(ends, hits.shape), hits, [batch, vocabulary]), 0);
};

/**
 * Forbids tokens, and tokens that would complete a forbidden sequence.
 *
 * Law: no answer contains one of them, unless the prompt begins it so that nothing else is left; `badWords([])` changes
 * nothing.
 *
 * @param words - Token ids, each forbidden by itself, and lists of them, forbidden in that order.
 * @throws {ArgumentError} If an id is no whole number from 0, or a list is empty.
 * @throws {RangeError} When it is applied, if an id is outside the vocabulary.
 * @see transformers.NoBadWordsLogitsProcessor
 */
export const badWords = (words: readonly (number | readonly number[])[]): Shaping => {
  const sequences = words.map((word) => (typeof word === 'number' ? [word] : word));
  if (sequences.some((ids) => ids.length === 0))
    throw new ArgumentError('badWords: expected at least one id in every sequence, got an empty one');
  checkIds('badWords', sequences.flat());
  const lengths = [...new Set(sequences.map((ids) => ids.length))].filter((length) => length > 1);
  const alone = sequences.filter((ids) => ids.length === 1).flat();
  return shaped((logits, scores) => {
    const vocabulary = logits.shape.at(-1)!;
    checkWithin('badWords', sequences.flat(), vocabulary);
    const never = new Uint8Array(vocabulary);
    for (const id of alone) never[id] = 1;
    let kept = alone.length === 0 ? logits : where(tensor(never), FORBIDDEN, logits);
    for (const length of lengths) {
      const own = sequences.filter((ids) => ids.length === length);
      kept = where(completed(own, length, needDecided('badWords', scores), logits.shape), FORBIDDEN, kept);
    }
    return kept;
  });
};

/** A decoder whose logits are shaped. */
const shapedDecoder = (decoder: Decoder, shaping: Shaping): Decoder => ({
  ...decoder,
  next: (tokens, cache, index) => {
    const predicted = decoder.next(tokens, cache, index);
    const decided = { tokenIds: tokens, position: index };
    return { ...predicted, logits: shaping({ logits: predicted.logits, decided }).logits };
  },
  verify: (tokens, cache, index, count) => {
    const { logits, cache: kept } = decoder.verify(tokens, cache, index, count);
    const [rows = 0, , vocabulary = 0] = logits.shape;
    const each = Array.from({ length: count }, (_, i) => {
      const own = reshape(sliceAxis(logits, 1, i, i + 1), [rows, vocabulary]);
      return expandDims(shaping({ logits: own, decided: { tokenIds: tokens, position: add(index, i) } }).logits, 1);
    });
    return { logits: concatenate(each, { axis: 1 }), cache: kept };
  },
});

const shapedDecoding = (decoding: Decoding, shaping: Shaping): Decoding => ({
  ...decoding,
  start: (prefilled, given, decoder) => {
    const decided = { tokenIds: prefilled.tokens, position: prefilled.index };
    const { logits } = shaping({ logits: prefilled.logits, decided });
    return decoding.start({ ...prefilled, logits }, given, shapedDecoder(decoder, shaping));
  },
  advance: (state, given, decoder, draft) =>
    decoding.advance(
      state,
      given,
      shapedDecoder(decoder, shaping),
      draft === undefined ? undefined : shapedDecoder(draft, shaping),
    ),
});

const isTokenSampler = (sampler: object): sampler is TokenSampler => 'step' in sampler;

/**
 * The sampler on shaped logits, whichever it is: beams, contrastive search and a draft's guesses keep to them too.
 *
 * @param shaping - Any composition of `temperature`, `repetitionPenalty`, `badWords`, `logitBias` and functions of your own.
 * @param sampler - What chooses from the shaped logits.
 */
export const withLogits: {
  <State extends Tree>(shaping: Shaping, sampler: TokenSampler<State>): TokenSampler<State>;
  <Sampled extends Tree>(shaping: Shaping, sampler: Sampler<Sampled>): Sampler<Sampled>;
} = ((shaping: Shaping, sampler: Sampler | TokenSampler) => {
  const { name, seed, probabilities } = sampler;
  if (isTokenSampler(sampler)) {
    const { init, step } = sampler;
    return tokenSampler({
      name,
      seed,
      init,
      probabilities,
      step: (state, logits, decided) => step(state, shaping({ logits, decided }).logits, decided),
    });
  }
  const decoding = shapedDecoding(sampler.decoding, shaping);
  return Object.freeze<Sampler>({ name, seed, probabilities, decoding, sample: sampleBy({ name, seed }, decoding) });
}) as typeof withLogits;
