import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PresetStore } from '../store.ts';
import type { KaggleModel } from '../uri.ts';
import { filesBelow, sizeOf } from './hubCache.ts';
import { withLock } from './lock.ts';
import { openPartial } from './partial.ts';

const isVersion = (text: string): boolean => /^[1-9]\d{0,8}$/.test(text);

/**
 * The cache of Kaggle's models, as Python's kagglehub lays it out: `models/owner/model/framework/variation/version`, and
 * markers for what is whole: `version.complete` for all of a version, `.complete/version/name.complete` for one file.
 *
 * @param cache - The folder of the whole cache.
 * @param model - The model, checked.
 */
export const kaggleCacheStore = (cache: string, model: KaggleModel): PresetStore => {
  const variation = join(cache, 'models', model.owner, model.model, model.framework, model.variation);
  const folder = (version: string): string => join(variation, version);
  const path = (version: string, name: string): string => join(folder(version), ...name.split('/'));
  const marker = (version: string, name: string): string =>
    join(variation, '.complete', version, ...`${name}.complete`.split('/'));
  const isMarked = async (version: string, name: string): Promise<boolean> =>
    (await sizeOf(join(variation, `${version}.complete`))) !== undefined ||
    (await sizeOf(marker(version, name))) !== undefined;

  return {
    place: variation,
    states: async () => {
      if (model.version !== undefined) return [String(model.version)];
      const there = (await readdir(variation).catch(() => [])).filter(isVersion);
      return there.sort((a, b) => Number(b) - Number(a));
    },
    // Versions count upwards: which is the newest that is there can be seen.
    remember: async () => undefined,
    listing: async () => undefined,
    keepListing: async () => undefined,
    names: async (version) => {
      const found: string[] = [];
      for (const name of await filesBelow(folder(version))) if (await isMarked(version, name)) found.push(name);
      return found;
    },
    // The marker says that it is whole; whether sizes in Kaggle's listings are exact is not said anywhere.
    has: async (version, { name }) =>
      (await sizeOf(path(version, name))) !== undefined && (await isMarked(version, name)),
    readText: (version, name) => readFile(path(version, name), 'utf8'),
    exclusively: (version, { name }, signal, work) =>
      withLock(join(variation, '.purelm', version, ...`${name}.lock`.split('/')), signal, work),
    begin: (version, { name }) =>
      openPartial(
        join(variation, '.purelm', version, ...`${name}.incomplete`.split('/')),
        path(version, name),
        async () => {
          await mkdir(dirname(marker(version, name)), { recursive: true });
          await writeFile(marker(version, name), '');
        },
      ),
    folder,
  };
};
