import { join } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import * as O from 'fp-ts/lib/Option.js';
import type * as TE from 'fp-ts/lib/TaskEither.js';
import { isJsonObject, type JsonObject, preview } from '../models/configReader.ts';
import { fail, type WeightsError } from './errors.ts';
import { inFolder, kindOf, staysIn } from './files.ts';
import { readJson } from './json.ts';

/** What a folder of sentence-transformers says of the steps behind the encoder. */
export interface SentenceModules {
  /** The folder with the encoder's own files. */
  readonly encoder: string;
  /** How hidden states become one. */
  readonly poolingMode: 'mean' | 'cls' | 'max';
  /** Whether embeddings are brought to length 1. */
  readonly normalize: boolean;
  /** The longest text in tokens, if it is said. */
  readonly maxSequenceLength: number | undefined;
}

const poolingFlags = {
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_cls_token: 'cls',
  pooling_mode_max_tokens: 'max',
} as const;

/** The pooling that a config asks for: older versions have a flag for each, newer ones a name. */
const poolingOf = (path: string, config: JsonObject): E.Either<WeightsError, SentenceModules['poolingMode']> => {
  const named = config.pooling_mode;
  if (named === 'mean' || named === 'cls' || named === 'max') return E.right(named);
  const asked = Object.keys(config).filter((name) => name.startsWith('pooling_mode_') && config[name] === true);
  const [only] = asked;
  const mode = asked.length === 1 ? poolingFlags[only as keyof typeof poolingFlags] : undefined;
  return mode === undefined
    ? fail(
        'WrongConfig',
        path,
        `expected one pooling among mean, cls and max, got ${named === undefined ? asked.join(' and ') || 'none' : preview(named)}`,
      )
    : E.right(mode);
};

const object = async (path: string): Promise<E.Either<WeightsError, JsonObject>> => {
  const json = await readJson(path)();
  if (E.isLeft(json)) return json;
  return isJsonObject(json.right)
    ? E.right(json.right)
    : fail('WrongConfig', path, `expected an object, got ${preview(json.right)}`);
};

/** The object of a file that may be missing: empty then. */
const optionalObject = async (path: E.Either<WeightsError, string>): Promise<E.Either<WeightsError, JsonObject>> => {
  if (E.isLeft(path)) return path;
  return (await kindOf(path.right)()) === 'nothing' ? E.right({}) : object(path.right);
};

/**
 * What modules.json of a folder says, if there is one: encoder, pooling and, perhaps, normalization. Steps that are none of
 * these are refused by name.
 *
 * @param folder - A local folder.
 */
export const readSentenceModules =
  (folder: string): TE.TaskEither<WeightsError, O.Option<SentenceModules>> =>
  async () => {
    const path = join(folder, 'modules.json');
    if ((await kindOf(path)()) === 'nothing') return E.right(O.none);
    const own = await staysIn(folder, path)();
    if (E.isLeft(own)) return own;
    const json = await readJson(path)();
    if (E.isLeft(json)) return json;
    if (!Array.isArray(json.right) || !json.right.every(isJsonObject))
      return fail('WrongConfig', path, `expected a list of modules, got ${preview(json.right)}`);
    const steps = json.right.map(({ type, path: place }) => ({
      kind: String(type).split('.').at(-1)!,
      place: typeof place === 'string' ? place : '',
    }));
    const kinds = steps.map(({ kind }) => kind);
    const [encoder, pooling, last] = steps;
    const isKnown = encoder?.kind === 'Transformer' && pooling?.kind === 'Pooling';
    if (!isKnown || steps.length > 3 || (last !== undefined && last.kind !== 'Normalize'))
      return fail('WrongConfig', path, `expected Transformer, Pooling and perhaps Normalize, got ${kinds.join(', ')}`);
    const inside = (place: string, name: string) => inFolder(folder, place === '' ? name : `${place}/${name}`, path);
    const poolingPath = await inside(pooling.place, 'config.json')();
    if (E.isLeft(poolingPath)) return poolingPath;
    const config = await object(poolingPath.right);
    if (E.isLeft(config)) return config;
    const poolingMode = poolingOf(poolingPath.right, config.right);
    if (E.isLeft(poolingMode)) return poolingMode;
    const settings = await optionalObject(await inside(encoder.place, 'sentence_bert_config.json')());
    if (E.isLeft(settings)) return settings;
    if (settings.right.do_lower_case === true)
      return fail('WrongConfig', path, 'expected do_lower_case false, got true; the tokenizer lowers texts');
    const tokenizer = await optionalObject(await inside(encoder.place, 'tokenizer_config.json')());
    if (E.isLeft(tokenizer)) return tokenizer;
    // Newer versions leave the length to the tokenizer, which says 1e30 where it has none.
    const longest = [settings.right.max_seq_length, tokenizer.right.model_max_length].find(
      (length) => typeof length === 'number' && Number.isInteger(length) && length > 0 && length < 2 ** 24,
    );
    return E.right(
      O.some({
        encoder: encoder.place === '' ? folder : join(folder, encoder.place),
        poolingMode: poolingMode.right,
        normalize: last !== undefined,
        maxSequenceLength:
          typeof longest === 'number' && Number.isInteger(longest) && longest > 0 ? longest : undefined,
      }),
    );
  };
