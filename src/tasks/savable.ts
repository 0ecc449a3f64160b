import type { Lora } from '../models/lora.ts';
import type { Device } from '../runtime/device.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Tree } from '../tensor/tree.ts';
import { type Family, families } from '../weights/index.ts';
import type { BackboneModel } from './backbone.ts';
import type { SaveToPresetOptions } from './saveToPreset.ts';

/** A backbone that can be saved: any is. */
export interface SavableBackbone {
  readonly config: unknown;
  readonly model: BackboneModel;
  readonly params: Tree;
  readonly device: Device | undefined;
  readonly lora: Lora | undefined;
}

/** What can be written as a preset folder by itself. */
export interface SavesToPreset {
  /**
   * Writes a preset folder, whole or not at all, in transformers' layout unless told otherwise: weights, config, tokenizer and a
   * model card. `fromPreset` reads it back to the same numbers. What is held in 8 or 4 bits stays so in KerasHub's layout; in
   * transformers' kernels in 8 bits of linear layers do, and the rest becomes floats.
   *
   * @param folder - Where to. A preset that is there is replaced, by a backbone, a tokenizer or a preprocessor only that part of it;
   *   a folder that holds anything else is left alone.
   * @throws {ArgumentError} By rejection, if an option is nonsense, or there is LoRA that is not merged.
   * @throws {PresetError} By rejection, if the layout cannot say what the model computes, or the folder cannot be written.
   * @see keras_hub.models.Task.save_to_preset
   */
  readonly saveToPreset: (folder: string, options?: SaveToPresetOptions) => Promise<void>;
}

/** What is saved as a task: any task has these. */
export interface SavableTask {
  /** KerasHub's name of its class. */
  readonly name: string;
  readonly backbone: SavableBackbone;
  readonly preprocessor: object | null;
}

/** The family whose backbone has a name of KerasHub's. @throws {ArgumentError} If none has. */
export const familyOfBackbone = (name: string): Family => {
  const known = families.find(({ kerasBackbone }) => kerasBackbone === name);
  if (known === undefined)
    throw new ArgumentError(`saveToPreset: expected a backbone of a family that is known, got ${name}`);
  return known.family;
};

/** Refuses what no layout says. @throws {ArgumentError} If there is LoRA. */
export const refuseLora = ({ lora }: SavableBackbone): void => {
  if (lora !== undefined)
    throw new ArgumentError(
      'saveToPreset: expected a model without LoRA, got one with; call mergeLora first, or saveLoraWeights for the factors alone',
    );
};
