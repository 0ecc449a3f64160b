import {
  type CausalLMPreprocessor,
  type CausalLMPreprocessorOptions,
  causalLMPreprocessor,
} from './causalLMPreprocessor.ts';
import type { GPT2Tokenizer } from './gpt2Tokenizer.ts';

/** GPT-2's preprocessor. */
export type GPT2CausalLMPreprocessor = CausalLMPreprocessor<GPT2Tokenizer>;

/**
 * A preprocessor for `GPT2CausalLM`.
 *
 * @throws {ArgumentError} If the sequence length is no integer from 1.
 * @see keras_hub.models.GPT2CausalLMPreprocessor
 * @example
 * const preprocessor = GPT2CausalLMPreprocessor({ tokenizer, sequenceLength: 128 });
 * const { x, y, sampleWeight } = preprocessor(['a quick fox.', 'a fox quick.']); // each [2, 128]
 * const prompt = preprocessor.generatePreprocess('a quick'); // { tokenIds, paddingMask }, each [128]
 */
export const GPT2CausalLMPreprocessor = (
  options: CausalLMPreprocessorOptions<GPT2Tokenizer>,
): GPT2CausalLMPreprocessor => causalLMPreprocessor('GPT2CausalLMPreprocessor', options);
