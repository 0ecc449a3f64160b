import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { type FileToWrite, isPresetFile, toPresetError } from '../weights/index.ts';

/** Files of a tokenizer or a preprocessor, in either layout. */
const texts =
  /^(?:(?:tokenizer|tokenizer_config|special_tokens_map|added_tokens|preprocessor|vocab)\.json|vocab\.txt|merges\.txt|[\w.]+\.model|assets\/.*)$/;

/** A part of a preset that is saved by itself: what it replaces, and what stays. */
export type Part = 'model' | 'text';

/** Whose layout a folder's config.json is of; undefined where there is none. */
const formatOf = async (folder: string): Promise<'transformers' | 'keras' | undefined> => {
  const text = await readFile(join(folder, 'config.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  return /"registered_name"\s*:/.test(text) ? 'keras' : 'transformers';
};

/**
 * The files of a preset that stay when a part of another is saved into its folder, as both libraries have it: a tokenizer's and a
 * preprocessor's beside a new backbone, and a model's beside a new tokenizer.
 *
 * @throws {PresetError} By rejection, if the folder holds the other layout, whose files have the same names.
 */
export const keptFiles = async (
  folder: string,
  part: Part,
  format: 'transformers' | 'keras',
): Promise<readonly FileToWrite[]> => {
  const there = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const names = there
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(join(folder, sep).length).replaceAll(sep, '/'))
    .filter((name) => isPresetFile(name.split('/')[0]!));
  const stay = names.filter((name) => texts.test(name) === (part === 'model')).sort();
  const other = await formatOf(folder);
  if (stay.length > 0 && other !== undefined && other !== format)
    throw toPresetError({
      _tag: 'WrongConfig',
      message: `${folder}: expected a folder in the layout that is asked for (${format}), to go with what is there, got one in that of ${other}; save with { format: '${other}' }, or elsewhere`,
      path: folder,
    });
  return stay.map((name) => ({
    name,
    content: {
      // Opened when its turn has come.
      [Symbol.asyncIterator]: () =>
        createReadStream(join(folder, name))[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>,
    },
  }));
};
