import * as E from 'fp-ts/lib/Either.js';
import type { ConfigParser } from '../models/configParser.ts';
import type { ConfigError } from '../models/configReader.ts';
import type { KerasBackboneLayout } from '../models/kerasLayout.ts';
import type { PresetInfo } from '../models/presetInfo.ts';
import type { PresetLayout } from '../models/weightEntry.ts';
import type { Device } from '../runtime/device.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tree } from '../tensor/tree.ts';
import type { Tokenizer as AnyTokenizer } from '../tokenizers/tokenizer.ts';
import type { Family, KerasPreprocessor, KerasTokenizer, Preset } from '../weights/index.ts';
import type { BackboneModel } from './backbone.ts';
import {
  type BackbonePresetOptions,
  backbonePresetOptions,
  expectFamily,
  type FindPresetOptions,
  findPresetOptions,
  type Loaded,
  loadBackbone,
  type OpenPresetOptions,
  openPresetFolder,
  orReject,
} from './presets.ts';
import { presetTable } from './presetTable.ts';
import { warnOnce } from './warnOnce.ts';
import { type Saving, withSaving } from './withSaving.ts';

/** Makes a tokenizer of options; what reads one from the texts of its files stands beside. */
export type TokenizerSource<T> = (options: never) => T;

/** Reads a tokenizer from what its files hold. */
type TokenizerReader<T> = (...files: readonly never[]) => E.Either<unknown, T>;

/** How a family's tokenizer is made, and how it stands in preset folders. */
export interface FamilyTokenizer<T extends AnyTokenizer, Source extends TokenizerSource<T> = TokenizerSource<T>> {
  readonly source: Source;
  /** Files of which a folder with a tokenizer has one, by layout. */
  readonly files: Readonly<Record<PresetLayout, readonly string[]>>;
  /** Reads the tokenizer of a folder. */
  readonly open: (preset: Preset) => Promise<T>;
  /** The tokenizer as KerasHub writes it down. */
  readonly save: (tokenizer: T) => KerasTokenizer;
}

/** What makes a family, whatever kind of models it is of. */
export interface FamilyRecord<
  Config extends object,
  Options extends object,
  Model,
  T extends AnyTokenizer,
  Source extends TokenizerSource<T>,
> {
  readonly family: Family;
  /** The names of its classes in KerasHub, and how it writes them down. */
  readonly layout: KerasBackboneLayout<Config>;
  readonly presets: ReadonlyMap<string, PresetInfo<Config>>;
  /** A config from a user's options, or what is wrong with them. */
  readonly makeConfig: (options: Options) => E.Either<ConfigError, Config>;
  /** The names of all options. Default: those of the config's fields. */
  readonly optionNames?: readonly string[];
  /** The config of a preset. */
  readonly parseConfig: ConfigParser<Config>;
  /** What the weights say of the config besides; not asked where they are not loaded. */
  readonly configWithWeights?: (preset: Preset, config: Config) => Promise<Config>;
  readonly model: (config: Config) => Model;
  readonly tokenizer: FamilyTokenizer<T, Source>;
}

/** What a preset's config says: of what sizes a model is, and the model's functions, without parameters. */
export interface OpenedModel {
  readonly config: object;
  readonly model: BackboneModel;
}

/** What a class of a family has besides the function that makes one. */
export interface FromPreset<Made, Options, Config> {
  /** What a preset holds, in KerasHub's layout or transformers': a folder, an id, or an address (see docs). */
  readonly fromPreset: (preset: string, options?: Options) => Promise<Made>;
  /** Built-in presets by id. */
  readonly presets: ReadonlyMap<string, PresetInfo<Config>>;
}

/** Options of a new backbone: its sizes, and the `seed` of its random weights (default 0). */
export type Seeded<Options> = Options & { readonly seed?: number };

/** A class of backbones. */
export interface BackboneClass<Config, Options, B>
  extends FromPreset<B, BackbonePresetOptions & Partial<Options>, Config> {
  (options: Seeded<Options>): B;
  /**
   * The backbone of a preset. Sizes and rates that are given take the place of the preset's: `{ dropout: 0 }`, or with
   * `loadWeights: false` `{ numLayers: 2 }`.
   *
   * @throws {ArgumentError} By rejection, if an option is unknown, or a size is nonsense.
   * @throws {PresetError} By rejection: what is wrong with the folder, such as weights of other sizes.
   */
  readonly fromPreset: (preset: string, options?: BackbonePresetOptions & Partial<Options>) => Promise<B>;
}

/** A class of tokenizers, with what reads one from the texts of its files. */
export type TokenizerClass<Config, T, Source extends TokenizerSource<T>> = ((
  ...options: Parameters<Source>
) => Saving<T>) &
  Pick<Source, keyof Source> &
  FromPreset<Saving<T>, FindPresetOptions, Config>;

/** What a preprocessor's `fromPreset` may change. */
export interface PreprocessorPresetOptions extends FindPresetOptions {
  /** The length of every row. Default: what the preset says. */
  readonly sequenceLength?: number;
}

/** A class: a function that makes one, with `statics` beside it; frozen. */
export const presetClass = <Options, Made, Statics extends object>(
  make: (options: Options) => Made,
  statics: Statics,
): ((options: Options) => Made) & Statics => Object.freeze(Object.assign((options: Options) => make(options), statics));

/**
 * What the classes of a family are made of, whatever kind of models it is of.
 *
 * @param family - The record that makes it.
 * @param backboneOf - A backbone of the family's kind.
 */
export const familyParts = <
  Config extends object,
  Options extends object,
  Params extends Tree,
  Model extends Loaded<Params> & BackboneModel,
  T extends AnyTokenizer,
  Source extends TokenizerSource<T>,
  B,
>(
  family: FamilyRecord<Config, Options, Model, T, Source>,
  backboneOf: (config: Config, model: Model, params: Params, device?: Device) => B,
) => {
  const { layout, presets, tokenizer } = family;
  const backboneName = layout.backbone.className;

  /** The statics of a class called `name`, for which `read` reads an opened folder. */
  const statics = <Made, Own extends object>(
    name: string,
    known: readonly string[],
    read: (preset: Preset, options: Own) => Promise<Made>,
    readsWeights = true,
  ): FromPreset<Made, Own, Config> => ({
    fromPreset: async (preset, options = {} as Own) => {
      refuseUnknown(`${name}.fromPreset`, options, readsWeights ? known : [...known, ...findPresetOptions]);
      const found: OpenPresetOptions = readsWeights ? options : { ...options, loadWeights: false };
      const opened = await openPresetFolder(preset, found);
      expectFamily(name, opened, { family: family.family, backbone: backboneName });
      return read(opened, options);
    },
    presets,
  });

  const configOf = (preset: Preset): Config =>
    orReject(
      E.mapLeft(({ message }: { message: string }) => ({
        _tag: 'WrongConfig' as const,
        message: `${preset.path}: ${message}`,
        path: preset.path,
      }))(family.parseConfig(preset.layout, preset.config, (message) => warnOnce(`${preset.path}: ${message}`))),
    );

  const openModel = (preset: Preset): OpenedModel => {
    const config = configOf(preset);
    const model = family.model(config);
    return { config, model: { ...model, weights: presetTable(preset, layout, config, model.weights) } };
  };

  const optionNames = family.optionNames ?? Object.keys([...presets.values()][0]!.config);

  /** A config with some of its values replaced: what else KerasHub's from_preset is told, it does the same with. */
  const changed = (config: Config, changes: object): Config => {
    const given = Object.entries(changes).filter(([name, value]) => optionNames.includes(name) && value !== undefined);
    if (given.length === 0) return config;
    const own = Object.entries(config).filter(([name]) => optionNames.includes(name));
    const made = family.makeConfig(Object.fromEntries([...own, ...given]) as Options);
    if (E.isLeft(made)) throw new ArgumentError(made.left.message);
    const all = made.right as Readonly<Record<string, unknown>>;
    return { ...config, ...Object.fromEntries(given.map(([name]) => [name, all[name]])) };
  };

  /** The backbone of a preset; of `changes`, those that are sizes or rates take the place of the preset's. */
  const backboneFrom = async (preset: Preset, options: BackbonePresetOptions, changes: object = {}): Promise<B> => {
    const said = changed(configOf(preset), changes);
    const config = options.loadWeights === false ? said : ((await family.configWithWeights?.(preset, said)) ?? said);
    const model = family.model(config);
    const weights = presetTable(preset, layout, config, model.weights);
    const { params, device } = await loadBackbone(preset, { ...model, weights }, options);
    return backboneOf(config, model, params, device);
  };

  const hasTokenizer = async (preset: Preset): Promise<boolean> => {
    for (const name of tokenizer.files[preset.layout]) if (await preset.has(name)()) return true;
    return false;
  };

  /** The backbone of a preset for those who do not know its family; what is no option of it is refused. */
  const openBackbone = async (preset: Preset, options: BackbonePresetOptions): Promise<B> => {
    refuseUnknown(`${backboneName}.fromPreset`, options, [...backbonePresetOptions, ...optionNames]);
    return backboneFrom(preset, options, options);
  };

  /** The preprocessor that is asked for, or the preset's if it has a tokenizer. */
  const preprocessorOf = async <P>(
    preset: Preset,
    wanted: P | null | undefined,
    read: (preset: Preset) => Promise<P>,
  ): Promise<P | null> => (wanted !== undefined ? wanted : (await hasTokenizer(preset)) ? read(preset) : null);

  const Backbone: BackboneClass<Config, Options, B> = presetClass(
    ({ seed = 0, ...options }: Seeded<Options>): B => {
      const config = family.makeConfig(options as unknown as Options);
      if (E.isLeft(config)) throw new ArgumentError(config.left.message);
      refuseUnknown(backboneName, options, optionNames);
      const model = family.model(config.right);
      return backboneOf(config.right, model, model.init(seed));
    },
    statics(
      backboneName,
      [...backbonePresetOptions, ...optionNames],
      (preset, options: BackbonePresetOptions & Partial<Options>) => backboneFrom(preset, options, options),
    ),
  );

  const { source } = tokenizer;
  const savable = (made: T): Saving<T> =>
    withSaving(made, (own) => ({ family: family.family, layout, saved: tokenizer.save(own), tokenizer: own }));
  // What reads its files.
  const readers = Object.entries(source as unknown as Readonly<Record<string, TokenizerReader<T>>>).map(
    ([name, read]) => [name, (...files: readonly never[]) => E.map(savable)(read(...files))] as const,
  );
  const Tokenizer = presetClass((options: never) => savable(source(options)), {
    ...Object.fromEntries(readers),
    ...statics<Saving<T>, object>(
      layout.tokenizer.className,
      [],
      async (preset) => savable(await tokenizer.open(preset)),
      false,
    ),
  }) as unknown as TokenizerClass<Config, T, Source>;

  /** The class of preprocessors called `name`, which `make` makes, `read` reads, and KerasHub writes as `describe` says. */
  const preprocessorClass = <P extends { readonly tokenizer: T }, Making, Reading extends object>(
    name: string,
    known: readonly string[],
    make: (options: Making) => P,
    read: (preset: Preset, options: Reading) => Promise<P>,
    describe: (preprocessor: object) => KerasPreprocessor,
  ): ((options: Making) => Saving<P>) & FromPreset<Saving<P>, Reading, Config> => {
    const withText = (made: P): Saving<P> =>
      withSaving(made, (own) => ({
        family: family.family,
        layout,
        saved: describe(own),
        tokenizer: own.tokenizer,
      }));
    return presetClass(
      (options: Making) => withText(make(options)),
      statics(name, known, async (preset, options: Reading) => withText(await read(preset, options)), false),
    );
  };

  return {
    configOf,
    openModel,
    openBackbone,
    backboneFrom,
    preprocessorOf,
    preprocessorClass,
    statics,
    Backbone,
    Tokenizer,
  };
};
