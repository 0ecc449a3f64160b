import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { ArgumentError } from '../tensor/errors.ts';
import { type BytePairTokenizer, type BytePairTokenizerOptions, bytePairTokenizer } from './bytePairTokenizer.ts';
import { TokenizerFileError } from './errors.ts';
import { parseMerges, parseTokenizerJson, parseVocabulary } from './files.ts';
import { gpt2Pattern } from './gpt2Pattern.ts';

/** GPT-2's tokenizer: byte-level BPE. */
export type GPT2Tokenizer = BytePairTokenizer;

const family = {
  name: 'GPT2Tokenizer',
  pattern: gpt2Pattern,
  startToken: '<|endoftext|>',
  endToken: '<|endoftext|>',
  padTokenId: 0,
};

const create = (options: BytePairTokenizerOptions): GPT2Tokenizer =>
  pipe(
    bytePairTokenizer(family, options),
    E.getOrElseW((message) => {
      throw new ArgumentError(`${family.name}: ${message}`);
    }),
  );

const load = (options: BytePairTokenizerOptions): E.Either<TokenizerFileError, GPT2Tokenizer> =>
  pipe(
    bytePairTokenizer(family, options),
    E.mapLeft((message) => new TokenizerFileError(`${family.name}: ${message}`)),
  );

/**
 * A GPT-2 tokenizer.
 *
 * A text is cut by GPT-2's own pattern, whatever layout the files came in, and each word's UTF-8 bytes are merged.
 * `<|endoftext|>` in a text is the special token, which both starts and ends texts. The padding id is the number 0,
 * whatever token that is. Bytes that make no character become U+FFFD in `detokenize`.
 *
 * @throws {ArgumentError} If the vocabulary lacks `<|endoftext|>`, or ids or merges are not what they should be.
 * @see Radford et al. 2019, section 2.2; keras_hub.models.GPT2Tokenizer
 * @example
 * const vocabulary = { '<|endoftext|>': 0, a: 4, 'Ġquick': 5, 'Ġfox': 6 };
 * const merges = ['Ġ q', 'u i', 'c k', 'ui ck', 'Ġq uick', 'Ġ f', 'o x', 'Ġf ox'];
 * GPT2Tokenizer({ vocabulary, merges }).tokenize('a quick fox.'); // [4, 5, 6]
 */
export const GPT2Tokenizer = Object.freeze(
  Object.assign(create, {
    /** A tokenizer from what vocabulary.json (transformers: vocab.json) and merges.txt hold. */
    fromFiles: ({
      vocabularyJson,
      mergesText,
    }: {
      readonly vocabularyJson: string;
      readonly mergesText: string;
    }): E.Either<TokenizerFileError, GPT2Tokenizer> =>
      pipe(
        E.Do,
        E.bind('vocabulary', () => parseVocabulary(vocabularyJson)),
        E.bind('merges', () => parseMerges(mergesText)),
        E.chain(load),
      ),
    /** A tokenizer from what transformers' tokenizer.json holds. */
    fromTokenizerJson: (text: string): E.Either<TokenizerFileError, GPT2Tokenizer> =>
      pipe(parseTokenizerJson(text), E.chain(load)),
  }),
);
