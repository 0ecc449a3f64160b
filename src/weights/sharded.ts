import { join } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import type * as TE from 'fp-ts/lib/TaskEither.js';
import { isJsonObject, preview } from '../models/configReader.ts';
import { indexLimits } from '../models/jsonText.ts';
import type { Checkpoint, StoredTensor } from './checkpoint.ts';
import { fail, type WeightsError } from './errors.ts';
import { inFolder } from './files.ts';
import { openH5 } from './h5.ts';
import { field, readJsonObject } from './json.ts';
import { openSafetensors } from './safetensors.ts';

/** More files than any checkpoint has: each is kept open. */
const mostShards = 1024;

/** What an index says: the keys of its weight map with the files that hold them. */
type WeightMap = ReadonlyMap<string, readonly string[]>;

const readIndex =
  (path: string): TE.TaskEither<WeightsError, WeightMap> =>
  async () => {
    const index = await readJsonObject(path, indexLimits)();
    if (E.isLeft(index)) return index;
    const map = field(index.right, 'weight_map');
    if (!isJsonObject(map)) return fail('BrokenFile', path, `expected an object "weight_map", got ${preview(map)}`);
    const read = new Map<string, readonly string[]>();
    for (const [key, value] of Object.entries(map)) {
      const files: readonly unknown[] = Array.isArray(value) ? value : [value];
      if (files.length === 0 || !files.every((file) => typeof file === 'string'))
        return fail('BrokenFile', path, `weight_map of ${preview(key)}: expected a file name, got ${preview(value)}`);
      read.set(key, files);
    }
    return E.right(read);
  };

/**
 * Opens all files that an index names, as one checkpoint.
 *
 * @param keyOf - The key of the index that a tensor must stand under.
 */
const openShards =
  (
    folder: string,
    indexName: string,
    open: (path: string) => TE.TaskEither<WeightsError, Checkpoint>,
    keyOf: (tensor: string) => string,
  ): TE.TaskEither<WeightsError, Checkpoint> =>
  async () => {
    const indexPath = join(folder, indexName);
    const index = await readIndex(indexPath)();
    if (E.isLeft(index)) return index;
    const files = [...new Set([...index.right.values()].flat())];
    if (files.length > mostShards)
      return fail('BrokenFile', indexPath, `expected at most ${mostShards} files, got ${files.length}`);
    const paths: string[] = [];
    for (const file of files) {
      const path = await inFolder(folder, file, indexName)();
      if (E.isLeft(path)) return path;
      paths.push(path.right);
    }

    const shards: Checkpoint[] = [];
    const close = async (): Promise<void> => {
      await Promise.all(shards.map((shard) => shard.close()));
    };
    const refuse = async (error: E.Either<WeightsError, never>): Promise<E.Either<WeightsError, never>> => {
      await close();
      return error;
    };
    const tensors = new Map<string, StoredTensor>();
    const found = new Map<string, Set<string>>();
    for (const [i, path] of paths.entries()) {
      const file = files[i]!;
      const shard = await open(path)();
      if (E.isLeft(shard)) return refuse(shard);
      shards.push(shard.right);
      for (const [name, tensor] of shard.right.tensors) {
        const key = keyOf(name);
        if (tensors.has(name)) return refuse(fail('BrokenFile', path, `${preview(name)} stands in another file too`));
        if (!index.right.get(key)?.includes(file))
          return refuse(fail('BrokenFile', path, `holds ${preview(name)}, which ${indexName} does not say`));
        tensors.set(name, tensor);
        found.set(key, (found.get(key) ?? new Set()).add(file));
      }
    }
    for (const [key, holders] of index.right)
      for (const file of holders)
        if (!found.get(key)?.has(file))
          return refuse(fail('BrokenFile', indexPath, `says that ${file} holds ${preview(key)}, but it does not`));
    return E.right({ path: indexPath, tensors, close });
  };

/** Opens the files of a `folder` that its index names, such as model.safetensors.index.json (`indexName`): tensor to file. */
export const openShardedSafetensors = (folder: string, indexName: string): TE.TaskEither<WeightsError, Checkpoint> =>
  openShards(folder, indexName, openSafetensors, (name) => name);

/**
 * Opens the files of a `folder` that its index names, such as model.weights.json (`indexName`): group of variables to
 * file, or to several.
 */
export const openShardedH5 = (folder: string, indexName: string): TE.TaskEither<WeightsError, Checkpoint> =>
  openShards(folder, indexName, openH5, (name) => `/${name.slice(0, name.lastIndexOf('/'))}`);
