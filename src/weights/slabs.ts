import { count, type Shape } from '../tensor/shape.ts';

/** A block of an array: `count[axis]` indices from `offset[axis]` on, on every axis. */
export interface Slab {
  readonly offset: Shape;
  readonly count: Shape;
}

/**
 * Elements `from` to `to` of an array, in row-major order, as blocks: at most two for every axis but the last, whose
 * elements one after the other are the range.
 */
export const slabs = (shape: Shape, from: number, to: number, leading: Shape = []): readonly Slab[] => {
  if (from === to) return [];
  const axis = leading.length;
  const ones = leading.map(() => 1);
  if (axis === shape.length) return [{ offset: leading, count: ones }];
  const inner = shape.slice(axis + 1);
  const row = count(inner);
  const first = Math.floor(from / row);
  const last = Math.ceil(to / row);
  if (from === first * row && to === last * row)
    return [{ offset: [...leading, first, ...inner.map(() => 0)], count: [...ones, last - first, ...inner] }];
  if (last - first === 1) return slabs(shape, from - first * row, to - first * row, [...leading, first]);
  const cut = from === first * row ? (last - 1) * row : (first + 1) * row;
  return [...slabs(shape, from, cut, leading), ...slabs(shape, cut, to, leading)];
};
