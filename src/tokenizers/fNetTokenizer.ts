import { albertLikeTokenizer } from './albertTokenizer.ts';
import type { MaskSentencePieceTokenizer } from './maskSentencePiece.ts';

/** FNet's tokenizer: SentencePiece with `[CLS]`, `[SEP]`, `<pad>` and `[MASK]`. */
export type FNetTokenizer = MaskSentencePieceTokenizer;

/**
 * An FNet tokenizer. Texts are segmented by the SentencePiece model alone.
 *
 * @throws {ArgumentError} If `proto` is no SentencePiece model, or lacks a special token.
 * @see Lee-Thorp et al. 2021; keras_hub.models.FNetTokenizer
 */
export const FNetTokenizer: ReturnType<typeof albertLikeTokenizer> = albertLikeTokenizer('FNetTokenizer');
