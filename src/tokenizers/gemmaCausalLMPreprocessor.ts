import {
  type CausalLMPreprocessor,
  type CausalLMPreprocessorOptions,
  causalLMPreprocessor,
} from './causalLMPreprocessor.ts';
import type { GemmaTokenizer } from './gemmaTokenizer.ts';

/** Gemma's preprocessor. */
export type GemmaCausalLMPreprocessor = CausalLMPreprocessor<GemmaTokenizer>;

/**
 * A preprocessor for `GemmaCausalLM`.
 *
 * @throws {ArgumentError} If the sequence length is no integer from 1.
 * @see keras_hub.models.GemmaCausalLMPreprocessor
 * @example
 * const preprocessor = GemmaCausalLMPreprocessor({ tokenizer, sequenceLength: 128 });
 * const { x, y, sampleWeight } = preprocessor(['The quick brown fox jumped.']); // each [1, 128]
 * const prompt = preprocessor.generatePreprocess('The quick'); // { tokenIds, paddingMask }, each [128]
 */
export const GemmaCausalLMPreprocessor = (
  options: CausalLMPreprocessorOptions<GemmaTokenizer>,
): GemmaCausalLMPreprocessor => causalLMPreprocessor('GemmaCausalLMPreprocessor', options);
