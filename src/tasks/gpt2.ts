import { type GPT2Config, type GPT2Options, makeGPT2Config, parseGPT2Config } from '../models/gpt2/config.ts';
import { gpt2 } from '../models/gpt2/gpt2.ts';
import { gpt2KerasLayout } from '../models/gpt2/kerasLayout.ts';
import type { GPT2Params } from '../models/gpt2/params.ts';
import { gpt2Presets } from '../models/gpt2/presets.ts';
import type { GPT2CausalLMPreprocessor as Preprocessor } from '../tokenizers/gpt2CausalLMPreprocessor.ts';
import type { GPT2Tokenizer as Tokenizer } from '../tokenizers/gpt2Tokenizer.ts';
import type { CausalLMPreprocessorOptions } from '../tokenizers/index.ts';
import {
  GPT2CausalLMPreprocessor as createPreprocessor,
  GPT2Tokenizer as createTokenizer,
} from '../tokenizers/index.ts';
import type { CausalBackbone } from './backbone.ts';
import { bytePairFiles, openBytePair, readersOf } from './bytePairFiles.ts';
import { causalClasses } from './causalFamily.ts';
import type { CausalLM, CausalLMParts } from './causalLM.ts';

/** A GPT-2 backbone: decoder layers over token and position embeddings. */
export type GPT2Backbone = CausalBackbone<GPT2Config, GPT2Params>;

/** A GPT-2 that writes text. */
export type GPT2CausalLM = CausalLM<GPT2Config, GPT2Params, Tokenizer>;

const classes = causalClasses<GPT2Config, GPT2Options, GPT2Params, Tokenizer>({
  family: 'gpt2',
  layout: gpt2KerasLayout,
  presets: gpt2Presets,
  makeConfig: makeGPT2Config,
  parseConfig: parseGPT2Config,
  model: gpt2,
  sampler: 'top_k',
  tokenizer: {
    files: bytePairFiles.names,
    open: (preset) => openBytePair(preset, createTokenizer),
    save: bytePairFiles.save,
  },
  preprocessor: createPreprocessor,
});

/** GPT-2 as one of the families. */
export const gpt2Family = classes.any;

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
export const GPT2Backbone = Object.freeze(
  Object.assign(
    (options: GPT2Options & { readonly seed?: number }): GPT2Backbone => classes.backbone.make(options),
    classes.backbone.statics,
  ),
);

/** GPT-2's tokenizer; see `purelm`'s tokenizers. `fromPreset` reads a preset folder's. */
export const GPT2Tokenizer = Object.freeze(
  Object.assign(
    (options: Parameters<typeof createTokenizer>[0]): Tokenizer => createTokenizer(options),
    readersOf(createTokenizer),
    classes.tokenizer.statics,
  ),
);

/** GPT-2's preprocessor; `fromPreset` reads a preset folder's tokenizer and length. */
export const GPT2CausalLMPreprocessor = Object.freeze(
  Object.assign(
    (options: CausalLMPreprocessorOptions<Tokenizer>): Preprocessor => createPreprocessor(options),
    classes.preprocessor.statics,
  ),
);

/**
 * A GPT-2 that writes text, from a backbone and, for text in and out, a preprocessor.
 *
 * @see keras_hub.models.GPT2CausalLM
 */
export const GPT2CausalLM = Object.freeze(
  Object.assign(
    (parts: CausalLMParts<GPT2Config, GPT2Params, Tokenizer>): GPT2CausalLM => classes.causalLM.make(parts),
    classes.causalLM.statics,
  ),
);
