import { cutAround } from './cutAround.ts';
import type { Tokenizer } from './tokenizer.ts';

/** A tokenizer of a model that fills in masks. */
export interface MaskTokenizer extends Tokenizer {
  /** What stands in a text for a token that is left out. */
  readonly maskToken: string;
  /** Its id. */
  readonly maskTokenId: number;
}

/**
 * The ids of a text in which mask tokens stand, such as `'The capital of France is [MASK].'`, whether the tokenizer itself
 * finds them or takes them for text. White space before a mask is left out.
 *
 * @param tokenizer - Of any family that has a mask token.
 * @param text - What stands between masks is tokenized piece by piece.
 */
export const tokenizeWithMasks = ({ tokenize, maskToken, maskTokenId }: MaskTokenizer, text: string): number[] =>
  cutAround(
    [maskToken],
    [maskToken],
  )(text).flatMap((part, index) => (index % 2 === 1 ? [maskTokenId] : tokenize(part)));
