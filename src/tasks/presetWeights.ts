import * as E from 'fp-ts/lib/Either.js';
import * as O from 'fp-ts/lib/Option.js';
import {
  formatPath,
  type PresetLayout,
  partsBeside,
  type QuantizedSource,
  type WeightEntry,
  type WeightTable,
} from '../models/weightEntry.ts';
import { count, type Shape } from '../tensor/shape.ts';
import {
  type Checkpoint,
  matchWeights,
  type Preset,
  type StoredDType,
  type StoredTensor,
  storedBytes,
} from '../weights/index.ts';
import { orReject } from './presets.ts';

/** A parameter of the backbone, or a tensor besides it. */
export interface PresetWeight {
  /** Where it stands in `params`, or its name in the file. */
  readonly path: string;
  readonly shape: readonly number[];
  /** As it is stored; int8 and int4 with a scale for each column, or for each block of it. */
  readonly dtype: StoredDType | 'int4';
  /** Scales and what else belongs to a parameter in few bits counted. */
  readonly bytes: number;
}

/** What a preset's files say of its weights. */
export interface PresetWeights {
  /** False: the weights are not here; shapes are the config's, and the dtype is what it says they were saved with. */
  readonly hasWeights: boolean;
  /** What does not fit the config, if something does not. */
  readonly weightsProblem: string | undefined;
  readonly weights: readonly PresetWeight[];
  /** Tensors of the files that are no parameters of the backbone: a task's head, and what is passed over. */
  readonly otherWeights: readonly PresetWeight[];
  /** Parameters that the files lack and may lack: they start as in a new model. */
  readonly absentWeights: readonly string[];
}

/** A policy of KerasHub's config, or what stands for layers without one of their own. */
interface SavedPolicy {
  readonly config?: { readonly name?: unknown; readonly default_policy?: SavedPolicy | null };
}

/** The dtype that a config says its floats were saved with. */
const savedDType = ({ config, layout }: Preset): StoredDType => {
  const own = config.config as { readonly dtype?: SavedPolicy } | undefined;
  const policy = own?.dtype?.config;
  const said =
    layout === 'keras' ? (policy?.name ?? policy?.default_policy?.config?.name) : (config.dtype ?? config.torch_dtype);
  return said === 'float16' || said === 'bfloat16' ? said : 'float32';
};

const storedSize = (shape: Shape, dtype: StoredDType): number => count(shape) * storedBytes[dtype];

/** The bytes of what belongs to a parameter in few bits, as it is stored in general. */
const besidesBytes = ({ scales, zeros, groups, extent }: QuantizedSource): number =>
  storedSize(scales.shape, 'float32') +
  (zeros === undefined ? 0 : storedSize(zeros.shape, 'int8')) +
  (groups === undefined ? 0 : storedSize(groups.shape, 'float32')) +
  (extent === undefined ? 0 : storedSize(extent.shape, 'int64'));

/** A parameter of a table, whose floats are stored in this dtype. */
const weight = ({ path, shape, sources }: WeightEntry, layout: PresetLayout, dtype: StoredDType): PresetWeight => {
  const { quantized, shape: stored } = sources[layout];
  const own = { path: formatPath(path), shape };
  return quantized === undefined
    ? { ...own, dtype, bytes: storedSize(shape, dtype) }
    : {
        ...own,
        dtype: `int${quantized.format.bits}`,
        bytes: storedSize(stored, quantized.numbers.dtype) + besidesBytes(quantized),
      };
};

/** A tensor of a file as it stands there. */
const storedWeight = ({ name, shape, dtype, byteLength }: StoredTensor): PresetWeight => ({
  path: name,
  shape,
  dtype,
  bytes: byteLength,
});

/** Names of all tensors that a table reads. */
const readNames = ({ entries }: WeightTable, layout: PresetLayout): ReadonlySet<string> =>
  new Set(
    entries.flatMap(({ sources }) => {
      const { name, otherNames = [], plus, quantized } = sources[layout];
      return [
        name,
        ...otherNames,
        ...(plus === undefined ? [] : [plus.name, ...(plus.otherNames ?? [])]),
        ...(quantized === undefined ? [] : partsBeside(quantized).map((part) => part.name)),
      ];
    }),
  );

/** Parameters as files hold them: only headers are read. */
const storedWeights = (layout: PresetLayout, table: WeightTable, checkpoint: Checkpoint): PresetWeights => {
  const names = readNames(table, layout);
  const { transformersPrefix: prefix } = table;
  const isRead = (name: string): boolean =>
    names.has(name) || (layout === 'transformers' && name.startsWith(prefix) && names.has(name.slice(prefix.length)));
  const otherWeights = [...checkpoint.tensors.values()].filter(({ name }) => !isRead(name)).map(storedWeight);
  // A head beside the backbone is no reason to say that files do not fit.
  const own = new Map([...checkpoint.tensors].filter(([name]) => isRead(name)));
  const matched = matchWeights(layout, table, { ...checkpoint, tensors: own });
  const there = new Set(E.isRight(matched) ? matched.right.map(({ entry }) => entry) : table.entries);
  const absent = table.entries.filter((entry) => !there.has(entry)).map(({ path }) => formatPath(path));
  return {
    hasWeights: true,
    otherWeights,
    ...(E.isLeft(matched)
      ? {
          weightsProblem: matched.left.message,
          absentWeights: [],
          weights: [...own.values()].map(storedWeight),
        }
      : {
          weightsProblem: undefined,
          absentWeights: absent,
          weights: matched.right.map(({ entry, source }) => weight(entry, layout, source.dtype)),
        }),
  };
};

/** What a preset says of its weights: of files only the headers are read. */
export const readPresetWeights = async (preset: Preset, table: WeightTable): Promise<PresetWeights> => {
  const opened = await preset.openWeights()();
  if (E.isLeft(opened)) {
    if (opened.left._tag !== 'MissingFile') orReject(opened);
    const weights = table.entries.map((entry) => weight(entry, preset.layout, savedDType(preset)));
    return { hasWeights: false, weights, otherWeights: [], absentWeights: [], weightsProblem: undefined };
  }
  const task = await preset.openTaskWeights()();
  try {
    const facts = storedWeights(preset.layout, table, opened.right);
    const head = E.isRight(task) && O.isSome(task.right) ? [...task.right.value.tensors.values()] : [];
    const others = head
      .filter(({ name }) => !name.startsWith('layers/functional') && !name.includes('_backbone/'))
      .map(storedWeight);
    return { ...facts, otherWeights: [...facts.otherWeights, ...others] };
  } finally {
    await opened.right.close();
    if (E.isRight(task) && O.isSome(task.right)) await task.right.value.close();
  }
};
