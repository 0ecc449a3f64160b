import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { ArgumentError } from '../tensor/errors.ts';
import { describe, quote, TokenizerFileError } from './errors.ts';
import { overRows, overTexts } from './overTexts.ts';
import { type SentencePiece, sentencePiece } from './sentencePiece.ts';
import type { Tokenizer } from './tokenizer.ts';

/** A SentencePiece tokenizer, with the model it was made of. */
export interface SentencePieceTokenizer extends Tokenizer {
  /** The model. */
  readonly model: SentencePiece;
  /** A copy of the file that the model is made of, as `vocabulary.spm` holds it. */
  readonly proto: Uint8Array;
}

/** What a SentencePiece tokenizer is made of. */
export interface SentencePieceTokenizerOptions {
  /** What `vocabulary.spm` (transformers: `tokenizer.model`) holds. */
  readonly proto: Uint8Array;
}

/** What a family asks of its model. */
export interface SentencePieceFamily {
  /** The constructor's name, for messages. */
  readonly name: string;
  /** What begins a text. */
  readonly startToken: string;
  /** What ends a text. */
  readonly endToken: string;
  /** What fills up a row. */
  readonly padToken: string;
  /** Further special tokens that the model must have. */
  readonly otherTokens?: readonly string[];
}

/** What is wrong with a model that lacks some of the special tokens wanted. */
export const missingPieces = (name: string, model: SentencePiece, wanted: readonly string[]): TokenizerFileError =>
  new TokenizerFileError(
    `${name}: expected special tokens ${wanted.map(quote).join(', ')} among the pieces, got ${model.size} pieces without ` +
      `${wanted
        .filter((token) => model.id(token) === undefined)
        .map(quote)
        .join(', ')}; is this another family's file?`,
  );

/**
 * A SentencePiece tokenizer of some family, or what is wrong with its file.
 *
 * The special tokens are found by their piece, wherever they stand. In a text they are text like any other, unless the
 * model has them as the user's symbols. `detokenize` refuses ids that have no piece, as SentencePiece does.
 *
 * @see keras_hub.tokenizers.SentencePieceTokenizer
 */
export const sentencePieceTokenizer = (
  { name, startToken, endToken, padToken, otherTokens = [] }: SentencePieceFamily,
  { proto }: SentencePieceTokenizerOptions,
): E.Either<TokenizerFileError, SentencePieceTokenizer> =>
  pipe(
    proto instanceof Uint8Array
      ? sentencePiece(proto, `${name}: proto`)
      : E.left(
          new TokenizerFileError(
            `${name}: expected proto to be the bytes of a SentencePiece model (a Uint8Array), got ${describe(proto)}; ` +
              'read the file first',
          ),
        ),
    E.filterOrElse(
      (model) => [startToken, endToken, padToken, ...otherTokens].every((token) => model.id(token) !== undefined),
      (model) => missingPieces(name, model, [startToken, endToken, padToken, ...otherTokens]),
    ),
    E.map((model) => {
      const startTokenId = model.id(startToken)!;
      const endTokenId = model.id(endToken)!;
      const padTokenId = model.id(padToken)!;
      return Object.freeze({
        tokenize: overTexts(name, model.encode),
        detokenize: overRows(name, model.decode),
        textStream: model.textStream,
        vocabularySize: model.size,
        idToToken: model.piece,
        tokenToId: (token) => {
          const id = typeof token === 'string' ? model.id(token) : undefined;
          if (id !== undefined) return id;
          throw new ArgumentError(
            `${name}: expected a token of the vocabulary (${model.size} tokens), got ${describe(token)}`,
          );
        },
        startTokenId,
        endTokenId,
        padTokenId,
        specialTokenIds: Object.freeze([
          ...new Set([startTokenId, endTokenId, padTokenId, ...otherTokens.map((token) => model.id(token)!)]),
        ]),
        model,
        get proto() {
          return model.proto();
        },
      } satisfies SentencePieceTokenizer);
    }),
  );
