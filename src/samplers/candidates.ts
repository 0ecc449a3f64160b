import { cast } from '../ops/cast.ts';
import { categorical } from '../ops/categorical.ts';
import { greaterEqual } from '../ops/greaterEqual.ts';
import { max } from '../ops/max.ts';
import { multiply } from '../ops/multiply.ts';
import { bitsToUniform } from '../ops/random.ts';
import { expandDims, reshape, squeeze } from '../ops/reshape.ts';
import { sliceAxis } from '../ops/slice.ts';
import { takeAlongAxis } from '../ops/takeAlongAxis.ts';
import { threefry } from '../ops/threefry.ts';
import { topK } from '../ops/topK.ts';
import { topPMask } from '../ops/topPMask.ts';
import { where } from '../ops/where.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkCount } from './sampler.ts';

/** Tokens that may come next, with their probabilities, which need not sum to 1. */
export interface Candidates {
  /** `[batch, candidates]`. */
  readonly probabilities: Tensor;
  /** Which token each candidate is, `[batch, candidates]` int32; left out, candidate `i` is token `i`. */
  readonly tokens?: Tensor;
}

/** A step from candidates to fewer, or less likely, candidates. Such steps compose by `pipe`. */
export type Narrowing = (candidates: Candidates) => Candidates;

/**
 * Keeps the `k` likeliest.
 *
 * @throws {ArgumentError} If `k` is no whole number from 1; when it is applied, if there are fewer candidates than `k`.
 * @see Fan et al. 2018, section 5.4
 */
export const keepTopK = (k: number): Narrowing => {
  checkCount('top_k', 'k', k);
  return ({ probabilities, tokens }) => {
    const available = probabilities.shape.at(-1)!;
    if (k > available) throw new ArgumentError(`top_k: expected k from 1 to the ${available} candidates, got ${k}`);
    const { values, indices } = topK(probabilities, k);
    return { probabilities: values, tokens: tokens === undefined ? indices : takeAlongAxis(tokens, indices) };
  };
};

/**
 * Keeps the likeliest while their sum is at most `p`, and the first that exceeds it.
 *
 * @throws {ArgumentError} If `p` is not between 0 and 1.
 * @see Holtzman et al. 2020, section 3.1
 */
export const keepTopP = (p: number): Narrowing => {
  if (!(p >= 0 && p <= 1)) throw new ArgumentError(`top_p: expected p from 0 to 1, got ${p}`);
  return ({ probabilities, ...rest }) => ({
    probabilities: multiply(probabilities, cast(topPMask(probabilities, { p }), 'float32')),
    ...rest,
  });
};

/**
 * Keeps what is at least `p` times as likely as the likeliest.
 *
 * @throws {ArgumentError} If `p` is not between 0 and 1.
 * @see Nguyen et al. 2024, "Turning up the heat: min-p sampling", section 3
 */
export const keepMinP = (p: number): Narrowing => {
  if (!(p >= 0 && p <= 1)) throw new ArgumentError(`min_p: expected p from 0 to 1, got ${p}`);
  return ({ probabilities, ...rest }) => {
    const least = multiply(max(probabilities, { axis: -1, keepDims: true }), p);
    return { probabilities: where(greaterEqual(probabilities, least), probabilities, 0), ...rest };
  };
};

/** Random `keys` of the rows, `[batch, 2]` int32, and the `position` that is being filled, an int32 scalar. */
export type RandomState = { readonly keys: Tensor; readonly position: Tensor };

/**
 * One candidate of each row, drawn by its probability. The random number depends on the row's key and the place alone,
 * so a row gives the same text in any batch, on any device.
 *
 * @returns Tokens, `[batch]` int32.
 */
export const draw = ({ keys, position }: RandomState, { probabilities, tokens }: Candidates): Tensor => {
  const [batch = 0] = probabilities.shape;
  const word = (at: number): Tensor => reshape(sliceAxis(keys, 1, at, at + 1), [batch]);
  const chosen = categorical(probabilities, bitsToUniform(threefry(word(0), word(1), position)));
  return tokens === undefined ? chosen : squeeze(takeAlongAxis(tokens, expandDims(chosen, -1)), { axis: -1 });
};
