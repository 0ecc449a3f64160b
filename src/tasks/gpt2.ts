import { type GPT2Config, makeGPT2Config, parseGPT2Config } from '../models/gpt2/config.ts';
import { gpt2 } from '../models/gpt2/gpt2.ts';
import { gpt2KerasLayout } from '../models/gpt2/kerasLayout.ts';
import type { GPT2Params } from '../models/gpt2/params.ts';
import { gpt2Presets } from '../models/gpt2/presets.ts';
import type { GPT2Tokenizer as Tokenizer } from '../tokenizers/gpt2Tokenizer.ts';
import {
  GPT2CausalLMPreprocessor as createPreprocessor,
  GPT2Tokenizer as createTokenizer,
} from '../tokenizers/index.ts';
import type { CausalBackbone } from './backbone.ts';
import { bytePair } from './bytePairFiles.ts';
import { causalClasses } from './causalFamily.ts';
import type { CausalLM } from './causalLM.ts';

/** A GPT-2 backbone: decoder layers over token and position embeddings. */
export type GPT2Backbone = CausalBackbone<GPT2Config, GPT2Params>;

/** A GPT-2 that writes text. */
export type GPT2CausalLM = CausalLM<GPT2Config, GPT2Params, Tokenizer>;

const classes = causalClasses({
  family: 'gpt2',
  layout: gpt2KerasLayout,
  presets: gpt2Presets,
  makeConfig: makeGPT2Config,
  parseConfig: parseGPT2Config,
  model: gpt2,
  sampler: 'top_k',
  tokenizer: bytePair(createTokenizer),
  preprocessor: createPreprocessor,
});

/** GPT-2 as one of the families. */
export const gpt2Family = classes.family;

/**
 * A GPT-2 backbone of these sizes with random weights from a seed.
 *
 * @throws {ArgumentError} If a size is missing or nonsense; the message lists all that is wrong.
 * @see Radford et al. 2019; keras_hub.models.GPT2Backbone
 * @example
 * const backbone = GPT2Backbone({ vocabularySize: 50257, numLayers: 2, numHeads: 2, hiddenDim: 64,
 *   intermediateDim: 128, maxSequenceLength: 32 });
 * const hidden = backbone.apply({ tokenIds: [[1, 2, 3]] }); // [1, 3, 64], an expression
 */
export const GPT2Backbone = classes.Backbone;

/** GPT-2's tokenizer; see `purelm`'s tokenizers. `fromPreset` reads a preset folder's. */
export const GPT2Tokenizer = classes.Tokenizer;

/** GPT-2's preprocessor; `fromPreset` reads a preset folder's tokenizer and length. */
export const GPT2CausalLMPreprocessor = classes.CausalLMPreprocessor;

/**
 * A GPT-2 that writes text, from a backbone and, for text in and out, a preprocessor.
 *
 * @see keras_hub.models.GPT2CausalLM
 */
export const GPT2CausalLM = classes.CausalLM;
