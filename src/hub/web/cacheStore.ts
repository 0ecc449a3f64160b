import { isJsonObject } from '../../models/configReader.ts';
import { sleep } from '../network.ts';
import type { PartialFile, PresetStore } from '../store.ts';
import type { RemoteFile } from '../wanted.ts';

/** What is needed of a browser's `Cache`. */
export interface CacheLike {
  /** The response under an address. */
  readonly match: (url: string) => Promise<Response | undefined>;
  /** Puts a response under an address. */
  readonly put: (url: string, response: Response) => Promise<void>;
  /** Takes away what is under an address. */
  readonly delete: (url: string) => Promise<boolean>;
  /** The requests of all that is there. */
  readonly keys: () => Promise<readonly { readonly url: string }[]>;
}

/** What is needed of a browser's `navigator.locks`: they hold between its tabs. */
export interface LocksLike {
  /** Runs `work` while nobody else has the lock of that name. */
  readonly request: <A>(name: string, options: { readonly signal?: AbortSignal }, work: () => Promise<A>) => Promise<A>;
}

/** A file that is whole, in a browser's cache. */
export interface CachedFile {
  /** Bytes. */
  readonly size: number;
  /** Bytes `start` to `end`; no more of the file is read than the parts that they lie in. */
  readonly read: (start: number, end: number) => Promise<Uint8Array>;
}

/** A store in a browser's cache, with a way to its files, since it has no folders. */
export interface WebStore extends PresetStore {
  /** Opens a file that is there. */
  readonly open: (state: string, name: string) => Promise<CachedFile>;
}

/** Where a store's entries stand, and how large its parts are. */
export interface WebStoreOptions {
  /** The kind of hub and the model: `hub/user/repo`. */
  readonly model: string;
  /** The branch or tag that is meant; undefined for Kaggle. */
  readonly revision?: string;
  /** Bytes of a part: what is lost at most when a tab is closed. Default 16 MiB. */
  readonly part?: number;
}

/** Where entries stand: an address of the kind that caches take, and of a host that cannot be. */
const root = 'https://cache.purelm.invalid/v1/';

const escaped = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** Where the bytes of a file stand, in parts. */
interface Manifest {
  readonly bytes: string;
  readonly size: number;
}

const asManifest = (value: unknown): Manifest | undefined =>
  isJsonObject(value) && typeof value.bytes === 'string' && typeof value.size === 'number'
    ? { bytes: value.bytes, size: value.size }
    : undefined;

/** Locks within one page, for where there are no others. */
export const pageLocks = (): LocksLike => {
  const held = new Set<string>();
  return {
    request: async (name, { signal = new AbortController().signal }, work) => {
      while (held.has(name)) await sleep(20, signal);
      held.add(name);
      try {
        return await work();
      } finally {
        held.delete(name);
      }
    },
  };
};

/**
 * Keeps a model's files in a browser's cache: bytes in parts, so that a download can be gone on from and a tensor be read without
 * the rest, and an entry for each whole file, written last.
 *
 * @param cache - The cache, opened.
 * @param locks - Locks between tabs.
 */
export const cacheStore = (
  cache: CacheLike,
  locks: LocksLike,
  { model, revision, part = 2 ** 24 }: WebStoreOptions,
): WebStore => {
  const base = `${root}${escaped(model)}/`;
  const fileUrl = (state: string, name: string): string => `${base}files/${escaped(state)}/${escaped(name)}`;
  const treeUrl = (state: string): string => `${base}trees/${escaped(state)}`;
  const refUrl = `${base}refs/${escaped(revision ?? '')}`;
  const bytesUrl = (state: string, { digest, name }: RemoteFile): string =>
    `${base}bytes/${digest === undefined ? `${escaped(state)}/${escaped(name)}` : digest.hex}`;
  const partUrl = (bytes: string, index: number): string => `${bytes}?part=${index}`;

  const json = async (url: string): Promise<unknown> => {
    try {
      return (await (await cache.match(url))?.json()) as unknown;
    } catch {
      return undefined;
    }
  };
  const putJson = (url: string, value: unknown): Promise<void> => cache.put(url, new Response(JSON.stringify(value)));
  const readPart = async (bytes: string, index: number): Promise<Blob | undefined> =>
    (await cache.match(partUrl(bytes, index)))?.blob();

  const openManifest = ({ bytes, size }: Manifest): CachedFile => ({
    size,
    read: async (start, end) => {
      const target = new Uint8Array(end - start);
      for (let at = start; at < end; ) {
        const index = Math.floor(at / part);
        const blob = await readPart(bytes, index);
        const from = at - index * part;
        const to = Math.min(part, end - index * part);
        const piece = new Uint8Array((await blob?.slice(from, to).arrayBuffer()) ?? new ArrayBuffer(0));
        if (piece.length !== to - from) throw new Error(`${bytes}: the cache has lost a part of it; load it again`);
        target.set(piece, at - start);
        at += piece.length;
      }
      return target;
    },
  });

  const open = async (state: string, name: string): Promise<CachedFile> => {
    const manifest = asManifest(await json(fileUrl(state, name)));
    if (manifest === undefined) throw new Error(`${name}: not in the cache`);
    return openManifest(manifest);
  };

  const begin = async (state: string, file: RemoteFile): Promise<PartialFile> => {
    const bytes = bytesUrl(state, file);
    let parts = 0;
    let held = new Uint8Array(Math.min(part, file.size));
    let filled = 0;
    for (;;) {
      const blob = await readPart(bytes, parts);
      if (blob === undefined) break;
      if (blob.size === part) parts++;
      else {
        // The last, which a closed page left short: it is filled up and written again.
        held = new Uint8Array(part);
        held.set(new Uint8Array(await blob.arrayBuffer()));
        filled = blob.size;
        break;
      }
    }
    const flush = async (): Promise<void> => {
      if (filled > 0) await cache.put(partUrl(bytes, parts), new Response(held.slice(0, filled)));
    };
    return {
      size: () => parts * part + filled,
      bytes: async function* () {
        for (let index = 0; index < parts; index++)
          yield new Uint8Array((await (await readPart(bytes, index))?.arrayBuffer()) ?? new ArrayBuffer(0));
        if (filled > 0) yield held.slice(0, filled);
      },
      append: async (more) => {
        for (let at = 0; at < more.length; ) {
          if (held.length < part) {
            const grown = new Uint8Array(part);
            grown.set(held.subarray(0, filled));
            held = grown;
          }
          const taken = more.subarray(at, at + part - filled);
          held.set(taken, filled);
          filled += taken.length;
          at += taken.length;
          if (filled < part) continue;
          await flush();
          parts++;
          filled = 0;
        }
      },
      restart: async () => {
        for (let index = 0; index <= parts; index++) await cache.delete(partUrl(bytes, index));
        parts = 0;
        filled = 0;
      },
      finish: async () => {
        await flush();
        filled = 0;
        await putJson(bytes, { size: file.size });
        await putJson(fileUrl(state, file.name), { bytes, size: file.size } satisfies Manifest);
      },
      close: flush,
    };
  };

  const below = async (prefix: string): Promise<readonly string[]> =>
    (await cache.keys())
      .map(({ url }) => url)
      .filter((url) => url.startsWith(prefix))
      .map((url) => decodeURIComponent(url.slice(prefix.length)));

  return {
    place: `the browser's cache, ${model}`,
    open,
    states: async () => {
      if (revision !== undefined) {
        const state = await json(refUrl);
        return typeof state === 'string' ? [state] : [];
      }
      const versions = new Set((await below(`${base}files/`)).map((path) => path.split('/')[0]!));
      return [...versions].sort((a, b) => Number(b) - Number(a));
    },
    remember: async (state) => {
      if (revision !== undefined) await putJson(refUrl, state);
    },
    listing: async (state) => {
      const files = await json(treeUrl(state));
      return Array.isArray(files) ? (files as readonly RemoteFile[]) : undefined;
    },
    keepListing: (state, files) => putJson(treeUrl(state), files),
    names: (state) => below(fileUrl(state, '')),
    has: async (state, file) => {
      if (asManifest(await json(fileUrl(state, file.name)))?.size === file.size) return true;
      const bytes = bytesUrl(state, file);
      const whole = await json(bytes);
      if (!isJsonObject(whole) || whole.size !== file.size) return false;
      await putJson(fileUrl(state, file.name), { bytes, size: file.size } satisfies Manifest);
      return true;
    },
    readText: async (state, name) => {
      const file = await open(state, name);
      return new TextDecoder().decode(await file.read(0, file.size));
    },
    exclusively: (state, file, signal, work) => locks.request(bytesUrl(state, file), { signal }, work),
    begin,
    folder: undefined,
  };
};
