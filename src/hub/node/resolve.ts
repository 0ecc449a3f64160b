import { readFileSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as TE from 'fp-ts/lib/TaskEither.js';
import type { HubProblem } from '../errors.ts';
import { makeResolve, type Platform, type ResolvedPreset, type ResolveOptions } from '../resolve.ts';
import { type HubSettings, readSettings, type SettingsSource } from '../settings.ts';
import type { PresetStore } from '../store.ts';
import { hubCacheStore } from './hubCache.ts';
import { kaggleCacheStore } from './kaggleCache.ts';
import { makeNodeHasher } from './partial.ts';

const readText = (path: string): string | undefined => {
  try {
    return statSync(path).isFile() ? readFileSync(path, 'utf8') : undefined;
  } catch {
    return undefined;
  }
};

/** What this process's environment says about hubs; `source` replaces parts of it. */
export const nodeSettings = (source: Partial<SettingsSource> = {}): E.Either<HubProblem, HubSettings> =>
  readSettings({ variables: process.env, home: homedir(), join, readText, ...source });

/** Node's network. */
export const nodeNetwork: Platform<PresetStore>['network'] = {
  fetch: (...request) => globalThis.fetch(...request),
  showsRedirects: true,
};

const platform: Platform<PresetStore> = {
  network: nodeNetwork,
  settings: () => nodeSettings(),
  makeHasher: makeNodeHasher,
  hubStore: (repo, { hubCache, links }) => hubCacheStore(hubCache, repo, links),
  kaggleStore: (model, { kaggleCache }) => kaggleCacheStore(kaggleCache, model),
  isFolder: (path) =>
    stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    ),
};

const resolveIn = makeResolve(platform);

/** A preset that lies in a folder on disk. */
export interface LocalPreset extends ResolvedPreset {
  /** The folder. In a hub's cache: read it, and leave it as it is. */
  readonly folder: string;
}

/**
 * Finds a preset, and fetches what is not there: into the caches that Python's libraries use, so that nothing is fetched twice on
 * one machine.
 *
 * @param uri - A built-in id, `kaggle://owner/model/framework/variation[/version]`, `hf://user/repo[@revision]`, or a folder.
 * @returns The folder with its files. When the signal ends it, the promise rejects with the signal's reason.
 */
export const resolve = (uri: string, options: ResolveOptions = {}): TE.TaskEither<HubProblem, LocalPreset> =>
  pipe(
    resolveIn(uri, options),
    TE.map(({ store, ...preset }) => ({
      ...preset,
      folder: preset.state === undefined ? uri : (store?.folder?.(preset.state) ?? uri),
    })),
  );
