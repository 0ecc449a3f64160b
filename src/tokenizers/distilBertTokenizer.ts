import { bertLikeTokenizer } from './bertTokenizer.ts';
import type { WordPieceTokenizer } from './wordPieceTokenizer.ts';

/** DistilBERT's tokenizer: BERT's WordPiece. */
export type DistilBertTokenizer = WordPieceTokenizer;

/**
 * A DistilBERT tokenizer; it takes what `BertTokenizer` takes and gives what that gives.
 *
 * @throws {ArgumentError} If the vocabulary lacks a special token, is empty, or has a token twice.
 * @see Sanh et al. 2019; keras_hub.models.DistilBertTokenizer
 */
export const DistilBertTokenizer: ReturnType<typeof bertLikeTokenizer> = bertLikeTokenizer('DistilBertTokenizer');
