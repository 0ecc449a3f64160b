import { resolve } from 'node:path';
import type { SavedKind } from '../models/transformersLayout.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import { type FileToWrite, isPresetFile, writeFolderAtomically } from '../weights/index.ts';
import { encoderFamilies } from './encoders.ts';
import { orReject } from './presets.ts';
import type { SavableBackbone, SavableTask } from './savable.ts';
import { familyOfBackbone, type TransformersModel, transformersFiles } from './saveTransformersPreset.ts';

/** Options of `saveToPreset`. */
export interface SaveToPresetOptions {
  /**
   * Whose layout: `'transformers'`, which transformers and, where it has a converter, KerasHub load, or `'keras'`, KerasHub's own.
   * Default `'transformers'`.
   */
  readonly format?: 'transformers' | 'keras';
  /** The size in bytes that a file of weights may have; above, there are several. Default: 50 GB, KerasHub's 10 GiB. */
  readonly maxShardBytes?: number;
  /** The date that KerasHub's metadata.json gives. Default: now. */
  readonly savedAt?: Date;
  /** Ends saving; the promise rejects with the signal's reason, and the old folder is as it was. */
  readonly signal?: AbortSignal;
}

const optionNames = ['format', 'maxShardBytes', 'savedAt', 'signal'];

/** Options after a look at them. */
const checked = (options: SaveToPresetOptions): SaveToPresetOptions => {
  refuseUnknown('saveToPreset', options, optionNames);
  const { format = 'transformers', maxShardBytes } = options;
  if (format !== 'transformers' && format !== 'keras')
    throw new ArgumentError(
      `saveToPreset: expected format to be 'transformers' or 'keras', got ${JSON.stringify(format)}`,
    );
  if (maxShardBytes !== undefined && !(maxShardBytes > 0))
    throw new ArgumentError(`saveToPreset: expected maxShardBytes to be a number above 0, got ${maxShardBytes}`);
  return { ...options, format };
};

const refuseLora = ({ lora }: SavableBackbone): void => {
  if (lora !== undefined)
    throw new ArgumentError(
      'saveToPreset: expected a model without LoRA, got one with; call mergeLora first, or saveLoraWeights for the factors alone',
    );
};

const write = async (folder: string, files: readonly FileToWrite[], signal?: AbortSignal): Promise<void> => {
  signal?.throwIfAborted();
  orReject(await writeFolderAtomically(folder, files, isPresetFile)());
};

/** A task as transformers' layout is to hold it. */
const transformersModel = (task: SavableTask & { readonly name: string }): TransformersModel => {
  const { name, backbone, preprocessor } = task;
  const own = preprocessor as { readonly tokenizer: Tokenizer; readonly sequenceLength?: number } | null;
  const shared = { name, backbone, tokenizer: own?.tokenizer ?? null, sequenceLength: own?.sequenceLength };
  const encoder = encoderFamilies.get(familyOfBackbone(backbone.model.name));
  if (encoder === undefined) {
    const kind: SavedKind = name.endsWith('Seq2SeqLM') ? 'seq2seqLM' : 'causalLM';
    return { ...shared, kind };
  }
  if ('poolingMode' in task) {
    const { poolingMode, normalize } = task as unknown as {
      readonly poolingMode: 'mean' | 'cls' | 'max';
      readonly normalize: boolean;
    };
    return { ...shared, kind: 'backbone', pooling: { mode: poolingMode, normalize } };
  }
  const { head, config } = encoder.kerasTask(task);
  const kind = name === encoder.layout.maskedLM.className ? 'maskedLM' : 'textClassifier';
  return { ...shared, kind, head, options: config };
};

/**
 * Writes a task as a preset folder, whole or not at all.
 *
 * @param folder - Where to. A preset that is there is replaced; a folder that holds anything else is left alone.
 * @throws {ArgumentError} By rejection, if an option is nonsense or there is LoRA.
 * @throws {PresetError} By rejection, if the layout cannot say what the model computes, or the folder cannot be written.
 */
export const saveTask = async (
  folder: string,
  task: SavableTask & { readonly name: string },
  options: SaveToPresetOptions = {},
): Promise<void> => {
  const { maxShardBytes, signal } = checked(options);
  refuseLora(task.backbone);
  await write(
    folder,
    await transformersFiles(resolve(folder), transformersModel(task), { maxShardBytes, signal }),
    signal,
  );
};

/** Writes a backbone as a preset folder; see `saveTask`. */
export const saveBackbone = async (
  folder: string,
  backbone: SavableBackbone & { readonly name: string },
  options: SaveToPresetOptions = {},
): Promise<void> => {
  const { maxShardBytes, signal } = checked(options);
  refuseLora(backbone);
  const model: TransformersModel = { name: backbone.name, kind: 'backbone', backbone, tokenizer: null };
  await write(folder, await transformersFiles(resolve(folder), model, { maxShardBytes, signal }), signal);
};
