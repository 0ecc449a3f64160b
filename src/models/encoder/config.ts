import * as E from 'fp-ts/lib/Either.js';
import {
  type ConfigError,
  type ConfigReader,
  configReader,
  isJsonObject,
  type JsonObject,
  preview,
} from '../configReader.ts';
import type { PresetLayout } from '../weightEntry.ts';

// Far above any encoder that exists, far below what hangs or overflows: nothing is built before these hold.
/** The most layers that a config may ask for. */
export const mostLayers = 4096;
/** The widest axis that a config may ask for. */
export const mostWidth = 2 ** 24;

/** What an epsilon may be. */
export const epsilonRule = {
  expected: 'a number above 0 and at most 1',
  accepts: (value: number): boolean => value > 0 && value <= 1,
};

/** What a dropout rate may be. */
export const rateRule = {
  expected: 'a number from 0 to below 1',
  accepts: (value: number): boolean => value >= 0 && value < 1,
};

/** Complains of a preset that was quantized: it holds integer kernels and scales under the same names. */
export const refuseQuantized = (reader: ConfigReader): void => {
  const dtype = reader.value('dtype');
  if (/quantiz|int8|int4|float8|gptq|awq/i.test(JSON.stringify(dtype) ?? ''))
    reader.complain(`dtype: expected a float policy, got ${preview(dtype)}; save the preset before quantizing it`);
};

/** The config that was read, or all that was wrong with it. */
export const checkedConfig = <Config extends { readonly hiddenDim: number; readonly numHeads?: number }>(
  what: string,
  reader: ConfigReader,
  config: Config,
): E.Either<ConfigError, Config> => {
  const { hiddenDim, numHeads = 1 } = config;
  if (reader.problems.length === 0 && hiddenDim % numHeads !== 0)
    reader.complain(`the hidden size must be a multiple of the number of heads, got ${hiddenDim} and ${numHeads}`);
  return reader.problems.length === 0
    ? E.right(config)
    : E.left({ _tag: 'WrongConfig', message: `${what}: ${reader.problems.join('; ')}` });
};

/** Makes a config of a user's options. */
export type ConfigMaker<Options, Config> = (options: Options) => E.Either<ConfigError, Config>;

/** Makes a config of a preset's config.json, parsed. */
export type ConfigParser<Config> = (layout: PresetLayout, json: unknown) => E.Either<ConfigError, Config>;

/** A config from a user's options. */
export const makeConfig =
  <Options extends object, Config extends { readonly hiddenDim: number; readonly numHeads?: number }>(
    what: string,
    read: (reader: ConfigReader) => Config,
  ): ConfigMaker<Options, Config> =>
  (options) => {
    const reader = configReader({ ...options } as JsonObject);
    return checkedConfig(what, reader, read(reader));
  };

/** The config of a preset: in KerasHub's layout it stands under `config`, in transformers' at the top. */
export const parseConfig =
  <Config extends { readonly hiddenDim: number; readonly numHeads?: number }>(
    what: string,
    read: Readonly<Record<PresetLayout, (reader: ConfigReader) => Config>>,
  ): ConfigParser<Config> =>
  (layout, json) => {
    const object =
      layout === 'keras' ? (isJsonObject(json) && Object.hasOwn(json, 'config') ? json.config : undefined) : json;
    if (!isJsonObject(object))
      return E.left({
        _tag: 'WrongConfig',
        message: `config.json of ${what}: expected an object${layout === 'keras' ? ' with an object "config"' : ''}, got ${preview(json)}`,
      });
    const reader = configReader(object);
    if (layout === 'keras') refuseQuantized(reader);
    return checkedConfig(`config.json of ${what}`, reader, read[layout](reader));
  };
