import * as E from 'fp-ts/lib/Either.js';
import type { JsonObject } from '../models/configReader.ts';
import type { KerasBackboneLayout, KerasClass } from '../models/kerasLayout.ts';
import { type LayerPolicies, policyMap } from '../models/kerasQuantized.ts';
import { count } from '../tensor/shape.ts';
import { type StoredDType, storedBytes } from './checkpoint.ts';
import { type WeightsError, weightsError } from './errors.ts';
import type { FileToWrite } from './files.ts';
import { type H5Dataset, h5Tree, writeHdf5 } from './hdf5Writer.ts';
import { shardsOf } from './shardsOf.ts';

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
  readonly head?: KerasHead | undefined;
}

/** What goes into a preset folder in KerasHub's layout. */
export interface KerasPreset<Config> {
  readonly layout: KerasBackboneLayout<Config>;
  /** The backbone's sizes. */
  readonly config: Config;
  /** Of all weights but the whole numbers of quantized layers and what belongs to them. */
  readonly dtype: StoredDType;
  /** How layers are quantized. Default: none is. */
  readonly policies?: LayerPolicies | undefined;
  /** Weights by their paths in the file, such as `layers/layer_normalization/vars/0`. */
  readonly weights: readonly (readonly [path: string, dataset: H5Dataset])[];
  /** The task whose backbone this is; undefined for a backbone alone. */
  readonly task: KerasTask | undefined;
  /** Base classes of the tasks that a backbone alone can have. Default: the task's. */
  readonly bases?: readonly string[] | undefined;
  /** What metadata.json says. */
  readonly savedAt: Date;
  /** The size that a file of weights may have. */
  readonly maxShardBytes?: number | undefined;
}

/** As large as KerasHub lets a file get: 10 GiB. */
export const kerasShardBytes = 10 * 2 ** 30;

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

/** A tokenizer's layer. */
const serializedTokenizer = (
  { folder, tokenizer }: Pick<KerasBackboneLayout<never>, 'folder' | 'tokenizer'>,
  { config }: KerasTokenizer,
): JsonObject =>
  serialized(folder, tokenizer, { ...layerConfig(tokenizer, 'int32'), config_file: 'tokenizer.json', ...config });

/** The files of a tokenizer in KerasHub's layout: tokenizer.json and its assets. @see keras_hub.models.Tokenizer.save_to_preset */
export const kerasTokenizerFiles = (
  layout: Pick<KerasBackboneLayout<never>, 'folder' | 'tokenizer'>,
  tokenizer: KerasTokenizer,
): readonly FileToWrite[] => [
  jsonFile('tokenizer.json', serializedTokenizer(layout, tokenizer)),
  ...tokenizer.assets.map(({ name, content }) => ({ name: `assets/tokenizer/${name}`, content })),
];

/** A preprocessor's layer. */
const serializedPreprocessor = (
  layout: Pick<KerasBackboneLayout<never>, 'folder' | 'tokenizer'>,
  { kerasClass, tokenizer, config }: KerasPreprocessor,
): JsonObject =>
  serialized(layout.folder, kerasClass, {
    ...layerConfig(kerasClass, 'float32'),
    tokenizer: serializedTokenizer(layout, tokenizer),
    config_file: 'preprocessor.json',
    ...config,
  });

/** The files of a preprocessor in KerasHub's layout: preprocessor.json and its tokenizer's. @see keras_hub.models.Preprocessor.save_to_preset */
export const kerasPreprocessorFiles = (
  layout: Pick<KerasBackboneLayout<never>, 'folder' | 'tokenizer'>,
  preprocessor: KerasPreprocessor,
): readonly FileToWrite[] => [
  jsonFile('preprocessor.json', serializedPreprocessor(layout, preprocessor)),
  ...kerasTokenizerFiles(layout, preprocessor.tokenizer),
];

const sizeOf = ([, { dtype, shape }]: readonly [string, H5Dataset]): number => count(shape) * storedBytes[dtype];

/** The weights as model.weights.h5, or, above the limit, as files of which model.weights.json tells. */
const weightFiles = (
  weights: KerasPreset<unknown>['weights'],
  groups: readonly (readonly [group: string, attributes: { readonly name: string }])[],
  maxShardBytes: number,
): readonly FileToWrite[] => {
  const shards = shardsOf(weights, sizeOf, maxShardBytes);
  if (shards.length === 1) return [{ name: 'model.weights.h5', content: writeHdf5(h5Tree(weights, groups)) }];
  const groupOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
  const holders = new Map<string, string[]>();
  const counts = new Map<string, number>();
  const files = shards.map((shard, index): FileToWrite => {
    const name = `model_${String(index).padStart(5, '0')}.weights.h5`;
    for (const [path] of shard) {
      const group = groupOf(path);
      counts.set(group, (counts.get(group) ?? 0) + 1);
      const own = holders.get(group) ?? [];
      if (!own.includes(name)) holders.set(group, [...own, name]);
    }
    const here = new Set(shard.map(([path]) => groupOf(path)));
    // Groups without weights stand in the first file.
    const own = groups.filter(
      ([group]) => here.has(group) || (index === 0 && !weights.some(([path]) => groupOf(path) === group)),
    );
    return { name, content: writeHdf5(h5Tree(shard, own)) };
  });
  const map = [...holders].map(([group, names]) => [`/${group}`, counts.get(group) === 1 ? names[0] : names]);
  const total = weights.reduce((bytes, weight) => bytes + sizeOf(weight), 0);
  return [
    ...files,
    jsonFile('model.weights.json', { metadata: { total_size: total }, weight_map: Object.fromEntries(map) }),
  ];
};

/**
 * The files of a preset in KerasHub's layout: config.json, metadata.json and weights; with a task task.json, with a preprocessor
 * preprocessor.json, tokenizer.json and its assets. The same preset gives the same bytes.
 *
 * @param path - What errors name.
 * @returns A left if KerasHub's layout cannot say the config.
 * @see keras_hub.models.Task.save_to_preset, keras_hub.models.Backbone.save_to_preset
 */
export const kerasPresetFiles = <Config>(
  path: string,
  {
    layout,
    config,
    dtype,
    policies,
    weights,
    task: saved,
    bases = saved?.bases ?? [],
    savedAt,
    maxShardBytes = kerasShardBytes,
  }: KerasPreset<Config>,
): E.Either<WeightsError, readonly FileToWrite[]> => {
  const options = layout.config(config);
  if (E.isLeft(options)) return E.left(weightsError('WrongConfig', path, options.left.message));
  const { folder } = layout;
  const backbone = serialized(folder, layout.backbone, {
    ...layerConfig(layout.backbone, dtype),
    ...(policies === undefined || policies.size === 0 ? {} : { dtype: policyMap(policies, dtype) }),
    ...options.right,
  });
  const [date, time] = savedAt.toISOString().split(/[T.]/);
  const named = (groups: readonly (readonly [group: string, name: string])[]) =>
    groups.map(([group, name]) => [group === '' ? 'vars' : `${group}/vars`, { name }] as const);
  const preprocessor = saved?.preprocessor ?? null;
  return E.right([
    jsonFile('config.json', backbone),
    ...(saved === undefined
      ? []
      : [
          jsonFile(
            'task.json',
            serialized(folder, saved.kerasClass, {
              backbone,
              preprocessor: preprocessor === null ? null : serializedPreprocessor(layout, preprocessor),
              name: saved.kerasClass.name,
              ...saved.config,
            }),
          ),
        ]),
    ...(preprocessor === null ? [] : kerasPreprocessorFiles(layout, preprocessor)),
    jsonFile('metadata.json', {
      ...versions,
      // The backbone's: KerasHub leaves the head's out.
      parameter_count: weights.reduce((total, [, { shape }]) => total + count(shape), 0),
      date_saved: `${date}@${time}`,
      tasks: bases,
    }),
    ...weightFiles(weights, named(layout.layers(config)), maxShardBytes),
    ...(saved?.head === undefined
      ? []
      : [{ name: 'task.weights.h5', content: writeHdf5(h5Tree(saved.head.weights, named(saved.head.groups))) }]),
  ]);
};
