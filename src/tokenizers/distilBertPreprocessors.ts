import type { DistilBertTokenizer } from './distilBertTokenizer.ts';
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

/** What DistilBERT reads beside token ids. */
export type DistilBertInput = 'paddingMask';

const layout = { inputs: ['paddingMask'], separators: 1 } as const;

/** DistilBERT's preprocessor for classifying texts. */
export type DistilBertTextClassifierPreprocessor = TextClassifierPreprocessor<DistilBertTokenizer, DistilBertInput>;

/**
 * A preprocessor for `DistilBertTextClassifier`: token ids and their mask.
 *
 * @throws {ArgumentError} If the sequence length is no integer from 1, or `truncate` is no strategy.
 * @see keras_hub.models.DistilBertTextClassifierPreprocessor
 * @example
 * const preprocessor = DistilBertTextClassifierPreprocessor({ tokenizer, sequenceLength: 128 });
 * const { x, y } = preprocessor(['a quick fox', 'a lazy dog'], [1, 0]); // x: { tokenIds, paddingMask }, each [2, 128]
 * preprocessor({ first: 'a quick fox', second: 'a lazy dog' }); // one pair: each [128]
 */
export const DistilBertTextClassifierPreprocessor = (
  options: TextClassifierPreprocessorOptions<DistilBertTokenizer>,
): DistilBertTextClassifierPreprocessor =>
  textClassifierPreprocessor({ name: 'DistilBertTextClassifierPreprocessor', ...layout }, options);

/** DistilBERT's preprocessor for masked language modelling. */
export type DistilBertMaskedLMPreprocessor = MaskedLMPreprocessor<DistilBertTokenizer, DistilBertInput>;

/**
 * A preprocessor for `DistilBertMaskedLM`: token ids and their mask, some tokens masked, and the places of these.
 *
 * @throws {ArgumentError} If a length is no integer from 1, a rate not from 0 to 1, or `truncate` no strategy.
 * @see keras_hub.models.DistilBertMaskedLMPreprocessor
 * @example
 * const preprocessor = DistilBertMaskedLMPreprocessor({ tokenizer, sequenceLength: 128, maskSelectionLength: 20 });
 * const { x, y, sampleWeight } = preprocessor(['a quick fox', 'a lazy dog'], undefined, undefined, { seed: 1 });
 */
export const DistilBertMaskedLMPreprocessor = (
  options: MaskedLMPreprocessorOptions<DistilBertTokenizer>,
): DistilBertMaskedLMPreprocessor =>
  maskedLMPreprocessor({ name: 'DistilBertMaskedLMPreprocessor', ...layout }, options);
