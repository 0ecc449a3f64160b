import { add } from '../ops/add.ts';
import { arange } from '../ops/arange.ts';
import { cast } from '../ops/cast.ts';
import { concatenate } from '../ops/concatenate.ts';
import { constant, type TensorValues, tensor } from '../ops/constant.ts';
import { equal } from '../ops/equal.ts';
import { less } from '../ops/less.ts';
import { logicalAnd } from '../ops/logicalAnd.ts';
import { logicalNot } from '../ops/logicalNot.ts';
import { max } from '../ops/max.ts';
import { min } from '../ops/min.ts';
import { notEqual } from '../ops/notEqual.ts';
import { expandDims, reshape } from '../ops/reshape.ts';
import { take } from '../ops/take.ts';
import { topK } from '../ops/topK.ts';
import { where } from '../ops/where.ts';
import { zeros } from '../ops/zeros.ts';
import { ArgumentError, refuseUnknown, ShapeError } from '../tensor/errors.ts';
import { formatShape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { leaves, mapTree, type Tree, withLeaves } from '../tensor/tree.ts';
import type { Decoded, Decoder, Decoding, Given } from './decoding.ts';

/** What a function that predicts gives: logits of the token at a place. */
export interface NextPrediction {
  /** `[rows, vocabulary]`. */
  readonly logits: Tensor;
  /** The hidden state that they come from, `[rows, hiddenDim]`; contrastive search asks for it. */
  readonly hiddenStates?: Tensor;
  /** What is kept for the next call: tensors whose first axis is the rows. */
  readonly cache?: Tree;
}

/**
 * Predicts the token at place `index` of every row from those before it. Beams and candidates are rows too, so that there
 * may be more of them than the prompt has. KerasHub's triple of logits, hidden states and cache will do too.
 */
export type NextFunction = (
  prompt: Tensor,
  cache: Tree,
  index: Tensor,
) => NextPrediction | readonly [logits: Tensor, hiddenStates?: Tensor | undefined, cache?: Tree];

/** Options of `sample`. */
export interface SampleOptions {
  /** The first place that is to be filled. Default 0. */
  readonly index?: number;
  /** Which places stay as they are, `[batch, length]`. Default: none. */
  readonly mask?: TensorValues;
  /** What the first call of `next` is given. Default: nothing. */
  readonly cache?: Tree;
  /** Ids that end a row; when all rows have ended, the rest stays as it is. Default: none. */
  readonly stopTokenIds?: readonly number[] | null;
  /** States of the prompt, `[batch, length, hiddenDim]`, for contrastive search. */
  readonly hiddenStates?: Tensor;
  /** Seed of the draws. Default: the sampler's, else a new one. */
  readonly seed?: number;
  /** The draft model's `next`, for speculative sampling. */
  readonly draftNext?: NextFunction;
  /** What the first call of `draftNext` is given. Default: nothing. */
  readonly draftCache?: Tree;
}

/**
 * A sampler's loop over a function that predicts the next token, as an expression.
 *
 * @param next - Predicts one place; called once for each, while the expression is made.
 * @param prompt - Ids, `[batch, length]`, from `index` on room for what is sampled.
 * @see keras_hub.samplers.Sampler, `__call__`
 */
export type SampleFunction<Sampled extends Tree> = (
  next: NextFunction,
  prompt: TensorValues,
  options?: SampleOptions,
) => Sampled;

const optionNames = ['index', 'mask', 'cache', 'stopTokenIds', 'hiddenStates', 'seed', 'draftNext', 'draftCache'];

/** Rows of a cache by their numbers. */
const reorder = (cache: Tree, parents: Tensor): Tree => mapTree(cache, (leaf) => take(leaf, parents));

const isTriple = (
  predicted: ReturnType<NextFunction>,
): predicted is Exclude<ReturnType<NextFunction>, NextPrediction> => Array.isArray(predicted);

/** A decoder over a function that predicts one place: several are predicted one by one. */
const decoderOver = (name: string, next: NextFunction, readsStates: boolean): Decoder => {
  const one: Decoder['next'] = (tokens, cache, index) => {
    const predicted = next(tokens, cache, index);
    const {
      logits,
      hiddenStates,
      cache: kept = [],
    } = isTriple(predicted) ? { logits: predicted[0], hiddenStates: predicted[1], cache: predicted[2] } : predicted;
    if (readsStates && hiddenStates === undefined)
      throw new ArgumentError(`${name}: expected hiddenStates of next, the states that logits come from, got none`);
    return { logits, hidden: hiddenStates ?? zeros([logits.shape[0]!, 1]), cache: kept };
  };
  return {
    next: one,
    verify: (tokens, cache, index, count) => {
      const all: Tensor[] = [];
      let kept = cache;
      for (let i = 0; i < count; i++) {
        const predicted = one(tokens, kept, add(index, i));
        all.push(expandDims(predicted.logits, 1));
        kept = predicted.cache;
      }
      return { logits: concatenate(all, { axis: 1 }), cache: kept };
    },
    reorder,
  };
};

/** Whether an id of `[rows, length]` is one of the stops. */
export const isStop = (tokens: Tensor, stops: Tensor): Tensor =>
  notEqual(max(cast(equal(expandDims(tokens, -1), stops), 'int32'), { axis: -1 }), 0);

/** Whether every row has a stop id that it was not given, before `index`; a scalar. */
const haveEnded = ({ tokens, index }: Decoded, { mask, stops }: Given): Tensor => {
  const [rows = 0, length = 0] = tokens.shape;
  const own = take(mask, floorDivided(rows, rows / mask.shape[0]!));
  const counts = logicalAnd(logicalAnd(isStop(tokens, stops), logicalNot(own)), less(arange(length), index));
  return notEqual(min(max(cast(counts, 'int32'), { axis: -1 })), 0);
};

/** `floor(i / by)` for `i` from 0 to `size - 1`, int32. */
export const floorDivided = (size: number, by: number): Tensor =>
  tensor(Int32Array.from({ length: size }, (_, i) => Math.floor(i / by)));

const randomKeys = (batch: number, seed: number | undefined): Int32Array =>
  seed === undefined
    ? globalThis.crypto.getRandomValues(new Int32Array(2 * batch))
    : Int32Array.from({ length: 2 * batch }, (_, i) => (i % 2 === 0 ? Math.floor(seed / 2 ** 32) | 0 : seed | 0));

/**
 * What a decoding has decided: `[batch, length]`, of beams the best, or all of them with their scores, best first:
 * `[batch, beams, length]` and `[batch, beams]`.
 */
const outcome = ({ beams, isAll }: Decoding, { tokens, logProbs }: Decoded): Tensor | readonly [Tensor, Tensor] => {
  if (beams === undefined || logProbs === undefined) return tokens;
  const [rows = 0, length = 0] = tokens.shape;
  const batch = rows / beams;
  const { values, indices } = topK(reshape(logProbs, [batch, beams]), isAll === true ? beams : 1);
  const firsts = tensor(Int32Array.from({ length: batch }, (_, row) => row * beams));
  const kept = take(tokens, reshape(add(indices, expandDims(firsts, 1)), [batch * indices.shape[1]!]));
  return isAll === true ? [reshape(kept, [batch, beams, length]), values] : kept;
};

/** `sample` for a decoding. */
export const sampleBy =
  <Sampled extends Tree>(
    { name, seed: ownSeed }: { readonly name: string; readonly seed?: number | undefined },
    decoding: Decoding,
  ): SampleFunction<Sampled> =>
  (next, prompt, options = {}) => {
    refuseUnknown(`${name}: sample`, options, optionNames);
    const { index = 0, cache = [], draftCache = [], stopTokenIds, seed = ownSeed, draftNext } = options;
    const tokens = tensor(prompt, { dtype: 'int32' });
    if (tokens.shape.length !== 2)
      throw new ShapeError(`${name}: expected a prompt of [batch, length], got ${formatShape(tokens.shape)}`);
    const [batch = 0, length = 0] = tokens.shape;
    if (!Number.isInteger(index) || index < 0 || index > length)
      throw new ArgumentError(`${name}: expected index from 0 to the prompt's length ${length}, got ${index}`);
    const mask =
      options.mask === undefined ? cast(zeros(tokens.shape), 'bool') : tensor(options.mask, { dtype: 'bool' });
    if (!sameShape(mask.shape, tokens.shape))
      throw new ShapeError(
        `${name}: expected a mask of the prompt's shape ${formatShape(tokens.shape)}, got ${formatShape(mask.shape)}`,
      );
    const stops = tensor(Int32Array.from(stopTokenIds ?? []));
    const given: Given = { mask, stops: stops.shape[0] === 0 ? constant([-1], { dtype: 'int32' }) : stops };
    const { copies, readsStates = false } = decoding;
    const decoder = decoderOver(name, next, readsStates);
    const draft = draftNext === undefined ? undefined : decoderOver(name, draftNext, false);
    if (readsStates && options.hiddenStates === undefined)
      throw new ArgumentError(`${name}: expected hiddenStates, the states of the prompt, got none`);
    const place = constant(index, { dtype: 'int32' });
    if (index === length) {
      const rows = batch * (decoding.beams ?? 1);
      const alike = take(tokens, floorDivided(rows, rows / batch));
      return outcome(decoding, { tokens: alike, index: place, logProbs: zeros([rows]) }) as unknown as Sampled;
    }
    const first = decoder.next(tokens, cache, place);
    let state = decoding.start(
      {
        tokens,
        index: place,
        keys: tensor(randomKeys(batch, seed), { shape: [batch, 2] }),
        logits: first.logits,
        hidden: options.hiddenStates ?? zeros([batch, length, first.hidden.shape[1]!]),
        cache: copies === 1 ? first.cache : reorder(first.cache, floorDivided(batch * copies, copies)),
        draftCache,
      },
      given,
      decoder,
    );
    for (let at = index + 1; at < length; at++) {
      const ended = haveEnded(state, given);
      const advanced = leaves(decoding.advance(state, given, decoder, draft));
      state = withLeaves(
        state,
        leaves(state).map((leaf, i) => where(ended, leaf, advanced[i]!)),
      );
    }
    return outcome(decoding, state) as unknown as Sampled;
  };
