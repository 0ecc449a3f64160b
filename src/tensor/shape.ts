import * as E from 'fp-ts/lib/Either.js';
import { ShapeError } from './errors.ts';

/** Sizes of the axes, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/** How many elements a tensor of this shape holds; 1 for a scalar. */
export const count = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);

/** `[2, 3]` as it stands in messages. */
export const formatShape = (shape: Shape): string => `[${shape.join(', ')}]`;

/** Whether two shapes are the same. */
export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((size, axis) => size === b[axis]);

/** Steps, in elements, from one index of each axis to the next when rows lie one after the other. */
export const rowMajorStrides = (shape: Shape): readonly number[] => {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis]!;
  }
  return strides;
};

/**
 * The shape that two shapes broadcast to, by NumPy's rule: aligned at the last axis, sizes equal or one of them 1.
 *
 * @param op - The op's name, for the message.
 */
export const broadcastShapes = (op: string, a: Shape, b: Shape): E.Either<ShapeError, Shape> => {
  const rank = Math.max(a.length, b.length);
  const shape = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const m = a[a.length - rank + i] ?? 1;
    const n = b[b.length - rank + i] ?? 1;
    if (m !== n && m !== 1 && n !== 1)
      return E.left(
        new ShapeError(
          `${op}: expected shapes that broadcast, got ${formatShape(a)} and ${formatShape(b)} (axis ${i - rank}: ${m} and ${n})`,
        ),
      );
    shape[i] = m === 1 ? n : m;
  }
  return E.right(shape);
};

/** An axis counted from the front, where `axis` may count from the back: -1 is the last. */
export const normalizeAxis = (op: string, axis: number, rank: number): E.Either<ShapeError, number> => {
  const normalized = axis < 0 ? axis + rank : axis;
  return Number.isInteger(axis) && normalized >= 0 && normalized < rank
    ? E.right(normalized)
    : E.left(new ShapeError(`${op}: expected an axis from ${-rank} to ${rank - 1}, got ${axis}`));
};
