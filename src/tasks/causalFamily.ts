import type { CausalModel } from '../models/causalModel.ts';
import type { KerasBackboneLayout, KerasLayout } from '../models/kerasLayout.ts';
import type { PresetInfo } from '../models/presetInfo.ts';
import type { SamplerLike } from '../samplers/getSampler.ts';
import type { Tree } from '../tensor/tree.ts';
import type { CausalLMPreprocessor, CausalLMPreprocessorOptions } from '../tokenizers/index.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { Family, KerasPreprocessor, KerasTask, Preset } from '../weights/index.ts';
import { causalBackbone } from './backbone.ts';
import { type CausalLM, type CausalLMParts, causalLM } from './causalLM.ts';
import {
  type FamilyRecord,
  type FromPreset,
  familyParts,
  type OpenedModel,
  type PreprocessorPresetOptions,
  presetClass,
  type TokenizerSource,
} from './family.ts';
import { type BackbonePresetOptions, madeOf, type TaskPresetOptions, taskPresetOptions } from './presets.ts';
import type { Saving } from './withSaving.ts';

/** All that makes a family of causal language models: its classes, `fromPreset` and saving come out of it. */
export interface CausalFamily<
  Config extends object,
  Options extends object,
  Params extends Tree,
  T extends Tokenizer,
  Source extends TokenizerSource<T>,
> extends FamilyRecord<Config, Options, CausalModel<Params>, T, Source> {
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
  /** A preprocessor of the family's own kind as KerasHub writes it down. */
  readonly kerasPreprocessor: (preprocessor: object) => KerasPreprocessor;
  /** A task with this preprocessor of the family's own kind, as KerasHub writes it down. */
  readonly kerasTask: (preprocessor: object | null) => KerasTask;
  /** The backbone that an opened preset holds, of its family's kind. */
  readonly openBackbone: (preset: Preset, options: BackbonePresetOptions) => Promise<unknown>;
  /** What a preset's config says, without its weights. */
  readonly openModel: (preset: Preset) => OpenedModel;
  /** The tokenizer that an opened preset holds. */
  readonly openTokenizer: (preset: Preset) => Promise<Tokenizer>;
}

/** A family as those see it who do not know which it is. */
export interface AnyCausalFamily extends SavableFamily {
  /** The task that an opened preset holds. */
  readonly open: (preset: Preset, options: TaskPresetOptions) => Promise<CausalLM>;
}

/** What the `fromPreset` of a causal language model's preprocessor may change; what is not given is the preset's. */
export interface CausalLMPreprocessorPresetOptions extends PreprocessorPresetOptions {
  /** Put the start token before every text when training. */
  readonly addStartToken?: boolean;
  /** Put the end token after every text when training. */
  readonly addEndToken?: boolean;
}

/** A class of preprocessors of causal language models. */
export interface CausalLMPreprocessorClass<Config, T extends Tokenizer>
  extends FromPreset<Saving<CausalLMPreprocessor<T>>, CausalLMPreprocessorPresetOptions, Config> {
  (options: CausalLMPreprocessorOptions<T>): Saving<CausalLMPreprocessor<T>>;
}

/** A class of causal language models. */
export interface CausalLMClass<Config, Params extends Tree, T extends Tokenizer>
  extends FromPreset<CausalLM<Config, Params, T>, TaskPresetOptions, Config> {
  (parts: CausalLMParts<Config, Params, T>): CausalLM<Config, Params, T>;
}

/** KerasHub's default length of a row. */
const SEQUENCE_LENGTH = 1024;

/** A flag that preprocessor.json says. */
const flag = ({ preprocessorConfig }: Preset, name: string): boolean | undefined =>
  typeof preprocessorConfig[name] === 'boolean' ? preprocessorConfig[name] : undefined;

/** The classes of a family of causal language models, and the `family` for those who do not know which it is. */
export const causalClasses = <
  Config extends object,
  Options extends object,
  Params extends Tree,
  T extends Tokenizer,
  Source extends TokenizerSource<T>,
>(
  family: CausalFamily<Config, Options, Params, T, Source>,
) => {
  const { layout, presets, sampler: defaultSampler } = family;
  const {
    configOf,
    openModel,
    openBackbone,
    backboneFrom,
    preprocessorOf,
    preprocessorClass,
    statics,
    Backbone,
    Tokenizer,
  } = familyParts(family, causalBackbone<Config, Params>);

  const preprocessorFrom = async (
    preset: Preset,
    { sequenceLength, addStartToken, addEndToken }: CausalLMPreprocessorPresetOptions = {},
  ): Promise<CausalLMPreprocessor<T>> => {
    const saved = preset.sequenceLength._tag === 'Some' ? preset.sequenceLength.value : undefined;
    // transformers saves no length: as long as the model reads, and KerasHub's default at most.
    const most = preset.layout === 'keras' ? undefined : family.model(configOf(preset)).maxSequenceLength;
    return madeOf(preset, sequenceLength ?? addStartToken ?? addEndToken, family.preprocessor, {
      tokenizer: await family.tokenizer.open(preset),
      sequenceLength: sequenceLength ?? saved ?? Math.min(SEQUENCE_LENGTH, most ?? SEQUENCE_LENGTH),
      addStartToken: addStartToken ?? flag(preset, 'add_start_token'),
      addEndToken: addEndToken ?? flag(preset, 'add_end_token'),
    });
  };

  const taskOf = (parts: CausalLMParts<Config, Params, T>): CausalLM<Config, Params, T> =>
    causalLM(layout.causalLM.className, { defaultSampler, ...parts });

  const taskFrom = async (preset: Preset, options: TaskPresetOptions): Promise<CausalLM<Config, Params, T>> => {
    const { preprocessor: wanted, sampler } = options;
    // Small files first: what is wrong with them is known before the weights are read.
    const preprocessor = await preprocessorOf(
      preset,
      wanted as CausalLMPreprocessor<T> | null | undefined,
      preprocessorFrom,
    );
    return taskOf({
      backbone: await backboneFrom(preset, options),
      preprocessor,
      ...(sampler === undefined ? {} : { sampler }),
    });
  };

  const kerasPreprocessor = (preprocessor: object): KerasPreprocessor => {
    const own = preprocessor as CausalLMPreprocessor<T>;
    return {
      kerasClass: layout.causalLMPreprocessor,
      config: {
        sequence_length: own.sequenceLength,
        add_start_token: own.addStartToken,
        add_end_token: own.addEndToken,
      },
      tokenizer: family.tokenizer.save(own.tokenizer),
    };
  };

  const CausalLMPreprocessor: CausalLMPreprocessorClass<Config, T> = preprocessorClass(
    layout.causalLMPreprocessor.className,
    ['sequenceLength', 'addStartToken', 'addEndToken'],
    family.preprocessor,
    preprocessorFrom,
    kerasPreprocessor,
  );

  const CausalLM: CausalLMClass<Config, Params, T> = presetClass(
    taskOf,
    statics(layout.causalLM.className, taskPresetOptions, taskFrom),
  );

  return Object.freeze({
    Backbone,
    Tokenizer,
    CausalLMPreprocessor,
    CausalLM,
    family: Object.freeze<AnyCausalFamily>({
      family: family.family,
      layout: layout as KerasBackboneLayout<unknown>,
      presets,
      open: async (preset, options) => (await taskFrom(preset, options)) as unknown as CausalLM,
      openBackbone,
      openModel,
      openTokenizer: family.tokenizer.open,
      kerasPreprocessor,
      kerasTask: (preprocessor) => ({
        kerasClass: layout.causalLM,
        bases: ['CausalLM'],
        preprocessor: preprocessor && kerasPreprocessor(preprocessor),
      }),
    }),
  });
};
