import { fileURLToPath } from 'node:url';
import * as E from 'fp-ts/lib/Either.js';
import { kaggleHandles, resolve } from '../hub/index.ts';
import { builtInPresets } from '../models/presets.ts';
import { presetFolder, shipped } from '../tasks/presets.ts';
import { uploadPreset } from '../tasks/uploadPreset.ts';
import type { PresetsArguments, PullArguments, PushArguments } from './commands.ts';
import { downloadBar } from './downloadBar.ts';

/** A built-in preset, as `purelm presets` lists it. */
interface Listed {
  readonly id: string;
  /** Parameters of the backbone, where the family is known. */
  readonly params: number | undefined;
  readonly description: string | undefined;
  /** Where KerasHub gets it, if it does. */
  readonly kaggleHandle: string | undefined;
  /** The folder where it is, if it is in a cache. */
  readonly folder: string | undefined;
}

/** The built-in presets whose id or description has a text in it, in whatever case. */
const list = async (filter: string): Promise<readonly Listed[]> => {
  const own = [...shipped].map(([id, url]) => ({
    id,
    params: undefined,
    description: 'ships with the package',
    kaggleHandle: undefined,
    folder: fileURLToPath(url),
  }));
  const others = await Promise.all(
    [...kaggleHandles].map(async ([id, kaggleHandle]) => {
      const metadata = builtInPresets.get(id)?.metadata;
      const found = await resolve(id, { offline: true })();
      const folder = E.isRight(found) ? found.right.folder : undefined;
      return { id, params: metadata?.params, description: metadata?.description, kaggleHandle, folder };
    }),
  );
  const wanted = filter.toLowerCase();
  return [...own, ...others].filter(({ id, description = '' }) =>
    `${id} ${description}`.toLowerCase().includes(wanted),
  );
};

const inMillions = (params: number | undefined): string =>
  params === undefined ? '' : `${(params / 1e6).toFixed(params < 1e8 ? 1 : 0)}M`;

/** `purelm presets`: the built-in presets, one a line: id, parameters, whether it is here, and what it is. */
export const listPresets = async ({ filter, json }: PresetsArguments): Promise<void> => {
  const found = await list(filter);
  if (json) {
    process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
    return;
  }
  if (found.length === 0) {
    process.stderr.write(`purelm: no built-in preset has ${JSON.stringify(filter)} in its id or description\n`);
    return;
  }
  const width = Math.max(...found.map(({ id }) => id.length));
  for (const { id, params, description = '', folder } of found) {
    const line = `${id.padEnd(width)}  ${inMillions(params).padStart(6)}  ${folder === undefined ? ' ' : '*'}  ${description}`;
    process.stdout.write(`${line.trimEnd()}\n`);
  }
  process.stderr.write('* is here; fetch others with purelm presets pull ID\n');
};

/** `purelm presets pull`: fetches a preset, with a bar on a terminal, and prints the folder where it is. */
export const pullPreset = async ({ preset, revision, json }: PullArguments, signal: AbortSignal): Promise<void> => {
  const { onDownload, stop } = downloadBar();
  try {
    const folder = await presetFolder(preset, {
      signal,
      ...(onDownload === undefined ? {} : { onDownload }),
      ...(revision === undefined ? {} : { revision }),
    });
    stop();
    process.stdout.write(json ? `${JSON.stringify({ preset, folder })}\n` : `${folder}\n`);
  } finally {
    stop();
  }
};

/** `purelm presets push`: uploads a preset folder, with a bar on a terminal, and prints where it is. */
export const pushPreset = async (
  { folder, uri, isPrivate, message, json }: PushArguments,
  signal: AbortSignal,
): Promise<void> => {
  const { onDownload, stop } = downloadBar('sending');
  try {
    const uploaded = await uploadPreset(uri, folder, {
      signal,
      private: isPrivate,
      ...(message === undefined ? {} : { message }),
      ...(onDownload === undefined ? {} : { onProgress: onDownload }),
    });
    stop();
    process.stdout.write(json ? `${JSON.stringify(uploaded)}\n` : `${uploaded.url}\n`);
  } finally {
    stop();
  }
};
