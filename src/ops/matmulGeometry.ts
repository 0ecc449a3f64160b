import type { KernelTraits, LaunchContext, Operand } from '../tensor/kernel.ts';
import { broadcastLayout } from './broadcastTo.ts';
import { elementWindow, type Window } from './rows.ts';

/** Where the elements of a batch of matrices lie: an offset and strides, in elements. */
export interface Matrices {
  readonly offset: number;
  /** From one matrix to the next along each batch axis, outermost first; 0 where the axis is broadcast. */
  readonly batch: readonly number[];
  readonly row: number;
  readonly column: number;
}

/**
 * A part of a product: `y[z, i, j] = sum_l a[z, i, l] * b[z, l, j]` for some rows, columns and terms. A part whose terms
 * are not the first adds to what is in y; the epilogue comes with the last.
 */
export interface Product {
  readonly batch: readonly number[];
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly a: Matrices;
  readonly b: Matrices;
  readonly y: Matrices;
  readonly firstColumn: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** Whether matrices consist of whole vectors of `width` elements that lie one after the other along rows, or columns. */
export const isInVectors = (
  along: 'row' | 'column',
  { offset, batch, row, column }: Matrices,
  width: number,
  size: number,
) =>
  (along === 'row' ? column : row) === 1 &&
  size > 0 &&
  [size, offset, along === 'row' ? row : column, ...batch].every((step) => step % width === 0);

/** The product as one of few batch axes: axes that lie evenly in all three are one, and rows of a batch are rows. */
export const flatten = ({ inputs, output: y }: LaunchContext<object>): Product => {
  const [m, n] = y.shape.slice(-2) as [number, number];
  const k = inputs[0]!.shape.at(-1)!;
  const sizes = y.shape.slice(0, -2);
  const [a, b] = [broadcastLayout(inputs[0]!, [...sizes, m, k]), broadcastLayout(inputs[1]!, [...sizes, k, n])];
  const axes: { size: number; a: number; b: number; y: number }[] = [];
  for (const [axis, size] of sizes.entries()) {
    if (size === 1) continue;
    const next = { size, a: a.strides[axis]!, b: b.strides[axis]!, y: y.strides[axis]! };
    const last = axes.at(-1);
    if (last !== undefined && last.a === next.a * size && last.b === next.b * size)
      axes.splice(-1, 1, { ...next, size: last.size * size });
    else axes.push(next);
  }
  const rank = sizes.length;
  let rows = m;
  // A stride along an axis of size 1 says nothing.
  let aRow = m === 1 ? 0 : a.strides[rank]!;
  for (let last = axes.at(-1); last?.b === 0 && (rows === 1 || last.a === aRow * rows); last = axes.at(-1)) {
    if (rows === 1) aRow = last.a;
    rows *= last.size;
    axes.pop();
  }
  return {
    batch: axes.map(({ size }) => size),
    m: rows,
    k,
    n,
    a: { offset: a.offset, batch: axes.map((axis) => axis.a), row: aRow, column: k === 1 ? 1 : a.strides[rank + 1]! },
    b: {
      offset: b.offset,
      batch: axes.map((axis) => axis.b),
      row: k === 1 ? n : b.strides[rank]!,
      column: n === 1 ? (b.strides[rank] === 1 ? k : 1) : b.strides[rank + 1]!,
    },
    y: { offset: 0, batch: axes.map((axis) => axis.y), row: n, column: 1 },
    firstColumn: 0,
    isFirst: true,
    isLast: true,
  };
};

type Axis = 'm' | 'k' | 'n' | number;

const sizeOf = (product: Product, axis: Axis): number =>
  typeof axis === 'number' ? product.batch[axis]! : product[axis];

const part = (product: Product, axis: Axis, start: number, end: number): Product => {
  const moved = (matrices: Matrices, stride: number): Matrices => ({
    ...matrices,
    offset: matrices.offset + start * stride,
  });
  const { a, b, y } = product;
  switch (axis) {
    case 'm':
      return { ...product, m: end - start, a: moved(a, a.row), y: moved(y, y.row) };
    case 'n':
      return {
        ...product,
        n: end - start,
        b: moved(b, b.column),
        y: moved(y, y.column),
        firstColumn: product.firstColumn + start,
      };
    case 'k':
      return {
        ...product,
        k: end - start,
        a: moved(a, a.column),
        b: moved(b, b.row),
        isFirst: product.isFirst && start === 0,
        isLast: product.isLast && end === product.k,
      };
    default:
      return {
        ...product,
        batch: product.batch.map((size, i) => (i === axis ? end - start : size)),
        a: moved(a, a.batch[axis]!),
        b: moved(b, b.batch[axis]!),
        y: moved(y, y.batch[axis]!),
      };
  }
};

/** How far the elements of matrices reach, from the first to behind the last. */
const reach = (
  batch: readonly number[],
  { offset, batch: steps, row, column }: Matrices,
  rows: number,
  columns: number,
): readonly [number, number] =>
  // Of an empty matrix nothing is read, but something must be bound.
  rows * columns === 0
    ? [0, 4]
    : [
        offset,
        steps.reduce(
          (last, step, i) => last + step * (batch[i]! - 1),
          offset + row * (rows - 1) + column * (columns - 1) + 1,
        ),
      ];

/** What has to be bound of the operands of a part, and where in it the part begins. */
export interface Windows {
  readonly a: Window;
  readonly b: Window;
  readonly y: Window;
}

/** What to bind for a part. */
export const windowsOf = (
  { batch, m, k, n, a, b, y }: Product,
  inputs: readonly Operand[],
  traits: KernelTraits,
): Windows => ({
  a: elementWindow(...reach(batch, a, m, k), 'float32', traits),
  b: elementWindow(...reach(batch, b, k, n), inputs[1]!.dtype, traits),
  y: elementWindow(...reach(batch, y, m, n), 'float32', traits),
});

/** Halves `product` along the axis that shortens most what one of its operands reaches. */
const halves = (product: Product, operand: 'a' | 'b' | 'y'): readonly Product[] => {
  const matrices = product[operand];
  const [row, column]: readonly [Axis, Axis] = operand === 'a' ? ['m', 'k'] : operand === 'b' ? ['k', 'n'] : ['m', 'n'];
  const candidates: readonly (readonly [Axis, number])[] = [
    ...matrices.batch.map((step, i) => [i, step] as const),
    [row, matrices.row],
    [column, matrices.column],
  ];
  const span = ([axis, step]: readonly [Axis, number]): number => step * (sizeOf(product, axis) - 1);
  const [axis] = candidates.reduce((longest, candidate) => (span(candidate) > span(longest) ? candidate : longest));
  const size = sizeOf(product, axis);
  // Whole steps of 128 keep what was aligned aligned, and tiles full.
  const step = size > 128 && typeof axis !== 'number' ? 128 : 1;
  const middle = Math.ceil(Math.ceil(size / 2) / step) * step;
  return [part(product, axis, 0, middle), part(product, axis, middle, size)];
};

/** Parts of a product that the device can bind, in an order in which sums over terms may be continued. */
export const bindable = (product: Product, inputs: readonly Operand[], traits: KernelTraits): readonly Product[] => {
  const windows = windowsOf(product, inputs, traits);
  const operand = (['y', 'b', 'a'] as const).find((name) => windows[name].range.size > traits.maxBindingBytes);
  if (operand !== undefined) return halves(product, operand).flatMap((half) => bindable(half, inputs, traits));
  // Shaders know two batch axes.
  return product.batch.length <= 2
    ? [product]
    : Array.from({ length: product.batch[0]! }, (_, i) => {
        const { batch, a, b, y, ...rest } = part(product, 0, i, i + 1);
        const inner = (matrices: Matrices): Matrices => ({ ...matrices, batch: matrices.batch.slice(1) });
        return { ...rest, batch: batch.slice(1), a: inner(a), b: inner(b), y: inner(y) };
      }).flatMap((each) => bindable(each, inputs, traits));
};

/** A part cut along an axis into pieces of `most` at most. */
export const pieces = (product: Product, axis: 'm' | 'k' | 'n', most: number): readonly Product[] =>
  Array.from({ length: Math.ceil(product[axis] / most) }, (_, i) =>
    part(product, axis, i * most, Math.min(product[axis], (i + 1) * most)),
  );
