import * as E from 'fp-ts/lib/Either.js';
import type * as TE from 'fp-ts/lib/TaskEither.js';
import type { JsonObject } from '../models/configReader.ts';
import type { KerasBackboneLayout, KerasClass } from '../models/kerasLayout.ts';
import { count } from '../tensor/shape.ts';
import type { StoredDType } from './checkpoint.ts';
import { type WeightsError, weightsError } from './errors.ts';
import { type FileToWrite, writeFolderAtomically } from './files.ts';
import { type H5Dataset, h5Tree, writeHdf5 } from './hdf5Writer.ts';

/** A tokenizer as KerasHub writes it down: its options (`config`), and the files that stand in `assets/tokenizer`. */
export interface KerasTokenizer {
  readonly config: JsonObject;
  readonly assets: readonly FileToWrite[];
}

/** A preprocessor as KerasHub writes it down: its class, its `tokenizer`, and its options (`config`). */
export interface KerasPreprocessor {
  /** Which of KerasHub's classes it is. */
  readonly kerasClass: KerasClass;
  readonly config: JsonObject;
  readonly tokenizer: KerasTokenizer;
}

/** Weights of a task's own, which stand in task.weights.h5. */
export interface KerasHead {
  /** By their paths in the file. */
  readonly weights: readonly (readonly [path: string, dataset: H5Dataset])[];
  /** Every layer's group, and the layer's name. */
  readonly groups: readonly (readonly [group: string, name: string])[];
}

/** A task as KerasHub writes it down: its class, its options, its preprocessor, and weights of its own. */
export interface KerasTask {
  /** Which of KerasHub's classes it is. */
  readonly kerasClass: KerasClass;
  /** Base classes of the tasks that its backbone can have, such as `CausalLM`. */
  readonly bases: readonly string[];
  /** Options besides backbone, preprocessor and name. Default: none. */
  readonly config?: JsonObject;
  /** Null: the task reads and writes token ids. */
  readonly preprocessor: KerasPreprocessor | null;
  /** Default: none. */
  readonly head?: KerasHead;
}

/** What goes into a preset folder in KerasHub's layout. */
export interface KerasPreset<Config> {
  readonly layout: KerasBackboneLayout<Config>;
  /** The backbone's sizes. */
  readonly config: Config;
  /** Of all weights. */
  readonly dtype: StoredDType;
  /** Weights by their paths in the file, such as `layers/layer_normalization/vars/0`. */
  readonly weights: readonly (readonly [path: string, dataset: H5Dataset])[];
  /** The task whose backbone this is. */
  readonly task: KerasTask;
  /** What metadata.json says. */
  readonly savedAt: Date;
}

/** The versions whose layout this is. */
const versions = { keras_version: '3.15.1', keras_hub_version: '0.32.0' };

const encoder = new TextEncoder();

/** A file of JSON, laid out as Python's `json.dumps(…, indent=4)` does. */
const jsonFile = (name: string, value: JsonObject): FileToWrite => ({
  name,
  content: [encoder.encode(JSON.stringify(value, undefined, 4))],
});

/** An object of one of KerasHub's classes. */
const serialized = (
  folder: string,
  { className, name, module = name }: KerasClass,
  config: JsonObject,
): JsonObject => ({
  module: `keras_hub.src.models.${folder}.${module}`,
  class_name: className,
  config,
  registered_name: `keras_hub>${className}`,
});

/** What every layer's config begins with. */
const layerConfig = ({ name }: KerasClass, dtype: StoredDType): JsonObject => ({
  name,
  trainable: true,
  dtype: { module: 'keras', class_name: 'DTypePolicy', config: { name: dtype }, registered_name: null },
});

/**
 * The files of a preset in KerasHub's layout: config.json, task.json, with a preprocessor preprocessor.json, tokenizer.json
 * and its assets, metadata.json and model.weights.h5. The same preset gives the same bytes.
 *
 * @param path - What errors name.
 * @returns A left if KerasHub's layout cannot say the config.
 * @see keras_hub.models.Task.save_to_preset
 */
export const kerasPresetFiles = <Config>(
  path: string,
  { layout, config, dtype, weights, task: saved, savedAt }: KerasPreset<Config>,
): E.Either<WeightsError, readonly FileToWrite[]> => {
  const options = layout.config(config);
  if (E.isLeft(options)) return E.left(weightsError('WrongConfig', path, options.left.message));
  const { folder } = layout;
  const { kerasClass, bases, preprocessor, head } = saved;
  const backbone = serialized(folder, layout.backbone, { ...layerConfig(layout.backbone, dtype), ...options.right });
  const tokenizer =
    preprocessor === null
      ? null
      : serialized(folder, layout.tokenizer, {
          ...layerConfig(layout.tokenizer, 'int32'),
          config_file: 'tokenizer.json',
          ...preprocessor.tokenizer.config,
        });
  const preprocessing =
    preprocessor === null
      ? null
      : serialized(folder, preprocessor.kerasClass, {
          ...layerConfig(preprocessor.kerasClass, 'float32'),
          tokenizer,
          config_file: 'preprocessor.json',
          ...preprocessor.config,
        });
  const task = serialized(folder, kerasClass, {
    backbone,
    preprocessor: preprocessing,
    name: kerasClass.name,
    ...saved.config,
  });
  const [date, time] = savedAt.toISOString().split(/[T.]/);
  const named = (groups: readonly (readonly [group: string, name: string])[]) =>
    groups.map(([group, name]) => [group === '' ? 'vars' : `${group}/vars`, { name }] as const);
  return E.right([
    jsonFile('config.json', backbone),
    jsonFile('task.json', task),
    ...(preprocessing === null ? [] : [jsonFile('preprocessor.json', preprocessing)]),
    ...(tokenizer === null ? [] : [jsonFile('tokenizer.json', tokenizer)]),
    ...(preprocessor?.tokenizer.assets ?? []).map(({ name, content }) => ({
      name: `assets/tokenizer/${name}`,
      content,
    })),
    jsonFile('metadata.json', {
      ...versions,
      // The backbone's: KerasHub leaves the head's out.
      parameter_count: weights.reduce((total, [, { shape }]) => total + count(shape), 0),
      date_saved: `${date}@${time}`,
      tasks: bases,
    }),
    { name: 'model.weights.h5', content: writeHdf5(h5Tree(weights, named(layout.layers(config)))) },
    ...(head === undefined
      ? []
      : [{ name: 'task.weights.h5', content: writeHdf5(h5Tree(head.weights, named(head.groups))) }]),
  ]);
};

/** Whether a preset folder in KerasHub's layout may hold a file or folder of this name, so that it can be replaced. */
export const isPresetFile = (name: string): boolean =>
  /^(model[\w.-]*\.(h5|json)|task\.weights\.h5|(config|task|preprocessor|tokenizer|metadata)\.json|assets)$/.test(name);

/**
 * Writes a preset folder in KerasHub's layout, whole or not at all.
 *
 * @param path - The folder. A preset that is there is replaced; a folder that holds anything else is left alone.
 * @param extra - Further files for the folder, such as a README.
 */
export const writeKerasPreset = <Config>(
  path: string,
  preset: KerasPreset<Config>,
  extra: readonly FileToWrite[] = [],
): TE.TaskEither<WeightsError, void> => {
  const files = kerasPresetFiles(path, preset);
  return E.isLeft(files) ? async () => files : writeFolderAtomically(path, [...files.right, ...extra], isPresetFile);
};
