import * as E from 'fp-ts/lib/Either.js';
import { isJsonObject } from '../models/configReader.ts';
import { type HubProblem, refuse } from './errors.ts';

/** A file that a hub has. */
export interface RemoteFile {
  /** Its path in the preset: `assets/tokenizer/vocabulary.json`. */
  readonly name: string;
  /** How many bytes it has. */
  readonly size: number;
  /** What its bytes hash to, where the hub says so: also the name that caches give it. */
  readonly digest?: Digest;
  /** Git's name for what it stores, which is a pointer where the bytes lie elsewhere: caches note it. */
  readonly git?: string;
  /** The name that the hub's newer storage gives it, where it has one: caches note it. */
  readonly xet?: string;
}

/** A hash and how it was made. `gitSha1` is git's: over a header with the size, then the bytes. */
export interface Digest {
  /** How it was made. */
  readonly algorithm: 'sha256' | 'gitSha1' | 'md5';
  /** The hash in lower-case hexadecimal digits. */
  readonly hex: string;
}

/** Which library's files these are, by the key that it writes into config.json. */
export type Layout = 'keras' | 'transformers';

/** The layout that config.json says, if it says one. */
export const layoutOf = (config: unknown): Layout | undefined => {
  if (!isJsonObject(config)) return undefined;
  if (Object.hasOwn(config, 'registered_name')) return 'keras';
  return Object.hasOwn(config, 'model_type') ? 'transformers' : undefined;
};

const weightsOf: Readonly<Record<Layout, { readonly whole: string; readonly index: string }>> = {
  keras: { whole: 'model.weights.h5', index: 'model.weights.json' },
  transformers: { whole: 'model.safetensors', index: 'model.safetensors.index.json' },
};

/** Small files that say how a model is built, and how text becomes ids. */
const besides: Readonly<Record<Layout, RegExp>> = {
  keras: /^(?:config|task|preprocessor|tokenizer|metadata)\.json$|^assets\/tokenizer\/[^/]+$/,
  // modules.json and the small configs that it leads to are those of sentence-transformers.
  transformers:
    /^(?:config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|modules|sentence_bert_config)\.json$|^\d_\w+\/config\.json$|^(?:merges|vocab)\.txt$|^(?:tokenizer|spiece|spm|sentencepiece\.bpe)\.model$/,
};

/** The index of sharded weights, where a listing has one and no whole file, which goes first. */
export const indexOf = (layout: Layout, names: ReadonlySet<string>): string | undefined => {
  const { whole, index } = weightsOf[layout];
  return !names.has(whole) && names.has(index) ? index : undefined;
};

/** A name that leads into a folder and nowhere else: no `..`, no drive, nothing hidden by a backslash or a zero. */
export const isInside = (name: string): boolean =>
  name.length <= 1024 &&
  !/[\\:]/.test(name) &&
  [...name].every((letter) => letter >= ' ') &&
  name.split('/').every((step) => step !== '' && step !== '.' && step !== '..');

/**
 * The folder of a repository in which the model itself is, with a slash at its end: mostly the repository, so nothing. In
 * repositories of sentence-transformers it may be a folder that modules.json names.
 *
 * @param names - Names of all files there are.
 * @param modules - modules.json, parsed, where there is one and no config.json beside it.
 */
export const placeOf = (names: ReadonlySet<string>, modules: unknown): string | undefined => {
  if (names.has('config.json')) return '';
  const encoder: unknown = Array.isArray(modules) ? modules[0] : undefined;
  const path = isJsonObject(encoder) ? encoder.path : undefined;
  if (typeof path !== 'string' || !isInside(path)) return undefined;
  return names.has(`${path}/config.json`) ? `${path}/` : undefined;
};

/** What lies in a place, by its name there. */
export const inPlace = (names: ReadonlySet<string>, place: string): ReadonlySet<string> =>
  new Set([...names].filter((name) => name.startsWith(place)).map((name) => name.slice(place.length)));

/** What sentence-transformers has outside the encoder's folder. */
const aroundPlace = /^modules\.json$|^\d_\w+\/config\.json$/;

const shardNames = (index: unknown): readonly string[] | undefined => {
  const map = isJsonObject(index) && Object.hasOwn(index, 'weight_map') ? index.weight_map : undefined;
  if (!isJsonObject(map)) return undefined;
  const names = [...new Set(Object.values(map).flat())];
  return names.length > 0 && names.every((name) => typeof name === 'string') ? (names as string[]) : undefined;
};

/** What is to be had of a preset, and what of it is there. */
export interface Selection {
  /** The layout that config.json says. */
  readonly layout: Layout;
  /** Names of all files there are. */
  readonly names: ReadonlySet<string>;
  /** Where the model is among them; see `placeOf`. Default `''`. */
  readonly place?: string;
  /** The index of sharded weights, parsed, where `indexOf` says that there is one. */
  readonly index?: unknown;
  /** False: no weights are wanted. */
  readonly weights: boolean;
}

/**
 * The files that loading needs: config, task, tokenizer with its assets, and the weights, whole or all that their index
 * names. Other formats' weights, training states, pictures and pages stay where they are.
 *
 * @param uri - What was asked for, for messages.
 */
export const wantedFiles = (
  uri: string,
  { place = '', ...selection }: Selection,
): E.Either<HubProblem, readonly string[]> => {
  if (place === '') return wantedHere(uri, selection);
  const around = [...selection.names].filter((name) => aroundPlace.test(name) && !name.startsWith(place));
  return E.map((own: readonly string[]) => [...around, ...own.map((name) => `${place}${name}`)])(
    wantedHere(uri, { ...selection, names: inPlace(selection.names, place) }),
  );
};

const wantedHere = (
  uri: string,
  { layout, names, index, weights }: Selection,
): E.Either<HubProblem, readonly string[]> => {
  const small = [...names].filter((name) => besides[layout].test(name));
  if (!weights) return E.right(small);
  const { whole, index: indexName } = weightsOf[layout];
  const task = layout === 'keras' && names.has('task.weights.h5') ? ['task.weights.h5'] : [];
  if (names.has(whole)) return E.right([...small, ...task, whole]);
  if (!names.has(indexName)) {
    const pickled = [...names].find((name) => /^(?:pytorch_model|flax_model|tf_model|rust_model)\b/.test(name));
    return refuse(
      'NotAPreset',
      uri,
      `expected weights in ${whole} or ${indexName}, found ${pickled === undefined ? 'neither' : `only ${pickled}`}` +
        (pickled?.endsWith('.bin') === true
          ? '; the hub may have converted it: try the revision of its pull request, refs/pr/N'
          : ''),
    );
  }
  const shards = shardNames(index);
  if (shards === undefined)
    return refuse('Corrupt', uri, `${indexName}: expected an object "weight_map" of file names`);
  const strange = shards.find((name) => !isInside(name) || !names.has(name));
  return strange === undefined
    ? E.right([...small, ...task, indexName, ...shards])
    : refuse('Corrupt', uri, `${indexName} names ${JSON.stringify(strange)}, which is no file of this preset`);
};

/** Whether files that are there look like all that a tokenizer needs: where no listing says what there should be. */
export const hasTokenizer = (layout: Layout, names: ReadonlySet<string>): boolean =>
  layout === 'keras'
    ? names.has('tokenizer.json') && [...names].some((name) => name.startsWith('assets/tokenizer/'))
    : names.has('tokenizer.json') ||
      names.has('vocab.txt') ||
      (names.has('vocab.json') && names.has('merges.txt')) ||
      [...names].some((name) => name.endsWith('.model'));
