import type { KerasBackboneLayout } from '../models/kerasLayout.ts';
import type { SavedKind } from '../models/transformersLayout.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import {
  type Family,
  type FileToWrite,
  families,
  isPresetFile,
  type KerasPreprocessor,
  type KerasTokenizer,
  kerasPreprocessorFiles,
  kerasTokenizerFiles,
  transformersJson,
  writeFolderAtomically,
} from '../weights/index.ts';
import { encoderFamilies } from './encoders.ts';
import { modelCard } from './modelCard.ts';
import { orReject } from './presets.ts';
import { familyOfBackbone, refuseLora, type SavableBackbone, type SavableTask } from './savable.ts';
import { kerasFiles } from './saveKerasPreset.ts';
import { type TransformersModel, transformersFiles, transformersTokenizerFiles } from './saveTransformersPreset.ts';

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
const checked = (folder: unknown, options: SaveToPresetOptions): SaveToPresetOptions => {
  if (typeof folder !== 'string' || folder === '')
    throw new ArgumentError(`saveToPreset: expected the path of a folder, got ${JSON.stringify(folder)}`);
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

const write = async (
  folder: string,
  files: readonly FileToWrite[],
  { signal }: Pick<SaveToPresetOptions, 'signal'>,
): Promise<void> => {
  signal?.throwIfAborted();
  const named = new Set(files.map(({ name }) => name));
  // A model card that somebody wrote is not lost.
  const card = named.has('README.md') ? [] : await modelCard(folder, undefined);
  orReject(await writeFolderAtomically(folder, [...files, ...card], isPresetFile)());
};

/** A task as transformers' layout is to hold it. */
const transformersModel = (task: SavableTask): TransformersModel => {
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
export const saveTask = async (folder: string, task: SavableTask, options: SaveToPresetOptions = {}): Promise<void> => {
  const { format, ...rest } = checked(folder, options);
  const { backbone } = task;
  refuseLora(backbone);
  const files =
    format === 'keras'
      ? await kerasFiles(folder, { backbone, task }, rest)
      : await transformersFiles(folder, transformersModel(task), rest);
  await write(folder, files, rest);
};

/** Writes a backbone as a preset folder; see `saveTask`. */
export const saveBackbone = async (
  folder: string,
  backbone: SavableBackbone & { readonly name: string },
  options: SaveToPresetOptions = {},
): Promise<void> => {
  const { format, ...rest } = checked(folder, options);
  refuseLora(backbone);
  const files =
    format === 'keras'
      ? await kerasFiles(folder, { backbone }, rest)
      : await transformersFiles(folder, { name: backbone.name, kind: 'backbone', backbone, tokenizer: null }, rest);
  await write(folder, files, rest);
};

/** What a tokenizer or a preprocessor is saved by: its family, and how KerasHub writes it down. */
export interface SavedText {
  readonly family: Family;
  readonly layout: KerasBackboneLayout<never>;
  /** The tokenizer as KerasHub writes it down, or the preprocessor with it. */
  readonly saved: KerasTokenizer | KerasPreprocessor;
  readonly tokenizer: Tokenizer;
  /** The longest text that a preprocessor makes. */
  readonly sequenceLength?: number | undefined;
}

/** Writes a tokenizer, or a preprocessor, as a preset folder without a model; see `saveTask`. */
export const saveText = async (
  folder: string,
  { family, layout, saved, tokenizer, sequenceLength }: SavedText,
  options: SaveToPresetOptions = {},
): Promise<void> => {
  const { format, ...rest } = checked(folder, options);
  const { modelType } = families.find((own) => own.family === family)!;
  const files =
    format === 'transformers'
      ? [
          // Which family's tokenizer it is.
          transformersJson('config.json', { model_type: modelType }),
          ...transformersTokenizerFiles(folder, family, layout.tokenizer.className, tokenizer, sequenceLength),
        ]
      : 'kerasClass' in saved
        ? kerasPreprocessorFiles(layout, saved)
        : kerasTokenizerFiles(layout, saved);
  await write(folder, files, rest);
};
