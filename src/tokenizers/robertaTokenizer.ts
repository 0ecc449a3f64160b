import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { ArgumentError } from '../tensor/errors.ts';
import { type BytePairTokenizer, type BytePairTokenizerOptions, bytePairTokenizer } from './bytePairTokenizer.ts';
import { quote, TokenizerFileError } from './errors.ts';
import { parseMerges, parseTokenizerJson, parseVocabulary } from './files.ts';
import { gpt2Pattern } from './gpt2Pattern.ts';
import type { MaskTokenizer } from './maskTokenizer.ts';
import { checkVocabulary } from './vocabulary.ts';

/** RoBERTa's tokenizer: byte-level BPE with a mask token. */
export interface RobertaTokenizer extends BytePairTokenizer, MaskTokenizer {}

const name = 'RobertaTokenizer';
const special = { startToken: '<s>', padToken: '<pad>', endToken: '</s>', maskToken: '<mask>' };

const make = (options: BytePairTokenizerOptions): E.Either<string, RobertaTokenizer> =>
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
        {
          ...options,
          vocabulary,
          unsplittableTokens: [special.padToken, special.maskToken, ...(options.unsplittableTokens ?? [])],
        },
      ),
    ),
    E.map((tokenizer) =>
      Object.freeze({
        ...tokenizer,
        maskToken: special.maskToken,
        maskTokenId: tokenizer.tokenToId(special.maskToken),
        specialTokenIds: Object.freeze(Object.values(special).map(tokenizer.tokenToId)),
      } satisfies RobertaTokenizer),
    ),
  );

const load = (options: BytePairTokenizerOptions): E.Either<TokenizerFileError, RobertaTokenizer> =>
  pipe(
    make(options),
    E.mapLeft((message) => new TokenizerFileError(`${name}: ${message}`)),
  );

/** What the two files of a tokenizer hold, and what they do not say. */
export interface RobertaTokenizerFiles extends Omit<BytePairTokenizerOptions, 'vocabulary' | 'merges'> {
  /** Ids by token. */
  readonly vocabularyJson: string;
  /** Rules, first ranked first. */
  readonly mergesText: string;
}

/**
 * A RoBERTa tokenizer.
 *
 * A text is cut by GPT-2's pattern, with which the vocabulary was learnt, whatever layout the files came in. `<s>`,
 * `<pad>`, `</s>` and `<mask>` in a text are the special tokens; with `lstripTokens: ['<mask>']`, as RoBERTa's own
 * tokenizer.json says, a mask swallows the white space before it.
 *
 * @throws {ArgumentError} If the vocabulary lacks a special token, or ids or merges are not what they should be.
 * @see Liu et al. 2019; keras_hub.models.RobertaTokenizer
 * @example
 * const vocabulary = { '<s>': 0, '<pad>': 1, '</s>': 2, '<mask>': 3, a: 4, 'Ġquick': 5, 'Ġfox': 6 };
 * const merges = ['Ġ q', 'u i', 'c k', 'ui ck', 'Ġq uick', 'Ġ f', 'o x', 'Ġf ox'];
 * RobertaTokenizer({ vocabulary, merges }).tokenize(['a quick fox', 'a fox quick']); // [[4, 5, 6], [4, 6, 5]]
 */
export const RobertaTokenizer = Object.freeze(
  Object.assign(
    (options: BytePairTokenizerOptions): RobertaTokenizer =>
      pipe(
        make(options),
        E.getOrElseW((message) => {
          throw new ArgumentError(`${name}: ${message}`);
        }),
      ),
    {
      /**
       * A tokenizer from what vocabulary.json (transformers: vocab.json) and merges.txt hold. Where transformers reads these
       * two alone, `<unk>` in a text is a token too, and no token swallows white space.
       */
      fromFiles: ({
        vocabularyJson,
        mergesText,
        ...settings
      }: RobertaTokenizerFiles): E.Either<TokenizerFileError, RobertaTokenizer> =>
        pipe(
          E.Do,
          E.bind('vocabulary', () => parseVocabulary(vocabularyJson)),
          E.bind('merges', () => parseMerges(mergesText)),
          E.chain((files) => load({ ...settings, ...files })),
        ),
      /** A tokenizer from what transformers' tokenizer.json holds. */
      fromTokenizerJson: (text: string): E.Either<TokenizerFileError, RobertaTokenizer> =>
        pipe(parseTokenizerJson(text), E.chain(load)),
    },
  ),
);
