import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { ArgumentError } from '../tensor/errors.ts';
import { type BytePairTokenizer, type BytePairTokenizerOptions, bytePairTokenizer } from './bytePairTokenizer.ts';
import { quote, TokenizerFileError } from './errors.ts';
import { parseMerges, parseTokenizerJson, parseVocabulary } from './files.ts';
import { gpt2Pattern } from './gpt2Pattern.ts';
import { checkVocabulary } from './vocabulary.ts';

/** BART's tokenizer: byte-level BPE. */
export type BartTokenizer = BytePairTokenizer;

const name = 'BartTokenizer';
const special = { startToken: '<s>', padToken: '<pad>', endToken: '</s>' };

const make = (options: BytePairTokenizerOptions): E.Either<string, BartTokenizer> =>
  pipe(
    checkVocabulary(options.vocabulary),
    E.chain((ids) => {
      const missing = Object.values(special).filter((token) => !ids.has(token));
      return missing.length === 0
        ? E.right(ids)
        : E.left(
            `expected special tokens ${Object.values(special).map(quote).join(', ')} in the vocabulary, got ${ids.size} tokens ` +
              `without ${missing.map(quote).join(', ')}; is this another family's file?`,
          );
    }),
    E.chain((vocabulary) =>
      bytePairTokenizer(
        { name, pattern: gpt2Pattern, ...special, padTokenId: vocabulary.get(special.padToken)! },
        { ...options, vocabulary, unsplittableTokens: [special.padToken, ...(options.unsplittableTokens ?? [])] },
      ),
    ),
    E.map((tokenizer) =>
      Object.freeze({
        ...tokenizer,
        specialTokenIds: Object.freeze(Object.values(special).map(tokenizer.tokenToId)),
      } satisfies BartTokenizer),
    ),
  );

const load = (options: BytePairTokenizerOptions): E.Either<TokenizerFileError, BartTokenizer> =>
  pipe(
    make(options),
    E.mapLeft((message) => new TokenizerFileError(`${name}: ${message}`)),
  );

/** What the two files of a tokenizer hold, and whose they are. */
export interface BartTokenizerFiles {
  readonly vocabularyJson: string;
  readonly mergesText: string;
  /** Whether `<mask>` and `<unk>` in a text are tokens, as transformers reads these files. Default false, as KerasHub. */
  readonly findsMasks?: boolean | undefined;
  /** See `BytePairTokenizerOptions`; so is the next. */
  readonly addPrefixSpace?: boolean | undefined;
  /** KerasHub's tokenizer.json may have tokens here that its class does not know. */
  readonly unsplittableTokens?: readonly string[] | undefined;
}

/**
 * A BART tokenizer.
 *
 * A text is cut by GPT-2's pattern, with which the vocabulary was learnt, whatever layout the files came in. `<s>`, `<pad>`
 * and `</s>` in a text are the special tokens. `<mask>` is none in KerasHub, where it is text like other text; name it in
 * `lstripTokens`, as transformers does, to fill in masks.
 *
 * @throws {ArgumentError} If the vocabulary lacks a special token, or ids or merges are not what they should be.
 * @see Lewis et al. 2019; keras_hub.models.BartTokenizer
 * @example
 * const vocabulary = { '<s>': 0, '<pad>': 1, '</s>': 2, '<mask>': 3, a: 4, 'Ġquick': 5, 'Ġfox': 6 };
 * const merges = ['Ġ q', 'u i', 'c k', 'ui ck', 'Ġq uick', 'Ġ f', 'o x', 'Ġf ox'];
 * BartTokenizer({ vocabulary, merges }).tokenize('a quick fox</s>'); // [4, 5, 6, 2]
 */
export const BartTokenizer = Object.freeze(
  Object.assign(
    (options: BytePairTokenizerOptions): BartTokenizer =>
      pipe(
        make(options),
        E.getOrElseW((message) => {
          throw new ArgumentError(`${name}: ${message}`);
        }),
      ),
    {
      /** A tokenizer from what vocabulary.json (transformers: vocab.json) and merges.txt hold. */
      fromFiles: ({
        vocabularyJson,
        mergesText,
        findsMasks = false,
        addPrefixSpace,
        unsplittableTokens = [],
      }: BartTokenizerFiles): E.Either<TokenizerFileError, BartTokenizer> =>
        pipe(
          E.Do,
          E.bind('vocabulary', () => parseVocabulary(vocabularyJson)),
          E.bind('merges', () => parseMerges(mergesText)),
          E.chain(({ vocabulary, merges }) => {
            const found = (token: string): readonly string[] => (findsMasks && vocabulary.has(token) ? [token] : []);
            return load({
              vocabulary,
              merges,
              addPrefixSpace,
              unsplittableTokens: [...found('<unk>'), ...unsplittableTokens],
              lstripTokens: found('<mask>'),
            });
          }),
        ),
      /** A tokenizer from what transformers' tokenizer.json holds. */
      fromTokenizerJson: (text: string): E.Either<TokenizerFileError, BartTokenizer> =>
        pipe(parseTokenizerJson(text), E.chain(load)),
    },
  ),
);
