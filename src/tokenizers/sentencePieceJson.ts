// transformers' conversion of a SentencePiece BPE model is undone: what the conversion kept (pieces, what joins to what and in
// which order, which pieces stand whole) is all that segmentation needs, so the ids are SentencePiece's, also where the
// converted tokenizer differs from it.

import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { isWellFormed } from './bytes.ts';
import { describe, quote, TokenizerFileError } from './errors.ts';
import { parseJson } from './files.ts';
import { ModelType, PieceType } from './sentencePieceProto.ts';

/** What a family's model has as marks without text. */
export interface ControlTokens {
  readonly startToken: string;
  readonly endToken: string;
  readonly padToken: string;
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const fieldOf = (value: unknown, key: string): unknown =>
  isFields(value) && Object.hasOwn(value, key) ? value[key] : undefined;

/** A file that no SentencePiece BPE model was made into: thrown inside this file, a `Left` outside. */
class Unfit extends Error {}

const unfit = (message: string): never => {
  throw new Unfit(message);
};

/** JSON of an object's fields, in any order: enough to compare what converters write. */
const sameJson = (a: unknown, b: unknown): boolean => {
  const plain = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(plain)
      : isFields(value)
        ? Object.entries(value)
            .filter(([, own]) => own !== null && own !== undefined)
            .sort(([x], [y]) => (x < y ? -1 : 1))
            .map(([key, own]) => [key, plain(own)])
        : value;
  return JSON.stringify(plain(a)) === JSON.stringify(plain(b));
};

const escaping = { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' };
const harmlessSplit = {
  type: 'Split',
  pattern: { String: ' ' },
  behavior: 'MergedWithPrevious',
  invert: false,
};
const decoding = {
  type: 'Sequence',
  decoders: [
    { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
  ],
};

/** Everything but the vocabulary must be what the conversion writes; whatever would change ids is refused by name. */
const checkSettings = (root: Fields, model: Fields): void => {
  if (fieldOf(model, 'type') !== undefined && fieldOf(model, 'type') !== 'BPE')
    unfit(`expected a BPE model, got one of type ${describe(fieldOf(model, 'type'))}`);
  for (const key of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix', 'ignore_merges']) {
    const value = fieldOf(model, key) ?? false;
    if (value !== false && value !== '' && value !== 0)
      unfit(`model.${key} is not supported in a SentencePiece model, got ${describe(value)}`);
  }
  const settings = [
    ['normalizer', [escaping]],
    ['pre_tokenizer', [harmlessSplit, undefined]],
    ['decoder', [decoding]],
  ] as const;
  for (const [name, accepted] of settings) {
    const found = fieldOf(root, name) ?? undefined;
    if (!accepted.some((one) => sameJson(one, found)))
      unfit(
        `expected the ${name} of a converted SentencePiece model, got ${quote(JSON.stringify(found) ?? 'none')}; give tokenizer.model`,
      );
  }
};

/** SentencePiece has none that is longer; one of many megabytes would be copied and cut at every place. */
const LONGEST_TOKEN = 8000;

/** Each token is looked at cut in two in all ways; Gemma's take 2^24 steps. */
const MOST_CUTS = 2 ** 28;

/** Pieces by id, and ids by piece: the vocabulary, and the added tokens that are not in it. */
interface Vocabulary {
  readonly pieces: readonly string[];
  readonly ids: ReadonlyMap<string, number>;
}

const vocabularyOf = (model: Fields, added: readonly (readonly [string, number])[]): Vocabulary => {
  const listed = fieldOf(model, 'vocab');
  if (!isFields(listed)) return unfit(`expected model.vocab to be an object, got ${describe(listed)}`);
  const tokens = Object.keys(listed);
  const extra = added.filter(([token, id]) => {
    if (!Object.hasOwn(listed, token)) return true;
    if (listed[token] !== id)
      unfit(`expected added token ${quote(token)} to keep its id ${describe(listed[token])}, got ${id}`);
    return false;
  });
  const size = tokens.length + extra.length;
  const pieces = new Array<string | undefined>(size).fill(undefined);
  const ids = new Map<string, number>();
  const place = (token: string, given: unknown): void => {
    const id =
      typeof given === 'number' && Number.isInteger(given) && given >= 0 && given < size
        ? given
        : unfit(`expected ids from 0 to ${size - 1}, got ${describe(given)} for token ${quote(token)}`);
    if (!isWellFormed(token)) unfit(`expected tokens of whole characters, got ${quote(token)}`);
    if (token.length > LONGEST_TOKEN)
      unfit(`expected tokens of at most ${LONGEST_TOKEN} characters, got ${token.length} (${quote(token)})`);
    if (pieces[id] !== undefined)
      unfit(`expected ids of their own, got ${id} for tokens ${quote(pieces[id])} and ${quote(token)}`);
    pieces[id] = token;
    ids.set(token, id);
  };
  for (const token of tokens) place(token, listed[token]);
  for (const [token, id] of extra) place(token, id);
  // As many tokens as ids, each with an id of its own: none is left out.
  return { pieces: pieces as string[], ids };
};

const addedTokens = (root: Fields): readonly (readonly [string, number])[] => {
  const list = fieldOf(root, 'added_tokens') ?? [];
  if (!Array.isArray(list)) return unfit(`expected added_tokens to be a list, got ${describe(list)}`);
  return list.map((token: unknown, index) => {
    const content = fieldOf(token, 'content');
    const id = fieldOf(token, 'id');
    if (typeof content !== 'string' || content === '' || typeof id !== 'number')
      return unfit(
        `added_tokens[${index}]: expected a content and an id, got ${describe(content)} and ${describe(id)}`,
      );
    for (const key of ['lstrip', 'rstrip', 'single_word'])
      if (fieldOf(token, key) === true)
        unfit(`added_tokens[${index}]: ${key} is not supported (token ${quote(content)})`);
    return [content, id];
  });
};

/** A merge's two halves, by either of the forms that files have. */
const halvesOf = (merge: unknown, index: number): readonly [string, string] => {
  const parts: readonly unknown[] =
    typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? (merge as unknown[]) : [];
  const [left, right] = parts;
  if (parts.length === 2 && typeof left === 'string' && typeof right === 'string' && left !== '' && right !== '')
    return [left, right];
  return unfit(`expected merge ${index} to be two tokens, got ${describe(merge)}`);
};

/** Whether a place in a text is between characters, not inside one that has two units. */
const isBetween = (text: string, at: number): boolean => {
  const unit = text.charCodeAt(at);
  return unit < 0xdc00 || unit >= 0xe000;
};

/**
 * The score of each piece: merges are sorted by the score of what they make, so the first gives the best score. All ways
 * in which two pieces make one must be there, and those of one piece must stand together: SentencePiece knows no others.
 */
const scoresOf = ({ pieces, ids }: Vocabulary, types: Uint8Array, merges: unknown): Float32Array => {
  if (!Array.isArray(merges)) return unfit(`expected model.merges to be a list, got ${describe(merges)}`);
  const cuts = pieces.reduce((sum, { length }) => sum + length * length, 0);
  if (cuts > MOST_CUTS) unfit(`expected tokens of fewer characters: to cut these ${pieces.length} takes ${cuts} steps`);
  const scores = new Float32Array(pieces.length).fill(-merges.length);
  // The merges of a piece are those from firsts[id] on, counts[id] of them.
  const firsts = new Int32Array(pieces.length);
  const counts = new Int32Array(pieces.length);
  let place = 0;
  for (let index = 0; index < merges.length; index++) {
    const [left, right] = halvesOf(merges[index], index);
    const id = ids.get(left + right);
    if (id === undefined)
      return unfit(`expected merge ${index} of tokens to a token, got ${quote(left)} and ${quote(right)}`);
    if (counts[id] === 0) {
      firsts[id] = index;
      scores[id] = -place++;
    } else if (firsts[id]! + counts[id]! !== index)
      unfit(`expected all merges to ${quote(pieces[id]!)} together, got one more at merge ${index}`);
    counts[id]! += 1;
  }
  for (const [id, piece] of pieces.entries()) {
    if (types[id] !== PieceType.NORMAL) continue;
    const given = new Set<number>();
    for (let i = 0; i < counts[id]!; i++) given.add(halvesOf(merges[firsts[id]! + i], firsts[id]! + i)[0].length);
    for (let at = 1; at < piece.length; at++) {
      if (!isBetween(piece, at)) continue;
      const isMerge = ids.has(piece.slice(0, at)) && ids.has(piece.slice(at));
      if (isMerge !== given.has(at))
        unfit(
          `expected a merge to ${quote(piece)} for each way to split it into tokens, and no others, ${isMerge ? 'got none' : 'got one'} of ${quote(piece.slice(0, at))} and ${quote(piece.slice(at))}`,
        );
    }
    if (counts[id] !== given.size) unfit(`expected each merge to ${quote(piece)} once, got one twice`);
  }
  return scores;
};

const encoder = new TextEncoder();

/** Bytes that a varint takes; numbers are below 2^28 here. */
const varintLength = (value: number): number => (value < 2 ** 7 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 21 ? 3 : 4);

/** A model file of these pieces. */
const protoOf = (
  pieces: readonly string[],
  types: Uint8Array,
  scores: Float32Array,
  byteFallback: boolean,
): Uint8Array => {
  // A unit of a text is 3 bytes of UTF-8 at most, all else of a piece 17.
  const file = new Uint8Array(pieces.reduce((total, { length }) => total + 3 * length + 17, 64));
  const view = new DataView(file.buffer);
  let end = 0;
  const varint = (value: number): void => {
    let rest = value;
    for (; rest >= 0x80; rest >>>= 7) file[end++] = (rest & 0x7f) | 0x80;
    file[end++] = rest;
  };
  const fields = (number: number, values: readonly (readonly [number, number])[]): void => {
    const length = values.reduce((total, [own, value]) => total + varintLength(own * 8) + varintLength(value), 0);
    varint(number * 8 + 2);
    varint(length);
    for (const [own, value] of values) {
      varint(own * 8);
      varint(value);
    }
  };
  const text = new Uint8Array(pieces.reduce((most, { length }) => Math.max(most, 3 * length), 0));
  for (const [id, piece] of pieces.entries()) {
    const { written } = encoder.encodeInto(piece, text);
    varint(1 * 8 + 2);
    varint(1 + varintLength(written) + written + 5 + 2);
    varint(1 * 8 + 2);
    varint(written);
    file.set(text.subarray(0, written), end);
    end += written;
    varint(2 * 8 + 5);
    view.setFloat32(end, scores[id]!, true);
    end += 4;
    varint(3 * 8);
    varint(types[id]!);
  }
  // trainer_spec: model_type, vocab_size, byte_fallback.
  fields(2, [
    [3, ModelType.BPE],
    [4, pieces.length],
    [35, Number(byteFallback)],
  ]);
  // normalizer_spec: no dummy prefix, no white space removed, spaces escaped.
  fields(3, [
    [3, 0],
    [4, 0],
    [5, 1],
  ]);
  return file.slice(0, end);
};

const byteToken = /^<0x[0-9A-F]{2}>$/;

const convert = (root: unknown, { startToken, endToken, padToken }: ControlTokens): Uint8Array => {
  if (!isFields(root)) return unfit(`expected an object, got ${describe(root)}`);
  const model = fieldOf(root, 'model');
  if (!isFields(model)) return unfit(`expected model to be an object, got ${describe(model)}`);
  checkSettings(root, model);
  const added = addedTokens(root);
  const vocabulary = vocabularyOf(model, added);
  const { pieces } = vocabulary;
  const byteFallback = fieldOf(model, 'byte_fallback') === true;
  const unknown = fieldOf(model, 'unk_token');
  const control = new Set([startToken, endToken, padToken]);
  const whole = new Set(added.map(([token]) => token));
  const types = Uint8Array.from(pieces, (piece) =>
    control.has(piece)
      ? PieceType.CONTROL
      : piece === unknown
        ? PieceType.UNKNOWN
        : byteFallback && byteToken.test(piece)
          ? PieceType.BYTE
          : whole.has(piece)
            ? PieceType.USER_DEFINED
            : PieceType.NORMAL,
  );
  return protoOf(pieces, types, scoresOf(vocabulary, types, fieldOf(model, 'merges')), byteFallback);
};

/**
 * The SentencePiece model that transformers' tokenizer.json was converted from: a BPE model whose texts have U+2581 for
 * spaces. Added tokens are the user's symbols, save for the family's marks, which are control pieces.
 *
 * @param text - What the file holds.
 * @param file - Its name, for messages; default `'tokenizer.json'`.
 * @returns What tokenizer.model would hold, or why it is no such conversion.
 */
export const sentencePieceOfTokenizerJson = (
  text: string,
  control: ControlTokens,
  file = 'tokenizer.json',
): E.Either<TokenizerFileError, Uint8Array> =>
  pipe(
    parseJson(text),
    E.chain((root) => {
      try {
        return E.right(convert(root, control));
      } catch (error) {
        if (error instanceof Unfit) return E.left(error.message);
        throw error;
      }
    }),
    E.mapLeft((message) => new TokenizerFileError(`${file}: ${message}`)),
  );
