import * as O from 'fp-ts/lib/Option.js';
import { orHubError, type Uploaded, type UploadFolderOptions, uploadFolder } from '../hub/index.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import { openPreset, readSentenceModules, toPresetError } from '../weights/index.ts';
import { familyOf } from './bases.ts';
import { orReject } from './presets.ts';
import { readPresetWeights } from './presetWeights.ts';

/** Options of `uploadPreset`. */
export type UploadPresetOptions = UploadFolderOptions;

const optionNames = ['message', 'private', 'replaceModelCard', 'signal', 'onProgress', 'settings'];

/** Looks at a preset as far as its headers go, so that nobody uploads what nobody can load. */
const expectPreset = async (folder: string): Promise<void> => {
  const modules = orReject(await readSentenceModules(folder)());
  const preset = orReject(await openPreset(O.isSome(modules) ? modules.value.encoder : folder)());
  const { model } = familyOf(preset.family).openModel(preset);
  const { hasWeights, weightsProblem } = await readPresetWeights(preset, model.weights);
  if (!hasWeights)
    throw toPresetError({ _tag: 'MissingFile', message: `${folder}: expected weights, found none`, path: folder });
  if (weightsProblem !== undefined)
    throw toPresetError({ _tag: 'WrongTensors', message: weightsProblem, path: folder });
};

/**
 * Puts a preset folder, in KerasHub's layout or transformers', into a repository on the Hugging Face hub, which is made if
 * it is not there. The folder is looked at first: config, weights by their headers. All files come with one commit, large
 * ones in parts that are tried again; until then nothing is to be seen. Weights of the repository that the folder has not
 * are deleted by that commit, and a model card that the repository has stays. KerasHub uploads to Kaggle too; purelm does not.
 *
 * @param uri - `hf://user/repo[@branch]`, or `hf://repo` for the user whom the token (`HF_TOKEN`, or the file that `hf auth login` writes) belongs to.
 * @param folder - A preset, as `saveToPreset` writes it.
 * @returns The repository, its address, and the commit.
 * @throws {PresetError} By rejection, if the folder holds no preset, or weights that do not fit its config.
 * @throws {HubError} By rejection: the hub does not take it, or cannot be reached.
 * @see keras_hub.upload_preset
 * @example
 * await uploadPreset('hf://me/gpt2_of_mine', './gpt2_of_mine', { private: true });
 */
export const uploadPreset = async (
  uri: string,
  folder: string,
  options: UploadPresetOptions = {},
): Promise<Uploaded> => {
  refuseUnknown('uploadPreset', options, optionNames);
  for (const [name, value] of Object.entries({ uri, folder }))
    if (typeof value !== 'string' || value === '')
      throw new ArgumentError(`uploadPreset: expected ${name} to be a text, got ${JSON.stringify(value)}`);
  options.signal?.throwIfAborted();
  await expectPreset(folder);
  return orHubError(await uploadFolder(uri, folder, options)());
};
