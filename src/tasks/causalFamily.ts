import * as E from 'fp-ts/lib/Either.js';
import type { CausalModel } from '../models/causalModel.ts';
import type { KerasBackboneLayout, KerasLayout } from '../models/kerasLayout.ts';
import type { PresetInfo } from '../models/presetInfo.ts';
import type { SamplerLike } from '../samplers/getSampler.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tree } from '../tensor/tree.ts';
import type { CausalLMPreprocessor, CausalLMPreprocessorOptions } from '../tokenizers/index.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { Family, KerasTask, Preset } from '../weights/index.ts';
import { type CausalBackbone, causalBackbone } from './backbone.ts';
import { type CausalLM, type CausalLMParts, causalLM } from './causalLM.ts';
import { type FamilyRecord, familyReader, type PreprocessorPresetOptions } from './family.ts';
import {
  type BackbonePresetOptions,
  backbonePresetOptions,
  type TaskPresetOptions,
  taskPresetOptions,
} from './presets.ts';

/** All that makes a family of causal language models: its classes, `fromPreset` and saving come out of it. */
export interface CausalFamily<Config extends object, Options extends object, Params extends Tree, T extends Tokenizer>
  extends FamilyRecord<Config, Options, CausalModel<Params>, T> {
  readonly layout: KerasLayout<Config>;
  /** How the next token is chosen where `compile` is told nothing. */
  readonly sampler: SamplerLike;
  readonly preprocessor: (options: CausalLMPreprocessorOptions<T>) => CausalLMPreprocessor<T>;
}

/** How a family is saved in KerasHub's layout, for those who do not know which it is. */
export interface SavableFamily {
  readonly family: Family;
  readonly layout: KerasBackboneLayout<unknown>;
  /** The built-in presets by id. */
  readonly presets: ReadonlyMap<string, PresetInfo<unknown>>;
  /** A task with this preprocessor of the family's own kind, as KerasHub writes it down. */
  readonly kerasTask: (preprocessor: object | null) => KerasTask;
  /** The backbone that an opened preset holds, of its family's kind. */
  readonly openBackbone: (preset: Preset, options: BackbonePresetOptions) => Promise<unknown>;
  /** The tokenizer that an opened preset holds. */
  readonly openTokenizer: (preset: Preset) => Promise<Tokenizer>;
}

/** A family as those see it who do not know which it is. */
export interface AnyCausalFamily extends SavableFamily {
  /** The task that an opened preset holds. */
  readonly open: (preset: Preset, options: TaskPresetOptions) => Promise<CausalLM>;
}

/** KerasHub's default length of a row. */
const SEQUENCE_LENGTH = 1024;

/** A flag that preprocessor.json says. */
const flag = ({ preprocessorConfig }: Preset, name: string): boolean | undefined =>
  typeof preprocessorConfig[name] === 'boolean' ? preprocessorConfig[name] : undefined;

/** The functions that a family's classes are made of. */
export const causalClasses = <Config extends object, Options extends object, Params extends Tree, T extends Tokenizer>(
  family: CausalFamily<Config, Options, Params, T>,
) => {
  const { layout, presets, sampler: defaultSampler } = family;
  const names = {
    backbone: layout.backbone.className,
    tokenizer: layout.tokenizer.className,
    preprocessor: layout.causalLMPreprocessor.className,
    causalLM: layout.causalLM.className,
  };

  const { open, configOf, backboneFrom, preprocessorOf } = familyReader(family, causalBackbone<Config, Params>);

  const preprocessorFrom = async (preset: Preset, sequenceLength?: number): Promise<CausalLMPreprocessor<T>> => {
    const saved = preset.sequenceLength._tag === 'Some' ? preset.sequenceLength.value : undefined;
    // transformers saves no length: as long as the model reads, and KerasHub's default at most.
    const most = preset.layout === 'keras' ? undefined : family.model(configOf(preset)).maxSequenceLength;
    return family.preprocessor({
      tokenizer: await family.tokenizer.open(preset),
      sequenceLength: sequenceLength ?? saved ?? Math.min(SEQUENCE_LENGTH, most ?? SEQUENCE_LENGTH),
      addStartToken: flag(preset, 'add_start_token'),
      addEndToken: flag(preset, 'add_end_token'),
    });
  };

  const taskOf = (parts: CausalLMParts<Config, Params, T>): CausalLM<Config, Params, T> =>
    causalLM(names.causalLM, { defaultSampler, ...parts });

  const taskFrom = async (preset: Preset, options: TaskPresetOptions): Promise<CausalLM<Config, Params, T>> => {
    const { preprocessor: wanted, sampler } = options;
    // Small files first: what is wrong with them is known before the weights are read.
    const preprocessor = await preprocessorOf(
      preset,
      wanted as CausalLMPreprocessor<T> | null | undefined,
      async (own) => preprocessorFrom(own),
    );
    return taskOf({
      backbone: await backboneFrom(preset, options),
      preprocessor,
      ...(sampler === undefined ? {} : { sampler }),
    });
  };

  return Object.freeze({
    backbone: {
      make: ({ seed = 0, ...options }: Options & { readonly seed?: number }): CausalBackbone<Config, Params> => {
        const config = family.makeConfig(options as unknown as Options);
        if (E.isLeft(config)) throw new ArgumentError(config.left.message);
        refuseUnknown(names.backbone, options, family.optionNames ?? Object.keys(config.right));
        const model = family.model(config.right);
        return causalBackbone(config.right, model, model.init(seed));
      },
      statics: {
        /** The backbone of a preset folder, KerasHub's or transformers'. */
        fromPreset: async (
          preset: string,
          options: BackbonePresetOptions = {},
        ): Promise<CausalBackbone<Config, Params>> => {
          refuseUnknown(`${names.backbone}.fromPreset`, options, backbonePresetOptions);
          return backboneFrom(await open(names.backbone, preset, options), options);
        },
        /** Built-in presets by id. */
        presets,
      },
    },
    tokenizer: {
      statics: {
        /** The tokenizer of a preset folder, KerasHub's or transformers'. */
        fromPreset: async (preset: string): Promise<T> =>
          family.tokenizer.open(await open(names.tokenizer, preset, { loadWeights: false })),
        /** Built-in presets by id. */
        presets,
      },
    },
    preprocessor: {
      statics: {
        /** The preprocessor of a preset folder, KerasHub's or transformers'. */
        fromPreset: async (
          preset: string,
          options: PreprocessorPresetOptions = {},
        ): Promise<CausalLMPreprocessor<T>> => {
          refuseUnknown(`${names.preprocessor}.fromPreset`, options, ['sequenceLength']);
          return preprocessorFrom(
            await open(names.preprocessor, preset, { loadWeights: false }),
            options.sequenceLength,
          );
        },
        /** Built-in presets by id. */
        presets,
      },
    },
    causalLM: {
      make: taskOf,
      statics: {
        /**
         * The model of a preset folder, KerasHub's or transformers'.
         *
         * @throws {PresetError} By rejection: what is wrong with the folder.
         */
        fromPreset: async (preset: string, options: TaskPresetOptions = {}): Promise<CausalLM<Config, Params, T>> => {
          refuseUnknown(`${names.causalLM}.fromPreset`, options, taskPresetOptions);
          return taskFrom(await open(names.causalLM, preset, options), options);
        },
        /** Built-in presets by id. */
        presets,
      },
    },
    /** The same family for those who do not know which it is. */
    any: Object.freeze<AnyCausalFamily>({
      family: family.family,
      layout: layout as KerasBackboneLayout<unknown>,
      presets,
      open: async (preset, options) => (await taskFrom(preset, options)) as unknown as CausalLM,
      openBackbone: backboneFrom,
      openTokenizer: family.tokenizer.open,
      kerasTask: (preprocessor) => {
        const own = preprocessor as CausalLMPreprocessor<T> | null;
        return {
          kerasClass: layout.causalLM,
          bases: ['CausalLM'],
          preprocessor: own && {
            kerasClass: layout.causalLMPreprocessor,
            config: {
              sequence_length: own.sequenceLength,
              add_start_token: own.addStartToken,
              add_end_token: own.addEndToken,
            },
            tokenizer: family.tokenizer.save(own.tokenizer),
          },
        };
      },
    }),
  });
};
