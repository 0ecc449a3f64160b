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
import type { XLMRobertaTokenizer } from './xlmRobertaTokenizer.ts';

/** What XLM-RoBERTa reads beside token ids. */
export type XLMRobertaInput = 'paddingMask';

const layout = { inputs: ['paddingMask'], separators: 2 } as const;

/** XLM-RoBERTa's preprocessor for classifying texts. */
export type XLMRobertaTextClassifierPreprocessor = TextClassifierPreprocessor<XLMRobertaTokenizer, XLMRobertaInput>;

/**
 * A preprocessor for `XLMRobertaTextClassifier`: token ids and their mask. Two `</s>` stand between segments.
 *
 * @throws {ArgumentError} If the sequence length is no integer from 1, or `truncate` is no strategy.
 * @see keras_hub.models.XLMRobertaTextClassifierPreprocessor
 * @example
 * const preprocessor = XLMRobertaTextClassifierPreprocessor({ tokenizer, sequenceLength: 128 });
 * const { x, y } = preprocessor(['a quick fox', 'a lazy dog'], [1, 0]); // x: { tokenIds, paddingMask }, each [2, 128]
 * preprocessor({ first: 'a quick fox', second: 'a lazy dog' }); // one pair: each [128]
 */
export const XLMRobertaTextClassifierPreprocessor = (
  options: TextClassifierPreprocessorOptions<XLMRobertaTokenizer>,
): XLMRobertaTextClassifierPreprocessor =>
  textClassifierPreprocessor({ name: 'XLMRobertaTextClassifierPreprocessor', ...layout }, options);

/** XLM-RoBERTa's preprocessor for masked language modelling. */
export type XLMRobertaMaskedLMPreprocessor = MaskedLMPreprocessor<XLMRobertaTokenizer, XLMRobertaInput>;

/**
 * A preprocessor for `XLMRobertaMaskedLM`: token ids and their mask, some tokens masked, and the places of these. Two `</s>` stand between segments.
 *
 * @throws {ArgumentError} If a length is no integer from 1, a rate not from 0 to 1, or `truncate` no strategy.
 * @see keras_hub.models.XLMRobertaMaskedLMPreprocessor
 * @example
 * const preprocessor = XLMRobertaMaskedLMPreprocessor({ tokenizer, sequenceLength: 128, maskSelectionLength: 20 });
 * const { x, y, sampleWeight } = preprocessor(['a quick fox', 'a lazy dog'], undefined, undefined, { seed: 1 });
 */
export const XLMRobertaMaskedLMPreprocessor = (
  options: MaskedLMPreprocessorOptions<XLMRobertaTokenizer>,
): XLMRobertaMaskedLMPreprocessor =>
  maskedLMPreprocessor({ name: 'XLMRobertaMaskedLMPreprocessor', ...layout }, options);
