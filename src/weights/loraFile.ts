import * as E from 'fp-ts/lib/Either.js';
import type * as TE from 'fp-ts/lib/TaskEither.js';
import { preview } from '../models/configReader.ts';
import { type Lora, loraEntries, planLora } from '../models/lora.ts';
import { formatPath, type WeightTable } from '../models/weightEntry.ts';
import { ArgumentError } from '../tensor/errors.ts';
import { formatShape, type Shape, sameShape } from '../tensor/shape.ts';
import type { Checkpoint, StoredDType, StoredTensor } from './checkpoint.ts';
import { fail, firstFew, PresetError, type WeightsError } from './errors.ts';
import { writeAtomically } from './files.ts';
import { openH5 } from './h5.ts';
import { type H5Dataset, h5Tree, writeHdf5 } from './hdf5Writer.ts';
import { openSafetensors, writeSafetensors } from './safetensors.ts';

// KerasHub's .lora.h5 holds lora/vars/rank, and the factors of each layer under the layer's place among all layers:
// lora/11/vars/lora_kernel_a. A safetensors file has the paths of the parameters.

const h5Ending = '.lora.h5';
const safetensorsEnding = '.safetensors';
const rankName = 'lora/vars/rank';

/** A parameter to be written beside others, float32. */
export interface LoraTensor {
  /** Its path in the tree. */
  readonly path: string;
  readonly shape: Shape;
  /** Its numbers, row-major. */
  readonly data: Float32Array;
}

/** Factors in an open file, and perhaps biases, by the path of the parameter that each is for. */
export interface LoraCheckpoint {
  /** The LoRA that the file is for: the model's own, or the one that the file describes. */
  readonly lora: Lora;
  /** By parameter path: `transformerLayers[0].selfAttention.query.loraKernelA`. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Closes the file; reading after that is an error. */
  readonly close: () => Promise<void>;
}

/** What a file may hold under a name. */
interface Expected {
  readonly path: string;
  readonly shape: Shape;
  readonly required: boolean;
}

const h5Name = (index: number, path: string): string =>
  `lora/${index}/vars/lora_kernel_${path.endsWith('A') ? 'a' : 'b'}`;

/**
 * Whether a LoRA file holds factors only, as KerasHub's do.
 *
 * @param path - The file's name, which decides.
 * @throws {ArgumentError} If it ends in no known way.
 */
export const holdsFactorsOnly = (path: string): boolean => {
  if (path.endsWith(h5Ending)) return true;
  if (path.endsWith(safetensorsEnding)) return false;
  throw new ArgumentError(
    `saveLoraWeights: expected a file name that ends in ${h5Ending} or ${safetensorsEnding}, got ${preview(path)}`,
  );
};

/**
 * Writes a model's factors, whole or not at all: as KerasHub does if the name ends in `.lora.h5`, by parameter path if it
 * ends in `.safetensors`.
 *
 * @param path - What was there is replaced in the end.
 * @param lora - The model's.
 * @param tensors - For `.lora.h5` the factors alone, those that `loraEntries` lists; else biases too.
 * @throws {ArgumentError} If the name ends otherwise.
 * @see keras_hub.models.Backbone.save_lora_weights
 */
export const writeLora = (
  path: string,
  lora: Lora,
  tensors: readonly LoraTensor[],
): TE.TaskEither<WeightsError, void> => {
  const bytesOf = ({ data }: LoraTensor): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (!holdsFactorsOnly(path))
    return writeSafetensors(
      path,
      tensors.map((tensor) => ({
        name: tensor.path,
        dtype: 'float32',
        shape: tensor.shape,
        data: bytesOf(tensor),
      })),
      { format: 'pt', loraRank: `${lora.rank}` },
    );
  const given = new Map(tensors.map((tensor) => [tensor.path, tensor]));
  const rank = new Uint8Array(BigInt64Array.of(BigInt(lora.rank)).buffer);
  return writeAtomically(
    path,
    writeHdf5(
      h5Tree([
        [rankName, { dtype: 'int64', shape: [], data: rank }],
        ...loraEntries(lora).map(({ path: own, shape, layer }): readonly [string, H5Dataset] => [
          h5Name(layer.index, own),
          { dtype: 'float32', shape, data: bytesOf(given.get(own)!) },
        ]),
      ]),
    ),
  );
};

const floats: readonly StoredDType[] = ['float32', 'float16', 'bfloat16'];

/** The whole number that a file says is its rank. */
const readRank = async (path: string, stored: StoredTensor | undefined): Promise<E.Either<WeightsError, number>> => {
  if (stored === undefined || stored.shape.length > 0 || !['int64', 'int32'].includes(stored.dtype))
    return fail('BrokenFile', path, `expected a whole number ${rankName}; is it a LoRA file of KerasHub?`);
  const view = new DataView((await stored.read(0, stored.byteLength)).slice().buffer);
  const rank = stored.dtype === 'int64' ? Number(view.getBigInt64(0, true)) : view.getInt32(0, true);
  return rank >= 1 && Number.isSafeInteger(rank)
    ? E.right(rank)
    : fail('BrokenFile', path, `expected a rank from 1, got ${rank}`);
};

/** A plan for these layers, or why the model has none such. */
const planFor = (
  path: string,
  table: WeightTable,
  rank: number,
  names: readonly string[],
): E.Either<WeightsError, Lora> => {
  try {
    return E.right(planLora(table, { rank, targetLayerNames: [...new Set(names)] }));
  } catch (error) {
    if (error instanceof ArgumentError)
      return fail('WrongTensors', path, `does not fit the model: ${error.message.replace(/^enableLora: /, '')}`);
    throw error;
  }
};

/** What a KerasHub file says: its rank and, by name, its layers. */
const surveyH5 = async (
  path: string,
  table: WeightTable,
  { tensors }: Checkpoint,
): Promise<E.Either<WeightsError, { readonly rank: number; readonly names: readonly string[] }>> => {
  const rank = await readRank(path, tensors.get(rankName));
  if (E.isLeft(rank)) return rank;
  const names: string[] = [];
  for (const name of tensors.keys()) {
    const index = /^lora\/(0|[1-9]\d{0,5})\/vars\/lora_kernel_[ab]$/.exec(name)?.[1];
    const layer = index === undefined ? undefined : table.layers[Number(index)];
    if (layer !== undefined) names.push(layer.name);
    else if (name !== rankName)
      return fail(
        'WrongTensors',
        path,
        `expected factors of the model's ${table.layers.length} layers, got ${preview(name)}`,
      );
  }
  return E.right({ rank: rank.right, names });
};

/** What a file by parameter path says. */
const surveySafetensors = (
  path: string,
  table: WeightTable,
  { tensors }: Checkpoint,
): E.Either<WeightsError, { readonly rank: number; readonly names: readonly string[] }> => {
  const layers = new Map(table.layers.map((layer) => [formatPath(layer.path), layer.name]));
  const names: string[] = [];
  let rank: number | undefined;
  for (const [name, { shape }] of tensors) {
    const layer = layers.get(name.slice(0, name.lastIndexOf('.')));
    if (layer === undefined)
      return fail('WrongTensors', path, `expected factors and biases by parameter path, got ${preview(name)}`);
    names.push(layer);
    if (name.endsWith('.loraKernelB')) rank ??= shape[0];
  }
  return rank === undefined
    ? fail('BrokenFile', path, 'expected a loraKernelB, got none; is it a LoRA file?')
    : E.right({ rank, names });
};

/** Every name that a file for a plan may hold. */
const expectedOf = (table: WeightTable, lora: Lora, factorsOnly: boolean): ReadonlyMap<string, Expected> => {
  const factors = loraEntries(lora).map(({ path, shape, layer }): readonly [string, Expected] => [
    factorsOnly ? h5Name(layer.index, path) : path,
    { path, shape, required: true },
  ]);
  if (factorsOnly) return new Map(factors);
  const own = new Set(lora.layers.map(({ path }) => path));
  const others = table.entries
    .filter(({ path }) => own.has(formatPath(path.slice(0, -1))) && path.at(-1) !== 'kernel')
    .map(({ path, shape }): readonly [string, Expected] => [
      formatPath(path),
      { path: formatPath(path), shape, required: false },
    ]);
  return new Map([...factors, ...others]);
};

/** Finds a plan's tensors in a file: none missing, none left over, every shape right. */
const match = (
  path: string,
  expected: ReadonlyMap<string, Expected>,
  stored: ReadonlyMap<string, StoredTensor>,
): E.Either<WeightsError, ReadonlyMap<string, StoredTensor>> => {
  const matched = new Map<string, StoredTensor>();
  const missing: string[] = [];
  const wrong: string[] = [];
  for (const [name, { path: own, shape, required }] of expected) {
    const tensor = stored.get(name);
    if (tensor === undefined) {
      if (required) missing.push(`${name} (for ${own})`);
    } else if (!sameShape(tensor.shape, shape) || !floats.includes(tensor.dtype))
      wrong.push(`${name} is ${tensor.dtype} ${formatShape(tensor.shape)}, expected float32 ${formatShape(shape)}`);
    else matched.set(own, tensor);
  }
  const unknown = [...stored.keys()].filter((name) => name !== rankName && !expected.has(name)).map(preview);
  const said = (
    [
      ['missing', missing],
      ['of another shape or dtype', wrong],
      ['unknown', unknown],
    ] as const
  ).flatMap(([what, names]) => (names.length === 0 ? [] : [`${what}: ${firstFew(names)}`]));
  return said.length === 0
    ? E.right(matched)
    : fail('WrongTensors', path, `the LoRA weights do not fit the model; ${said.join('; ')}`);
};

const survey = async (
  path: string,
  table: WeightTable,
  known: Lora | undefined,
  checkpoint: Checkpoint,
): Promise<E.Either<WeightsError, Omit<LoraCheckpoint, 'close'>>> => {
  const isH5 = !path.endsWith(safetensorsEnding);
  const found = isH5 ? await surveyH5(path, table, checkpoint) : surveySafetensors(path, table, checkpoint);
  if (E.isLeft(found)) return found;
  const { rank, names } = found.right;
  if (known !== undefined && known.rank !== rank)
    return fail(
      'WrongTensors',
      path,
      `expected LoRA weights of rank ${known.rank}, as the model was enabled with, got rank ${rank}; load them into a model without LoRA, or into one enabled with rank ${rank}`,
    );
  const lora = known === undefined ? planFor(path, table, rank, names) : E.right(known);
  if (E.isLeft(lora)) return lora;
  const tensors = match(path, expectedOf(table, lora.right, isH5), checkpoint.tensors);
  return E.isLeft(tensors) ? tensors : E.right({ lora: lora.right, tensors: tensors.right });
};

/**
 * Opens a LoRA file, KerasHub's or one by parameter path (`.safetensors`), and checks it against a model before anything
 * large is read.
 *
 * @param path - The file.
 * @param table - The model's.
 * @param known - The LoRA that the model has; undefined: the file says which layers have factors.
 * @see keras_hub.models.Backbone.load_lora_weights
 */
export const openLora =
  (path: string, table: WeightTable, known?: Lora): TE.TaskEither<WeightsError, LoraCheckpoint> =>
  async () => {
    const opened = await (path.endsWith(safetensorsEnding) ? openSafetensors : openH5)(path)();
    if (E.isLeft(opened)) return opened;
    const { close } = opened.right;
    let result: Awaited<ReturnType<typeof survey>> | undefined;
    try {
      result = await survey(path, table, known, opened.right);
      return E.isLeft(result) ? result : E.right({ ...result.right, close });
    } catch (error) {
      if (error instanceof PresetError) return E.left({ _tag: error._tag, message: error.message, path });
      throw error;
    } finally {
      if (result === undefined || E.isLeft(result)) await close();
    }
  };
