// transformers' conversion of a SentencePiece unigram model is undone: pieces, scores and character map are all that
// segmentation needs. What its normalizers do beside the map is done to the text first.

import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { isWellFormed, utf8Bytes } from './bytes.ts';
import { describe, quote, type TokenizerFileError } from './errors.ts';
import { type Fields, fieldsOf, inFile, isFields, parseJson } from './files.ts';
import { ModelType, PieceType } from './sentencePieceProto.ts';
import type { TextStep } from './textSteps.ts';

/** A unigram model, and how texts come to it. */
export interface UnigramJson {
  /** Pieces and scores in the order of their ids. */
  readonly pieces: readonly (readonly [piece: string, score: number])[];
  /** The id of the unknown piece. */
  readonly unknownId: number;
  /** SentencePiece's character map; empty for none. */
  readonly characterMap: Uint8Array;
  /** What is done to a text first. */
  readonly steps: readonly TextStep[];
  /** Whether a text is given a space before it, and extra white space goes. */
  readonly addsPrefix: boolean;
  /** Tokens that are found in texts, with their ids. */
  readonly addedTokens: ReadonlyMap<string, number>;
  /** Those of them that swallow the white space before them. */
  readonly lstripTokens: readonly string[];
}

const list = (fields: Fields | null, key: string): readonly unknown[] =>
  fields === null ? [] : Array.isArray(fields[key]) ? fields[key] : [fields];

const nullable = (root: Fields, key: string): E.Either<string, Fields | null> =>
  root[key] === null || root[key] === undefined ? E.right(null) : fieldsOf(root, key);

const forms = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;
// SentencePiece makes one space of many itself.
const spacing: ReadonlyMap<string, readonly TextStep[]> = new Map([
  [' {2,}', []],
  ['\\s{2,}|[\\n\\r\\t]', ['runs']],
]);

const bytesOfBase64 = (text: string): E.Either<string, Uint8Array> =>
  E.tryCatch(
    () => Uint8Array.from(globalThis.atob(text), (character) => character.charCodeAt(0)),
    () => `expected precompiled_charsmap in base64, got ${quote(text)}`,
  );

/** One normalizer: a step, a character map, or nothing that SentencePiece would not do. */
const readNormalizer = (normalizer: unknown): E.Either<string, readonly TextStep[] | Uint8Array> => {
  if (!isFields(normalizer)) return E.left(`expected normalizers to be objects, got ${describe(normalizer)}`);
  const { type, pattern, content } = normalizer;
  const form = forms.find((name) => name === type);
  if (form !== undefined) return E.right([form]);
  if (type === 'Lowercase') return E.right(['lowercase']);
  if (type === 'StripAccents') return E.right(['stripAccents']);
  if (type === 'Strip')
    return E.right([
      ...(normalizer.strip_left === false ? [] : (['trimStart'] as const)),
      ...(normalizer.strip_right === false ? [] : (['trimEnd'] as const)),
    ]);
  if (type === 'Precompiled' && typeof normalizer.precompiled_charsmap === 'string')
    return bytesOfBase64(normalizer.precompiled_charsmap);
  if (type === 'Replace' && isFields(pattern) && typeof content === 'string') {
    if (typeof pattern.String === 'string' && pattern.String !== '')
      return E.right([{ replace: pattern.String, by: content }]);
    const step = typeof pattern.Regex === 'string' ? spacing.get(pattern.Regex) : undefined;
    if (step !== undefined && (content === ' ' || content === '\u2581')) return E.right(step);
  }
  return E.left(`a normalizer ${quote(JSON.stringify(normalizer))} is not supported in a unigram model`);
};

/** Twenty replacements of one character by two would make a million of each. */
const MOST_GROWTH = 64;

const readNormalizers = (normalizer: Fields | null): E.Either<string, Pick<UnigramJson, 'steps' | 'characterMap'>> => {
  let characterMap: Uint8Array = new Uint8Array(0);
  const steps: TextStep[] = [];
  let growth = 1;
  for (const one of list(normalizer, 'normalizers')) {
    const read = readNormalizer(one);
    if (E.isLeft(read)) return read;
    if (read.right instanceof Uint8Array) characterMap = read.right;
    else if (characterMap.length === 0) {
      for (const step of read.right)
        if (typeof step !== 'string') growth *= Math.max(1, step.by.length / step.replace.length);
      if (growth > MOST_GROWTH)
        return E.left(`expected normalizers that make texts ${MOST_GROWTH} times as long or less, got ${growth} times`);
      steps.push(...read.right);
    } else if (read.right.length > 0)
      return E.left('normalizers after the precompiled one are not supported in a unigram model');
  }
  return E.right({ steps, characterMap });
};

/** Whether Metaspace puts a space before texts; whether words are parted at white space first. */
const readPreTokenizer = (
  preTokenizer: Fields | null,
): E.Either<string, { readonly addsPrefix: boolean; readonly splits: boolean }> => {
  const all = list(preTokenizer, 'pretokenizers');
  const known = all.filter(
    (one): one is Fields =>
      isFields(one) &&
      (one.type === 'WhitespaceSplit' ||
        (one.type === 'Metaspace' && one.replacement === '\u2581' && one.prepend_scheme !== 'first')),
  );
  return known.length === all.length
    ? E.right({
        addsPrefix: known.some(
          (one) => one.type === 'Metaspace' && one.prepend_scheme !== 'never' && one.add_prefix_space !== false,
        ),
        splits: known.some((one) => one.type === 'WhitespaceSplit'),
      })
    : E.left(`a pre_tokenizer ${quote(JSON.stringify(preTokenizer))} is not supported in a unigram model`);
};

const readPieces = (vocab: unknown): E.Either<string, UnigramJson['pieces']> => {
  if (!Array.isArray(vocab)) return E.left(`expected model.vocab to be a list of pieces, got ${describe(vocab)}`);
  const wrong = vocab.findIndex(
    (entry: unknown) =>
      !Array.isArray(entry) ||
      entry.length !== 2 ||
      typeof entry[0] !== 'string' ||
      entry[0] === '' ||
      !isWellFormed(entry[0]) ||
      typeof entry[1] !== 'number',
  );
  return wrong < 0
    ? E.right(vocab as UnigramJson['pieces'])
    : E.left(`expected model.vocab[${wrong}] to be a piece and its score, got ${quote(JSON.stringify(vocab[wrong]))}`);
};

const readAdded = (added: unknown): E.Either<string, Pick<UnigramJson, 'addedTokens' | 'lstripTokens'>> => {
  const addedTokens = new Map<string, number>();
  const lstripTokens: string[] = [];
  for (const token of Array.isArray(added) ? (added as readonly unknown[]) : []) {
    if (!isFields(token) || typeof token.content !== 'string' || token.content === '' || typeof token.id !== 'number')
      return E.left(`expected added_tokens to be objects with content and id, got ${describe(token)}`);
    for (const key of ['rstrip', 'single_word'])
      if (token[key] === true) return E.left(`added_tokens: ${key} is not supported (token ${quote(token.content)})`);
    if (!Number.isInteger(token.id) || token.id < 0)
      return E.left(`added_tokens: expected an id from 0, got ${token.id} for token ${quote(token.content)}`);
    addedTokens.set(token.content, token.id);
    if (token.lstrip === true) lstripTokens.push(token.content);
  }
  return E.right({ addedTokens, lstripTokens });
};

/**
 * Reads transformers' tokenizer.json of a unigram model. Whatever would change the ids and is not supported gives an error.
 *
 * @param text - What the file holds.
 * @param file - Its name, for messages; default `'tokenizer.json'`.
 */
export const parseUnigramJson = (text: string, file = 'tokenizer.json'): E.Either<TokenizerFileError, UnigramJson> =>
  pipe(
    E.Do,
    E.bind('root', () => parseJson(text)),
    E.bind('fields', ({ root }) =>
      isFields(root) ? E.right(root) : E.left(`expected an object, got ${describe(root)}`),
    ),
    E.bind('model', ({ fields }) => fieldsOf(fields, 'model')),
    E.filterOrElse(
      ({ model }) => model.type === 'Unigram',
      ({ model }) => `expected a Unigram model, got one of type ${describe(model.type)}`,
    ),
    E.filterOrElse(
      ({ model }) => model.byte_fallback !== true,
      () => 'model.byte_fallback is not supported in a unigram model; give the SentencePiece file',
    ),
    E.bind('pieces', ({ model }) => readPieces(model.vocab)),
    E.bind('unknownId', ({ model: { unk_id: id }, pieces }) =>
      typeof id === 'number' && pieces[id] !== undefined
        ? E.right(id)
        : E.left(`expected model.unk_id to be the number of a piece, got ${describe(id)}`),
    ),
    E.bind('normalizers', ({ fields }) => pipe(nullable(fields, 'normalizer'), E.chain(readNormalizers))),
    E.bind('words', ({ fields }) => pipe(nullable(fields, 'pre_tokenizer'), E.chain(readPreTokenizer))),
    E.bind('added', ({ fields }) => readAdded(fields.added_tokens)),
    E.map(({ pieces, unknownId, normalizers: { steps, characterMap }, words: { addsPrefix, splits }, added }) => ({
      pieces,
      unknownId,
      characterMap,
      steps: splits ? [...steps, 'spaces' as const] : steps,
      addsPrefix,
      ...added,
    })),
    E.mapLeft(inFile(file)),
  );

/** How many bytes a number takes. */
const varintLength = (value: number): number => (value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : 4);

/** A protobuf message that grows to a size known before. */
const messageWriter = (size: number) => {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const varint = (value: number): void => {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
    bytes[at++] = rest;
  };
  return {
    number: (field: number, value: number): void => {
      varint(field * 8);
      varint(value);
    },
    float: (field: number, value: number): void => {
      varint(field * 8 + 5);
      view.setFloat32(at, value, true);
      at += 4;
    },
    /** A field's number and length; the bytes follow. */
    open: (field: number, length: number): void => {
      varint(field * 8 + 2);
      varint(length);
    },
    bytes: (content: Uint8Array): void => {
      bytes.set(content, at);
      at += content.length;
    },
    written: (): Uint8Array => bytes.slice(0, at),
  };
};

/**
 * The SentencePiece file of a unigram model.
 *
 * @param pieces - Pieces and scores in the order of their ids.
 * @param types - What each piece is.
 */
export const unigramProto = (
  pieces: UnigramJson['pieces'],
  types: (piece: string) => 'normal' | 'unknown' | 'control',
  { characterMap, addsPrefix }: Pick<UnigramJson, 'characterMap' | 'addsPrefix'>,
): Uint8Array => {
  const kinds = { normal: PieceType.NORMAL, unknown: PieceType.UNKNOWN, control: PieceType.CONTROL };
  // Three bytes a UTF-16 unit at most, and less than twenty around a piece.
  const most = pieces.reduce((sum, [piece]) => sum + 3 * piece.length + 20, characterMap.length + 100);
  const { number, float, open, bytes, written } = messageWriter(most);
  for (const [piece, score] of pieces) {
    const text = utf8Bytes(piece);
    open(1, 1 + varintLength(text.length) + text.length + 5 + 2);
    open(1, text.length);
    bytes(text);
    float(2, score);
    number(3, kinds[types(piece)]);
  }
  // trainer_spec: model_type, vocab_size.
  open(2, 3 + varintLength(pieces.length));
  number(3, ModelType.UNIGRAM);
  number(4, pieces.length);
  // normalizer_spec: the map; dummy prefix, extra white space removed, spaces escaped.
  const mapLength = characterMap.length;
  open(3, 6 + (mapLength > 0 ? 1 + varintLength(mapLength) + mapLength : 0));
  if (mapLength > 0) {
    open(2, mapLength);
    bytes(characterMap);
  }
  number(3, Number(addsPrefix));
  number(4, Number(addsPrefix));
  number(5, 1);
  return written();
};
