import type { FNetTokenizer } from './fNetTokenizer.ts';
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

/** What FNet reads beside token ids. */
export type FNetInput = 'segmentIds';

const layout = { inputs: ['segmentIds'], separators: 1 } as const;

/** FNet's preprocessor for classifying texts. */
export type FNetTextClassifierPreprocessor = TextClassifierPreprocessor<FNetTokenizer, FNetInput>;

/**
 * A preprocessor for `FNetTextClassifier`: token ids and their segments, and no mask: padding is mixed with the rest.
 *
 * @throws {ArgumentError} If the sequence length is no integer from 1, or `truncate` is no strategy.
 * @see keras_hub.models.FNetTextClassifierPreprocessor
 * @example
 * const preprocessor = FNetTextClassifierPreprocessor({ tokenizer, sequenceLength: 128 });
 * const { x, y } = preprocessor(['a quick fox', 'a lazy dog'], [1, 0]); // x: { tokenIds, segmentIds }, each [2, 128]
 * preprocessor({ first: 'a quick fox', second: 'a lazy dog' }); // one pair: each [128]
 */
export const FNetTextClassifierPreprocessor = (
  options: TextClassifierPreprocessorOptions<FNetTokenizer>,
): FNetTextClassifierPreprocessor =>
  textClassifierPreprocessor({ name: 'FNetTextClassifierPreprocessor', ...layout }, options);

/** FNet's preprocessor for masked language modelling. */
export type FNetMaskedLMPreprocessor = MaskedLMPreprocessor<FNetTokenizer, FNetInput>;

/**
 * A preprocessor for `FNetMaskedLM`: token ids and their segments, and no mask: padding is mixed with the rest, some tokens masked, and the places of these.
 *
 * @throws {ArgumentError} If a length is no integer from 1, a rate not from 0 to 1, or `truncate` no strategy.
 * @see keras_hub.models.FNetMaskedLMPreprocessor
 * @example
 * const preprocessor = FNetMaskedLMPreprocessor({ tokenizer, sequenceLength: 128, maskSelectionLength: 20 });
 * const { x, y, sampleWeight } = preprocessor(['a quick fox', 'a lazy dog'], undefined, undefined, { seed: 1 });
 */
export const FNetMaskedLMPreprocessor = (
  options: MaskedLMPreprocessorOptions<FNetTokenizer>,
): FNetMaskedLMPreprocessor => maskedLMPreprocessor({ name: 'FNetMaskedLMPreprocessor', ...layout }, options);
