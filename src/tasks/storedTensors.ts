import {
  formatPath,
  type TensorPart,
  type WeightEntry,
  type WeightSource,
  type WeightTable,
} from '../models/weightEntry.ts';
import { cast } from '../ops/cast.ts';
import { concatenate } from '../ops/concatenate.ts';
import { reshape } from '../ops/reshape.ts';
import { transpose } from '../ops/transpose.ts';
import { zeros } from '../ops/zeros.ts';
import type { DType } from '../tensor/dtype.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** A tensor as transformers stores it: its `name` in the file, and its `value` as an expression on parameters. */
export interface StoredValue {
  readonly name: string;
  readonly value: Tensor;
}

const withSize = (shape: Shape, axis: number, size: number): Shape =>
  shape.map((own, at) => (at === axis ? size : own));

/** A parameter as the piece of its stored tensor that it was read from: what `partOf` in loadWeights.ts does, undone. */
const pieceOf = (param: Tensor, stored: Shape, { split, slice, order }: TensorPart): Tensor => {
  const apart = split ?? stored;
  const taken = slice === undefined ? apart : withSize(apart, slice.axis, slice.end - slice.start);
  if (order === undefined) return reshape(param, taken);
  const back = order.map((_, axis) => order.indexOf(axis));
  return transpose(
    reshape(
      param,
      order.map((axis) => taken[axis]!),
    ),
    back,
  );
};

/** Pieces of one stored tensor side by side along their axis, zeros where none is. */
const joined = (
  pieces: readonly { readonly piece: Tensor; readonly part: TensorPart }[],
  stored: Shape,
  dtype: DType,
): Tensor => {
  const [{ piece: first, part }] = pieces as readonly [(typeof pieces)[0], ...typeof pieces];
  if (part.slice === undefined) return reshape(first, stored);
  const { axis } = part.slice;
  const apart = part.split ?? stored;
  const parts: Tensor[] = [];
  let covered = 0;
  const fill = (end: number): void => {
    if (end > covered) parts.push(zeros(withSize(apart, axis, end - covered)));
    covered = end;
  };
  for (const { piece, part } of [...pieces].sort((a, b) => a.part.slice!.start - b.part.slice!.start)) {
    fill(part.slice!.start);
    parts.push(piece);
    covered = part.slice!.end;
  }
  fill(apart[axis]!);
  return cast(reshape(parts.length === 1 ? parts[0]! : concatenate(parts, { axis }), stored), dtype);
};

/** The one storage of some parameters, or float32, which holds any. */
const sharedDType = (tensors: readonly Tensor[]): DType =>
  tensors.every(({ dtype }) => dtype === tensors[0]!.dtype) ? tensors[0]!.dtype : 'float32';

/**
 * A table's parameters as transformers stores them: parts of one tensor put together, axes in their old order, and zeros where
 * no parameter is read from: rows before the first place, and tensors that are only added to others.
 *
 * @param params - By path.
 * @param rename - What a stored name becomes.
 * @returns One expression a stored tensor, in the table's order.
 */
export const storedTensors = (
  { entries }: WeightTable,
  params: ReadonlyMap<string, Tensor>,
  rename: (name: string) => string = (name) => name,
): readonly StoredValue[] => {
  const paramOf = ({ path }: WeightEntry): Tensor => params.get(formatPath(path))!;
  const users = new Map<string, { readonly source: WeightSource; readonly entries: WeightEntry[] }>();
  const added = new Map<string, { readonly shape: Shape; readonly entry: WeightEntry }>();
  for (const entry of entries) {
    const source = entry.sources.transformers;
    const known = users.get(source.name);
    if (known === undefined) users.set(source.name, { source, entries: [entry] });
    else known.entries.push(entry);
    if (source.plus !== undefined) added.set(source.plus.name, { shape: source.plus.shape, entry });
  }
  return [
    ...[...users].map(([name, { source, entries: own }]) => {
      const dtype = sharedDType(own.map(paramOf));
      const pieces = own.map((entry) => {
        const { part } = entry.sources.transformers;
        return { piece: pieceOf(paramOf(entry), source.shape, part), part };
      });
      return { name: rename(name), value: joined(pieces, source.shape, dtype) };
    }),
    ...[...added].map(([name, { shape, entry }]) => ({
      name: rename(name),
      value: cast(zeros(shape), paramOf(entry).dtype),
    })),
  ];
};
