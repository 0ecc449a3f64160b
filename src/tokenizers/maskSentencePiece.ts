import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { ArgumentError } from '../tensor/errors.ts';
import type { TokenizerFileError } from './errors.ts';
import type { MaskTokenizer } from './maskTokenizer.ts';
import type { SentencePieceTokenizer, SentencePieceTokenizerOptions } from './sentencePieceTokenizer.ts';

/** A SentencePiece tokenizer with a mask token. */
export interface MaskSentencePieceTokenizer extends SentencePieceTokenizer, MaskTokenizer {}

/** A constructor over a function that says what is wrong. */
export const sentencePieceConstructor = (
  make: (options: SentencePieceTokenizerOptions) => E.Either<TokenizerFileError, MaskSentencePieceTokenizer>,
) =>
  Object.freeze(
    Object.assign(
      (options: SentencePieceTokenizerOptions): MaskSentencePieceTokenizer =>
        pipe(
          make(options),
          E.getOrElseW(({ message }) => {
            throw new ArgumentError(message);
          }),
        ),
      {
        /** A tokenizer from what vocabulary.spm (transformers: spiece.model and its like) holds, or what is wrong with it. */
        fromProto: (proto: Uint8Array): E.Either<TokenizerFileError, MaskSentencePieceTokenizer> => make({ proto }),
      },
    ),
  );
