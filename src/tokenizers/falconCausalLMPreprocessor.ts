import {
  type CausalLMPreprocessor,
  type CausalLMPreprocessorOptions,
  causalLMPreprocessor,
} from './causalLMPreprocessor.ts';
import type { FalconTokenizer } from './falconTokenizer.ts';

/** Falcon's preprocessor. */
export type FalconCausalLMPreprocessor = CausalLMPreprocessor<FalconTokenizer>;

/**
 * A preprocessor for `FalconCausalLM`.
 *
 * @throws {ArgumentError} If the sequence length is no integer from 1.
 * @see keras_hub.models.FalconCausalLMPreprocessor
 * @example
 * const preprocessor = FalconCausalLMPreprocessor({ tokenizer, sequenceLength: 128 });
 * const { x, y, sampleWeight } = preprocessor(['a quick fox.', 'a fox quick.']); // each [2, 128]
 * const prompt = preprocessor.generatePreprocess('a quick'); // { tokenIds, paddingMask }, each [128]
 */
export const FalconCausalLMPreprocessor = (
  options: CausalLMPreprocessorOptions<FalconTokenizer>,
): FalconCausalLMPreprocessor => causalLMPreprocessor('FalconCausalLMPreprocessor', options);
