import * as E from 'fp-ts/lib/Either.js';
import type * as TE from 'fp-ts/lib/TaskEither.js';
import type { HubProblem } from './errors.ts';
import { huggingFace, isCommit } from './huggingFace.ts';
import { kaggle } from './kaggle.ts';
import type { Network } from './network.ts';
import { inCache, type Machinery, type Obtained, type ObtainOptions, obtain, type Source } from './obtain.ts';
import type { HubSettings } from './settings.ts';
import type { MakeHasher, PresetStore } from './store.ts';
import { formatPresetUri, type HubRepo, type KaggleModel, parsePresetUri, unknownPreset } from './uri.ts';

/** Options of `resolve`. */
export interface ResolveOptions extends ObtainOptions {
  /** A branch, a tag or a commit of a repository, where the name says none. Default `'main'`. */
  readonly revision?: string;
  /** Where a built-in id comes from when it is in no cache: its mirror on the hub, or Kaggle. Default `'huggingFace'`. */
  readonly source?: 'huggingFace' | 'kaggle';
  /** What the environment would say otherwise. */
  readonly settings?: Partial<HubSettings>;
}

/** A preset that is there. */
export interface ResolvedPreset {
  /** How a user would write what it is: `hf://user/repo`, `kaggle://…`, or the folder. */
  readonly uri: string;
  /** Where it came from. */
  readonly kind: 'folder' | 'hub' | 'kaggle';
  /** The commit or the version; undefined for a folder. */
  readonly state: string | undefined;
  /** Names of its files, as far as loading wants them; none are looked up in a folder. */
  readonly files: readonly string[];
}

/** What `resolve` stands on: all that differs between Node and a browser. */
export interface Platform<Store extends PresetStore> {
  /** `fetch`, and what it does with redirects. */
  readonly network: Omit<Network, 'patience'>;
  /** What the environment says. */
  readonly settings: () => E.Either<HubProblem, HubSettings>;
  /** Makes hashes. */
  readonly makeHasher: MakeHasher;
  /** Where a repository's files are kept. */
  readonly hubStore: (repo: HubRepo, settings: HubSettings) => Store;
  /** Where a Kaggle model's files are kept. */
  readonly kaggleStore: (model: KaggleModel, settings: HubSettings) => Store;
  /** Whether there is a folder of this name. */
  readonly isFolder: (path: string) => Promise<boolean>;
}

/** A preset that is there, and the store that it is in; undefined for a folder. */
export interface Resolved<Store extends PresetStore> extends ResolvedPreset {
  /** Where its files are kept. */
  readonly store: Store | undefined;
}

const resolved = <Store extends PresetStore>(
  source: Source<Store>,
  kind: 'hub' | 'kaggle',
  { state, files }: Obtained,
): Resolved<Store> => ({
  uri: source.remote.uri,
  kind,
  state,
  files,
  store: source.store,
});

/**
 * Makes `resolve` for a platform. A name is looked up in this order: a folder of that name; for a built-in id kagglehub's cache,
 * then the hub's; and then it is fetched. A built-in id that is in a cache costs no request; a handle is asked for its newest
 * state first, unless it names one.
 */
export const makeResolve =
  <Store extends PresetStore>(platform: Platform<Store>) =>
  (uri: string, options: ResolveOptions = {}): TE.TaskEither<HubProblem, Resolved<Store>> =>
  async () => {
    options.signal?.throwIfAborted();
    const parsed = parsePresetUri(uri, options.revision);
    // Where a folder has the name of an id, the folder is meant: it is nearer.
    const couldBeFolder = E.isRight(parsed) && (parsed.right.kind === 'folder' || parsed.right.kind === 'builtIn');
    if (couldBeFolder && options.revision === undefined && (await platform.isFolder(uri)))
      return E.right({ uri, kind: 'folder', state: undefined, files: [], store: undefined });
    if (E.isLeft(parsed)) return parsed;
    const preset = parsed.right;
    if (preset.kind === 'folder') return E.left(unknownPreset(uri));

    const read = platform.settings();
    if (E.isLeft(read)) return read;
    const settings = { ...read.right, ...options.settings };
    const network = { ...platform.network, patience: settings.patience };
    const machinery: Machinery = { network, makeHasher: platform.makeHasher };
    const asked: ObtainOptions = { ...options, offline: options.offline ?? settings.offline };
    const weights = options.weights ?? true;

    const hubSource = (repo: HubRepo): Source<Store> => ({
      remote: huggingFace(network, settings, repo),
      store: platform.hubStore(repo, settings),
      pinned: isCommit(repo.revision) ? repo.revision : undefined,
    });
    const kaggleSource = (model: KaggleModel): Source<Store> => ({
      remote: kaggle(
        network,
        { endpoint: settings.kaggleEndpoint, authorization: settings.kaggleAuthorization },
        model,
      ),
      store: platform.kaggleStore(model, settings),
      pinned: model.version === undefined ? undefined : String(model.version),
    });
    const have = async (
      source: Source<Store>,
      kind: 'hub' | 'kaggle',
    ): Promise<E.Either<HubProblem, Resolved<Store>>> => {
      const obtained = await obtain(source, machinery, asked)();
      return E.isLeft(obtained) ? obtained : E.right(resolved(source, kind, obtained.right));
    };

    switch (preset.kind) {
      case 'kaggle':
        return have(kaggleSource(preset), 'kaggle');
      case 'hub':
        return have(hubSource(preset), 'hub');
      case 'builtIn': {
        const both = [
          { source: kaggleSource(preset.kaggle), kind: 'kaggle' as const },
          { source: hubSource(preset.hub), kind: 'hub' as const },
        ];
        // A revision is one of the mirror.
        for (const { source, kind } of options.revision === undefined ? both : both.slice(1)) {
          const cached = await inCache(source, weights);
          if (cached !== undefined) return E.right(resolved(source, kind, cached));
        }
        const [onKaggle, onHub] = both as [(typeof both)[0], (typeof both)[0]];
        const { source, kind } = options.source === 'kaggle' && options.revision === undefined ? onKaggle : onHub;
        const had = await have(source, kind);
        if (E.isRight(had)) return had;
        const other =
          kind === 'hub'
            ? `${formatPresetUri(preset.kaggle)} has it too`
            : `${formatPresetUri(preset.hub)} has it too, without an account`;
        return E.left({ ...had.left, message: `${preset.id}: ${had.left.message}; ${other}`, uri });
      }
    }
  };
