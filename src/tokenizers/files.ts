import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { parseJsonText, vocabularyLimits } from '../models/jsonText.ts';
import { byteCharacters } from './bytes.ts';
import { describe, quote, TokenizerFileError } from './errors.ts';
import { checkMerges, checkVocabulary } from './vocabulary.ts';

/** An error that names its file. */
export const inFile =
  (file: string) =>
  (message: string): TokenizerFileError =>
    new TokenizerFileError(`${file}: ${message}`);

/** What a JSON text holds, if it is no larger than a vocabulary may be. */
export const parseJson = (text: string): E.Either<string, unknown> => parseJsonText(text, vocabularyLimits);

/** The largest vocabulary has half a million tokens, and there are about as many merges. */
const MOST_LINES = 2 ** 21;

/** The lines of a text, ended by LF or CRLF; the last may lack its end. */
export const linesOf = (text: string): E.Either<string, string[]> => {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  if (count > MOST_LINES) return E.left(`expected at most ${MOST_LINES} lines, got ${count}`);
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return E.right(lines);
};

/**
 * Reads vocabulary.json (vocab.json in transformers' folders): one object from token to id.
 *
 * @param text - What the file holds.
 * @param file - Its name, for messages; default `'vocabulary.json'`.
 */
export const parseVocabulary = (
  text: string,
  file = 'vocabulary.json',
): E.Either<TokenizerFileError, ReadonlyMap<string, number>> =>
  pipe(parseJson(text), E.chain(checkVocabulary), E.mapLeft(inFile(file)));

/**
 * Reads merges.txt: one `left right` a line, first ranked first, after a `#version` line that may be missing. Lines end
 * in LF or CRLF; a blank line is an error, as it is to KerasHub and transformers.
 *
 * @param text - What the file holds.
 * @param file - Its name, for messages; default `'merges.txt'`.
 * @returns The merges, without the `#version` line.
 */
export const parseMerges = (text: string, file = 'merges.txt'): E.Either<TokenizerFileError, readonly string[]> => {
  return pipe(
    linesOf(text),
    E.chain((lines) => checkMerges(lines, 'line')),
    E.map((rules) => rules.map((rule) => rule.join(' '))),
    E.mapLeft(inFile(file)),
  );
};

/** What transformers' tokenizer.json says of a byte-level BPE tokenizer. */
export interface TokenizerJson {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly merges: readonly string[];
  readonly addPrefixSpace: boolean;
  /** The added tokens: strings that are never split when they stand in a text. */
  readonly unsplittableTokens: readonly string[];
  /** Those of them that swallow the white space before them. */
  readonly lstripTokens: readonly string[];
  /** Whose way of cutting texts into words the file asks for. */
  readonly split: BytePairSplit;
}

/** How a text is cut into words before BPE: GPT-2's way, or Falcon's. */
export type BytePairSplit = 'gpt2' | 'falcon';

/** A JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object. */
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An object within an object. */
export const fieldsOf = (parent: Fields, key: string): E.Either<string, Fields> => {
  const value = parent[key];
  return isFields(value) ? E.right(value) : E.left(`expected ${key} to be an object, got ${describe(value)}`);
};

/** The steps of Falcon's pre_tokenizer, with what each must say. */
const falconSteps: readonly Fields[] = [
  { type: 'Punctuation', behavior: 'Contiguous' },
  { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
  { type: 'Digits', individual_digits: false },
  { type: 'Split', behavior: 'Isolated', invert: false },
];

/** Whether a pre_tokenizer cuts as Falcon does. */
const isFalconSplit = ({ type, pretokenizers: steps }: Fields): boolean =>
  type === 'Sequence' &&
  Array.isArray(steps) &&
  steps.length === falconSteps.length &&
  falconSteps.every((wanted, i) => {
    const step: unknown = steps[i];
    return isFields(step) && Object.entries(wanted).every(([key, value]) => step[key] === value);
  }) &&
  isFields(steps[3].pattern) &&
  steps[3].pattern.Regex === '[0-9][0-9][0-9]';

/** Settings that change what a tokenizer gives and that byte-level BPE here does not have: refused, never ignored. */
const unsupported = (
  root: Fields,
  model: Fields,
  preTokenizer: Fields,
  decoder: Fields,
  splits: readonly BytePairSplit[],
): string | undefined => {
  const off = (value: unknown): boolean =>
    value === undefined || value === null || value === false || value === '' || value === 0;
  const type = (fields: Fields): string => `of type ${describe(fields.type)}`;
  if (model.type !== undefined && model.type !== 'BPE') return `expected a BPE model, got one ${type(model)}`;
  for (const key of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix', 'byte_fallback', 'ignore_merges'])
    if (!off(model[key])) return `model.${key} is not supported, got ${describe(model[key])}`;
  if (!off(root.normalizer)) return 'a normalizer is not supported in byte-level BPE';
  const isFalcon = splits.includes('falcon') && isFalconSplit(preTokenizer);
  if (!isFalcon && preTokenizer.type !== 'ByteLevel')
    return `expected a ByteLevel pre_tokenizer${splits.includes('falcon') ? " or Falcon's sequence" : ''}, got one ${type(preTokenizer)}`;
  if (preTokenizer.use_regex === false) return "expected the pre_tokenizer to use GPT-2's pattern, got use_regex false";
  if (decoder.type !== 'ByteLevel') return `expected a ByteLevel decoder, got one ${type(decoder)}`;
  return undefined;
};

/** The vocabulary with the added tokens in it, and their strings. */
export const addTokens = (
  vocabulary: ReadonlyMap<string, number>,
  added: unknown,
): E.Either<string, Pick<TokenizerJson, 'vocabulary' | 'unsplittableTokens' | 'lstripTokens'>> => {
  if (added === undefined || added === null) return E.right({ vocabulary, unsplittableTokens: [], lstripTokens: [] });
  if (!Array.isArray(added)) return E.left(`expected added_tokens to be a list, got ${describe(added)}`);
  const tokens = new Map<unknown, unknown>(vocabulary);
  const unsplittableTokens: string[] = [];
  const lstripTokens: string[] = [];
  for (let index = 0; index < added.length; index++) {
    const token: unknown = added[index];
    const place = `added_tokens[${index}]`;
    if (!isFields(token) || typeof token.content !== 'string' || token.content === '')
      return E.left(
        `${place}: expected an object with a content, got ${describe(isFields(token) ? token.content : token)}`,
      );
    for (const key of ['rstrip', 'single_word'])
      if (token[key] === true) return E.left(`${place}: ${key} is not supported (token ${quote(token.content)})`);
    const id = tokens.get(token.content);
    if (id !== undefined && id !== token.id)
      return E.left(
        `${place}: expected token ${quote(token.content)} to keep its id ${String(id)}, got ${describe(token.id)}`,
      );
    tokens.set(token.content, token.id);
    unsplittableTokens.push(token.content);
    if (token.lstrip === true) lstripTokens.push(token.content);
  }
  return pipe(
    checkVocabulary(tokens),
    E.map((ids) => ({ vocabulary: ids, unsplittableTokens, lstripTokens })),
  );
};

/** Merges as strings; newer files hold pairs. */
const mergeStrings = (merges: unknown): unknown =>
  Array.isArray(merges)
    ? merges.map((merge: unknown) =>
        Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === 'string')
          ? merge.join(' ')
          : merge,
      )
    : merges;

/**
 * Reads transformers' tokenizer.json of a byte-level BPE tokenizer. The post_processor is passed over: start and end
 * tokens are the preprocessor's. Whatever else would change the ids and is not supported gives an error.
 *
 * @param text - What the file holds.
 * @param file - Its name, for messages; default `'tokenizer.json'`.
 * @param splits - The ways of cutting a text that are accepted; default GPT-2's.
 */
export const parseTokenizerJson = (
  text: string,
  file = 'tokenizer.json',
  splits: readonly BytePairSplit[] = ['gpt2'],
): E.Either<TokenizerFileError, TokenizerJson> =>
  pipe(
    E.Do,
    E.bind('root', () => parseJson(text)),
    E.bind('fields', ({ root }) =>
      isFields(root) ? E.right(root) : E.left(`expected an object, got ${describe(root)}`),
    ),
    E.bind('model', ({ fields }) => fieldsOf(fields, 'model')),
    E.bind('preTokenizer', ({ fields }) => fieldsOf(fields, 'pre_tokenizer')),
    E.bind('decoder', ({ fields }) => fieldsOf(fields, 'decoder')),
    E.chainFirst(({ fields, model, preTokenizer, decoder }) => {
      const reason = unsupported(fields, model, preTokenizer, decoder, splits);
      return reason === undefined ? E.right(undefined) : E.left(reason);
    }),
    E.bind('own', ({ model }) => checkVocabulary(model.vocab)),
    E.bind('rules', ({ model }) => checkMerges(mergeStrings(model.merges), 'merge')),
    E.chainFirst(({ own, model }) =>
      typeof model.unk_token === 'string' && !byteCharacters.every((character) => own.has(character))
        ? E.left(
            `model.unk_token is supported only where the vocabulary has all 256 bytes, got ${quote(model.unk_token)}`,
          )
        : E.right(undefined),
    ),
    E.chainFirst(({ own, rules }) => {
      const strange = rules.findIndex((rule) => [...rule, rule.join('')].some((token) => !own.has(token)));
      return strange < 0
        ? E.right(undefined)
        : E.left(`merges[${strange}]: expected tokens of the vocabulary, got ${quote(rules[strange]!.join(' '))}`);
    }),
    E.bind('tokens', ({ own, fields }) => addTokens(own, fields.added_tokens)),
    E.map(({ tokens, rules, preTokenizer }) => ({
      ...tokens,
      merges: rules.map((rule) => rule.join(' ')),
      addPrefixSpace: preTokenizer.add_prefix_space === true,
      split: isFalconSplit(preTokenizer) ? ('falcon' as const) : ('gpt2' as const),
    })),
    E.mapLeft(inFile(file)),
  );
