import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { ArgumentError } from '../tensor/errors.ts';
import { caseFold } from './caseFold.ts';
import { cutAround } from './cutAround.ts';
import { describe, quote } from './errors.ts';
import type { MaskTokenizer } from './maskTokenizer.ts';
import { overRows, overTexts } from './overTexts.ts';
import { remembering } from './remembering.ts';
import type { TextStream } from './tokenizer.ts';
import { checkVocabulary, type Vocabulary } from './vocabulary.ts';
import { MOST_PIECE_BYTES, wordPiece } from './wordPiece.ts';
import { splitAsKerasHub, splitAsTransformers } from './wordSplit.ts';

/** Whose WordPiece a tokenizer is: they cut texts into words in two ways. */
export type WordPieceConvention = 'kerasHub' | 'transformers';

/** What a WordPiece tokenizer is made of. */
export interface WordPieceTokenizerOptions {
  /** Tokens in the order of their ids, or ids by token; an empty token is in no text. */
  readonly vocabulary: readonly string[] | Vocabulary;
  /** Lower (KerasHub: fold) every text first. Default `false`. */
  readonly lowercase?: boolean | undefined;
  /** Take accents off letters. Default: `false` as KerasHub's, as `lowercase` says as transformers'. */
  readonly stripAccents?: boolean | undefined;
  /** Take each Chinese character for a word. Default `true`. */
  readonly splitOnCjk?: boolean | undefined;
  /** Find special tokens in texts. Default: `false` as KerasHub's, `true` as transformers'. */
  readonly specialTokensInStrings?: boolean | undefined;
  /** Tokens that are found in texts beside the family's own. Default none. */
  readonly specialTokens?: readonly string[] | undefined;
  /** Those tokens found in texts that swallow the white space before them. Default none. */
  readonly lstripTokens?: readonly string[] | undefined;
  /** What pieces begin with that do not begin a word. Default `'##'`. */
  readonly suffixIndicator?: string | undefined;
  /** The token of a word that cannot be cut. Default `'[UNK]'`. */
  readonly oovToken?: string | undefined;
  /** Whose word split, limits and `detokenize` these are. Default `'kerasHub'`. */
  readonly follows?: WordPieceConvention | undefined;
}

/** A WordPiece tokenizer, with what it was made of. */
export interface WordPieceTokenizer extends MaskTokenizer {
  /** Tokens in the order of their ids. */
  readonly vocabulary: readonly string[];
  /** Whether texts are lowered. */
  readonly lowercase: boolean;
  /** Whether accents are taken off. */
  readonly stripAccents: boolean;
  /** Whether each Chinese character is a word. */
  readonly splitOnCjk: boolean;
  /** Whether special tokens are found in texts. */
  readonly specialTokensInStrings: boolean;
  /** Tokens that are found in texts beside the family's own, if any are. */
  readonly specialTokens: readonly string[];
  /** Those tokens found in texts that swallow the white space before them. */
  readonly lstripTokens: readonly string[];
  /** What pieces begin with that do not begin a word. */
  readonly suffixIndicator: string;
  /** The token of a word that cannot be cut. */
  readonly oovToken: string;
  /** Its id. */
  readonly unknownTokenId: number;
  /** Whose word split, limits and `detokenize` these are. */
  readonly follows: WordPieceConvention;
}

/** What a family asks of its vocabulary. */
export interface WordPieceFamily {
  /** The constructor's name, for messages. */
  readonly name: string;
  /** What begins a text. */
  readonly startToken: string;
  /** What ends a text or a segment. */
  readonly endToken: string;
  /** What fills up a row. */
  readonly padToken: string;
  /** What stands for a token that is left out. */
  readonly maskToken: string;
}

/** Tokens by id, from a list or from ids by token; each stands once, an empty one may stand more often. */
const tokenList = (vocabulary: unknown): E.Either<string, readonly string[]> => {
  if (!Array.isArray(vocabulary))
    return pipe(
      checkVocabulary(vocabulary),
      E.chain((ids) => {
        const largest = [...ids.values()].reduce((most, id) => Math.max(most, id), -1);
        if (largest >= 2 * ids.size)
          return E.left(`expected ids without large gaps, got ${largest} as the largest of ${ids.size} ids`);
        const tokens = new Array<string>(largest + 1).fill('');
        for (const [token, id] of ids) tokens[id] = token;
        return E.right(tokens);
      }),
    );
  const wrong = vocabulary.findIndex((token) => typeof token !== 'string');
  if (wrong >= 0) return E.left(`expected every token to be a string, got ${describe(vocabulary[wrong])} as ${wrong}`);
  const tokens: readonly string[] = vocabulary;
  const seen = new Map<string, number>();
  for (let id = 0; id < tokens.length; id++) {
    const token = tokens[id]!;
    const other = seen.get(token);
    if (other !== undefined) return E.left(`expected each token once, got ${quote(token)} as ${other} and as ${id}`);
    if (token !== '') seen.set(token, id);
  }
  return E.right(tokens);
};

const missingTokens = (tokens: readonly string[], wanted: readonly string[]): string | undefined => {
  const missing = wanted.filter((token) => token === '' || !tokens.includes(token));
  return missing.length === 0
    ? undefined
    : `expected special tokens ${wanted.map(quote).join(', ')} in the vocabulary, got ${
        tokens.length === 0 ? 'an empty one' : `${tokens.length} tokens without ${missing.map(quote).join(', ')}`
      }; is this another family's file?`;
};

/** What transformers' decoder does to each token in turn. */
const cleanUp = (token: string): string =>
  token
    .replaceAll(' .', '.')
    .replaceAll(' ?', '?')
    .replaceAll(' !', '!')
    .replaceAll(' ,', ',')
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(' do not', " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");

/**
 * A WordPiece tokenizer of some family, or what is wrong with its vocabulary.
 *
 * As KerasHub's: control and format characters part words, white space beyond ASCII does not; lower case is case folding
 * after NFKC and keeps accents; a word of more than 100 bytes is unknown; special tokens in a text are text. As
 * transformers': control and format characters go, all white space parts words; lower case comes with accents off; a word
 * of more than 100 characters is unknown; special tokens in a text are tokens.
 *
 * `detokenize` joins words with spaces, and leaves special tokens in; as transformers' it also takes spaces before `.`,
 * `?`, `!`, `,` and English endings away.
 *
 * @see keras_hub.tokenizers.WordPieceTokenizer; transformers.BertTokenizer
 */
export const wordPieceTokenizer = (
  { name, startToken, endToken, padToken, maskToken }: WordPieceFamily,
  {
    vocabulary,
    lowercase = false,
    follows = 'kerasHub',
    stripAccents = follows === 'transformers' && lowercase,
    splitOnCjk = true,
    specialTokensInStrings = follows === 'transformers',
    specialTokens = [],
    lstripTokens = [],
    suffixIndicator = '##',
    oovToken = '[UNK]',
  }: WordPieceTokenizerOptions,
): E.Either<string, WordPieceTokenizer> =>
  pipe(
    tokenList(vocabulary),
    E.chainFirst((tokens) => {
      if (follows !== 'kerasHub' && follows !== 'transformers')
        return E.left(`expected follows to be 'kerasHub' or 'transformers', got ${describe(follows)}`);
      const bytes = tokens.reduce((total, token) => total + 3 * token.length, 0);
      if (bytes > MOST_PIECE_BYTES)
        return E.left(`expected a vocabulary of at most ${MOST_PIECE_BYTES} bytes, got up to ${bytes}`);
      const family = [startToken, endToken, padToken, maskToken, oovToken];
      const message = missingTokens(tokens, [...new Set([...family, ...specialTokens, ...lstripTokens])]);
      return message === undefined ? E.right(undefined) : E.left(message);
    }),
    E.map((tokens) => {
      const ids = new Map(tokens.map((token, id) => [token, id]));
      const idOf = (token: string): number => ids.get(token)!;
      const asTransformers = follows === 'transformers';
      const cutWord = wordPiece({
        vocabulary: tokens,
        unknownId: idOf(oovToken),
        suffixIndicator,
        longest: asTransformers ? { characters: 100 } : { bytes: 100 },
      });
      const encodeWord = remembering(!asTransformers && lowercase ? (word) => cutWord(caseFold(word)) : cutWord);
      const split = (asTransformers ? splitAsTransformers : splitAsKerasHub)({ lowercase, stripAccents, splitOnCjk });
      // KerasHub does not look for its unknown token.
      const own = [startToken, endToken, padToken, maskToken, ...(asTransformers ? [oovToken] : [])];
      const found = [...new Set([...own, ...specialTokens, ...lstripTokens])];
      const cut = cutAround(specialTokensInStrings ? found : [], lstripTokens);

      const encodeText = (text: string): number[] => {
        const row: number[] = [];
        cut(text).forEach((part, index) => {
          if (index % 2 === 1) row.push(idOf(part));
          else for (const word of split(part)) for (const id of encodeWord(word)) row.push(id);
        });
        return row;
      };

      const tokenOf = (id: unknown): string => {
        if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < tokens.length) return tokens[id]!;
        throw new ArgumentError(
          `${name}: expected token ids to be integers from 0 to ${tokens.length - 1}, got ${describe(id)}`,
        );
      };
      /** What an id adds to a text. */
      const textOf = (id: number, isFirst: boolean): string => {
        const token = tokenOf(id);
        // To transformers a bare indicator ends in nothing, to KerasHub it is a word.
        const isSuffix = token.startsWith(suffixIndicator) && (asTransformers || token.length > suffixIndicator.length);
        const text = isFirst ? token : isSuffix ? token.slice(suffixIndicator.length) : ` ${token}`;
        return asTransformers ? cleanUp(text) : text;
      };
      const textStream = (): TextStream => {
        let isFirst = true;
        return {
          push: (id) => {
            const text = textOf(id, isFirst);
            isFirst = false;
            return text;
          },
          end: () => {
            isFirst = true;
            return '';
          },
        };
      };

      return Object.freeze({
        tokenize: overTexts(name, encodeText),
        detokenize: overRows(name, (row) => Array.from(row, (id, at) => textOf(id, at === 0)).join('')),
        textStream,
        vocabularySize: tokens.length,
        vocabulary: Object.freeze([...tokens]),
        idToToken: tokenOf,
        tokenToId: (token) => {
          const id = ids.get(token);
          if (id !== undefined) return id;
          throw new ArgumentError(
            `${name}: expected a token of the vocabulary (${tokens.length} tokens), got ${describe(token)}`,
          );
        },
        startTokenId: idOf(startToken),
        endTokenId: idOf(endToken),
        padTokenId: idOf(padToken),
        maskToken,
        maskTokenId: idOf(maskToken),
        unknownTokenId: idOf(oovToken),
        specialTokenIds: Object.freeze([startToken, endToken, padToken, maskToken].map(idOf)),
        lowercase,
        stripAccents,
        splitOnCjk,
        specialTokensInStrings,
        specialTokens: Object.freeze([...specialTokens]),
        lstripTokens: Object.freeze([...lstripTokens]),
        suffixIndicator,
        oovToken,
        follows,
      } satisfies WordPieceTokenizer);
    }),
  );
