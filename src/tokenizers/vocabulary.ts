import * as E from 'fp-ts/lib/Either.js';
import type { Merge } from './bytePairEncoder.ts';
import { isWellFormed } from './bytes.ts';
import { describe, quote } from './errors.ts';

/** Ids of tokens, as a record, a record without prototype or a Map. */
export type Vocabulary = ReadonlyMap<string, number> | Readonly<Record<string, number>>;

const LARGEST_ID = 2 ** 31 - 1; // Ids travel as int32.

/** A vocabulary as a Map, if each token has an id of its own from 0 to 2^31 - 1; ids may leave gaps. */
export const checkVocabulary = (vocabulary: unknown): E.Either<string, ReadonlyMap<string, number>> => {
  if (typeof vocabulary !== 'object' || vocabulary === null || Array.isArray(vocabulary))
    return E.left(`expected a vocabulary of ids by token (a record or a Map), got ${describe(vocabulary)}`);
  const entries: Iterable<readonly [unknown, unknown]> =
    vocabulary instanceof Map ? vocabulary : Object.entries(vocabulary);
  const ids = new Map<string, number>();
  const tokens = new Map<number, string>();
  for (const [token, id] of entries) {
    if (typeof token !== 'string') return E.left(`expected every token to be a string, got ${describe(token)}`);
    if (!isWellFormed(token)) return E.left(`expected tokens of whole characters, got ${quote(token)}`);
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > LARGEST_ID)
      return E.left(
        `expected the id of token ${quote(token)} to be an integer from 0 to 2^31 - 1, got ${describe(id)}`,
      );
    const other = tokens.get(id);
    if (other !== undefined)
      return E.left(`expected each id once, got ${id} for both ${quote(other)} and ${quote(token)}`);
    ids.set(token, id);
    tokens.set(id, token);
  }
  return E.right(ids);
};

/** Merge rules from `"left right"` lines; `#version` lines, which files begin with, are passed over. */
export const checkMerges = (merges: unknown, entry: 'line' | 'merge'): E.Either<string, readonly Merge[]> => {
  if (!Array.isArray(merges)) return E.left(`expected a list of merges ("left right"), got ${describe(merges)}`);
  const seen = new Set<string>();
  const rules: Merge[] = [];
  for (let index = 0; index < merges.length; index++) {
    const merge: unknown = merges[index];
    const place = entry === 'line' ? `line ${index + 1}` : `merges[${index}]`;
    if (typeof merge !== 'string') return E.left(`${place}: expected a string "left right", got ${describe(merge)}`);
    if (merge.startsWith('#version')) continue;
    const [left = '', right = '', ...more] = merge.split(' ', 3);
    if (left === '' || right === '' || more.length > 0)
      return E.left(`${place}: expected two tokens with one space between them, got ${quote(merge)}`);
    if (seen.has(merge)) return E.left(`${place}: expected each merge once, got ${quote(merge)} again`);
    seen.add(merge);
    rules.push([left, right]);
  }
  return E.right(rules);
};
