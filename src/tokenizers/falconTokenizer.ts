import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { ArgumentError } from '../tensor/errors.ts';
import { type BytePairTokenizer, type BytePairTokenizerOptions, bytePairTokenizer } from './bytePairTokenizer.ts';
import { describe, TokenizerFileError } from './errors.ts';
import { falconPattern, falconPieces } from './falconPattern.ts';
import { type BytePairSplit, parseMerges, parseTokenizerJson, parseVocabulary } from './files.ts';
import { gpt2Pattern } from './gpt2Pattern.ts';
import { checkVocabulary } from './vocabulary.ts';

/** Falcon's tokenizer: byte-level BPE. */
export interface FalconTokenizer extends BytePairTokenizer {
  /** How it cuts texts into words: Falcon's way, or GPT-2's. */
  readonly split: BytePairSplit;
}

/** What a Falcon tokenizer is made of. */
export interface FalconTokenizerOptions extends BytePairTokenizerOptions {
  /**
   * How texts are cut into words: the way by which the vocabulary was learnt. Default: GPT-2's for GPT-2's vocabulary, which
   * the 1B model has (`<|endoftext|>` is 50256), else Falcon's own.
   */
  readonly split?: BytePairSplit | undefined;
}

const name = 'FalconTokenizer';
const END = '<|endoftext|>';
/** The id of the end token in GPT-2's vocabulary. */
const END_OF_GPT2 = 50256;

const family = { name, startToken: END, endToken: END, padTokenId: 0 };

const splits = {
  falcon: { ...family, pattern: falconPattern, pieces: falconPieces },
  gpt2: { ...family, pattern: gpt2Pattern },
};

const made = ({ split, ...options }: FalconTokenizerOptions): E.Either<string, FalconTokenizer> => {
  if (split !== undefined && split !== 'falcon' && split !== 'gpt2')
    return E.left(`expected split to be 'falcon' or 'gpt2', got ${describe(split)}`);
  return pipe(
    checkVocabulary(options.vocabulary),
    E.chain((vocabulary) => {
      const own = split ?? (vocabulary.get(END) === END_OF_GPT2 ? 'gpt2' : 'falcon');
      return pipe(
        bytePairTokenizer(splits[own], { ...options, vocabulary }),
        E.map((tokenizer) => Object.freeze({ ...tokenizer, split: own })),
      );
    }),
  );
};

const create = (options: FalconTokenizerOptions): FalconTokenizer =>
  pipe(
    made(options),
    E.getOrElseW((message) => {
      throw new ArgumentError(`${name}: ${message}`);
    }),
  );

const load = (options: FalconTokenizerOptions): E.Either<TokenizerFileError, FalconTokenizer> =>
  pipe(
    made(options),
    E.mapLeft((message) => new TokenizerFileError(`${name}: ${message}`)),
  );

/**
 * A Falcon tokenizer.
 *
 * A text is cut as the vocabulary was learnt, whatever layout the files came in: runs of punctuation by themselves and
 * digits in threes, or, for GPT-2's vocabulary, GPT-2's way. `<|endoftext|>` in a text is the special token, which both
 * starts and ends texts. The padding id is the number 0, whatever token that is. Bytes that make no character become
 * U+FFFD in `detokenize`.
 *
 * @throws {ArgumentError} If the vocabulary lacks `<|endoftext|>`, or ids or merges are not what they should be.
 * @see Almazrouei et al. 2023, section 4.2; keras_hub.models.FalconTokenizer
 * @example
 * const vocabulary = { '<|endoftext|>': 0, a: 4, 'Ġquick': 5, 'Ġfox': 6 };
 * const merges = ['Ġ q', 'u i', 'c k', 'ui ck', 'Ġq uick', 'Ġ f', 'o x', 'Ġf ox'];
 * FalconTokenizer({ vocabulary, merges }).tokenize('a quick fox.'); // [4, 5, 6]
 */
export const FalconTokenizer = Object.freeze(
  Object.assign(create, {
    /** A tokenizer from what vocabulary.json (transformers: vocab.json) and merges.txt hold. */
    fromFiles: ({
      vocabularyJson,
      mergesText,
    }: {
      readonly vocabularyJson: string;
      readonly mergesText: string;
    }): E.Either<TokenizerFileError, FalconTokenizer> =>
      pipe(
        E.Do,
        E.bind('vocabulary', () => parseVocabulary(vocabularyJson)),
        E.bind('merges', () => parseMerges(mergesText)),
        E.chain(load),
      ),
    /** A tokenizer from what transformers' tokenizer.json holds, which says how texts are cut. */
    fromTokenizerJson: (text: string): E.Either<TokenizerFileError, FalconTokenizer> =>
      pipe(parseTokenizerJson(text, 'tokenizer.json', ['gpt2', 'falcon']), E.chain(load)),
  }),
);
