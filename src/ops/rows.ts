import * as E from 'fp-ts/lib/Either.js';
import { type DType, deviceBytes, isFloat } from '../tensor/dtype.ts';
import { DTypeError, ShapeError } from '../tensor/errors.ts';
import type { ByteRange, KernelTraits } from '../tensor/kernel.ts';
import { count, formatShape, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { cast } from './cast.ts';
import { distinct } from './choice.ts';

/** An array seen as rows along its last axis. */
export interface RowsOf {
  readonly rows: number;
  readonly columns: number;
}

/** A shape seen as rows along its last axis; a scalar is one row of one. */
export const rowsOf = (shape: Shape): RowsOf => ({ rows: count(shape.slice(0, -1)), columns: shape.at(-1) ?? 1 });

/** A shape as it is, if it has a last axis. */
export const expectRows = (op: string, x: Shape): E.Either<ShapeError, Shape> =>
  x.length === 0
    ? E.left(new ShapeError(`${op}: expected x of rank 1 or more, got rank 0 (shape ${formatShape(x)})`))
    : E.right(x);

/** A shape as it is, if it has a last axis and that axis has elements to choose from. */
export const expectColumns = (op: string, x: Shape): E.Either<ShapeError, Shape> =>
  x.length > 0 && x.at(-1) === 0
    ? E.left(new ShapeError(`${op}: expected a last axis of size 1 or more, got shape ${formatShape(x)}`))
    : expectRows(op, x);

/** Floats as float32, which is how most kernels read them; the rest as it is, for the op's dtype rule to judge. */
export const asFloat32 = (x: Tensor): Tensor => (isFloat(x.dtype) ? cast(x, 'float32') : x);

/** A dtype as it is if it is int32. */
export const expectIntegers = (op: string, argument: string, dtype: DType | undefined): E.Either<DTypeError, DType> =>
  dtype === 'int32'
    ? E.right(dtype)
    : E.left(new DTypeError(`${op}: expected ${argument} of dtype int32, got ${dtype}; use cast to convert`));

/** The power of two that is at least so large. */
export const powerOfTwo = (least: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, least)));

/** How a kernel that gives a row to a workgroup runs on a device. */
export interface RowKernel {
  /** By which it is remembered. */
  readonly name: string;
  readonly shader: string;
  /** Lanes of a workgroup: a power of two. */
  readonly lanes: number;
}

/**
 * The kernels for rows, the usual one first: one subgroup a row, without barriers (`<name>Subgroup`), which is usual on a
 * software adapter; or a workgroup a row that meets in workgroup memory, usually the wider the longer the row.
 */
export const rowKernels = (name: string, columns: number, traits: KernelTraits): readonly RowKernel[] => {
  const { subgroups, isSoftware, maxInvocations } = traits;
  const bySubgroup =
    subgroups === undefined ? [] : [{ name: `${name}Subgroup`, shader: `${name}Subgroup`, lanes: subgroups }];
  // Few widths, since each is a pipeline of its own.
  const usual = columns <= 256 ? 64 : columns < 16384 ? 256 : 1024;
  const byWidth = (isSoftware ? [usual, 64] : [usual, 64, 256, 1024]).map((width) => {
    const lanes = Math.min(width, 2 ** Math.floor(Math.log2(maxInvocations)));
    return { name: `${name} ${lanes}`, shader: name, lanes };
  });
  return distinct(isSoftware ? [...bySubgroup, ...byWidth] : [...byWidth, ...bySubgroup]);
};

/** The usual kernel for rows. */
export const rowKernel = (name: string, columns: number, traits: KernelTraits): RowKernel =>
  rowKernels(name, columns, traits)[0]!;

/** Lanes of a workgroup in two dimensions, and how many workgroups cover columns and rows. */
export interface Tiling {
  readonly constants: { readonly COLUMNS: number; readonly ROWS: number };
  readonly workgroups: readonly [number, number, number];
}

/**
 * A grid for work without any order: lanes along columns, and along rows as far as columns leave lanes over. The shader
 * strides through what the grid does not cover: on a software adapter, where starting a workgroup is dear, a lane has
 * several elements.
 *
 * @param steps - What an element costs: how many numbers are read for it.
 */
export const tiling = (
  { rows, columns }: RowsOf,
  { maxWorkgroupsPerDimension: most, isSoftware }: KernelTraits,
  steps = 1,
): Tiling => {
  const across = Math.min(64, powerOfTwo(columns));
  const down = 64 / across;
  const reach = isSoftware ? Math.max(1, Math.floor(16 / steps)) : 1;
  const wide = Math.ceil(columns / across);
  const high = Math.ceil(rows / down);
  return {
    constants: { COLUMNS: across, ROWS: down },
    workgroups: [
      Math.min(most, Math.ceil(wide / reach)),
      Math.min(most, Math.ceil(high / Math.max(1, Math.floor(reach / wide)))),
      1,
    ],
  };
};

/** A range that can be bound, and how many elements of it come before the first one wanted. */
export interface Window {
  readonly range: ByteRange;
  readonly skip: number;
}

/** What to bind for elements `[start, end)`: the range that starts at the device's alignment before them. */
export const elementWindow = (start: number, end: number, dtype: DType, { offsetAlignment }: KernelTraits): Window => {
  const bytes = deviceBytes(dtype);
  const from = Math.floor((start * bytes) / offsetAlignment) * offsetAlignment;
  return { range: { start: from, size: Math.ceil((end * bytes - from) / 4) * 4 }, skip: start - from / bytes };
};
