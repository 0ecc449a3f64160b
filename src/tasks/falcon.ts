import { type FalconConfig, makeFalconConfig, parseFalconConfig } from '../models/falcon/config.ts';
import { falcon } from '../models/falcon/falcon.ts';
import { falconKerasLayout } from '../models/falcon/kerasLayout.ts';
import type { FalconParams } from '../models/falcon/params.ts';
import { falconPresets } from '../models/falcon/presets.ts';
import type { FalconTokenizer as Tokenizer } from '../tokenizers/falconTokenizer.ts';
import {
  FalconCausalLMPreprocessor as createPreprocessor,
  FalconTokenizer as createTokenizer,
} from '../tokenizers/index.ts';
import type { CausalBackbone } from './backbone.ts';
import { bytePair } from './bytePairFiles.ts';
import { causalClasses } from './causalFamily.ts';
import type { CausalLM } from './causalLM.ts';

/** A Falcon backbone: decoder layers over token embeddings. */
export type FalconBackbone = CausalBackbone<FalconConfig, FalconParams>;

/** A Falcon that writes text. */
export type FalconCausalLM = CausalLM<FalconConfig, FalconParams, Tokenizer>;

const classes = causalClasses({
  family: 'falcon',
  layout: falconKerasLayout,
  presets: falconPresets,
  makeConfig: makeFalconConfig,
  parseConfig: parseFalconConfig,
  model: falcon,
  sampler: 'greedy',
  tokenizer: bytePair(createTokenizer),
  preprocessor: createPreprocessor,
});

/** Falcon as one of the families. */
export const falconFamily = classes.family;

/**
 * A Falcon backbone of these sizes with random weights from a seed. Besides KerasHub's options there are those of the newer
 * models, which KerasHub cannot build: `numKeyValueHeads`, `parallelAttention`, rotary `positions` and more.
 *
 * @throws {ArgumentError} If a size is missing or nonsense; the message lists all that is wrong.
 * @see Almazrouei et al. 2023; keras_hub.models.FalconBackbone
 * @example
 * const backbone = FalconBackbone({ vocabularySize: 50304, numLayers: 2, numAttentionHeads: 2, hiddenDim: 64,
 *   intermediateDim: 4 * 64 });
 * const hidden = backbone.apply({ tokenIds: [[1, 2, 3]] }); // [1, 3, 64], an expression
 */
export const FalconBackbone = classes.Backbone;

/** Falcon's tokenizer; see `purelm`'s tokenizers. `fromPreset` reads a preset folder's. */
export const FalconTokenizer = classes.Tokenizer;

/** Falcon's preprocessor; `fromPreset` reads a preset folder's tokenizer and length. */
export const FalconCausalLMPreprocessor = classes.CausalLMPreprocessor;

/**
 * A Falcon that writes text, from a backbone and, for text in and out, a preprocessor. It takes the likeliest token
 * (`'greedy'`) unless `compile` is told otherwise.
 *
 * @see keras_hub.models.FalconCausalLM
 */
export const FalconCausalLM = classes.CausalLM;
