import * as E from 'fp-ts/lib/Either.js';
import * as O from 'fp-ts/lib/Option.js';
import { preview } from '../models/configReader.ts';
import { mostWidth } from '../models/configRules.ts';
import type { ClassifierHeadParams, Head, MaskedLMHeadParams } from '../models/encoder/heads.ts';
import type { WeightEntry, WeightTable } from '../models/weightEntry.ts';
import type { Device } from '../runtime/device.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Tree } from '../tensor/tree.ts';
import type { EncoderInput } from '../tokenizers/encoderInputs.ts';
import type { MaskedLMPreprocessor } from '../tokenizers/maskedLMPreprocessor.ts';
import type { MaskTokenizer } from '../tokenizers/maskTokenizer.ts';
import type { Truncate } from '../tokenizers/multiSegmentPacker.ts';
import type { TextClassifierPreprocessor } from '../tokenizers/textClassifierPreprocessor.ts';
import type { Checkpoint, Preset } from '../weights/index.ts';
import { type EncoderBackbone, encoderBackbone } from './encoderBackbone.ts';
import type {
  EncoderFamily,
  MaskedLMPreprocessorPresetOptions,
  MaskedLMPresetOptions,
  TextClassifierPreprocessorPresetOptions,
  TextClassifierPresetOptions,
  TextEmbedderPresetOptions,
} from './encoderFamily.ts';
import type { EncoderTaskParams } from './encoderTask.ts';
import { familyParts, type TokenizerSource } from './family.ts';
import type { AnyMaskedLMPreprocessor, MaskedLMParts } from './maskedLM.ts';
import { type BackbonePresetOptions, deviceFor, type Loaded, loadParams, madeOf, orReject } from './presets.ts';
import { presetTable } from './presetTable.ts';
import type {
  AnyTextClassifierPreprocessor,
  ClassifierActivation,
  ClassifierOptions,
  TextClassifierParts,
} from './textClassifier.ts';
import type { PoolingMode, TextEmbedderParts } from './textEmbedder.ts';
import { warnOnce } from './warnOnce.ts';

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

/** How the tasks of a family of encoders are read from preset folders: each as the parts that make it, on top of `familyParts`. */
export const encoderReader = <
  Config extends object,
  Options extends object,
  Params extends Tree,
  T extends MaskTokenizer,
  K extends EncoderInput,
  Source extends TokenizerSource<T>,
>(
  family: EncoderFamily<Config, Options, Params, T, K, Source>,
) => {
  const { layout } = family;
  const parts = familyParts(family, encoderBackbone<Config, Params>);
  const { configOf, backboneFrom, preprocessorOf } = parts;

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
      const weights = presetTable(preset, layout, config, model.weights);
      if (!holds(checkpoint, head.weights))
        return {
          backbone: encoderBackbone(config, model, await load({ ...model, weights }), device),
          headParams: undefined,
        };
      const both = await load<EncoderTaskParams<Params, HeadParams>>({
        weights: joined(weights, head.weights),
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

  const maskedLMPreprocessorFrom = async (
    preset: Preset,
    { revision: _, signal: _signal, onDownload: _told, ...changes }: MaskedLMPreprocessorPresetOptions = {},
  ): Promise<MaskedLMPreprocessor<T, K>> =>
    madeOf(preset, firstGiven(changes), family.maskedLMPreprocessor, {
      tokenizer: await family.tokenizer.open(preset),
      truncate: savedTruncate(preset),
      maskSelectionRate: savedNumber(preset, 'mask_selection_rate'),
      maskSelectionLength: savedNumber(preset, 'mask_selection_length'),
      maskTokenRate: savedNumber(preset, 'mask_token_rate'),
      randomTokenRate: savedNumber(preset, 'random_token_rate'),
      ...given(changes),
      sequenceLength: lengthOf(preset, changes.sequenceLength),
    });

  const textClassifierPreprocessorFrom = async (
    preset: Preset,
    { sequenceLength, truncate }: TextClassifierPreprocessorPresetOptions = {},
  ): Promise<TextClassifierPreprocessor<T, K>> =>
    madeOf(preset, sequenceLength ?? truncate, family.textClassifierPreprocessor, {
      tokenizer: await family.tokenizer.open(preset),
      sequenceLength: lengthOf(preset, sequenceLength),
      truncate: truncate ?? savedTruncate(preset),
    });

  const maskedLMParts = async (
    preset: Preset,
    options: MaskedLMPresetOptions,
  ): Promise<MaskedLMParts<Config, Params, T>> => {
    const config = configOf(preset);
    // Small files first: what is wrong with them is known before the weights are read.
    const preprocessor = await preprocessorOf<AnyMaskedLMPreprocessor<T>>(
      preset,
      options.preprocessor as AnyMaskedLMPreprocessor<T> | null | undefined,
      maskedLMPreprocessorFrom,
    );
    const head = family.maskedLMHead(config);
    const { backbone, headParams } = await taskWeights(
      preset,
      config,
      head as unknown as Head<MaskedLMHeadParams, never>,
      layout.maskedLM.className,
      options,
    );
    if (headParams === undefined && options.loadWeights !== false)
      warnOnce(
        `${layout.maskedLM.className}: ${preset.path} has no masked LM head, so its head is random; train it, or load a preset that was saved with one`,
      );
    return {
      backbone,
      preprocessor,
      headSeed: options.seed ?? 0,
      ...(headParams === undefined ? {} : { headParams }),
    };
  };
  /** How many classes the files' own head has: by the shape of its last kernel, whatever its config says. */
  const savedClasses = async (preset: Preset, config: Config): Promise<number | undefined> => {
    if (preset.layout === 'keras') {
      const { num_classes: saved } = preset.taskConfig;
      return O.toUndefined(preset.taskClass) === layout.textClassifier.className && typeof saved === 'number'
        ? saved
        : undefined;
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

  const textClassifierParts = async (
    preset: Preset,
    options: TextClassifierPresetOptions,
  ): Promise<TextClassifierParts<Config, Params, T>> => {
    const config = configOf(preset);
    const saved = options.numClasses === undefined ? await savedClasses(preset, config) : undefined;
    const numClasses = options.numClasses ?? saved;
    if (numClasses === undefined)
      throw new ArgumentError(
        `${layout.textClassifier.className}.fromPreset: expected numClasses, since ${preset.path} has no classifier, got none; pass { numClasses: 2 } or more`,
      );
    const own =
      O.toUndefined(preset.taskClass) === layout.textClassifier.className ? savedOptions(preset, options) : {};
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
      textClassifierPreprocessorFrom,
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
            layout.textClassifier.className,
            options,
          );
    return {
      ...described,
      backbone,
      preprocessor,
      headSeed: options.seed ?? 0,
      ...(headParams === undefined ? {} : { headParams }),
    };
  };

  const textEmbedderParts = async (
    preset: Preset,
    options: TextEmbedderPresetOptions,
  ): Promise<TextEmbedderParts<Config, Params, T>> => {
    const { pooling_mode: mode, normalize: saved } = preset.taskConfig;
    const { poolingMode = isPoolingMode(mode) ? mode : 'mean', normalize = saved !== false } = options;
    const sequenceLength =
      options.sequenceLength ??
      O.toUndefined(preset.sequenceLength) ??
      Math.min(EMBEDDER_LENGTH, family.model(configOf(preset)).maxSequenceLength);
    const preprocessor = await preprocessorOf<AnyTextClassifierPreprocessor<T>>(
      preset,
      options.preprocessor as AnyTextClassifierPreprocessor<T> | null | undefined,
      async (own) => textClassifierPreprocessorFrom(own, { sequenceLength }),
    );
    return { backbone: await backboneFrom(preset, options), preprocessor, poolingMode, normalize };
  };
  return {
    ...parts,
    maskedLMPreprocessorFrom,
    textClassifierPreprocessorFrom,
    maskedLMParts,
    textClassifierParts,
    textEmbedderParts,
  };
};

/** The options that are given: one that is undefined is not. */
const given = <Options extends object>(options: Options): Partial<Options> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<Options>;

/** The first option that is given, if one is. */
const firstGiven = (options: object): unknown => Object.values(options).find((value) => value !== undefined);

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
