import type { BertTokenizer } from './bertTokenizer.ts';
import {
  type MaskedLMPreprocessor,
  type MaskedLMPreprocessorOptions,
  maskedLMPreprocessor,
} from './maskedLMPreprocessor.ts';
import {
  type TextClassifierPreprocessor,
  type TextClassifierPreprocessorOptions,
  textClassifierPreprocessor,
} from './textClassifierPreprocessor.ts';

/** What BERT reads beside token ids. */
export type BertInput = 'paddingMask' | 'segmentIds';

const layout = { inputs: ['paddingMask', 'segmentIds'], separators: 1 } as const;

/** BERT's preprocessor for classifying texts. */
export type BertTextClassifierPreprocessor = TextClassifierPreprocessor<BertTokenizer, BertInput>;

/**
 * A preprocessor for `BertTextClassifier`: token ids, their mask and their segments.
 *
 * @throws {ArgumentError} If the sequence length is no integer from 1, or `truncate` is no strategy.
 * @see keras_hub.models.BertTextClassifierPreprocessor
 * @example
 * const preprocessor = BertTextClassifierPreprocessor({ tokenizer, sequenceLength: 128 });
 * const { x, y } = preprocessor(['a quick fox', 'a lazy dog'], [1, 0]); // x: { tokenIds, paddingMask, segmentIds }, each [2, 128]
 * preprocessor({ first: 'a quick fox', second: 'a lazy dog' }); // one pair: each [128]
 */
export const BertTextClassifierPreprocessor = (
  options: TextClassifierPreprocessorOptions<BertTokenizer>,
): BertTextClassifierPreprocessor =>
  textClassifierPreprocessor({ name: 'BertTextClassifierPreprocessor', ...layout }, options);

/** BERT's preprocessor for masked language modelling. */
export type BertMaskedLMPreprocessor = MaskedLMPreprocessor<BertTokenizer, BertInput>;

/**
 * A preprocessor for `BertMaskedLM`: token ids, their mask and their segments, some tokens masked, and the places of these.
 *
 * @throws {ArgumentError} If a length is no integer from 1, a rate not from 0 to 1, or `truncate` no strategy.
 * @see keras_hub.models.BertMaskedLMPreprocessor
 * @example
 * const preprocessor = BertMaskedLMPreprocessor({ tokenizer, sequenceLength: 128, maskSelectionLength: 20 });
 * const { x, y, sampleWeight } = preprocessor(['a quick fox', 'a lazy dog'], undefined, undefined, { seed: 1 });
 */
export const BertMaskedLMPreprocessor = (
  options: MaskedLMPreprocessorOptions<BertTokenizer>,
): BertMaskedLMPreprocessor => maskedLMPreprocessor({ name: 'BertMaskedLMPreprocessor', ...layout }, options);
