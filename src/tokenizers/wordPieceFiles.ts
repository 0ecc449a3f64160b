import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { trimEnd } from './cutAround.ts';
import { describe, quote, type TokenizerFileError } from './errors.ts';
import { addTokens, type Fields, fieldsOf, inFile, isFields, linesOf, parseJson } from './files.ts';
import { checkVocabulary } from './vocabulary.ts';
import type { WordPieceTokenizerOptions } from './wordPieceTokenizer.ts';

/**
 * Reads vocabulary.txt (vocab.txt in transformers' folders): a token a line, its id the line's number from 0.
 *
 * White space that ends a line goes. A blank line is a token that no text has, which later ids count; of lines that only
 * white space told apart, the last is the token. A line that stands twice is an error.
 *
 * @param text - What the file holds.
 * @param file - Its name, for messages; default `'vocabulary.txt'`.
 */
export const parseVocabularyText = (
  text: string,
  file = 'vocabulary.txt',
): E.Either<TokenizerFileError, readonly string[]> => {
  const split = linesOf(text);
  if (E.isLeft(split)) return E.left(inFile(file)(split.left));
  const lines = split.right;
  const tokens: string[] = [];
  const lineOf = new Map<string, number>();
  const idOf = new Map<string, number>();
  for (let id = 0; id < lines.length; id++) {
    const line = lines[id]!;
    const token = trimEnd(line);
    const other = lineOf.get(line);
    if (other !== undefined && token !== '')
      return E.left(inFile(file)(`expected each token once, got ${quote(line)} in lines ${other + 1} and ${id + 1}`));
    lineOf.set(line, id);
    const alike = idOf.get(token);
    if (alike !== undefined) tokens[alike] = '';
    idOf.set(token, id);
    tokens.push(token);
  }
  return tokens.length === 0 ? E.left(inFile(file)('expected a token a line, got an empty file')) : E.right(tokens);
};

/** What vocabulary.txt holds for tokens in the order of their ids. */
export const formatVocabularyText = (vocabulary: readonly string[]): string =>
  vocabulary.map((token) => `${token}\n`).join('');

/** Settings that change what a tokenizer gives and that WordPiece here does not have: refused, never ignored. */
const unsupported = (model: Fields, normalizer: Fields, preTokenizer: Fields, decoder: Fields): string | undefined => {
  const type = (fields: Fields): string => `of type ${describe(fields.type)}`;
  if (model.type !== undefined && model.type !== 'WordPiece')
    return `expected a WordPiece model, got one ${type(model)}`;
  if (model.max_input_chars_per_word !== undefined && model.max_input_chars_per_word !== 100)
    return `expected model.max_input_chars_per_word to be 100, got ${describe(model.max_input_chars_per_word)}`;
  for (const key of ['unk_token', 'continuing_subword_prefix'])
    if (typeof model[key] !== 'string') return `expected model.${key} to be a string, got ${describe(model[key])}`;
  if (normalizer.type !== 'BertNormalizer') return `expected a BertNormalizer, got one ${type(normalizer)}`;
  if (normalizer.clean_text === false) return 'expected the normalizer to clean texts, got clean_text false';
  if (preTokenizer.type !== 'BertPreTokenizer') return `expected a BertPreTokenizer, got one ${type(preTokenizer)}`;
  if (decoder.type !== 'WordPiece') return `expected a WordPiece decoder, got one ${type(decoder)}`;
  if (decoder.cleanup === false) return 'expected the decoder to clean up, got cleanup false';
  if (decoder.prefix !== undefined && decoder.prefix !== model.continuing_subword_prefix)
    return `expected the decoder's prefix to be the model's, got ${describe(decoder.prefix)}`;
  return undefined;
};

/** An added token that is found only after the text was lowered. */
const normalizedToken = (added: unknown, lowercase: boolean): string | undefined => {
  const token: unknown = Array.isArray(added)
    ? added.find((entry: unknown) => isFields(entry) && entry.normalized === true)
    : undefined;
  return token !== undefined && lowercase
    ? `added_tokens: normalized is not supported where texts are lowered (token ${quote(String((token as Fields).content))})`
    : undefined;
};

/**
 * Reads transformers' tokenizer.json of a WordPiece tokenizer. The post_processor, truncation and padding are passed
 * over: they are the preprocessor's. Whatever else would change the ids and is not supported gives an error.
 *
 * @param text - What the file holds.
 * @param file - Its name, for messages; default `'tokenizer.json'`.
 */
export const parseWordPieceJson = (
  text: string,
  file = 'tokenizer.json',
): E.Either<TokenizerFileError, WordPieceTokenizerOptions> =>
  pipe(
    E.Do,
    E.bind('root', () => parseJson(text)),
    E.bind('fields', ({ root }) =>
      isFields(root) ? E.right(root) : E.left(`expected an object, got ${describe(root)}`),
    ),
    E.bind('model', ({ fields }) => fieldsOf(fields, 'model')),
    E.bind('normalizer', ({ fields }) => fieldsOf(fields, 'normalizer')),
    E.bind('preTokenizer', ({ fields }) => fieldsOf(fields, 'pre_tokenizer')),
    E.bind('decoder', ({ fields }) => fieldsOf(fields, 'decoder')),
    E.chainFirst(({ fields, model, normalizer, preTokenizer, decoder }) => {
      const reason =
        unsupported(model, normalizer, preTokenizer, decoder) ??
        normalizedToken(fields.added_tokens, normalizer.lowercase !== false);
      return reason === undefined ? E.right(undefined) : E.left(reason);
    }),
    E.bind('own', ({ model }) => checkVocabulary(model.vocab)),
    E.bind('tokens', ({ own, fields }) => addTokens(own, fields.added_tokens)),
    E.map(({ model, normalizer, tokens }) => ({
      vocabulary: tokens.vocabulary,
      lowercase: normalizer.lowercase !== false,
      stripAccents: typeof normalizer.strip_accents === 'boolean' ? normalizer.strip_accents : undefined,
      splitOnCjk: normalizer.handle_chinese_chars !== false,
      specialTokens: tokens.unsplittableTokens,
      lstripTokens: tokens.lstripTokens,
      suffixIndicator: String(model.continuing_subword_prefix),
      oovToken: String(model.unk_token),
      follows: 'transformers' as const,
    })),
    E.mapLeft(inFile(file)),
  );
