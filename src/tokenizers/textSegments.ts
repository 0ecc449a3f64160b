import { ArgumentError } from '../tensor/errors.ts';
import { describe } from './errors.ts';

/** Two texts that make one sample. */
export interface TextPair {
  /** The text that comes first. */
  readonly first: string;
  /** The text behind it. */
  readonly second: string;
}

/**
 * What becomes rows of segments. One sample is a text or a pair `{ first, second }`. A batch is a list of samples, in which
 * `[a, b]` is a pair too (or more segments), or a pair of lists, `{ first: [...], second: [...] }`.
 *
 * So `['a', 'b']` is two texts, and `[['a', 'b']]` is one pair.
 */
export type TextSamples =
  | string
  | TextPair
  | readonly (string | TextPair | readonly string[])[]
  | { readonly first: readonly string[]; readonly second: readonly string[] };

const isPair = (x: unknown): x is { readonly first: unknown; readonly second: unknown } =>
  typeof x === 'object' && x !== null && 'first' in x && 'second' in x;

/** The segments of one sample. */
const segmentsOf = (x: unknown): readonly string[] | undefined => {
  const segments = typeof x === 'string' ? [x] : isPair(x) ? [x.first, x.second] : x;
  return Array.isArray(segments) && segments.length > 0 && segments.every((text) => typeof text === 'string')
    ? segments
    : undefined;
};

/** A pair of lists as a list of pairs. */
const pairsOf = (name: string, first: readonly unknown[], second: readonly unknown[]): readonly unknown[] => {
  if (first.length !== second.length)
    throw new ArgumentError(
      `${name}: expected as many second texts as first ones, got ${first.length} first and ${second.length} second`,
    );
  return first.map((text, at) => [text, second[at]]);
};

/**
 * The segments of each sample, and whether there is a batch.
 *
 * @param name - The constructor's name, for messages.
 * @throws {ArgumentError} If `x` is none of the forms of `TextSamples`, or has no sample.
 */
export const samplesOf = (
  name: string,
  x: unknown,
): { readonly samples: readonly (readonly string[])[]; readonly batched: boolean } => {
  if (typeof x === 'string') return { samples: [[x]], batched: false };
  if (isPair(x) && typeof x.first === 'string' && typeof x.second === 'string')
    return { samples: [[x.first, x.second]], batched: false };
  const entries: readonly unknown[] | undefined = Array.isArray(x)
    ? x
    : isPair(x) && Array.isArray(x.first) && Array.isArray(x.second)
      ? pairsOf(name, x.first, x.second)
      : undefined;
  if (entries === undefined || entries.length === 0)
    throw new ArgumentError(
      `${name}: expected x to be a string, a pair { first, second } or a list of these (at least one), got ${describe(x)}`,
    );
  const samples = entries.map((entry, at) => {
    const segments = segmentsOf(entry);
    if (segments !== undefined) return segments;
    throw new ArgumentError(
      `${name}: expected every sample to be a string, a pair { first, second } or a list of strings, got ${describe(entry)} at index ${at}`,
    );
  });
  return { samples, batched: true };
};
