import * as E from 'fp-ts/lib/Either.js';
import { treeOf } from '../models/init.ts';
import { tableForms } from '../models/quantize.ts';
import { inStripGroups } from '../models/siblings.ts';
import {
  formatPath,
  type PresetLayout,
  type TensorPart,
  type WeightEntry,
  type WeightTable,
} from '../models/weightEntry.ts';
import { add } from '../ops/add.ts';
import { cast } from '../ops/cast.ts';
import { reshape } from '../ops/reshape.ts';
import { sliceAxis } from '../ops/slice.ts';
import { transpose } from '../ops/transpose.ts';
import type { Device } from '../runtime/device.ts';
import type { DType } from '../tensor/dtype.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { leaves, type Tree, withLeaves } from '../tensor/tree.ts';
import {
  type Checkpoint,
  type MatchedQuantized,
  type MatchedSource,
  matchWeights,
  type StoredTensor,
  toPresetError,
} from '../weights/index.ts';
import { gatheredPieces, joinSources } from './joinedSources.ts';
import { loadQuantized } from './loadQuantized.ts';
import { type ReadPiece, readerInTurn } from './readPieces.ts';

/** How far loading has come. */
export interface LoadProgress {
  /** Bytes of weights on the device so far. */
  readonly loaded: number;
  /** Bytes of weights in all. */
  readonly total: number;
}

/** What loading weights depends on. */
export interface LoadWeightsOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Storage of the weights on the device. Default: as in the files. */
  readonly dtype?: DType | undefined;
  /** What parameters are that the files may lack and do lack. */
  readonly absent?: ((entry: WeightEntry) => Tensor | undefined) | undefined;
}

const partOf = (stored: Tensor, { split, slice, order }: TensorPart, shape?: Shape): Tensor => {
  const apart = split === undefined ? stored : reshape(stored, split);
  const taken = slice === undefined ? apart : sliceAxis(apart, slice.axis, slice.start, slice.end);
  const ordered = order === undefined ? taken : transpose(taken, order);
  return shape === undefined ? ordered : reshape(ordered, shape);
};

/** What stands beside a matrix in few bits. */
const besides = ({ scales, zeros, groups, extent }: MatchedQuantized): readonly StoredTensor[] =>
  [scales, zeros, groups, extent].filter((part) => part !== undefined);

/** Whether a part is not one matrix of its stored tensor, but pieces from here and there. */
const isScattered = ({ split, slice }: TensorPart): boolean =>
  split !== undefined && slice !== undefined && split.slice(0, slice.axis).some((size) => size > 1);

/** Reads pieces of some tensors, and tells how much of all of them has been read. */
const tellingReader = (
  sources: readonly StoredTensor[],
  { signal, onProgress }: Pick<LoadWeightsOptions, 'signal' | 'onProgress'>,
): ReadPiece => {
  const total = sources.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const read = readerInTurn();
  const ends = new Map<StoredTensor, number>();
  let loaded = 0;
  return async (source, start, end) => {
    signal?.throwIfAborted();
    const bytes = await read(source, start, end);
    // The end of a piece may be read once more with the next.
    const before = ends.get(source) ?? 0;
    ends.set(source, Math.max(before, end));
    loaded += Math.max(0, end - before);
    onProgress?.({ loaded, total });
    return bytes;
  };
};

/**
 * A checkpoint's weights on a device, as the parameters of a table. Each stored tensor is read once, piece by piece;
 * parameters that are parts of one are views of it, unless they are pieces from here and there, or sums of two: those are put
 * together once, since every step would have to otherwise.
 */
export const loadWeights = async (
  device: Device,
  layout: PresetLayout,
  table: WeightTable,
  checkpoint: Checkpoint,
  { signal, onProgress, dtype, absent }: LoadWeightsOptions = {},
): Promise<Tree> => {
  const matched = matchWeights(layout, table, checkpoint);
  if (E.isLeft(matched)) throw toPresetError(matched.left);
  const forms = tableForms(table);
  const weights = joinSources(matched.right, forms, device.webgpu?.traits.maxBindingBytes ?? Infinity);
  const few = weights.flatMap(({ entry, source, quantized }) =>
    quantized === undefined
      ? []
      : [{ ...quantized, path: formatPath(entry.path), shape: entry.shape, entry, source, quantized }],
  );
  const sources = [
    ...new Set(
      weights.flatMap(({ source, plus, quantized }) =>
        quantized === undefined ? [source, ...(plus ? [plus.source] : [])] : [],
      ),
    ),
  ];
  const all = [...sources, ...few.flatMap(({ source, quantized }) => [source, ...besides(quantized)])];
  const readPiece = tellingReader(all, { signal, onProgress });
  const uploaded = new Map<StoredTensor, Tensor>();
  const gathered = new Map<WeightEntry, Tensor>();
  const gather = async (source: StoredTensor, stored: Tensor): Promise<void> => {
    const users = weights.filter((own) => own.source === source || own.plus?.source === source);
    const scattered = users.filter((own) => own.source === source && own.plus === undefined && isScattered(own.part));
    if (scattered.length === 0) return;
    const pieces = gatheredPieces(stored, scattered, forms, ({ entry, part }) => partOf(stored, part, entry.shape));
    const wholes = await device.realize(pieces.map(({ whole }) => whole));
    held.push(...wholes);
    for (const [i, { parts }] of pieces.entries())
      for (const [entry, param] of parts(wholes[i]!)) gathered.set(entry, param);
    if (scattered.length < users.length) return;
    uploaded.delete(source);
    device.release([stored]);
  };
  const read = ({ source, part }: Pick<MatchedSource, 'source' | 'part'>, shape?: Shape): Tensor =>
    partOf(uploaded.get(source)!, part, shape);
  const held: Tensor[] = [];
  try {
    for (const group of inStripGroups(few)) {
      const own = await loadQuantized(device, checkpoint.path, group, readPiece);
      const params =
        dtype === undefined ? own.params : await device.realize(own.params.map((param) => cast(param, dtype)));
      if (dtype !== undefined) device.release(own.held);
      held.push(...(dtype === undefined ? own.held : params));
      for (const [i, { entry }] of group.entries()) gathered.set(entry, params[i]!);
    }
    for (const source of sources) {
      const stored = await device.upload(source.name, {
        shape: source.shape,
        dtype: source.dtype as DType,
        // Halves are made on the way; other floats on the device, where the usual case is that nothing is to be done.
        storedAs: source.dtype === 'float32' && (dtype === 'float16' || dtype === 'bfloat16') ? dtype : undefined,
        read: (start, end) => readPiece(source, start, end),
      });
      if (dtype === undefined || stored.dtype === dtype) uploaded.set(source, stored);
      else {
        const [converted] = await device.realize([cast(stored, dtype)]);
        device.release([stored]);
        uploaded.set(source, converted!);
      }
      await gather(source, uploaded.get(source)!);
    }
    signal?.throwIfAborted();
    const sums = weights.flatMap(({ entry, plus, ...own }) =>
      plus === undefined ? [] : [[entry, add(read(own, entry.shape), read(plus))] as const],
    );
    if (sums.length > 0) {
      // In full precision, unless another is asked for: the sum of two halves is seldom a half.
      const totals = await device.realize(sums.map(([, total]) => (dtype === undefined ? total : cast(total, dtype))));
      held.push(...totals);
      sums.forEach(([entry], i) => {
        gathered.set(entry, totals[i]!);
      });
      const needed = new Set(weights.flatMap(({ entry, source }) => (gathered.has(entry) ? [] : [source])));
      for (const [source, stored] of [...uploaded])
        if (!needed.has(source)) {
          uploaded.delete(source);
          device.release([stored]);
        }
    }
  } catch (cause) {
    device.release([...uploaded.values(), ...held]);
    throw cause;
  }
  const params = new Map(
    weights.map(({ entry, ...own }) => [entry, gathered.get(entry) ?? read(own, entry.shape)] as const),
  );
  return treeOf(
    table.entries.flatMap((entry) => {
      const param = params.get(entry) ?? absent?.(entry);
      return param === undefined ? [] : [[entry.path, param] as const];
    }),
  );
};

/** Parameters with the values of those that are accepted computed and kept on a device; the others stay as they are. */
export const realizeParams = async <Params extends Tree>(
  device: Device,
  params: Params,
  accepts: (tensor: Tensor) => boolean = () => true,
): Promise<Params> => {
  const all = leaves(params);
  const wanted = all.filter(accepts);
  if (wanted.length === 0) return params;
  const realized = await device.realize(wanted);
  let next = 0;
  return withLeaves(
    params,
    all.map((own) => (own === wanted[next] ? realized[next++]! : own)),
  );
};
