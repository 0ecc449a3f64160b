import * as E from 'fp-ts/lib/Either.js';
import type { JsonObject } from '../models/configReader.ts';
import { type SavedKind, transformersConfig } from '../models/transformersLayout.ts';
import { linearModules, linearTable, quantizationConfig } from '../models/transformersQuantized.ts';
import { formatPath, type WeightTable } from '../models/weightEntry.ts';
import { cast } from '../ops/cast.ts';
import { isQuantized } from '../ops/dequantize.ts';
import { zeros } from '../ops/zeros.ts';
import type { Device } from '../runtime/device.ts';
import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { paths, type Tree } from '../tensor/tree.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import {
  type Family,
  type FileToWrite,
  type StoredDType,
  type TensorToWrite,
  toPresetError,
  transformersJson,
  transformersPresetFiles,
} from '../weights/index.ts';
import { commonDType, deviceBytes } from './deviceBytes.ts';
import type { SavedEncoderTask } from './encoderFamily.ts';
import { deviceOf, heldParams } from './heldParams.ts';
import { modelCard } from './modelCard.ts';
import { orReject } from './presets.ts';
import { familyOfBackbone, type SavableBackbone } from './savable.ts';
import { sentenceFiles } from './sentenceFiles.ts';
import { packedPaths, quantizedDatasets } from './storedQuantized.ts';
import { type StoredValue, storedTensors } from './storedTensors.ts';
import { transformersFamilies } from './transformersFamilies.ts';
import { warnOnce } from './warnOnce.ts';

/** A model as transformers' layout is to hold it. */
export interface TransformersModel {
  /** KerasHub's name of the task or backbone, for messages and the model card. */
  readonly name: string;
  readonly kind: SavedKind;
  readonly backbone: SavableBackbone;
  /** What the task adds; undefined for none. */
  readonly head?: SavedEncoderTask['head'];
  /** KerasHub's options of the task: a classifier's number of classes, activation, dropout and width. */
  readonly options?: JsonObject | undefined;
  readonly tokenizer: Tokenizer | null;
  /** What the preprocessor is told, as KerasHub writes it down. */
  readonly preprocessing?: JsonObject | undefined;
  /** How an embedder makes one of many states; undefined for what is none. */
  readonly pooling?: { readonly mode: 'mean' | 'cls' | 'max'; readonly normalize: boolean } | undefined;
}

/** What saving in transformers' layout depends on. */
export interface SaveTransformersOptions {
  readonly maxShardBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const refuse = (folder: string, message: string): never => {
  throw toPresetError({ _tag: 'WrongConfig', message: `${folder}: ${message}`, path: folder });
};

/** Fields of config.json that a classifier adds. */
const classifierFields = (
  folder: string,
  family: Family,
  { name, backbone, options = {} }: TransformersModel,
): JsonObject => {
  const { num_classes: classes, activation, hidden_dim: width, dropout } = options;
  const { hiddenDim } = backbone.config as { readonly hiddenDim: number };
  const wayOut = "save it with { format: 'keras' }";
  if (activation !== undefined && activation !== null && activation !== 'linear')
    refuse(
      folder,
      `${name}: expected activation "linear", since transformers' classifiers give logits, got "${String(activation)}"; ${wayOut}, or a classifier without activation`,
    );
  if (width !== undefined && width !== hiddenDim)
    refuse(
      folder,
      `${name}: expected hiddenDim ${hiddenDim}, the backbone's, the only one that transformers' layout can say, got ${String(width)}; ${wayOut}`,
    );
  const labels = Array.from({ length: classes as number }, (_, index) => `LABEL_${index}`);
  return {
    id2label: Object.fromEntries(labels.map((label, index) => [index, label])),
    label2id: Object.fromEntries(labels.map((label, index) => [label, index])),
    ...(typeof dropout === 'number' ? transformersFamilies[family].classifierDropout?.(dropout) : {}),
  };
};

/** The ids of special tokens, as config.json and generation_config.json have them. */
const specialIds = (kind: SavedKind, tokenizer: Tokenizer | null, padOfConfig: unknown): JsonObject => {
  const { startTokenId = null, endTokenId = null, padTokenId = -1 } = tokenizer ?? {};
  // The padding of GPT-2 and Falcon is a number, and no token.
  const pads = tokenizer?.specialTokenIds.includes(padTokenId) === true ? padTokenId : null;
  return {
    bos_token_id: startTokenId,
    eos_token_id: endTokenId,
    pad_token_id: padOfConfig ?? pads,
    ...(kind === 'seq2seqLM' ? { decoder_start_token_id: endTokenId, forced_eos_token_id: null } : {}),
  };
};

const toWrite = (device: Device, { name, value }: StoredValue, signal: AbortSignal | undefined): TensorToWrite => ({
  name,
  dtype: value.dtype as StoredDType,
  shape: value.shape,
  data: deviceBytes(device, value, signal),
});

/** The files of a tokenizer in transformers' layout. */
export const transformersTokenizerFiles = (
  folder: string,
  family: Family,
  name: string,
  tokenizer: Tokenizer,
  preprocessing: JsonObject = {},
): readonly FileToWrite[] => {
  const made = transformersFamilies[family].tokenizer(tokenizer);
  if (E.isLeft(made)) return refuse(folder, `${name}: its tokenizer: ${made.left}; save it with { format: 'keras' }`);
  if ('follows' in tokenizer && tokenizer.follows === 'kerasHub')
    warnOnce(
      `${name}: transformers' layout has no way to say how KerasHub cuts texts into words, so that they are cut as transformers does: with special tokens found in texts, and other white space and control characters; { format: 'keras' } keeps KerasHub's way`,
    );
  const { files, config } = made.right;
  return [
    ...files.map(({ name: file, content }) => ({
      name: file,
      content: [typeof content === 'string' ? new TextEncoder().encode(content) : content],
    })),
    transformersJson('tokenizer_config.json', {
      ...config,
      ...(preprocessing.sequence_length === undefined ? {} : { model_max_length: preprocessing.sequence_length }),
      // transformers has no place for these, and passes over them.
      ...(Object.keys(preprocessing).length === 0 ? {} : { keras_hub: preprocessing }),
    }),
  ];
};

/** The bias of the logits, all zeros, that a BART of transformers has beside its parameters. */
const zeroBias = (vocabularySize: number, { value }: StoredValue): StoredValue => ({
  name: 'final_logits_bias',
  value: cast(zeros([1, vocabularySize]), value.dtype),
});

/** A model's weights as transformers is to hold them. */
interface StoredModel {
  readonly values: readonly StoredValue[];
  /** What kernels in 8 bits are stored as. */
  readonly packed: readonly TensorToWrite[];
  /** The modules of these kernels. */
  readonly modules: readonly string[];
  /** How many numbers these kernels are. */
  readonly packedNumbers: number;
}

/** Kernels in 8 bits that transformers can hold so, and the rest of a table. */
const packedKernels = (
  device: Device,
  family: Family,
  table: WeightTable,
  params: ReadonlyMap<string, Tensor>,
  rename: (name: string) => string,
  signal: AbortSignal | undefined,
): Omit<StoredModel, 'values'> & { readonly rest: WeightTable } => {
  const paths = transformersFamilies[family].canPack === false ? new Set<string>() : packedPaths(table, params);
  const { entries } = linearTable(table, (path) => paths.has(path));
  return {
    rest: { ...table, entries: table.entries.filter(({ path }) => !paths.has(formatPath(path))) },
    packedNumbers: entries.reduce(
      (total, { shape, sources }) => total + (sources.transformers.quantized === undefined ? 0 : count(shape)),
      0,
    ),
    modules: [...linearModules(table)].flatMap(([path, module]) => (paths.has(path) ? [rename(module)] : [])),
    packed: entries.flatMap(({ path, sources: { transformers } }) =>
      transformers.quantized === undefined
        ? []
        : quantizedDatasets(device, transformers, transformers.quantized, params.get(formatPath(path))!, signal).map(
            ([name, dataset]) => ({ ...dataset, name: rename(name) }),
          ),
    ),
  };
};

/** Parameters of a model as transformers stores them, under its names. */
const storedModel = async (
  device: Device,
  family: Family,
  { name, backbone, head, kind }: TransformersModel,
  table: WeightTable,
  rename: (name: string) => string,
  signal: AbortSignal | undefined,
): Promise<StoredModel> => {
  const held = async (params: Tree) => new Map(paths(await heldParams(device, params)));
  const params = await held(backbone.params);
  const { rest, ...kernels } = packedKernels(device, family, table, params, rename, signal);
  const asFloats = rest.entries.some(
    ({ path }) => path.at(-1) === 'kernel' && isQuantized(params.get(formatPath(path))!),
  );
  if (asFloats)
    warnOnce(
      `${name}: transformers reads 8 bits of linear layers that stand by themselves, so other kernels in few bits are saved as the floats that they stand for; { format: 'keras' } keeps them`,
    );
  const values = [
    ...storedTensors(rest, params, rename),
    ...(head === undefined ? [] : storedTensors(head.table, await held(head.params))),
  ];
  const hasBias = values.some((own) => own.name === 'final_logits_bias');
  const { vocabularySize } = backbone.config as { readonly vocabularySize: number };
  return {
    values: kind === 'seq2seqLM' && !hasBias ? [...values, zeroBias(vocabularySize, values[0]!)] : values,
    ...kernels,
  };
};

/**
 * All files of a model in transformers' layout, its tokenizer's and its model card among them.
 *
 * @param folder - Where they are to stand.
 * @throws {PresetError} By rejection, if transformers cannot say what the model computes.
 */
export const transformersFiles = async (
  folder: string,
  model: TransformersModel,
  { maxShardBytes, signal }: SaveTransformersOptions = {},
): Promise<readonly FileToWrite[]> => {
  const { name, kind, backbone, tokenizer, preprocessing, pooling } = model;
  const family = familyOfBackbone(backbone.model.name);
  const { layout } = transformersFamilies[family];
  const given = backbone.config as object;
  const config =
    tokenizer === null || layout.withPadding === undefined ? given : layout.withPadding(given, tokenizer.padTokenId);
  const said = transformersConfig(name, layout, config, kind);
  if (E.isLeft(said)) return refuse(folder, said.left.message);
  const classes = layout.classes(config);
  const architecture = classes[kind]!;
  // A family whose backbone has a table beside the base model is saved with the head that holds it.
  const isBase = kind === 'backbone' && !/For|LMHead/.test(architecture);
  const device = await deviceOf(backbone);
  const table = layout.weights?.(config) ?? backbone.model.weights;
  const { outside = [] } = layout;
  const { values, packed, modules, packedNumbers } = await storedModel(
    device,
    family,
    model,
    table,
    (stored) => (isBase || outside.includes(stored) ? stored : `${table.transformersPrefix}${stored}`),
    signal,
  );
  const floats = values.map(({ value }) => value);
  const unquantized = floats.filter((value) => !isQuantized(value));
  const dtype = commonDType(modules.length === 0 ? floats : unquantized);
  const ids = specialIds(kind, tokenizer, said.right.pad_token_id);
  const files = orReject(
    transformersPresetFiles(folder, {
      config: {
        ...said.right,
        ...(kind === 'textClassifier' ? classifierFields(folder, family, model) : {}),
        ...ids,
        architectures: [architecture],
        dtype,
        ...(modules.length === 0 ? {} : { quantization_config: quantizationConfig(modules) }),
      },
      generation: kind === 'causalLM' || kind === 'seq2seqLM' ? ids : undefined,
      tensors: [...values.map((value) => toWrite(device, value, signal)), ...packed],
      maxShardBytes,
    }),
  );
  const facts = {
    name,
    kind: pooling === undefined ? kind : ('embedder' as const),
    architecture,
    parameters: values.reduce((total, { value }) => total + count(value.shape), 0) + packedNumbers,
    dtype: modules.length === 0 ? dtype : `int8 and ${dtype}`,
    config: said.right,
  };
  return [
    ...files,
    ...(tokenizer === null ? [] : transformersTokenizerFiles(folder, family, name, tokenizer, preprocessing)),
    ...(pooling === undefined
      ? []
      : sentenceFiles({
          ...pooling,
          width: (config as { readonly hiddenDim: number }).hiddenDim,
          sequenceLength: preprocessing?.sequence_length as number | undefined,
        })),
    ...(await modelCard(folder, facts)),
  ];
};
