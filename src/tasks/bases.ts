import { builtInPresets } from '../models/presets.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tokenizer as AnyTokenizer } from '../tokenizers/tokenizer.ts';
import type { CausalBackbone } from './backbone.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { encoderFamilies } from './encoders.ts';
import { causalFamilies, seq2seqFamilies } from './families.ts';
import {
  type BackbonePresetOptions,
  backbonePresetOptions,
  type FindPresetOptions,
  findPresetOptions,
  openPresetFolder,
} from './presets.ts';
import type { Seq2SeqBackbone } from './seq2seqBackbone.ts';

/** The base class of tasks, which names no kind of task: one of its subclasses loads a preset. */
export const Task = Object.freeze({
  /**
   * Refuses: a preset's files do not say which task is meant.
   *
   * @throws {ArgumentError} By rejection, always; the message names the classes to call instead.
   * @see keras_hub.models.Task
   */
  fromPreset: async (preset: string): Promise<never> => {
    throw new ArgumentError(
      `Task.fromPreset: expected a kind of task, got the preset ${JSON.stringify(preset)} alone; call CausalLM.fromPreset, Seq2SeqLM.fromPreset, MaskedLM.fromPreset, TextClassifier.fromPreset or TextEmbedder.fromPreset`,
    );
  },
  /** Built-in presets by id. */
  presets: builtInPresets,
});

/** The names of all sizes and rates that a backbone of some family has. */
const sizeNames = [...new Set([...builtInPresets.values()].flatMap(({ config }) => Object.keys(config as object)))];

/** The base class of backbones: `fromPreset` finds the family in the preset's config. */
export const Backbone = Object.freeze({
  /**
   * The backbone of a preset folder, whatever its family. Sizes and rates of that family that are given take the place of the
   * preset's.
   *
   * @param preset - A built-in id, `hf://user/repo`, `kaggle://…`, or a folder in KerasHub's or transformers' layout.
   * @throws {ArgumentError} By rejection, if an option is unknown.
   * @throws {PresetError} By rejection: what is wrong with the folder.
   * @see keras_hub.models.Backbone
   */
  fromPreset: async (
    preset: string,
    options: BackbonePresetOptions & Readonly<Record<string, unknown>> = {},
  ): Promise<CausalBackbone | Seq2SeqBackbone | EncoderBackbone> => {
    refuseUnknown('Backbone.fromPreset', options, [...backbonePresetOptions, ...sizeNames]);
    const opened = await openPresetFolder(preset, options);
    return familyOf(opened.family).openBackbone(opened, options) as Promise<CausalBackbone>;
  },
  /** Built-in presets by id. */
  presets: builtInPresets,
});

/** The base class of tokenizers: `fromPreset` finds the family in the preset's config. */
export const Tokenizer = Object.freeze({
  /**
   * The tokenizer of a preset folder, whatever its family.
   *
   * @param preset - A built-in id, `hf://user/repo`, `kaggle://…`, or a folder in KerasHub's or transformers' layout.
   * @throws {PresetError} By rejection: what is wrong with the folder.
   * @see keras_hub.tokenizers.Tokenizer
   */
  fromPreset: async (preset: string, options: FindPresetOptions = {}): Promise<AnyTokenizer> => {
    refuseUnknown('Tokenizer.fromPreset', options, findPresetOptions);
    const opened = await openPresetFolder(preset, { ...options, loadWeights: false });
    return familyOf(opened.family).openTokenizer(opened);
  },
  /** Built-in presets by id. */
  presets: builtInPresets,
});

/** The base class of preprocessors, which names no kind of task: one of its subclasses loads a preset. */
export const Preprocessor = Object.freeze({
  /**
   * Refuses: a preset's files do not say which task's preprocessor is meant.
   *
   * @throws {ArgumentError} By rejection, always.
   * @see keras_hub.models.Preprocessor
   */
  fromPreset: async (preset: string): Promise<never> => {
    throw new ArgumentError(
      `Preprocessor.fromPreset: expected a kind of preprocessor, got the preset ${JSON.stringify(preset)} alone; call that of a family's task, such as BertTextClassifierPreprocessor.fromPreset`,
    );
  },
  /** Built-in presets by id. */
  presets: builtInPresets,
});

/** The family of a name, whatever kind of model it is. */
export const familyOf = (name: Parameters<(typeof causalFamilies)['get']>[0]) =>
  (causalFamilies.get(name) ?? seq2seqFamilies.get(name) ?? encoderFamilies.get(name))!;
