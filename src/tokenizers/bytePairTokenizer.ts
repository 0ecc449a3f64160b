import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { ArgumentError } from '../tensor/errors.ts';
import { bytePairEncoder } from './bytePairEncoder.ts';
import { openBytes, tokenBytes, utf8Bytes, utf8Text } from './bytes.ts';
import { cutAround } from './cutAround.ts';
import { describe, quote } from './errors.ts';
import { overRows, overTexts } from './overTexts.ts';
import { remembering } from './remembering.ts';
import type { TextStream, TokenIds, Tokenizer } from './tokenizer.ts';
import { checkMerges, checkVocabulary, type Vocabulary } from './vocabulary.ts';

/** A byte-level BPE tokenizer, with what it was made of. */
export interface BytePairTokenizer extends Tokenizer {
  /** Ids by token. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** Merges as `"left right"`, first ranked first. */
  readonly merges: readonly string[];
  /** Whether a text that does not begin with a space is given one. */
  readonly addPrefixSpace: boolean;
  /** Strings that are one token wherever they stand in a text; the special tokens among them. */
  readonly unsplittableTokens: readonly string[];
  /** Those of them that swallow the white space before them. */
  readonly lstripTokens: readonly string[];
}

/** What a byte-level BPE tokenizer is made of. */
export interface BytePairTokenizerOptions {
  /** Ids by token, spelt in byte characters (`Ġ` is a space); ids may leave gaps. */
  readonly vocabulary: Vocabulary;
  /** Rules `"left right"`, first ranked first; parts and wholes may be missing from the vocabulary. */
  readonly merges: readonly string[];
  /** Give a text that does not begin with a space one. Default `false`. */
  readonly addPrefixSpace?: boolean | undefined;
  /** Tokens, beside the special ones, that are never split when they stand in a text. Default none. */
  readonly unsplittableTokens?: readonly string[] | undefined;
  /** Those of these tokens that swallow the white space before them, as `<mask>` does in transformers. Default none. */
  readonly lstripTokens?: readonly string[] | undefined;
}

/** What a family adds to its vocabulary. */
export interface BytePairFamily {
  /** The constructor's name, for messages. */
  readonly name: string;
  /** How a text is cut into words before BPE: a global expression. */
  readonly pattern: RegExp;
  /** How a word's bytes are cut once more; default not. */
  readonly pieces?: ((bytes: Uint8Array) => readonly Uint8Array[]) | undefined;
  readonly startToken: string;
  readonly endToken: string;
  /** The id that fills up rows; it needs no token. */
  readonly padTokenId: number;
}

/** Text as its ids' bytes decide it. */
const streamOf = (addBytes: (bytes: number[], id: number) => void): TextStream => {
  let held: number[] = [];
  const release = (decided: number): string => {
    const text = utf8Text(held.slice(0, decided));
    held = held.slice(decided);
    return text;
  };
  return {
    push: (id) => {
      addBytes(held, id);
      return release(held.length - openBytes(held));
    },
    end: () => release(held.length),
  };
};

/**
 * A byte-level BPE tokenizer of some family, or what is wrong with its vocabulary or merges.
 *
 * @see keras_hub.tokenizers.BytePairTokenizer
 */
export const bytePairTokenizer = (
  { name, pattern, pieces, startToken, endToken, padTokenId }: BytePairFamily,
  { vocabulary, merges, addPrefixSpace = false, unsplittableTokens = [], lstripTokens = [] }: BytePairTokenizerOptions,
): E.Either<string, BytePairTokenizer> =>
  pipe(
    E.Do,
    E.bind('ids', () => checkVocabulary(vocabulary)),
    E.bind('rules', () => checkMerges(merges, 'merge')),
    E.bind('whole', ({ ids }) => {
      const whole = [...new Set([startToken, endToken, ...unsplittableTokens, ...lstripTokens])];
      const missing = whole.find((token) => token === '' || !ids.has(token));
      return missing === undefined
        ? E.right(whole)
        : E.left(
            `expected special token ${quote(missing)} in the vocabulary, got ${ids.size} tokens without it; give it an id`,
          );
    }),
    E.map(({ ids, rules, whole }) => {
      const encode = bytePairEncoder(ids, rules);
      const encodeWord = remembering(
        pieces === undefined
          ? (word) => encode(utf8Bytes(word))
          : (word) => pieces(utf8Bytes(word)).flatMap((piece) => encode(piece)),
      );
      const cut = cutAround(whole, lstripTokens);
      const tokenOf = new Map(Array.from(ids, ([token, id]) => [id, token]));

      const encodeText = (text: string): number[] => {
        const found: number[] = [];
        cut(text).forEach((section, index) => {
          if (index % 2 === 1) found.push(ids.get(section)!);
          else {
            const prefix = addPrefixSpace && section !== '' && !section.startsWith(' ') ? ' ' : '';
            for (const [word] of (prefix + section).matchAll(pattern))
              for (const id of encodeWord(word)) found.push(id);
          }
        });
        return found;
      };

      /** Adds the bytes of an id's token, none for an id that has no token. */
      const addBytes = (bytes: number[], id: unknown): void => {
        if (typeof id !== 'number' || !Number.isInteger(id) || id < 0)
          throw new ArgumentError(`${name}: expected token ids to be integers from 0, got ${describe(id)}`);
        const token = tokenOf.get(id);
        if (token === undefined) return;
        const more = tokenBytes(token);
        for (let i = 0; i < more.length; i++) bytes.push(more[i]!);
      };

      const decode = (row: TokenIds): string => {
        const bytes: number[] = [];
        for (const id of row) addBytes(bytes, id);
        return utf8Text(bytes);
      };

      return Object.freeze({
        tokenize: overTexts(name, encodeText),
        detokenize: overRows(name, decode),
        textStream: () => streamOf(addBytes),
        vocabularySize: ids.size,
        vocabulary: ids,
        merges: Object.freeze(rules.map((rule) => rule.join(' '))),
        addPrefixSpace,
        unsplittableTokens: Object.freeze(whole),
        lstripTokens: Object.freeze([...lstripTokens]),
        idToToken: (id) => {
          const token = tokenOf.get(id);
          if (token !== undefined) return token;
          throw new ArgumentError(
            `${name}: expected an id of the vocabulary (${ids.size} tokens), got ${describe(id)}`,
          );
        },
        tokenToId: (token) => {
          const id = ids.get(token);
          if (id !== undefined) return id;
          throw new ArgumentError(
            `${name}: expected a token of the vocabulary (${ids.size} tokens), got ${describe(token)}`,
          );
        },
        startTokenId: ids.get(startToken)!,
        endTokenId: ids.get(endToken)!,
        padTokenId,
        specialTokenIds: Object.freeze([...new Set([ids.get(startToken)!, ids.get(endToken)!])]),
      } satisfies BytePairTokenizer);
    }),
  );
