import * as E from 'fp-ts/lib/Either.js';
import { type GPT2Config, type GPT2Options, makeGPT2Config, parseGPT2Config } from '../models/gpt2/config.ts';
import { gpt2 } from '../models/gpt2/gpt2.ts';
import type { GPT2Params } from '../models/gpt2/params.ts';
import { gpt2Presets } from '../models/gpt2/presets.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { GPT2CausalLMPreprocessor as Preprocessor } from '../tokenizers/gpt2CausalLMPreprocessor.ts';
import type { GPT2Tokenizer as Tokenizer } from '../tokenizers/gpt2Tokenizer.ts';
import type { CausalLMPreprocessorOptions } from '../tokenizers/index.ts';
import {
  GPT2CausalLMPreprocessor as createPreprocessor,
  GPT2Tokenizer as createTokenizer,
} from '../tokenizers/index.ts';
import type { Preset } from '../weights/index.ts';
import { type CausalBackbone, causalBackbone } from './backbone.ts';
import { type CausalLM, type CausalLMParts, causalLM } from './causalLM.ts';
import {
  type BackbonePresetOptions,
  backbonePresetOptions,
  expectFamily,
  loadBackbone,
  openPresetFolder,
  orReject,
  type TaskPresetOptions,
  taskPresetOptions,
} from './presets.ts';

/** A GPT-2 backbone: decoder layers over token and position embeddings. */
export type GPT2Backbone = CausalBackbone<GPT2Config, GPT2Params>;

/** A GPT-2 that writes text. */
export type GPT2CausalLM = CausalLM<GPT2Config, GPT2Params, Tokenizer>;

const family = { family: 'gpt2', backbone: 'GPT2Backbone', presets: gpt2Presets } as const;

const configOf = (preset: Preset): GPT2Config =>
  orReject(
    E.mapLeft(({ message }: { message: string }) => ({
      _tag: 'WrongConfig' as const,
      message: `${preset.path}: ${message}`,
      path: preset.path,
    }))(parseGPT2Config(preset.layout, preset.config)),
  );

const backboneFrom = async (preset: Preset, options: BackbonePresetOptions): Promise<GPT2Backbone> => {
  const config = configOf(preset);
  const model = gpt2(config);
  const { params, device } = await loadBackbone(preset, model, options);
  return causalBackbone(config, model, params, device);
};

const tokenizerFrom = async (preset: Preset): Promise<Tokenizer> => {
  const text = async (name: string): Promise<string> => orReject(await preset.readText(name)());
  const refuse = ({ message }: Error) => ({
    _tag: 'BrokenFile' as const,
    message: `${preset.path}: ${message}`,
    path: preset.path,
  });
  if (preset.layout === 'keras') {
    const folder = 'assets/tokenizer';
    return orReject(
      E.mapLeft(refuse)(
        createTokenizer.fromFiles({
          vocabularyJson: await text(`${folder}/vocabulary.json`),
          mergesText: await text(`${folder}/merges.txt`),
        }),
      ),
    );
  }
  if ((await preset.has('vocab.json')()) && (await preset.has('merges.txt')()))
    return orReject(
      E.mapLeft(refuse)(
        createTokenizer.fromFiles({ vocabularyJson: await text('vocab.json'), mergesText: await text('merges.txt') }),
      ),
    );
  return orReject(E.mapLeft(refuse)(createTokenizer.fromTokenizerJson(await text('tokenizer.json'))));
};

const preprocessorFrom = async (preset: Preset, sequenceLength?: number): Promise<Preprocessor> => {
  const saved = preset.sequenceLength._tag === 'Some' ? preset.sequenceLength.value : undefined;
  // transformers saves no length: as long as the model reads, and KerasHub's default at most.
  const fallback = preset.layout === 'keras' ? 1024 : Math.min(1024, configOf(preset).maxSequenceLength);
  return createPreprocessor({
    tokenizer: await tokenizerFrom(preset),
    sequenceLength: sequenceLength ?? saved ?? fallback,
  });
};

/** The task that an opened preset holds. */
export const gpt2CausalLMFrom = async (preset: Preset, options: TaskPresetOptions = {}): Promise<GPT2CausalLM> => {
  const { preprocessor: wanted, sampler = 'top_k' } = options;
  // Small files first: what is wrong with them is known before the weights are read.
  const preprocessor =
    wanted === undefined
      ? (await hasTokenizer(preset))
        ? await preprocessorFrom(preset)
        : null
      : (wanted as Preprocessor | null);
  return causalLM('GPT2CausalLM', { backbone: await backboneFrom(preset, options), preprocessor, sampler });
};

const hasTokenizer = async (preset: Preset): Promise<boolean> => {
  for (const name of preset.layout === 'keras'
    ? ['assets/tokenizer/vocabulary.json']
    : ['vocab.json', 'tokenizer.json'])
    if (await preset.has(name)()) return true;
  return false;
};

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
    ({ seed = 0, ...options }: GPT2Options & { readonly seed?: number }): GPT2Backbone => {
      const config = makeGPT2Config(options);
      if (E.isLeft(config)) throw new ArgumentError(config.left.message);
      refuseUnknown('GPT2Backbone', options, Object.keys(config.right));
      const model = gpt2(config.right);
      return causalBackbone(config.right, model, model.init(seed));
    },
    {
      /** The backbone of a preset folder, KerasHub's or transformers'. */
      fromPreset: async (preset: string, options: BackbonePresetOptions = {}): Promise<GPT2Backbone> => {
        refuseUnknown('GPT2Backbone.fromPreset', options, backbonePresetOptions);
        const opened = await openPresetFolder(preset);
        expectFamily('GPT2Backbone', opened, family);
        return backboneFrom(opened, options);
      },
      /** Built-in presets by id. */
      presets: gpt2Presets,
    },
  ),
);

/** GPT-2's tokenizer; see `purelm`'s tokenizers. `fromPreset` reads a preset folder's. */
export const GPT2Tokenizer = Object.freeze(
  Object.assign((options: Parameters<typeof createTokenizer>[0]): Tokenizer => createTokenizer(options), {
    fromFiles: createTokenizer.fromFiles,
    fromTokenizerJson: createTokenizer.fromTokenizerJson,
    fromPreset: async (preset: string): Promise<Tokenizer> => {
      const opened = await openPresetFolder(preset);
      expectFamily('GPT2Tokenizer', opened, family);
      return tokenizerFrom(opened);
    },
    /** Built-in presets by id. */
    presets: gpt2Presets,
  }),
);

/** GPT-2's preprocessor; `fromPreset` reads a preset folder's tokenizer and length. */
export const GPT2CausalLMPreprocessor = Object.freeze(
  Object.assign((options: CausalLMPreprocessorOptions<Tokenizer>): Preprocessor => createPreprocessor(options), {
    fromPreset: async (
      preset: string,
      { sequenceLength }: { readonly sequenceLength?: number } = {},
    ): Promise<Preprocessor> => {
      const opened = await openPresetFolder(preset);
      expectFamily('GPT2CausalLMPreprocessor', opened, family);
      return preprocessorFrom(opened, sequenceLength);
    },
    /** Built-in presets by id. */
    presets: gpt2Presets,
  }),
);

/**
 * A GPT-2 that writes text, from a backbone and, for text in and out, a preprocessor.
 *
 * @see keras_hub.models.GPT2CausalLM
 */
export const GPT2CausalLM = Object.freeze(
  Object.assign(
    (parts: CausalLMParts<GPT2Config, GPT2Params, Tokenizer>): GPT2CausalLM => causalLM('GPT2CausalLM', parts),
    {
      /**
       * The model of a preset folder, KerasHub's or transformers'.
       *
       * @throws {PresetError} By rejection: what is wrong with the folder.
       */
      fromPreset: async (preset: string, options: TaskPresetOptions = {}): Promise<GPT2CausalLM> => {
        refuseUnknown('GPT2CausalLM.fromPreset', options, taskPresetOptions);
        const opened = await openPresetFolder(preset);
        expectFamily('GPT2CausalLM', opened, family);
        return gpt2CausalLMFrom(opened, options);
      },
      /** Built-in presets by id. */
      presets: gpt2Presets,
    },
  ),
);
