import { pipe } from 'fp-ts/lib/function.js';
import * as TE from 'fp-ts/lib/TaskEither.js';
import type { HubProblem } from '../errors.ts';
import { makeResolve, type Platform, type ResolvedPreset, type ResolveOptions } from '../resolve.ts';
import { readSettings } from '../settings.ts';
import { type CachedFile, type CacheLike, cacheStore, type LocksLike, pageLocks, type WebStore } from './cacheStore.ts';
import { makeWebHasher } from './hasher.ts';

/** What of a browser `resolveInBrowser` uses. */
export interface Browser {
  /** The cache: `await caches.open('purelm')`. */
  readonly cache: CacheLike;
  /** `navigator.locks`. Default: locks that hold within the page. */
  readonly locks?: LocksLike;
  /** `fetch`. Default: the page's own. */
  readonly fetch?: typeof globalThis.fetch;
  /** Bytes of a part of a file in the cache. Default 16 MiB. */
  readonly part?: number;
}

/** A preset that lies in a browser's cache. */
export interface BrowserPreset extends ResolvedPreset {
  /** Opens one of `files`, by its `name`. */
  readonly open: (name: string) => Promise<CachedFile>;
}

/** Options of `resolveInBrowser`. A page has no environment: a token and a mirror stand in `settings`. */
export type BrowserResolveOptions = ResolveOptions;

/**
 * Finds a preset in a browser's cache, and fetches what is not there. The same as `resolve` in Node, but for folders, which a page
 * does not have. Kaggle lets no page of another site ask it: its handles are for extensions and servers of one's own.
 *
 * @param browser - The cache, and what else differs.
 * @returns For the name of a preset and options, the preset. When the signal ends it, the promise rejects with the signal's reason.
 */
export const resolveInBrowser = ({ cache, locks = pageLocks(), fetch, part }: Browser) => {
  const storeOf = (model: string, revision?: string): WebStore =>
    cacheStore(cache, locks, {
      model,
      ...(revision === undefined ? {} : { revision }),
      ...(part === undefined ? {} : { part }),
    });
  const platform: Platform<WebStore> = {
    network: { fetch: fetch ?? ((...request) => globalThis.fetch(...request)), showsRedirects: false },
    settings: () =>
      readSettings({ variables: {}, home: '', join: (...steps) => steps.join('/'), readText: () => undefined }),
    makeHasher: makeWebHasher,
    hubStore: ({ repo, revision }) => storeOf(`hub/${repo}`, revision),
    kaggleStore: ({ owner, model, framework, variation }) =>
      storeOf(`kaggle/${owner}/${model}/${framework}/${variation}`),
    isFolder: async () => false,
  };
  const resolveHere = makeResolve(platform);
  return (uri: string, options: BrowserResolveOptions = {}): TE.TaskEither<HubProblem, BrowserPreset> =>
    pipe(
      resolveHere(uri, options),
      TE.map(({ store, ...preset }) => ({
        ...preset,
        open: async (name: string) => {
          if (store === undefined || preset.state === undefined) throw new Error(`${uri}: not in the cache`);
          return store.open(preset.state, name);
        },
      })),
    );
};
