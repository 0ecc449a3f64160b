import {
  type MaskedLMPreprocessor,
  type MaskedLMPreprocessorOptions,
  maskedLMPreprocessor,
} from './maskedLMPreprocessor.ts';
import type { RobertaTokenizer } from './robertaTokenizer.ts';
import {
  type TextClassifierPreprocessor,
  type TextClassifierPreprocessorOptions,
  textClassifierPreprocessor,
} from './textClassifierPreprocessor.ts';

/** What RoBERTa reads beside token ids. */
export type RobertaInput = 'paddingMask';

const layout = { inputs: ['paddingMask'], separators: 2 } as const;

/** RoBERTa's preprocessor for classifying texts. */
export type RobertaTextClassifierPreprocessor = TextClassifierPreprocessor<RobertaTokenizer, RobertaInput>;

/**
 * A preprocessor for `RobertaTextClassifier`: token ids and their mask. Two `</s>` stand between segments.
 *
 * @throws {ArgumentError} If the sequence length is no integer from 1, or `truncate` is no strategy.
 * @see keras_hub.models.RobertaTextClassifierPreprocessor
 * @example
 * const preprocessor = RobertaTextClassifierPreprocessor({ tokenizer, sequenceLength: 128 });
 * const { x, y } = preprocessor(['a quick fox', 'a lazy dog'], [1, 0]); // x: { tokenIds, paddingMask }, each [2, 128]
 * preprocessor({ first: 'a quick fox', second: 'a lazy dog' }); // one pair: each [128]
 */
export const RobertaTextClassifierPreprocessor = (
  options: TextClassifierPreprocessorOptions<RobertaTokenizer>,
): RobertaTextClassifierPreprocessor =>
  textClassifierPreprocessor({ name: 'RobertaTextClassifierPreprocessor', ...layout }, options);

/** RoBERTa's preprocessor for masked language modelling. */
export type RobertaMaskedLMPreprocessor = MaskedLMPreprocessor<RobertaTokenizer, RobertaInput>;

/**
 * A preprocessor for `RobertaMaskedLM`: token ids and their mask, some tokens masked, and the places of these. Two `</s>` stand between segments.
 *
 * @throws {ArgumentError} If a length is no integer from 1, a rate not from 0 to 1, or `truncate` no strategy.
 * @see keras_hub.models.RobertaMaskedLMPreprocessor
 * @example
 * const preprocessor = RobertaMaskedLMPreprocessor({ tokenizer, sequenceLength: 128, maskSelectionLength: 20 });
 * const { x, y, sampleWeight } = preprocessor(['a quick fox', 'a lazy dog'], undefined, undefined, { seed: 1 });
 */
export const RobertaMaskedLMPreprocessor = (
  options: MaskedLMPreprocessorOptions<RobertaTokenizer>,
): RobertaMaskedLMPreprocessor => maskedLMPreprocessor({ name: 'RobertaMaskedLMPreprocessor', ...layout }, options);
