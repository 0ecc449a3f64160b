import * as E from 'fp-ts/lib/Either.js';
import { refuseArithmetic, unknownFields } from './configKeys.ts';
import {
  type ConfigError,
  type ConfigReader,
  configReader,
  isJsonObject,
  type JsonObject,
  preview,
} from './configReader.ts';
import { mostParams } from './configRules.ts';
import { readPolicies } from './kerasQuantized.ts';
import { readQuantization } from './transformersQuantized.ts';
import type { PresetLayout } from './weightEntry.ts';

/** What must hold between the fields of a config: says what does not. */
export type ConfigRule<Config> = (config: Config) => string | undefined;

/** Makes a config of a user's options. */
export type ConfigMaker<Options, Config> = (options: Options) => E.Either<ConfigError, Config>;

/** Makes a config of a preset's config.json, parsed. Fields that are unknown and not known to matter go to `warn`. */
export type ConfigParser<Config> = (
  layout: PresetLayout,
  json: unknown,
  warn?: (message: string) => void,
) => E.Either<ConfigError, Config>;

/** Heads share the hidden size evenly. */
export const headsDivide = ({ hiddenDim, numHeads }: { readonly hiddenDim: number; readonly numHeads: number }) =>
  hiddenDim % numHeads === 0
    ? undefined
    : `the hidden size must be a multiple of the number of heads, got ${hiddenDim} and ${numHeads}`;

/** The sizes make no more parameters than can be, by what `paramCount` says of them. */
export const atMostParams =
  <Config>(paramCount: (config: Config) => number): ConfigRule<Config> =>
  (config) =>
    paramCount(config) > mostParams
      ? `expected at most ${mostParams} parameters, the sizes make ${paramCount(config)}`
      : undefined;

/** The config that was read, or all that was wrong with its fields, or else the first rule that does not hold. */
const checked = <Config>(
  what: string,
  reader: ConfigReader,
  config: Config,
  rules: readonly ConfigRule<Config>[],
): E.Either<ConfigError, Config> => {
  // Rules count on sound fields, and each on the rules before it.
  for (const rule of rules) {
    const problem = reader.problems.length === 0 ? rule(config) : undefined;
    if (problem !== undefined) reader.complain(problem);
  }
  return reader.problems.length === 0
    ? E.right(config)
    : E.left({ _tag: 'WrongConfig', message: `${what}: ${reader.problems.join('; ')}` });
};

/** Complains of a preset whose layers hold neither floats nor whole numbers of 8 or 4 bits. */
const refusePolicies = (reader: ConfigReader): void => {
  const policies = readPolicies(reader.value('dtype'));
  if (E.isLeft(policies)) reader.complain(`${policies.left}; save the preset in floats, or quantized to int8 or int4`);
};

/** Complains of weights that another library quantized in a way that is not read. */
const refuseQuantization = (reader: ConfigReader): void => {
  const modules = readQuantization(reader.value('quantization_config'));
  if (E.isLeft(modules)) reader.complain(modules.left);
};

/**
 * A config from a user's options.
 *
 * @param name - The backbone's.
 * @param rules - In their order.
 */
export const makeConfig =
  <Options extends object, Config>(
    name: string,
    read: (reader: ConfigReader) => Config,
    rules: readonly ConfigRule<Config>[] = [],
  ): ConfigMaker<Options, Config> =>
  (options) => {
    const reader = configReader({ ...options } as JsonObject);
    return checked(name, reader, read(reader), rules);
  };

/**
 * The config of a preset: in KerasHub's layout it stands under `config`, in transformers' at the top.
 *
 * @param family - As messages call it.
 * @param rules - In their order.
 */
export const parseConfig =
  <Config>(
    family: string,
    read: Readonly<Record<PresetLayout, (reader: ConfigReader) => Config>>,
    rules: readonly ConfigRule<Config>[] = [],
  ): ConfigParser<Config> =>
  (layout, json, warn) => {
    const what = `config.json of ${family}`;
    const object =
      layout === 'keras' ? (isJsonObject(json) && Object.hasOwn(json, 'config') ? json.config : undefined) : json;
    if (!isJsonObject(object))
      return E.left({
        _tag: 'WrongConfig',
        message: `${what}: expected an object${layout === 'keras' ? ' with an object "config"' : ''}, got ${preview(json)}`,
      });
    const reader = configReader(object);
    if (layout === 'keras') refusePolicies(reader);
    else refuseQuantization(reader);
    const config = read[layout](reader);
    refuseArithmetic(layout, reader);
    const result = checked(what, reader, config, rules);
    const unknown = E.isRight(result) ? unknownFields(family, layout, reader) : undefined;
    if (unknown !== undefined) warn?.(`config.json: ${unknown}`);
    return result;
  };
