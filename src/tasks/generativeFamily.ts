import type { KerasBackboneLayout, KerasClass } from '../models/kerasLayout.ts';
import type { PresetInfo } from '../models/presetInfo.ts';
import type { Tree } from '../tensor/tree.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { Family, KerasPreprocessor, KerasTask, Preset } from '../weights/index.ts';
import type { BackboneModel } from './backbone.ts';
import {
  type FamilyRecord,
  type FromPreset,
  type familyParts,
  type OpenedModel,
  presetClass,
  type TokenizerSource,
} from './family.ts';
import type { LanguageModelParts } from './languageModel.ts';
import { type BackbonePresetOptions, type Loaded, type TaskPresetOptions, taskPresetOptions } from './presets.ts';

/** A family of models that write text, for those who do not know which it is. */
export interface AnyGenerativeFamily<Task> {
  readonly family: Family;
  readonly layout: KerasBackboneLayout<unknown>;
  /** The built-in presets by id. */
  readonly presets: ReadonlyMap<string, PresetInfo<unknown>>;
  /** A preprocessor of the family's own kind as KerasHub writes it down. */
  readonly kerasPreprocessor: (preprocessor: object) => KerasPreprocessor;
  /** A task with this preprocessor of the family's own kind, as KerasHub writes it down. */
  readonly kerasTask: (preprocessor: object | null) => KerasTask;
  /** The task that an opened preset holds. */
  readonly open: (preset: Preset, options: GenerativePresetOptions<object>) => Promise<Task>;
  /** The backbone that an opened preset holds, of its family's kind. */
  readonly openBackbone: (preset: Preset, options: BackbonePresetOptions) => Promise<unknown>;
  /** What a preset's config says, without its weights. */
  readonly openModel: (preset: Preset) => OpenedModel;
  /** The tokenizer that an opened preset holds. */
  readonly openTokenizer: (preset: Preset) => Promise<Tokenizer>;
}

/** Options of the `fromPreset` of a task whose preprocessor is a `P`. */
export type GenerativePresetOptions<P> = Omit<TaskPresetOptions, 'preprocessor'> & {
  /** Null: no preprocessor, so token ids in and out. Default: the preset's. */
  readonly preprocessor?: P | null;
};

/** A kind of tasks that write text: KerasHub's class and base class, how one is made, and where its preprocessor comes from. */
interface GenerativeTask<B, P, Made> {
  readonly kerasClass: KerasClass;
  readonly base: 'CausalLM' | 'Seq2SeqLM';
  readonly make: (parts: LanguageModelParts<B, P>) => Made;
  readonly preprocessorFrom: (preset: Preset) => Promise<P>;
  readonly kerasPreprocessor: (preprocessor: object) => KerasPreprocessor;
}

/** The class of a family's tasks that write text, and the `family` for those who do not know which it is. */
export const generativeTask = <
  Config extends object,
  Options extends object,
  Params extends Tree,
  Model extends Loaded<Params> & BackboneModel,
  T extends Tokenizer,
  Source extends TokenizerSource<T>,
  B,
  P,
  Made,
  Any,
>(
  { family, layout, presets, tokenizer }: FamilyRecord<Config, Options, Model, T, Source>,
  parts: ReturnType<typeof familyParts<Config, Options, Params, Model, T, Source, B>>,
  { kerasClass, base, make, preprocessorFrom, kerasPreprocessor }: GenerativeTask<B, P, Made>,
): {
  readonly Task: ((parts: LanguageModelParts<B, P>) => Made) & FromPreset<Made, GenerativePresetOptions<P>, Config>;
  readonly family: AnyGenerativeFamily<Any>;
} => {
  const open = async (preset: Preset, options: GenerativePresetOptions<P>): Promise<Made> => {
    // Small files first: what is wrong with them is known before the weights are read.
    const preprocessor = await parts.preprocessorOf(preset, options.preprocessor, preprocessorFrom);
    const { sampler } = options;
    return make({
      backbone: await parts.backboneFrom(preset, options),
      preprocessor,
      ...(sampler === undefined ? {} : { sampler }),
    });
  };
  return {
    Task: presetClass(make, parts.statics(kerasClass.className, taskPresetOptions, open)),
    family: Object.freeze<AnyGenerativeFamily<Any>>({
      family,
      layout: layout as KerasBackboneLayout<unknown>,
      presets,
      kerasPreprocessor,
      kerasTask: (preprocessor) => ({
        kerasClass,
        bases: [base],
        preprocessor: preprocessor && kerasPreprocessor(preprocessor),
      }),
      // Who does not know the family knows its kind of tasks and preprocessors.
      open: open as unknown as AnyGenerativeFamily<Any>['open'],
      openBackbone: parts.openBackbone,
      openModel: parts.openModel,
      openTokenizer: tokenizer.open,
    }),
  };
};
