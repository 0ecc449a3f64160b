import * as E from 'fp-ts/lib/Either.js';
import * as O from 'fp-ts/lib/Option.js';
import { type ConfigError, preview } from '../models/configReader.ts';
import { mostWidth } from '../models/encoder/config.ts';
import type { ClassifierHeadParams, Head, MaskedLMHeadInputs, MaskedLMHeadParams } from '../models/encoder/heads.ts';
import type { EncoderModel, EncoderOutputs } from '../models/encoderModel.ts';
import type { EncoderKerasLayout } from '../models/kerasLayout.ts';
import type { PresetInfo } from '../models/presetInfo.ts';
import type { PresetLayout, WeightEntry, WeightTable } from '../models/weightEntry.ts';
import type { Device } from '../runtime/device.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tree } from '../tensor/tree.ts';
import type { EncoderInput } from '../tokenizers/encoderInputs.ts';
import type { MaskedLMPreprocessor, MaskedLMPreprocessorOptions } from '../tokenizers/maskedLMPreprocessor.ts';
import type { MaskTokenizer } from '../tokenizers/maskTokenizer.ts';
import type { Truncate } from '../tokenizers/multiSegmentPacker.ts';
import type {
  TextClassifierPreprocessor,
  TextClassifierPreprocessorOptions,
} from '../tokenizers/textClassifierPreprocessor.ts';
import type { Checkpoint, Family, KerasTask, Preset } from '../weights/index.ts';
import type { FamilyTokenizer, PreprocessorPresetOptions } from './causalFamily.ts';
import { type EncoderBackbone, encoderBackbone } from './encoderBackbone.ts';
import type { EncoderTaskParams } from './encoderTask.ts';
import { type AnyMaskedLMPreprocessor, type MaskedLM, type MaskedLMParts, maskedLM } from './maskedLM.ts';
import {
  type BackbonePresetOptions,
  backbonePresetOptions,
  deviceFor,
  expectFamily,
  type Loaded,
  loadBackbone,
  loadParams,
  type OpenPresetOptions,
  openPresetFolder,
  orReject,
} from './presets.ts';
import {
  type AnyTextClassifierPreprocessor,
  type ClassifierActivation,
  type ClassifierOptions,
  type TextClassifier,
  type TextClassifierParts,
  textClassifier,
} from './textClassifier.ts';
import {
  type PoolingMode,
  type TextEmbedder,
  type TextEmbedderOptions,
  type TextEmbedderParts,
  textEmbedder,
} from './textEmbedder.ts';
import { warnOnce } from './warnOnce.ts';

/** Options of a masked LM's `fromPreset`. */
export interface MaskedLMPresetOptions extends BackbonePresetOptions {
  /** Null: no preprocessor, so tokens in. Default: the preset's. */
  readonly preprocessor?: AnyMaskedLMPreprocessor | null;
}

/** Options of a classifier's `fromPreset`. */
export interface TextClassifierPresetOptions extends BackbonePresetOptions, Partial<ClassifierOptions> {
  /** Null: no preprocessor, so tokens in. Default: the preset's. */
  readonly preprocessor?: AnyTextClassifierPreprocessor | null;
}

/** Options of an embedder's `fromPreset`. */
export interface TextEmbedderPresetOptions extends BackbonePresetOptions, TextEmbedderOptions {
  /** Null: no preprocessor, so tokens in. Default: the preset's. */
  readonly preprocessor?: AnyTextClassifierPreprocessor | null;
  /** The length of every row at most. Default: what the preset says, else 256. */
  readonly sequenceLength?: number;
}

/** The names of the options that an embedder's `fromPreset` takes. */
export const textEmbedderPresetOptions = [
  ...backbonePresetOptions,
  'preprocessor',
  'poolingMode',
  'normalize',
  'sequenceLength',
] as const;

/** The names of the options that a masked LM's `fromPreset` takes. */
export const maskedLMPresetOptions = [...backbonePresetOptions, 'preprocessor'] as const;

/** The names of the options that a classifier's `fromPreset` takes. */
export const textClassifierPresetOptions = [
  ...maskedLMPresetOptions,
  'numClasses',
  'activation',
  'dropout',
  'hiddenDim',
] as const;

/** All that makes a family of encoders: its classes and `fromPreset` come out of it. */
export interface EncoderFamily<
  Config extends object,
  Options extends object,
  Params extends Tree,
  T extends MaskTokenizer,
  K extends EncoderInput,
> {
  readonly family: Family;
  /** The names of its classes in KerasHub, and how it writes them down. */
  readonly layout: EncoderKerasLayout<Config>;
  readonly presets: ReadonlyMap<string, PresetInfo<Config>>;
  /** A config from a user's options, or what is wrong with them. */
  readonly makeConfig: (options: Options) => E.Either<ConfigError, Config>;
  /** The names of all options. Default: those of the config's fields. */
  readonly optionNames?: readonly string[];
  /** The config of a preset. */
  readonly parseConfig: (layout: PresetLayout, json: unknown) => E.Either<ConfigError, Config>;
  readonly model: (config: Config) => EncoderModel<Params>;
  readonly maskedLMHead: (config: Config) => Head<MaskedLMHeadParams, MaskedLMHeadInputs>;
  readonly classifierHead: (
    config: Config,
    options: Required<Pick<ClassifierOptions, 'numClasses' | 'dropout'>> & { readonly hiddenDim?: number | undefined },
  ) => Head<ClassifierHeadParams, EncoderOutputs>;
  /** What a classifier is where it is told nothing: its dropout, and its optimizer's learning rate. */
  readonly classifier: { readonly dropout: number; readonly learningRate: number };
  /** Whether KerasHub has a class for embeddings of this family. Default false. */
  readonly hasEmbedder?: boolean;
  readonly tokenizer: FamilyTokenizer<T>;
  readonly maskedLMPreprocessor: (options: MaskedLMPreprocessorOptions<T>) => MaskedLMPreprocessor<T, K>;
  readonly textClassifierPreprocessor: (
    options: TextClassifierPreprocessorOptions<T>,
  ) => TextClassifierPreprocessor<T, K>;
}

/** A task's own part of a preset in KerasHub's layout, without its numbers. */
export interface SavedEncoderTask extends Omit<KerasTask, 'head'> {
  /** The table of the head, its parameters, and its layers' groups; none for a backbone alone. */
  readonly head?:
    | {
        readonly table: WeightTable;
        readonly params: Tree;
        readonly groups: readonly (readonly [group: string, name: string])[];
      }
    | undefined;
}

/** A family as those see it who do not know which it is. */
export interface AnyEncoderFamily {
  readonly family: Family;
  readonly layout: EncoderKerasLayout<unknown>;
  /** The built-in presets by id. */
  readonly presets: ReadonlyMap<string, PresetInfo<unknown>>;
  /** The tokenizer that an opened preset holds. */
  readonly openTokenizer: (preset: Preset) => Promise<MaskTokenizer>;
  /** A task of the family, or an embedder, as KerasHub writes it down. */
  readonly kerasTask: (task: object) => SavedEncoderTask;
  readonly openBackbone: (preset: Preset, options: BackbonePresetOptions) => Promise<EncoderBackbone>;
  readonly openMaskedLM: (preset: Preset, options: MaskedLMPresetOptions) => Promise<MaskedLM>;
  readonly openTextClassifier: (preset: Preset, options: TextClassifierPresetOptions) => Promise<TextClassifier>;
  readonly openTextEmbedder: (preset: Preset, options: TextEmbedderPresetOptions) => Promise<TextEmbedder>;
}

/** KerasHub's default length of a row. */
const SEQUENCE_LENGTH = 512;

/** KerasHub's default length of a row to embed. */
const EMBEDDER_LENGTH = 256;

/** The path of a parameter one step further down. */
const below =
  (step: string) =>
  (entry: WeightEntry): WeightEntry => ({ ...entry, path: [step, ...entry.path] });

/** One table of a backbone and a head that stand in one file. */
const joined = (backbone: WeightTable, head: WeightTable): WeightTable => {
  const own = new Set(head.entries.map(({ sources }) => sources.transformers.name));
  return {
    entries: [...backbone.entries.map(below('backbone')), ...head.entries.map(below('head'))],
    layers: [],
    transformersPrefix: backbone.transformersPrefix,
    ignored: {
      keras: backbone.ignored.keras,
      transformers: [...backbone.ignored.transformers, ...head.ignored.transformers].filter(
        ({ name }) => !own.has(name),
      ),
    },
  };
};

/** Whether a checkpoint has any of a head's tensors. */
const holds = ({ tensors }: Checkpoint, { entries }: WeightTable): boolean =>
  entries.some(({ sources: { transformers } }) =>
    [transformers.name, ...(transformers.otherNames ?? [])].some((name) => tensors.has(name)),
  );

/** The functions that a family's classes are made of. */
export const encoderClasses = <
  Config extends object,
  Options extends object,
  Params extends Tree,
  T extends MaskTokenizer,
  K extends EncoderInput,
>(
  family: EncoderFamily<Config, Options, Params, T, K>,
) => {
  const { layout, presets } = family;
  const names = {
    backbone: layout.backbone.className,
    tokenizer: layout.tokenizer.className,
    maskedLM: layout.maskedLM.className,
    maskedLMPreprocessor: layout.maskedLMPreprocessor.className,
    textClassifier: layout.textClassifier.className,
    textClassifierPreprocessor: layout.textClassifierPreprocessor.className,
  };

  const open = async (name: string, preset: string, options: OpenPresetOptions): Promise<Preset> => {
    const opened = await openPresetFolder(preset, options);
    expectFamily(name, opened, { family: family.family, backbone: names.backbone });
    return opened;
  };

  const configOf = (preset: Preset): Config =>
    orReject(
      E.mapLeft(({ message }: { message: string }) => ({
        _tag: 'WrongConfig' as const,
        message: `${preset.path}: ${message}`,
        path: preset.path,
      }))(family.parseConfig(preset.layout, preset.config)),
    );

  const backboneFrom = async (
    preset: Preset,
    options: BackbonePresetOptions,
  ): Promise<EncoderBackbone<Config, Params>> => {
    const config = configOf(preset);
    const model = family.model(config);
    const { params, device } = await loadBackbone(preset, model, options);
    return encoderBackbone(config, model, params, device);
  };

  /** Backbone and head of a preset; the head is undefined where the files have none of its kind. */
  const taskWeights = async <HeadParams extends Tree>(
    preset: Preset,
    config: Config,
    head: Head<HeadParams, never>,
    className: string,
    options: BackbonePresetOptions,
  ): Promise<{ readonly backbone: EncoderBackbone<Config, Params>; readonly headParams: HeadParams | undefined }> => {
    const model = family.model(config);
    if (options.loadWeights === false) return { backbone: await backboneFrom(preset, options), headParams: undefined };
    if (preset.layout === 'keras') {
      const backbone = await backboneFrom(preset, options);
      const task = O.toUndefined(preset.taskClass) === className ? orReject(await preset.openTaskWeights()()) : O.none;
      if (O.isNone(task)) return { backbone, headParams: undefined };
      try {
        const { onProgress: _, ...quiet } = options;
        return { backbone, headParams: await loadParams(backbone.device!, 'keras', head, task.value, quiet) };
      } finally {
        await task.value.close();
      }
    }
    options.signal?.throwIfAborted();
    const checkpoint = orReject(await preset.openWeights()());
    try {
      const device: Device = await deviceFor(options.device);
      const load = <Own extends Tree>(own: Loaded<Own>): Promise<Own> =>
        loadParams(device, preset.layout, own, checkpoint, options);
      if (!holds(checkpoint, head.weights))
        return { backbone: encoderBackbone(config, model, await load(model), device), headParams: undefined };
      const both = await load<EncoderTaskParams<Params, HeadParams>>({
        weights: joined(model.weights, head.weights),
        init: (seed) => ({ backbone: model.init(seed), head: head.init(seed) }),
      });
      return { backbone: encoderBackbone(config, model, both.backbone, device), headParams: both.head };
    } finally {
      await checkpoint.close();
    }
  };

  const lengthOf = (preset: Preset, sequenceLength: number | undefined): number =>
    sequenceLength ??
    O.toUndefined(preset.sequenceLength) ??
    Math.min(SEQUENCE_LENGTH, family.model(configOf(preset)).maxSequenceLength);

  const maskedLMPreprocessorFrom = async (preset: Preset, length?: number): Promise<MaskedLMPreprocessor<T, K>> =>
    family.maskedLMPreprocessor({
      tokenizer: await family.tokenizer.open(preset),
      sequenceLength: lengthOf(preset, length),
      truncate: savedTruncate(preset),
      maskSelectionRate: savedNumber(preset, 'mask_selection_rate'),
      maskSelectionLength: savedNumber(preset, 'mask_selection_length'),
      maskTokenRate: savedNumber(preset, 'mask_token_rate'),
      randomTokenRate: savedNumber(preset, 'random_token_rate'),
    });

  const textClassifierPreprocessorFrom = async (
    preset: Preset,
    length?: number,
  ): Promise<TextClassifierPreprocessor<T, K>> =>
    family.textClassifierPreprocessor({
      tokenizer: await family.tokenizer.open(preset),
      sequenceLength: lengthOf(preset, length),
      truncate: savedTruncate(preset),
    });

  const hasTokenizer = async (preset: Preset): Promise<boolean> => {
    for (const name of family.tokenizer.files[preset.layout]) if (await preset.has(name)()) return true;
    return false;
  };

  /** The preprocessor that is asked for, or the preset's if it has a tokenizer. */
  const preprocessorOf = async <P>(
    preset: Preset,
    wanted: P | null | undefined,
    read: (preset: Preset) => Promise<P>,
  ): Promise<P | null> => (wanted !== undefined ? wanted : (await hasTokenizer(preset)) ? read(preset) : null);

  const maskedLMOf = (parts: MaskedLMParts<Config, Params, T>): MaskedLM<Config, Params, T> =>
    maskedLM(names.maskedLM, family.maskedLMHead(parts.backbone.config), parts);

  const maskedLMFrom = async (preset: Preset, options: MaskedLMPresetOptions): Promise<MaskedLM<Config, Params, T>> => {
    const config = configOf(preset);
    // Small files first: what is wrong with them is known before the weights are read.
    const preprocessor = await preprocessorOf<AnyMaskedLMPreprocessor<T>>(
      preset,
      options.preprocessor as AnyMaskedLMPreprocessor<T> | null | undefined,
      async (own) => maskedLMPreprocessorFrom(own),
    );
    const head = family.maskedLMHead(config);
    const { backbone, headParams } = await taskWeights(
      preset,
      config,
      head as unknown as Head<MaskedLMHeadParams, never>,
      names.maskedLM,
      options,
    );
    if (headParams === undefined && options.loadWeights !== false)
      warnOnce(
        `${names.maskedLM}: ${preset.path} has no masked LM head, so its head is random; train it, or load a preset that was saved with one`,
      );
    return maskedLMOf({
      backbone,
      preprocessor,
      headSeed: options.seed ?? 0,
      ...(headParams === undefined ? {} : { headParams }),
    });
  };

  const textClassifierOf = (parts: TextClassifierParts<Config, Params, T>): TextClassifier<Config, Params, T> =>
    textClassifier(
      names.textClassifier,
      ({ numClasses, dropout = family.classifier.dropout, hiddenDim }) =>
        family.classifierHead(parts.backbone.config, { numClasses, dropout, hiddenDim }),
      family.classifier.learningRate,
      parts,
    );

  /** How many classes the files' own head has: by the shape of its last kernel, whatever its config says. */
  const savedClasses = async (preset: Preset, config: Config): Promise<number | undefined> => {
    if (preset.layout === 'keras') {
      const { num_classes: saved } = preset.taskConfig;
      return O.toUndefined(preset.taskClass) === names.textClassifier && typeof saved === 'number' ? saved : undefined;
    }
    const { entries } = family.classifierHead(config, { numClasses: 2, dropout: 0 }).weights;
    const name = entries.find(({ path }) => path.join('.') === 'logits.bias')!.sources.transformers.name;
    const checkpoint = orReject(await preset.openWeights()());
    try {
      return checkpoint.tensors.get(name)?.shape[0];
    } finally {
      await checkpoint.close();
    }
  };

  const textClassifierFrom = async (
    preset: Preset,
    options: TextClassifierPresetOptions,
  ): Promise<TextClassifier<Config, Params, T>> => {
    const config = configOf(preset);
    const saved = options.numClasses === undefined ? await savedClasses(preset, config) : undefined;
    const numClasses = options.numClasses ?? saved;
    if (numClasses === undefined)
      throw new ArgumentError(
        `${names.textClassifier}.fromPreset: expected numClasses, since ${preset.path} has no classifier, got none; pass { numClasses: 2 } or more`,
      );
    const own = O.toUndefined(preset.taskClass) === names.textClassifier ? savedOptions(preset, options) : {};
    const { activation = own.activation, dropout = own.dropout, hiddenDim = own.hiddenDim } = options;
    const described = {
      numClasses,
      ...(activation === undefined ? {} : { activation }),
      ...(dropout === undefined ? {} : { dropout }),
      ...(hiddenDim === undefined ? {} : { hiddenDim }),
    };
    const preprocessor = await preprocessorOf<AnyTextClassifierPreprocessor<T>>(
      preset,
      options.preprocessor as AnyTextClassifierPreprocessor<T> | null | undefined,
      async (own) => textClassifierPreprocessorFrom(own),
    );
    // Told how many classes, KerasHub loads no head; nor do we.
    const { backbone, headParams } =
      saved === undefined
        ? { backbone: await backboneFrom(preset, options), headParams: undefined }
        : await taskWeights(
            preset,
            config,
            family.classifierHead(config, { numClasses, dropout: 0, hiddenDim }) as unknown as Head<
              ClassifierHeadParams,
              never
            >,
            names.textClassifier,
            options,
          );
    return textClassifierOf({
      ...described,
      backbone,
      preprocessor,
      headSeed: options.seed ?? 0,
      ...(headParams === undefined ? {} : { headParams }),
    });
  };

  const embedderName = names.textClassifier.replace(/TextClassifier$/, 'TextEmbedder');

  const textEmbedderOf = (parts: TextEmbedderParts<Config, Params, T>): TextEmbedder<Config, Params, T> =>
    textEmbedder(embedderName, parts);

  const textEmbedderFrom = async (
    preset: Preset,
    options: TextEmbedderPresetOptions,
  ): Promise<TextEmbedder<Config, Params, T>> => {
    const { pooling_mode: mode, normalize: saved } = preset.taskConfig;
    const { poolingMode = isPoolingMode(mode) ? mode : 'mean', normalize = saved !== false } = options;
    const length =
      options.sequenceLength ??
      O.toUndefined(preset.sequenceLength) ??
      Math.min(EMBEDDER_LENGTH, family.model(configOf(preset)).maxSequenceLength);
    const preprocessor = await preprocessorOf<AnyTextClassifierPreprocessor<T>>(
      preset,
      options.preprocessor as AnyTextClassifierPreprocessor<T> | null | undefined,
      async (own) => textClassifierPreprocessorFrom(own, length),
    );
    return textEmbedderOf({ backbone: await backboneFrom(preset, options), preprocessor, poolingMode, normalize });
  };

  const bases = ['MaskedLM', 'TextClassifier', ...(family.hasEmbedder === true ? ['TextEmbedder'] : [])];

  const kerasTask = (task: object): SavedEncoderTask => {
    const { name, backbone } = task as Pick<MaskedLM<Config, Params, T>, 'name' | 'backbone'>;
    const { numSegments, hasPaddingMask } = backbone.model;
    if (name === names.maskedLM) {
      const { preprocessor, params } = task as MaskedLM<Config, Params, T>;
      const inputs = 1 + Number(numSegments !== undefined) + Number(hasPaddingMask);
      const head = 'layers/masked_lm_head';
      return {
        kerasClass: layout.maskedLM,
        bases,
        preprocessor: preprocessor && {
          kerasClass: layout.maskedLMPreprocessor,
          config: {
            sequence_length: preprocessor.sequenceLength,
            truncate: preprocessor.truncate,
            mask_selection_rate: preprocessor.maskSelectionRate,
            mask_selection_length: preprocessor.maskSelectionLength,
            mask_token_rate: preprocessor.maskTokenRate,
            random_token_rate: preprocessor.randomTokenRate,
          },
          tokenizer: family.tokenizer.save(preprocessor.tokenizer),
        },
        head: {
          table: family.maskedLMHead(backbone.config).weights,
          params: params.head,
          groups: [
            ['', layout.maskedLM.name],
            [`layers/input_layer_${inputs}`, 'mask_positions'],
            [head, 'mlm_head'],
            [`${head}/_intermediate_dense`, 'intermediate_dense'],
            [`${head}/_intermediate_layer_norm`, 'intermediate_layer_norm'],
          ],
        },
      };
    }
    if (name !== names.textClassifier)
      throw new ArgumentError(
        `saveKerasPreset: expected a ${names.maskedLM} or a ${names.textClassifier}, got a ${name}; save the task over its backbone`,
      );
    const classifier = task as TextClassifier<Config, Params, T>;
    const { preprocessor, numClasses, activation, dropout = family.classifier.dropout, params } = classifier;
    const { pooledDense } = params.head;
    return {
      kerasClass: layout.textClassifier,
      bases,
      config: {
        num_classes: numClasses,
        activation,
        ...(pooledDense === undefined ? {} : { hidden_dim: pooledDense.kernel.shape[1] }),
        dropout,
      },
      preprocessor: preprocessor && {
        kerasClass: layout.textClassifierPreprocessor,
        config: { sequence_length: preprocessor.sequenceLength, truncate: preprocessor.truncate },
        tokenizer: family.tokenizer.save(preprocessor.tokenizer),
      },
      head: {
        table: family.classifierHead(backbone.config, {
          numClasses,
          dropout,
          hiddenDim: pooledDense?.kernel.shape[1],
        }).weights,
        params: params.head,
        groups: [
          ['', layout.textClassifier.name],
          ...(pooledDense === undefined
            ? ([['layers/dense', 'logits']] as const)
            : ([
                ['layers/dense', 'pooled_dense'],
                ['layers/dense_1', 'logits'],
              ] as const)),
        ],
      },
    };
  };

  const statics = <Own extends object>(own: Own) => ({
    ...own,
    /** Built-in presets by id. */
    presets,
  });

  return Object.freeze({
    backbone: {
      make: ({ seed = 0, ...options }: Options & { readonly seed?: number }): EncoderBackbone<Config, Params> => {
        const config = family.makeConfig(options as unknown as Options);
        if (E.isLeft(config)) throw new ArgumentError(config.left.message);
        refuseUnknown(names.backbone, options, family.optionNames ?? Object.keys(config.right));
        const model = family.model(config.right);
        return encoderBackbone(config.right, model, model.init(seed));
      },
      statics: statics({
        /** The backbone of a preset folder, KerasHub's or transformers'. */
        fromPreset: async (
          preset: string,
          options: BackbonePresetOptions = {},
        ): Promise<EncoderBackbone<Config, Params>> => {
          refuseUnknown(`${names.backbone}.fromPreset`, options, backbonePresetOptions);
          return backboneFrom(await open(names.backbone, preset, options), options);
        },
      }),
    },
    tokenizer: {
      statics: statics({
        /** The tokenizer of a preset folder, KerasHub's or transformers'. */
        fromPreset: async (preset: string): Promise<T> =>
          family.tokenizer.open(await open(names.tokenizer, preset, { loadWeights: false })),
      }),
    },
    maskedLMPreprocessor: {
      statics: statics({
        /** The preprocessor of a preset folder, KerasHub's or transformers'. */
        fromPreset: async (
          preset: string,
          options: PreprocessorPresetOptions = {},
        ): Promise<MaskedLMPreprocessor<T, K>> => {
          refuseUnknown(`${names.maskedLMPreprocessor}.fromPreset`, options, ['sequenceLength']);
          return maskedLMPreprocessorFrom(
            await open(names.maskedLMPreprocessor, preset, { loadWeights: false }),
            options.sequenceLength,
          );
        },
      }),
    },
    textClassifierPreprocessor: {
      statics: statics({
        /** The preprocessor of a preset folder, KerasHub's or transformers'. */
        fromPreset: async (
          preset: string,
          options: PreprocessorPresetOptions = {},
        ): Promise<TextClassifierPreprocessor<T, K>> => {
          refuseUnknown(`${names.textClassifierPreprocessor}.fromPreset`, options, ['sequenceLength']);
          return textClassifierPreprocessorFrom(
            await open(names.textClassifierPreprocessor, preset, { loadWeights: false }),
            options.sequenceLength,
          );
        },
      }),
    },
    maskedLM: {
      make: maskedLMOf,
      statics: statics({
        /**
         * The masked LM of a preset folder, with the head that the folder has, else a random one, which is said once.
         *
         * @throws {PresetError} By rejection: what is wrong with the folder.
         */
        fromPreset: async (
          preset: string,
          options: MaskedLMPresetOptions = {},
        ): Promise<MaskedLM<Config, Params, T>> => {
          refuseUnknown(`${names.maskedLM}.fromPreset`, options, maskedLMPresetOptions);
          return maskedLMFrom(await open(names.maskedLM, preset, options), options);
        },
      }),
    },
    textClassifier: {
      make: textClassifierOf,
      statics: statics({
        /**
         * The classifier of a preset folder. Told `numClasses`, its head is a new one; else it is the folder's own.
         *
         * @throws {ArgumentError} By rejection, if neither the folder nor the options say how many classes there are.
         * @throws {PresetError} By rejection: what is wrong with the folder.
         */
        fromPreset: async (
          preset: string,
          options: TextClassifierPresetOptions = {},
        ): Promise<TextClassifier<Config, Params, T>> => {
          refuseUnknown(`${names.textClassifier}.fromPreset`, options, textClassifierPresetOptions);
          return textClassifierFrom(await open(names.textClassifier, preset, options), options);
        },
      }),
    },
    textEmbedder: { make: textEmbedderOf },
    /** The same family for those who do not know which it is. */
    any: Object.freeze<AnyEncoderFamily>({
      family: family.family,
      layout: layout as unknown as EncoderKerasLayout<unknown>,
      presets,
      openTokenizer: family.tokenizer.open,
      kerasTask,
      openBackbone: async (preset, options) => (await backboneFrom(preset, options)) as unknown as EncoderBackbone,
      openMaskedLM: async (preset, options) => (await maskedLMFrom(preset, options)) as unknown as MaskedLM,
      openTextClassifier: async (preset, options) =>
        (await textClassifierFrom(preset, options)) as unknown as TextClassifier,
      openTextEmbedder: async (preset, options) => (await textEmbedderFrom(preset, options)) as unknown as TextEmbedder,
    }),
  });
};

/** A number that preprocessor.json says. */
const savedNumber = ({ preprocessorConfig }: Preset, name: string): number | undefined =>
  typeof preprocessorConfig[name] === 'number' ? preprocessorConfig[name] : undefined;

/** How preprocessor.json has segments share a row; the preprocessor refuses what is no strategy. */
const savedTruncate = ({ preprocessorConfig: { truncate } }: Preset): Truncate | undefined =>
  typeof truncate === 'string' ? (truncate as Truncate) : undefined;

const isPoolingMode = (value: unknown): value is PoolingMode => value === 'mean' || value === 'cls' || value === 'max';

/** What task.json says of a classifier that is the preset's own, for what the options leave open. */
const savedOptions = (
  { taskConfig, path }: Preset,
  options: Partial<ClassifierOptions>,
): Pick<Partial<ClassifierOptions>, 'activation' | 'dropout' | 'hiddenDim'> => {
  const { activation, dropout, hidden_dim: hiddenDim } = taskConfig;
  const refuse = (name: string, expected: string, got: unknown): never =>
    orReject(
      E.left({
        _tag: 'WrongConfig',
        message: `${path}: task.json: expected ${name} to be ${expected}, got ${preview(got)}`,
        path,
      }),
    );
  if (options.activation === undefined && !isLinear(activation) && !isActivation(activation))
    refuse('activation', 'linear, softmax, sigmoid, relu or tanh', activation);
  const isRate = typeof dropout === 'number' && dropout >= 0 && dropout < 1;
  if (options.dropout === undefined && dropout !== undefined && !isRate)
    refuse('dropout', 'a number from 0 to below 1', dropout);
  const isWidth = Number.isInteger(hiddenDim) && (hiddenDim as number) >= 1 && (hiddenDim as number) <= mostWidth;
  if (options.hiddenDim === undefined && hiddenDim !== undefined && hiddenDim !== null && !isWidth)
    refuse('hidden_dim', `a whole number from 1 to ${mostWidth}`, hiddenDim);
  return {
    ...(isActivation(activation) ? { activation } : {}),
    ...(isRate ? { dropout } : {}),
    ...(isWidth ? { hiddenDim: hiddenDim as number } : {}),
  };
};

const isLinear = (value: unknown): boolean => value === undefined || value === null || value === 'linear';

const isActivation = (value: unknown): value is ClassifierActivation =>
  value === 'softmax' || value === 'sigmoid' || value === 'relu' || value === 'tanh';
