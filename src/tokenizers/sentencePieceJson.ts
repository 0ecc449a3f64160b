// transformers' conversion of a SentencePiece BPE model is undone: what the conversion kept (pieces, what joins to what and in
// which order, which pieces stand whole) is all that segmentation needs, so the ids are SentencePiece's, also where the
// converted tokenizer differs from it.

import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { describe, quote, TokenizerFileError } from './errors.ts';
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

/** Pieces by id: the vocabulary, and the added tokens that are not in it. */
const piecesOf = (model: Fields, added: readonly (readonly [string, number])[]): readonly string[] => {
  const vocabulary = fieldOf(model, 'vocab');
  if (!isFields(vocabulary)) return unfit(`expected model.vocab to be an object, got ${describe(vocabulary)}`);
  const ids = new Map<string, unknown>(Object.entries(vocabulary));
  for (const [token, id] of added) {
    const own = ids.get(token);
    if (own !== undefined && own !== id)
      unfit(`expected added token ${quote(token)} to keep its id ${describe(own)}, got ${id}`);
    ids.set(token, id);
  }
  const pieces = new Array<string | undefined>(ids.size).fill(undefined);
  for (const [token, id] of ids) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= ids.size)
      return unfit(`expected ids from 0 to ${ids.size - 1}, got ${describe(id)} for token ${quote(token)}`);
    if (pieces[id] !== undefined)
      unfit(`expected ids of their own, got ${id} for tokens ${quote(pieces[id])} and ${quote(token)}`);
    pieces[id] = token;
  }
  // As many tokens as ids, each with an id of its own: none is left out.
  return pieces as string[];
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

/** In how many ways a text of two or more characters falls into two pieces. */
const waysToSplit = (text: string, isPart: (part: string) => boolean): number => {
  let ways = 0;
  for (let at = 1; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit >= 0xdc00 && unit < 0xe000) continue; // Inside a character.
    if (isPart(text.slice(0, at)) && isPart(text.slice(at))) ways += 1;
  }
  return ways;
};

/**
 * The score of each piece: merges are sorted by the score of what they make, so the first gives the best score. All ways
 * in which two pieces make one must be there, and those of one piece must stand together: SentencePiece knows no others.
 */
const scoresOf = (pieces: readonly string[], types: Uint8Array, merges: unknown): Float32Array => {
  if (!Array.isArray(merges)) return unfit(`expected model.merges to be a list, got ${describe(merges)}`);
  const ids = new Map(pieces.map((piece, id) => [piece, id]));
  const isPart = (part: string): boolean => ids.has(part);
  const scores = new Float32Array(pieces.length).fill(-merges.length);
  const ways = new Map<number, number>();
  let last: number | undefined;
  let place = 0;
  for (let index = 0; index < merges.length; index++) {
    const [left, right] = halvesOf(merges[index], index);
    const id = ids.get(left + right);
    if (id === undefined || !isPart(left) || !isPart(right))
      return unfit(`expected merge ${index} of tokens to a token, got ${quote(left)} and ${quote(right)}`);
    const known = ways.get(id);
    if (known !== undefined && id !== last)
      unfit(`expected all merges to ${quote(pieces[id]!)} together, got one more at merge ${index}`);
    if (known === undefined) scores[id] = -place++;
    ways.set(id, (known ?? 0) + 1);
    last = id;
  }
  for (const [id, piece] of pieces.entries()) {
    if (types[id] !== PieceType.NORMAL) continue;
    const expected = waysToSplit(piece, isPart);
    const found = ways.get(id) ?? 0;
    if (found !== expected)
      unfit(`expected ${expected} merges to ${quote(piece)}, one for each way to split it into tokens, got ${found}`);
  }
  return scores;
};

const encoder = new TextEncoder();

/** A varint of protobuf. */
const varint = (value: number): readonly number[] =>
  value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];

/** Fields of a message: numbers and what they hold, varints, four bytes of a float, or bytes of a length. */
const message = (fields: readonly (readonly [number, number | Float32Array | Uint8Array])[]): Uint8Array => {
  const bytes: number[] = [];
  for (const [number, value] of fields) {
    if (typeof value === 'number') bytes.push(...varint(number * 8), ...varint(value));
    else if (value instanceof Float32Array)
      bytes.push(...varint(number * 8 + 5), ...new Uint8Array(value.buffer, value.byteOffset, 4));
    else bytes.push(...varint(number * 8 + 2), ...varint(value.length), ...value);
  }
  return Uint8Array.from(bytes);
};

/** A model file of these pieces. */
const protoOf = (
  pieces: readonly string[],
  types: Uint8Array,
  scores: Float32Array,
  byteFallback: boolean,
): Uint8Array => {
  const parts = pieces.map((piece, id) =>
    message([
      [
        1,
        message([
          [1, encoder.encode(piece)],
          [2, scores.subarray(id, id + 1)],
          [3, types[id]!],
        ]),
      ],
    ]),
  );
  const trainer = message([
    [3, ModelType.BPE],
    [4, pieces.length],
    [35, Number(byteFallback)],
  ]);
  const normalizer = message([
    [1, encoder.encode('identity')],
    [3, 0],
    [4, 0],
    [5, 1],
  ]);
  const all = [...parts, message([[2, trainer]]), message([[3, normalizer]])];
  const file = new Uint8Array(all.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of all) {
    file.set(part, at);
    at += part.length;
  }
  return file;
};

const byteToken = /^<0x[0-9A-F]{2}>$/;

const convert = (root: unknown, { startToken, endToken, padToken }: ControlTokens): Uint8Array => {
  if (!isFields(root)) return unfit(`expected an object, got ${describe(root)}`);
  const model = fieldOf(root, 'model');
  if (!isFields(model)) return unfit(`expected model to be an object, got ${describe(model)}`);
  checkSettings(root, model);
  const added = addedTokens(root);
  const pieces = piecesOf(model, added);
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
  return protoOf(pieces, types, scoresOf(pieces, types, fieldOf(model, 'merges')), byteFallback);
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
    E.tryCatch(
      () => JSON.parse(text) as unknown,
      (error) => `expected JSON, got ${quote(text)} (${(error as Error).message})`,
    ),
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
