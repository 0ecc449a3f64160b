import * as E from 'fp-ts/lib/Either.js';
import type { JsonObject } from '../models/configReader.ts';
import { count } from '../tensor/shape.ts';
import { storedBytes } from './checkpoint.ts';
import type { WeightsError } from './errors.ts';
import type { FileToWrite } from './files.ts';
import { safetensorsContent, type TensorToWrite } from './safetensors.ts';
import { shardsOf } from './shardsOf.ts';

/** The version of transformers whose layout this is. */
export const transformersVersion = '5.23.0';

/** As large as transformers lets a file get: 50 GB. */
export const transformersShardBytes = 50e9;

const encoder = new TextEncoder();

/** Settings that are floats: transformers refuses a whole number without a point in some of them. */
const floats = /(?:dropout|_pdrop|dropout_prob|_epsilon|_eps|rope_theta|softcapping)$/;

/**
 * A file of JSON, laid out as transformers does.
 *
 * @param name - The file's.
 * @param value - What it is to hold.
 */
export const transformersJson = (name: string, value: unknown): FileToWrite => {
  const text = JSON.stringify(value, undefined, 2).replace(
    /^(\s*"([^"\\]*)": -?\d+)(,?)$/gm,
    (line, number: string, key: string, end: string) => (floats.test(key) ? `${number}.0${end}` : line),
  );
  return { name, content: [encoder.encode(`${text}\n`)] };
};

/** An object with its fields by name. */
const sorted = (value: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));

/** What goes into a folder in transformers' layout. */
export interface TransformersPreset {
  /** The model's fields of config.json, and what the task adds. */
  readonly config: JsonObject;
  /** Fields of generation_config.json; undefined for models that generate nothing. */
  readonly generation?: JsonObject | undefined;
  /** Weights in the order in which they fill the files. */
  readonly tensors: readonly TensorToWrite[];
  /** The size that a file of weights may have. */
  readonly maxShardBytes?: number | undefined;
}

const sizeOf = ({ dtype, shape }: TensorToWrite): number => count(shape) * storedBytes[dtype];

/** The weights as model.safetensors, or, above the limit, as files of which model.safetensors.index.json tells. */
const weightFiles = (
  path: string,
  { tensors, maxShardBytes = transformersShardBytes }: TransformersPreset,
): E.Either<WeightsError, readonly FileToWrite[]> => {
  const shards = shardsOf(tensors, sizeOf, maxShardBytes);
  const files: FileToWrite[] = [];
  const map: [string, string][] = [];
  for (const [index, shard] of shards.entries()) {
    const number = (value: number): string => String(value).padStart(5, '0');
    const name =
      shards.length === 1 ? 'model.safetensors' : `model-${number(index + 1)}-of-${number(shards.length)}.safetensors`;
    const content = safetensorsContent(`${path}/${name}`, shard, { format: 'pt' });
    if (E.isLeft(content)) return content;
    files.push({ name, content: content.right });
    for (const tensor of shard) map.push([tensor.name, name]);
  }
  if (shards.length === 1) return E.right(files);
  const metadata = {
    total_parameters: tensors.reduce((total, { shape }) => total + count(shape), 0),
    total_size: tensors.reduce((total, tensor) => total + sizeOf(tensor), 0),
  };
  return E.right([
    ...files,
    transformersJson('model.safetensors.index.json', { metadata, weight_map: sorted(Object.fromEntries(map)) }),
  ]);
};

/**
 * The files of a model in transformers' layout, but for its tokenizer: config.json, generation_config.json and weights.
 *
 * @param path - What errors name.
 * @see transformers.PreTrainedModel.save_pretrained
 */
export const transformersPresetFiles = (
  path: string,
  preset: TransformersPreset,
): E.Either<WeightsError, readonly FileToWrite[]> => {
  const weights = weightFiles(path, preset);
  if (E.isLeft(weights)) return weights;
  const version = { transformers_version: transformersVersion };
  return E.right([
    transformersJson('config.json', sorted({ ...preset.config, ...version })),
    ...(preset.generation === undefined
      ? []
      : [transformersJson('generation_config.json', sorted({ ...preset.generation, ...version }))]),
    ...weights.right,
  ]);
};
