import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { type MaskSentencePieceTokenizer, sentencePieceConstructor } from './maskSentencePiece.ts';
import { sentencePieceTokenizer } from './sentencePieceTokenizer.ts';

/** The constructor of a family whose special pieces are ALBERT's. */
export const albertLikeTokenizer = (name: string) =>
  sentencePieceConstructor((options) =>
    pipe(
      sentencePieceTokenizer(
        { name, startToken: '[CLS]', endToken: '[SEP]', padToken: '<pad>', otherTokens: ['[MASK]'] },
        options,
      ),
      E.map((tokenizer) => {
        // Not spread: proto is read from the model when it is asked for.
        const own = { maskToken: '[MASK]', maskTokenId: tokenizer.tokenToId('[MASK]') };
        return Object.freeze(
          Object.defineProperties(own, Object.getOwnPropertyDescriptors(tokenizer)) as MaskSentencePieceTokenizer,
        );
      }),
    ),
  );

/** ALBERT's tokenizer: SentencePiece with `[CLS]`, `[SEP]`, `<pad>` and `[MASK]`. */
export type AlbertTokenizer = MaskSentencePieceTokenizer;

/**
 * An ALBERT tokenizer.
 *
 * Texts are segmented by the SentencePiece model alone, which lowers them where it was trained so. `[CLS]` in a text is
 * text, unless the model has it as the user's symbol.
 *
 * @throws {ArgumentError} If `proto` is no SentencePiece model, or lacks a special token.
 * @see Lan et al. 2019; keras_hub.models.AlbertTokenizer
 * @example
 * const tokenizer = AlbertTokenizer({ proto: await readFile('assets/tokenizer/vocabulary.spm') });
 * tokenizer.detokenize(tokenizer.tokenize('the quick brown fox')); // 'the quick brown fox'
 */
export const AlbertTokenizer = albertLikeTokenizer('AlbertTokenizer');
