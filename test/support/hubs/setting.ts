import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type HubProblem, type LocalPreset, type ResolveOptions, resolve } from '../../../src/hub/index.ts';
import { exampleModels, exampleRepos } from './models.ts';
import { quickPatience } from './patience.ts';
import { type Hubs, startHubs } from './server.ts';

/** Hubs of the tests, and an empty cache for each test. */
export interface HubSetting {
  /** The hubs. */
  readonly hubs: () => Hubs;
  /** A folder of this test's own. */
  readonly folder: () => string;
  /** `resolve` with that folder's caches and those hubs. */
  readonly resolve: (uri: string, options?: ResolveOptions) => Promise<E.Either<HubProblem, LocalPreset>>;
  /** The same where it must go well. */
  readonly have: (uri: string, options?: ResolveOptions) => Promise<LocalPreset>;
  /** The same where it must not. */
  readonly problem: (uri: string, options?: ResolveOptions) => Promise<HubProblem>;
}

/** Sets hubs up for the tests of a file; `size` is how many bytes weights have. */
export const hubSetting = (size = 100_000): HubSetting => {
  let hubs: Hubs;
  let folder: string | undefined;
  beforeAll(async () => {
    hubs = await startHubs({
      repos: exampleRepos(size),
      renamed: { 'old/gpt2': 'someone/gpt2' },
      models: exampleModels(size),
      origin: 'https://huggingface.co',
    });
  });
  afterAll(() => hubs.close());
  afterEach(() => {
    hubs.reset();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    folder = undefined;
  });
  const own = (): string => {
    folder ??= mkdtempSync(join(tmpdir(), 'purelm-hub-'));
    return folder;
  };
  const run: HubSetting['resolve'] = (uri, options = {}) =>
    resolve(uri, {
      ...options,
      settings: {
        endpoint: hubs.endpoint,
        kaggleEndpoint: hubs.endpoint,
        hubCache: join(own(), 'hub'),
        kaggleCache: join(own(), 'kagglehub'),
        token: undefined,
        kaggleAuthorization: undefined,
        offline: false,
        patience: quickPatience,
        ...options.settings,
      },
    })();
  return {
    hubs: () => hubs,
    folder: own,
    resolve: run,
    have: async (uri, options) => {
      const result = await run(uri, options);
      if (E.isLeft(result)) throw new Error(result.left.message);
      return result.right;
    },
    problem: async (uri, options) => {
      const result = await run(uri, options);
      if (E.isRight(result)) throw new Error(`expected a problem, got ${result.right.folder}`);
      return result.left;
    },
  };
};
