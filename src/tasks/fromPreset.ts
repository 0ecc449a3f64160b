import type { PresetInfo } from '../models/presetInfo.ts';
import { refuseUnknown } from '../tensor/errors.ts';
import { type Preset, toPresetError } from '../weights/index.ts';
import type { CausalLM as CausalLMTask } from './causalLM.ts';
import { causalFamilies, seq2seqFamilies } from './families.ts';
import type { AnyGenerativeFamily } from './generativeFamily.ts';
import { openPresetFolder, type TaskPresetOptions, taskPresetOptions } from './presets.ts';
import { type Seq2SeqPresetOptions, seq2seqPresetOptions } from './seq2seqFamily.ts';
import type { Seq2SeqLM as Seq2SeqLMTask } from './seq2seqLM.ts';

/** A causal language model of whatever family; immutable. */
export type CausalLM = CausalLMTask;

/** A sequence-to-sequence language model of whatever family; immutable. */
export type Seq2SeqLM = Seq2SeqLMTask;

/** Rejects a preset of a family that a base class has no task for. */
const unknownFamily = (
  name: string,
  { family, path }: Preset,
  known: Iterable<AnyGenerativeFamily<unknown>>,
): never => {
  throw toPresetError({
    _tag: 'WrongConfig',
    message: `${path}: expected a preset of ${[...known].map(({ layout }) => layout.backbone.className).join(', ')} for ${name}, got one of the family ${family}`,
    path,
  });
};

/** The built-in presets of some families by id. */
const presetsOf = (families: readonly AnyGenerativeFamily<unknown>[]): ReadonlyMap<string, PresetInfo<unknown>> =>
  new Map(families.flatMap(({ presets }) => [...presets]));

/** The base class of causal language models: `fromPreset` finds the family in the preset's config. */
export const CausalLM = Object.freeze({
  /**
   * The causal language model of a preset folder, whatever its family. A sequence-to-sequence model is one too: as in
   * KerasHub, its preset gives a `Seq2SeqLM`, whose `generate` takes the same texts.
   *
   * @param preset - A built-in id, `hf://user/repo`, `kaggle://…`, or a folder in KerasHub's or transformers' layout.
   * @throws {ArgumentError} By rejection, if an option is unknown.
   * @throws {PresetError} By rejection: what is wrong with the folder.
   * @see keras_hub.models.CausalLM
   */
  fromPreset: async (preset: string, options: TaskPresetOptions = {}): Promise<CausalLMTask> => {
    refuseUnknown('CausalLM.fromPreset', options, taskPresetOptions);
    const opened = await openPresetFolder(preset, options);
    const family = causalFamilies.get(opened.family);
    if (family !== undefined) return family.open(opened, options);
    const other = seq2seqFamilies.get(opened.family);
    if (other === undefined)
      return unknownFamily('CausalLM', opened, [...causalFamilies.values(), ...seq2seqFamilies.values()]);
    return (await other.open(opened, options as Seq2SeqPresetOptions)) as unknown as CausalLMTask;
  },
  /** Built-in presets by id, of sequence-to-sequence models too. */
  presets: presetsOf([...causalFamilies.values(), ...seq2seqFamilies.values()]),
});

/** The base class of sequence-to-sequence language models: `fromPreset` finds the family in the preset's config. */
export const Seq2SeqLM = Object.freeze({
  /**
   * The sequence-to-sequence language model of a preset folder, whatever its family.
   *
   * @param preset - A folder in KerasHub's or transformers' layout.
   * @throws {ArgumentError} By rejection, if an option is unknown.
   * @throws {PresetError} By rejection: what is wrong with the folder, such as that it holds a causal model.
   * @see keras_hub.models.Seq2SeqLM
   */
  fromPreset: async (preset: string, options: Seq2SeqPresetOptions = {}): Promise<Seq2SeqLMTask> => {
    refuseUnknown('Seq2SeqLM.fromPreset', options, seq2seqPresetOptions);
    const opened = await openPresetFolder(preset, options);
    const family = seq2seqFamilies.get(opened.family);
    return family === undefined
      ? unknownFamily('Seq2SeqLM', opened, seq2seqFamilies.values())
      : family.open(opened, options);
  },
  /** Built-in presets by id. */
  presets: presetsOf([...seq2seqFamilies.values()]),
});
