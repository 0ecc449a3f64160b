import type { AlbertTokenizer } from './albertTokenizer.ts';
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

/** What ALBERT reads beside token ids. */
export type AlbertInput = 'paddingMask' | 'segmentIds';

const layout = { inputs: ['paddingMask', 'segmentIds'], separators: 1 } as const;

/** ALBERT's preprocessor for classifying texts. */
export type AlbertTextClassifierPreprocessor = TextClassifierPreprocessor<AlbertTokenizer, AlbertInput>;

/**
 * A preprocessor for `AlbertTextClassifier`: token ids, their mask and their segments.
 *
 * @throws {ArgumentError} If the sequence length is no integer from 1, or `truncate` is no strategy.
 * @see keras_hub.models.AlbertTextClassifierPreprocessor
 * @example
 * const preprocessor = AlbertTextClassifierPreprocessor({ tokenizer, sequenceLength: 128 });
 * const { x, y } = preprocessor(['a quick fox', 'a lazy dog'], [1, 0]); // x: { tokenIds, paddingMask, segmentIds }, each [2, 128]
 * preprocessor({ first: 'a quick fox', second: 'a lazy dog' }); // one pair: each [128]
 */
export const AlbertTextClassifierPreprocessor = (
  options: TextClassifierPreprocessorOptions<AlbertTokenizer>,
): AlbertTextClassifierPreprocessor =>
  textClassifierPreprocessor({ name: 'AlbertTextClassifierPreprocessor', ...layout }, options);

/** ALBERT's preprocessor for masked language modelling. */
export type AlbertMaskedLMPreprocessor = MaskedLMPreprocessor<AlbertTokenizer, AlbertInput>;

/**
 * A preprocessor for `AlbertMaskedLM`: token ids, their mask and their segments, some tokens masked, and the places of these.
 *
 * @throws {ArgumentError} If a length is no integer from 1, a rate not from 0 to 1, or `truncate` no strategy.
 * @see keras_hub.models.AlbertMaskedLMPreprocessor
 * @example
 * const preprocessor = AlbertMaskedLMPreprocessor({ tokenizer, sequenceLength: 128, maskSelectionLength: 20 });
 * const { x, y, sampleWeight } = preprocessor(['a quick fox', 'a lazy dog'], undefined, undefined, { seed: 1 });
 */
export const AlbertMaskedLMPreprocessor = (
  options: MaskedLMPreprocessorOptions<AlbertTokenizer>,
): AlbertMaskedLMPreprocessor => maskedLMPreprocessor({ name: 'AlbertMaskedLMPreprocessor', ...layout }, options);
