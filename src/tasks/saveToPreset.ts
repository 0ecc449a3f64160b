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
import { causalFamilies, seq2seqFamilies } from './families.ts';
import { keptFiles } from './keptFiles.ts';
import { modelCard } from './modelCard.ts';
import { orReject } from './presets.ts';
import { familyOfBackbone, refuseLora, type SavableBackbone, type SavableTask } from './savable.ts';
import { kerasFiles } from './saveKerasPreset.ts';
import { type TransformersModel, transformersFiles, transformersTokenizerFiles } from './saveTransformersPreset.ts';
import { warnOnce } from './warnOnce.ts';

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
const checked = (
  folder: unknown,
  options: SaveToPresetOptions,
): SaveToPresetOptions & Required<Pick<SaveToPresetOptions, 'format'>> => {
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

/** Says once what KerasHub's layout cannot hold of a tokenizer. */
const tellKerasTexts = (name: string, tokenizer: Tokenizer | null): void => {
  const { textSteps, addedTokens, lstripTokens, follows } = (tokenizer ?? {}) as {
    readonly textSteps?: readonly unknown[];
    readonly addedTokens?: ReadonlyMap<string, number>;
    readonly lstripTokens?: readonly string[];
    readonly follows?: string;
  };
  if (textSteps?.length || addedTokens?.size || lstripTokens?.length || follows === 'transformers')
    warnOnce(
      `${name}: KerasHub's layout has no way to say how transformers prepares texts, so that they are tokenized as KerasHub does: without special tokens found in texts, and with other white space and accents; transformers' layout keeps it`,
    );
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

const tokenizerOf = ({ preprocessor }: SavableTask): Tokenizer | null =>
  (preprocessor as { readonly tokenizer: Tokenizer } | null)?.tokenizer ?? null;

/** A task as transformers' layout is to hold it. */
const transformersModel = (task: SavableTask): TransformersModel => {
  const { name, backbone, preprocessor } = task;
  const family = familyOfBackbone(backbone.model.name);
  const encoder = encoderFamilies.get(family);
  const saver = encoder ?? causalFamilies.get(family) ?? seq2seqFamilies.get(family)!;
  const shared = {
    name,
    backbone,
    tokenizer: tokenizerOf(task),
    preprocessing: preprocessor === null ? undefined : saver.kerasPreprocessor(preprocessor).config,
  };
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
  if (format === 'keras') tellKerasTexts(task.name, tokenizerOf(task));
  const files =
    format === 'keras'
      ? await kerasFiles(folder, { backbone, task }, rest)
      : await transformersFiles(folder, transformersModel(task), rest);
  await write(folder, files, rest);
};

/** Writes a backbone as a preset folder, beside the tokenizer that is there; see `saveTask`. */
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
  await write(folder, [...files, ...(await keptFiles(folder, 'model', format))], rest);
};

/** What a tokenizer or a preprocessor is saved by: its family, and how KerasHub writes it down. */
export interface SavedText {
  readonly family: Family;
  readonly layout: KerasBackboneLayout<never>;
  /** The tokenizer as KerasHub writes it down, or the preprocessor with it. */
  readonly saved: KerasTokenizer | KerasPreprocessor;
  readonly tokenizer: Tokenizer;
}

/** Writes a tokenizer, or a preprocessor, beside the model that is there, or without one; see `saveTask`. */
export const saveText = async (
  folder: string,
  { family, layout, saved, tokenizer }: SavedText,
  options: SaveToPresetOptions = {},
): Promise<void> => {
  const { format, ...rest } = checked(folder, options);
  if (format === 'keras') tellKerasTexts(layout.tokenizer.className, tokenizer);
  const { modelType } = families.find((own) => own.family === family)!;
  const files =
    format === 'transformers'
      ? [
          // Which family's tokenizer it is.
          transformersJson('config.json', { model_type: modelType }),
          ...transformersTokenizerFiles(
            folder,
            family,
            layout.tokenizer.className,
            tokenizer,
            'kerasClass' in saved ? saved.config : {},
          ),
        ]
      : 'kerasClass' in saved
        ? kerasPreprocessorFiles(layout, saved)
        : kerasTokenizerFiles(layout, saved);
  const kept = await keptFiles(folder, 'text', format);
  const stays = new Set(kept.map(({ name }) => name));
  await write(folder, [...files.filter(({ name }) => !stays.has(name)), ...kept], rest);
};
