import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { CausalLM as CausalLMTask } from './causalLM.ts';
import { causalFamilies } from './families.ts';
import { openPresetFolder, type TaskPresetOptions, taskPresetOptions } from './presets.ts';

/** A causal language model of whatever family; immutable. */
export type CausalLM = CausalLMTask;

/** The base class of causal language models: `fromPreset` finds the family in the preset's config. */
export const CausalLM = Object.freeze({
  /**
   * The causal language model of a preset folder, whatever its family.
   *
   * @param preset - The id of a preset that ships with the package, or a folder in KerasHub's or transformers' layout.
   * @throws {ArgumentError} By rejection, if an option is unknown.
   * @throws {PresetError} By rejection: what is wrong with the folder.
   * @see keras_hub.models.CausalLM
   */
  fromPreset: async (preset: string, options: TaskPresetOptions = {}): Promise<CausalLMTask> => {
    refuseUnknown('CausalLM.fromPreset', options, taskPresetOptions);
    const opened = await openPresetFolder(preset);
    const family = causalFamilies.get(opened.family);
    if (family === undefined)
      throw new ArgumentError(`CausalLM: expected a family that writes text, got ${opened.family} in ${opened.path}`);
    return family.open(opened, options);
  },
});
