import * as E from 'fp-ts/lib/Either.js';
import type { ConfigError } from '../models/configReader.ts';
import type { KerasBackboneLayout } from '../models/kerasLayout.ts';
import type { PresetInfo } from '../models/presetInfo.ts';
import type { PresetLayout } from '../models/weightEntry.ts';
import type { Device } from '../runtime/device.ts';
import type { Tree } from '../tensor/tree.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { Family, KerasTokenizer, Preset } from '../weights/index.ts';
import {
  type BackbonePresetOptions,
  expectFamily,
  type Loaded,
  loadBackbone,
  type OpenPresetOptions,
  openPresetFolder,
  orReject,
} from './presets.ts';

/** How a family's tokenizer stands in preset folders. */
export interface FamilyTokenizer<T extends Tokenizer> {
  /** Files of which a folder with a tokenizer has one, by layout. */
  readonly files: Readonly<Record<PresetLayout, readonly string[]>>;
  /** Reads the tokenizer of a folder. */
  readonly open: (preset: Preset) => Promise<T>;
  /** The tokenizer as KerasHub writes it down. */
  readonly save: (tokenizer: T) => KerasTokenizer;
}

/** What makes a family, whatever kind of models it is of. */
export interface FamilyRecord<Config extends object, Options extends object, Model, T extends Tokenizer> {
  readonly family: Family;
  /** The names of its classes in KerasHub, and how it writes them down. */
  readonly layout: KerasBackboneLayout<Config>;
  readonly presets: ReadonlyMap<string, PresetInfo<Config>>;
  /** A config from a user's options, or what is wrong with them. */
  readonly makeConfig: (options: Options) => E.Either<ConfigError, Config>;
  /** The names of all options. Default: those of the config's fields. */
  readonly optionNames?: readonly string[];
  /** The config of a preset. */
  readonly parseConfig: (layout: PresetLayout, json: unknown) => E.Either<ConfigError, Config>;
  /** What the weights say of the config besides; not asked where they are not loaded. */
  readonly configWithWeights?: (preset: Preset, config: Config) => Promise<Config>;
  readonly model: (config: Config) => Model;
  readonly tokenizer: FamilyTokenizer<T>;
}

/** What a preprocessor's `fromPreset` may change. */
export interface PreprocessorPresetOptions {
  /** The length of every row. Default: what the preset says. */
  readonly sequenceLength?: number;
}

/**
 * How the presets of a family are read, whatever kind of models it is of.
 *
 * @param backboneOf - A backbone of the family's kind.
 */
export const familyReader = <
  Config extends object,
  Options extends object,
  Params extends Tree,
  Model extends Loaded<Params>,
  T extends Tokenizer,
  B,
>(
  {
    family,
    layout,
    parseConfig,
    configWithWeights,
    model: modelOf,
    tokenizer,
  }: FamilyRecord<Config, Options, Model, T>,
  backboneOf: (config: Config, model: Model, params: Params, device: Device) => B,
) => {
  const open = async (name: string, preset: string, options: OpenPresetOptions): Promise<Preset> => {
    const opened = await openPresetFolder(preset, options);
    expectFamily(name, opened, { family, backbone: layout.backbone.className });
    return opened;
  };

  const configOf = (preset: Preset): Config =>
    orReject(
      E.mapLeft(({ message }: { message: string }) => ({
        _tag: 'WrongConfig' as const,
        message: `${preset.path}: ${message}`,
        path: preset.path,
      }))(parseConfig(preset.layout, preset.config)),
    );

  const backboneFrom = async (preset: Preset, options: BackbonePresetOptions): Promise<B> => {
    const said = configOf(preset);
    const config = options.loadWeights === false ? said : ((await configWithWeights?.(preset, said)) ?? said);
    const model = modelOf(config);
    const { params, device } = await loadBackbone(preset, model, options);
    return backboneOf(config, model, params, device);
  };

  const hasTokenizer = async (preset: Preset): Promise<boolean> => {
    for (const name of tokenizer.files[preset.layout]) if (await preset.has(name)()) return true;
    return false;
  };

  /** The preprocessor that is asked for, or the preset's if it has a tokenizer. */
  const preprocessorOf = async <P>(
    preset: Preset,
    wanted: P | null | undefined,
    read: (preset: Preset) => Promise<P>,
  ): Promise<P | null> => (wanted !== undefined ? wanted : (await hasTokenizer(preset)) ? read(preset) : null);

  return { open, configOf, backboneFrom, preprocessorOf };
};
