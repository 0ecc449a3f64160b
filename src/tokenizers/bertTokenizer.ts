import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { ArgumentError } from '../tensor/errors.ts';
import { TokenizerFileError } from './errors.ts';
import { parseVocabularyText, parseWordPieceJson } from './wordPieceFiles.ts';
import { type WordPieceTokenizer, type WordPieceTokenizerOptions, wordPieceTokenizer } from './wordPieceTokenizer.ts';

/** What a file does not say of a WordPiece tokenizer, or what is to be otherwise than it says. */
export type WordPieceSettings = Omit<WordPieceTokenizerOptions, 'vocabulary'>;

/** The settings that are given: one that is undefined is not. */
const given = (settings: WordPieceSettings): WordPieceSettings =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));

/** The constructor of a family whose special tokens are BERT's. */
export const bertLikeTokenizer = (name: string) => {
  const family = { name, startToken: '[CLS]', endToken: '[SEP]', padToken: '[PAD]', maskToken: '[MASK]' };
  const load = (options: WordPieceTokenizerOptions): E.Either<TokenizerFileError, WordPieceTokenizer> =>
    pipe(
      wordPieceTokenizer(family, options),
      E.mapLeft((message) => new TokenizerFileError(`${name}: ${message}`)),
    );
  return Object.freeze(
    Object.assign(
      (options: WordPieceTokenizerOptions): WordPieceTokenizer =>
        pipe(
          wordPieceTokenizer(family, options),
          E.getOrElseW((message) => {
            throw new ArgumentError(`${name}: ${message}`);
          }),
        ),
      {
        /** A tokenizer from what vocabulary.txt (transformers: vocab.txt) holds. */
        fromVocabularyText: (
          text: string,
          settings: WordPieceSettings = {},
        ): E.Either<TokenizerFileError, WordPieceTokenizer> =>
          pipe(
            parseVocabularyText(text),
            E.chain((vocabulary) => load({ ...settings, vocabulary })),
          ),
        /** A tokenizer from what transformers' tokenizer.json holds; settings given go before it. */
        fromTokenizerJson: (
          text: string,
          settings: WordPieceSettings = {},
        ): E.Either<TokenizerFileError, WordPieceTokenizer> =>
          pipe(
            parseWordPieceJson(text),
            E.chain((options) => load({ ...options, ...given(settings) })),
          ),
      },
    ),
  );
};

/** BERT's tokenizer: WordPiece. */
export type BertTokenizer = WordPieceTokenizer;

/**
 * A BERT tokenizer.
 *
 * Texts are cut into words as KerasHub does it or, with `follows: 'transformers'`, as transformers does: the two differ in
 * white space, accents, control characters and in special tokens that stand in a text. Neither adds `[CLS]` and `[SEP]`:
 * a preprocessor does.
 *
 * @throws {ArgumentError} If the vocabulary lacks a special token, is empty, or has a token twice.
 * @see Devlin et al. 2018; keras_hub.models.BertTokenizer
 * @example
 * const vocabulary = ['[UNK]', '[CLS]', '[SEP]', '[PAD]', '[MASK]', 'The', 'quick', 'brown', 'fox', 'jumped', '.'];
 * const tokenizer = BertTokenizer({ vocabulary });
 * tokenizer.tokenize('The quick brown fox jumped.'); // [5, 6, 7, 8, 9, 10]
 */
export const BertTokenizer = bertLikeTokenizer('BertTokenizer');
