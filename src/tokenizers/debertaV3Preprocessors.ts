import type { DebertaV3Tokenizer } from './debertaV3Tokenizer.ts';
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

/** What DeBERTa V3 reads beside token ids. */
export type DebertaV3Input = 'paddingMask';

const layout = { inputs: ['paddingMask'], separators: 1 } as const;

/** DeBERTa V3's preprocessor for classifying texts. */
export type DebertaV3TextClassifierPreprocessor = TextClassifierPreprocessor<DebertaV3Tokenizer, DebertaV3Input>;

/**
 * A preprocessor for `DebertaV3TextClassifier`: token ids and their mask.
 *
 * @throws {ArgumentError} If the sequence length is no integer from 1, or `truncate` is no strategy.
 * @see keras_hub.models.DebertaV3TextClassifierPreprocessor
 * @example
 * const preprocessor = DebertaV3TextClassifierPreprocessor({ tokenizer, sequenceLength: 128 });
 * const { x, y } = preprocessor(['a quick fox', 'a lazy dog'], [1, 0]); // x: { tokenIds, paddingMask }, each [2, 128]
 * preprocessor({ first: 'a quick fox', second: 'a lazy dog' }); // one pair: each [128]
 */
export const DebertaV3TextClassifierPreprocessor = (
  options: TextClassifierPreprocessorOptions<DebertaV3Tokenizer>,
): DebertaV3TextClassifierPreprocessor =>
  textClassifierPreprocessor({ name: 'DebertaV3TextClassifierPreprocessor', ...layout }, options);

/** DeBERTa V3's preprocessor for masked language modelling. */
export type DebertaV3MaskedLMPreprocessor = MaskedLMPreprocessor<DebertaV3Tokenizer, DebertaV3Input>;

/**
 * A preprocessor for `DebertaV3MaskedLM`: token ids and their mask, some tokens masked, and the places of these.
 *
 * @throws {ArgumentError} If a length is no integer from 1, a rate not from 0 to 1, or `truncate` no strategy.
 * @see keras_hub.models.DebertaV3MaskedLMPreprocessor
 * @example
 * const preprocessor = DebertaV3MaskedLMPreprocessor({ tokenizer, sequenceLength: 128, maskSelectionLength: 20 });
 * const { x, y, sampleWeight } = preprocessor(['a quick fox', 'a lazy dog'], undefined, undefined, { seed: 1 });
 */
export const DebertaV3MaskedLMPreprocessor = (
  options: MaskedLMPreprocessorOptions<DebertaV3Tokenizer>,
): DebertaV3MaskedLMPreprocessor => maskedLMPreprocessor({ name: 'DebertaV3MaskedLMPreprocessor', ...layout }, options);
