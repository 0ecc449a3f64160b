import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import type * as TE from 'fp-ts/lib/TaskEither.js';
import { causeOf, type HubProblem, refuse } from '../errors.ts';
import type { DownloadProgress } from '../progress.ts';
import type { HubSettings } from '../settings.ts';
import { type Uploaded, type UploadFile, uploadFiles } from '../upload.ts';
import { parsePresetUri } from '../uri.ts';
import { makeNodeHasher } from './partial.ts';
import { nodeNetwork, nodeSettings } from './resolve.ts';

/** Options of `uploadFolder`. */
export interface UploadFolderOptions {
  /** The line that the commit gets. Default `'Upload with purelm'`. */
  readonly message?: string;
  /** Whether a repository that is not there yet is made private. Default false. */
  readonly private?: boolean;
  /** Whether the folder's README.md takes the place of one that the repository has. Default false: people edit those. */
  readonly replaceModelCard?: boolean;
  /** Ends it; the promise rejects with the signal's reason, and the repository's files are as they were. */
  readonly signal?: AbortSignal;
  /** Called as bytes go, some ten times a second at most, and at each file's end. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** What the environment would say otherwise. */
  readonly settings?: Partial<HubSettings>;
}

/** Weights as either library names them: what of it is old must not stand beside what is new. */
const weightsName =
  /^(?:model\.weights\.(?:h5|json)|model_\d+\.weights\.h5|task\.weights\.h5|model\.safetensors(?:\.index\.json)?|model-\d+-of-\d+\.safetensors)$/;

/** The files of a folder, without those that hide. */
const filesOf = async (folder: string): Promise<readonly UploadFile[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((name) => !name.split('/').some((step) => step.startsWith('.')))
    .sort();
  return Promise.all(
    names.map(async (name) => ({
      name,
      size: (await stat(join(folder, name))).size,
      read: (start: number, end: number) =>
        end > start
          ? createReadStream(join(folder, name), { start, end: end - 1, highWaterMark: 2 ** 20 })
          : (async function* () {})(),
    })),
  );
};

/**
 * Puts a folder's files into a repository on the Hugging Face hub, in one commit. Weights that the repository has and the
 * folder has not are deleted by the same commit, so that old ones never stand beside new ones.
 *
 * @param uri - `hf://user/repo[@branch]`, or `hf://repo` for the user whom the token belongs to.
 * @param folder - A local folder; files whose names begin with a point stay here.
 */
export const uploadFolder =
  (uri: string, folder: string, options: UploadFolderOptions = {}): TE.TaskEither<HubProblem, Uploaded> =>
  async () => {
    const { signal = new AbortController().signal, settings: own } = options;
    signal.throwIfAborted();
    const parsed = parsePresetUri(uri);
    if (E.isLeft(parsed)) return parsed;
    if (parsed.right.kind === 'kaggle')
      return refuse(
        'BadUri',
        uri,
        'models are uploaded to the Hugging Face hub alone, hf://user/repo; for Kaggle, save the preset and call kagglehub.model_upload in Python',
      );
    if (parsed.right.kind !== 'hub')
      return refuse('BadUri', uri, "expected a Hugging Face handle like 'hf://user/repo' to upload to");
    const read = nodeSettings();
    if (E.isLeft(read)) return read;
    const settings = { ...read.right, ...own };
    if (settings.offline) return refuse('Offline', uri, 'the network is not to be used (HF_HUB_OFFLINE)');
    let files: readonly UploadFile[];
    try {
      files = await filesOf(folder);
    } catch (error) {
      return refuse('InputOutput', folder, `cannot be read (${causeOf(error)})`);
    }
    return uploadFiles(
      { network: { ...nodeNetwork, patience: settings.patience }, makeHasher: makeNodeHasher },
      settings,
      parsed.right,
      files,
      {
        message: options.message ?? 'Upload with purelm',
        isPrivate: options.private ?? false,
        stale: (name) => weightsName.test(name),
        kept: (name) => name === 'README.md' && options.replaceModelCard !== true,
        signal,
        onProgress: options.onProgress,
      },
    )();
  };
