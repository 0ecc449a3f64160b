import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { ArgumentError } from '../tensor/errors.ts';
import type { TokenizerFileError } from './errors.ts';
import { sentencePieceOfTokenizerJson } from './sentencePieceJson.ts';
import {
  type SentencePieceTokenizer,
  type SentencePieceTokenizerOptions,
  sentencePieceTokenizer,
} from './sentencePieceTokenizer.ts';

/** Gemma's tokenizer: SentencePiece with `<bos>`, `<eos>` and `<pad>`. */
export type GemmaTokenizer = SentencePieceTokenizer;

const family = { name: 'GemmaTokenizer', startToken: '<bos>', endToken: '<eos>', padToken: '<pad>' };

/**
 * A Gemma tokenizer, for all Gemma models.
 *
 * Texts are segmented by the SentencePiece model alone: `<bos>` in a text is text, `<start_of_turn>` is a token where the
 * model has it as the user's symbol. In Gemma's own files `<pad>` is 0, `<eos>` 1, `<bos>` 2 and `<unk>` 3.
 *
 * @throws {ArgumentError} If `proto` is no SentencePiece model, or lacks a special token.
 * @see keras_hub.models.GemmaTokenizer
 * @example
 * const tokenizer = GemmaTokenizer({ proto: await readFile('assets/tokenizer/vocabulary.spm') });
 * tokenizer.detokenize(tokenizer.tokenize('The quick brown fox jumped.')); // 'The quick brown fox jumped.'
 */
export const GemmaTokenizer = Object.freeze(
  Object.assign(
    (options: SentencePieceTokenizerOptions): GemmaTokenizer =>
      pipe(
        sentencePieceTokenizer(family, options),
        E.getOrElseW(({ message }) => {
          throw new ArgumentError(message);
        }),
      ),
    {
      /** A tokenizer from what vocabulary.spm (transformers: tokenizer.model) holds, or what is wrong with it. */
      fromProto: (proto: Uint8Array): E.Either<TokenizerFileError, GemmaTokenizer> =>
        sentencePieceTokenizer(family, { proto }),
      /** A tokenizer from what transformers' tokenizer.json holds: the model that it was converted from. */
      fromTokenizerJson: (text: string): E.Either<TokenizerFileError, GemmaTokenizer> =>
        pipe(
          sentencePieceOfTokenizerJson(text, family),
          E.chain((proto) => sentencePieceTokenizer(family, { proto })),
        ),
    },
  ),
);
