import * as E from 'fp-ts/lib/Either.js';
import type * as TE from 'fp-ts/lib/TaskEither.js';
import { type HubProblem, refuse } from './errors.ts';
import type { Network } from './network.ts';
import { type DownloadProgress, progressMeter } from './progress.ts';
import type { Remote } from './remote.ts';
import type { MakeHasher, PresetStore } from './store.ts';
import { transfer } from './transfer.ts';
import {
  hasTokenizer,
  indexOf,
  inPlace,
  type Layout,
  layoutOf,
  placeOf,
  type RemoteFile,
  wantedFiles,
} from './wanted.ts';

/** How a preset is to be had. */
export interface ObtainOptions {
  /** False: its weights are not needed. Default true. */
  readonly weights?: boolean;
  /** True: nothing is asked of the network. Default: as the environment says. */
  readonly offline?: boolean;
  /** How many files come at once. Default 4. */
  readonly parallel?: number;
  /** Ends it; the promise rejects with the signal's reason, and what came stays for the next time. */
  readonly signal?: AbortSignal;
  /** Called as bytes come, some ten times a second at most, and at each file's end. */
  readonly onProgress?: (progress: DownloadProgress) => void;
}

/** A model on a hub, and where its files are kept here. */
export interface Source<Store extends PresetStore = PresetStore> {
  readonly remote: Remote;
  readonly store: Store;
  /** The state that the name itself pins: a commit or a version. */
  readonly pinned: string | undefined;
}

/** What fetching takes besides. */
export interface Machinery {
  readonly network: Network;
  readonly makeHasher: MakeHasher;
}

/** A state of a model whose wanted files are all there. */
export interface Obtained {
  /** A commit or a version. */
  readonly state: string;
  /** The wanted files. */
  readonly files: readonly string[];
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** What of a state is wanted and there; a left: the names of what is missing, or undefined where nobody knows. */
const lookUp = async (
  { store, remote }: Source,
  state: string,
  weights: boolean,
): Promise<E.Either<readonly string[], Obtained>> => {
  const there = new Set(await store.names(state));
  const json = async (name: string): Promise<unknown> => parse(await store.readText(state, name));
  const place = placeOf(there, there.has('modules.json') ? await json('modules.json') : undefined);
  if (place === undefined) return E.left(['config.json']);
  const listing = await store.listing(state);
  const names = listing === undefined ? there : new Set(listing.map(({ name }) => name));
  const layout = layoutOf(await json(`${place}config.json`));
  // Whoever opens it says what is wrong with it.
  if (layout === undefined) return E.right({ state, files: [`${place}config.json`] });
  const index = weights ? indexOf(layout, inPlace(names, place)) : undefined;
  if (index !== undefined && !there.has(`${place}${index}`)) return E.left([index]);
  const wanted = wantedFiles(remote.uri, {
    layout,
    names,
    place,
    weights,
    ...(index === undefined ? {} : { index: await json(`${place}${index}`) }),
  });
  if (E.isLeft(wanted)) return E.left([layout === 'keras' ? 'model.weights.h5' : 'model.safetensors']);
  const sizes = new Map(listing?.map((file) => [file.name, file]));
  const missing: string[] = [];
  for (const name of wanted.right) {
    const file = sizes.get(name);
    if (!there.has(name) || (file !== undefined && !(await store.has(state, file)))) missing.push(name);
  }
  if (listing === undefined && !hasTokenizer(layout, inPlace(there, place))) missing.push('tokenizer.json');
  return missing.length > 0 ? E.left(missing) : E.right({ state, files: wanted.right });
};

const statesOf = async ({ pinned, store }: Source): Promise<readonly string[]> =>
  pinned === undefined ? store.states() : [pinned];

/**
 * A state of which everything that is wanted is there, without asking the network.
 *
 * @param source - The state is the one that its name pins, else the one that was last current.
 * @param weights - Whether weights are wanted.
 */
export const inCache = async (source: Source, weights: boolean): Promise<Obtained | undefined> => {
  for (const state of await statesOf(source)) {
    const found = await lookUp(source, state, weights);
    if (E.isRight(found)) return found.right;
  }
  return undefined;
};

/** What the cache lacks, for a message. */
const whatIsMissing = async (source: Source, weights: boolean): Promise<string> => {
  const [state] = await statesOf(source);
  const found = state === undefined ? undefined : await lookUp(source, state, weights);
  const there = state === undefined ? [] : await source.store.names(state);
  return found === undefined || E.isRight(found) || there.length === 0
    ? `nothing of it is in the cache (${source.store.place})`
    : `its copy in the cache (${source.store.place}) lacks ${found.left.slice(0, 4).join(', ')}`;
};

/** Runs tasks with no more than `parallel` at once; the first left ends the others. */
const inParallel = async <A>(
  items: readonly A[],
  parallel: number,
  outer: AbortSignal,
  run: (item: A, signal: AbortSignal) => Promise<E.Either<HubProblem, void>>,
): Promise<E.Either<HubProblem, void>> => {
  const inner = new AbortController();
  const signal = AbortSignal.any([outer, inner.signal]);
  const queue = [...items];
  let first: { readonly problem: HubProblem } | { readonly thrown: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined && first === undefined; item = queue.shift())
      try {
        const done = await run(item, signal);
        if (E.isLeft(done)) first ??= { problem: done.left };
      } catch (thrown) {
        first ??= { thrown };
      } finally {
        if (first !== undefined) inner.abort(new Error('another file failed'));
      }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, worker));
  outer.throwIfAborted();
  if (first === undefined) return E.right(undefined);
  if ('thrown' in first) throw first.thrown;
  return E.left(first.problem);
};

/** Problems of the way, not of the thing: a copy in the cache is as good as ever. */
const isOfTheWay = ({ _tag }: HubProblem): boolean => _tag === 'Offline' || _tag === 'Server';

/**
 * Has all wanted files of a model in its store, fetching what is not there. What is there counts as soon as the network says
 * that it is current, or cannot be asked.
 */
export const obtain =
  (source: Source, machinery: Machinery, options: ObtainOptions): TE.TaskEither<HubProblem, Obtained> =>
  async () => {
    const { remote, store } = source;
    const { weights = true, offline = false, parallel = 4, onProgress } = options;
    const signal = options.signal ?? new AbortController().signal;
    signal.throwIfAborted();

    const fetchFile = async (
      state: string,
      file: RemoteFile,
      onBytes: (bytes: number, fresh: boolean) => void,
      inner: AbortSignal,
    ): Promise<E.Either<HubProblem, void>> => {
      if (await store.has(state, file)) {
        onBytes(file.size, false);
        return E.right(undefined);
      }
      return store.exclusively(state, file, inner, async () => {
        // Somebody else may have fetched it while we waited.
        if (await store.has(state, file)) {
          onBytes(file.size, false);
          return E.right(undefined);
        }
        const partial = await store.begin(state, file);
        try {
          return await transfer({
            ...machinery,
            uri: remote.uri,
            request: remote.request(state, file.name),
            file,
            partial,
            explain: remote.explain,
            onBytes,
            signal: inner,
          });
        } finally {
          await partial.close();
        }
      });
    };

    try {
      if (offline) {
        const cached = await inCache(source, weights);
        return cached !== undefined
          ? E.right(cached)
          : refuse('Offline', remote.uri, `${await whatIsMissing(source, weights)}, and HF_HUB_OFFLINE is set`);
      }
      const current = source.pinned === undefined ? await remote.current(signal)() : E.right(source.pinned);
      if (E.isLeft(current)) {
        const cached = isOfTheWay(current.left) ? await inCache(source, weights) : undefined;
        if (cached !== undefined) return E.right(cached);
        return isOfTheWay(current.left)
          ? E.left({ ...current.left, message: `${current.left.message}; ${await whatIsMissing(source, weights)}` })
          : current;
      }
      const state = current.right;
      const done = async (obtained: Obtained): Promise<E.Either<HubProblem, Obtained>> => {
        await store.remember(state);
        return E.right(obtained);
      };
      const found = await lookUp(source, state, weights);
      if (E.isRight(found)) return done(found.right);

      const listed = await remote.list(state, signal)();
      if (E.isLeft(listed)) return listed;
      const files = new Map(listed.right.map((file) => [file.name, file]));
      const names = new Set(files.keys());
      const nothing = (): void => undefined;
      const json = async (name: string): Promise<E.Either<HubProblem, unknown>> => {
        const file = files.get(name)!;
        if (file.size > mostConfigBytes)
          return refuse('Corrupt', remote.uri, `${name}: expected at most ${mostConfigBytes} bytes, got ${file.size}`);
        const had = await fetchFile(state, file, nothing, signal);
        return E.isLeft(had) ? had : E.right(parse(await store.readText(state, name)));
      };
      // Where there is no config.json, sentence-transformers may say where the encoder's is.
      const asks = !names.has('config.json') && names.has('modules.json');
      const modules = asks ? await json('modules.json') : E.right(undefined);
      if (E.isLeft(modules)) return modules;
      const place = placeOf(names, modules.right);
      if (place === undefined) return refuse('NotAPreset', remote.uri, 'has no config.json');
      const config = await json(`${place}config.json`);
      if (E.isLeft(config)) return config;
      const layout: Layout | undefined = layoutOf(config.right);
      if (layout === undefined)
        return refuse(
          'NotAPreset',
          remote.uri,
          'Unrecognized format: its config.json has neither "registered_name" (KerasHub) nor "model_type" (transformers)',
        );
      const indexName = weights ? indexOf(layout, inPlace(names, place)) : undefined;
      const index = indexName === undefined ? undefined : await json(`${place}${indexName}`);
      if (index !== undefined && E.isLeft(index)) return index;
      const wanted = wantedFiles(remote.uri, { layout, names, place, weights, index: index?.right });
      if (E.isLeft(wanted)) return wanted;
      await store.keepListing(state, listed.right);

      const missing: RemoteFile[] = [];
      for (const name of wanted.right) {
        const file = files.get(name)!;
        if (!(await store.has(state, file))) missing.push(file);
      }
      const meter = progressMeter(missing, onProgress);
      const fetched = await inParallel(missing, parallel, signal, (file, inner) =>
        fetchFile(state, file, meter(file), inner),
      );
      return E.isLeft(fetched) ? fetched : done({ state, files: wanted.right });
    } catch (error) {
      const refused = signal.aborted ? undefined : refusalOf(error);
      if (refused !== undefined) return refuse('InputOutput', remote.uri, `${store.place} cannot be used (${refused})`);
      throw error;
    }
  };

/** What the system, or the browser, said no with; undefined: it is none of theirs. */
const refusalOf = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined;
  if (error.name === 'QuotaExceededError') return error.name;
  return 'syscall' in error && 'code' in error ? String(error.code) : undefined;
};

/** The largest config or index that is read: 64 MiB. */
const mostConfigBytes = 2 ** 26;
