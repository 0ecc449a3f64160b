import { DTypeError, ShapeError } from '../tensor/errors.ts';
import { count, formatShape, rowMajorStrides, type Shape } from '../tensor/shape.ts';
import { isTensor, type Tensor } from '../tensor/tensor.ts';
import { add } from './add.ts';
import { arange } from './arange.ts';
import { broadcastTo } from './broadcastTo.ts';
import { clip } from './clip.ts';
import { multiply } from './multiply.ts';
import { reshape } from './reshape.ts';
import { asFloat32 } from './rows.ts';
import { slice, sliceAxis } from './slice.ts';
import { take } from './take.ts';

/**
 * Where a box begins within a tensor, in elements: `base + clamp(start, 0, limit) * step`, where `start` is an int32 scalar;
 * without one, `base`.
 */
export interface BoxPlace {
  readonly base: number;
  readonly limit: number;
  readonly step: number;
}

/** Where a box begins, axis by axis: whole numbers and int32 scalars, or all of them as one int32 tensor, `[rank]`. */
export type BoxStart = Tensor | readonly (number | Tensor)[];

/**
 * The place of a box of some size in a tensor. What tensors say is clamped, so that the box fits; along an axis that it
 * fills there is one place to begin, whatever a tensor says.
 *
 * @param name - What the box is called in messages.
 * @throws {ShapeError} If a start is missing, is no scalar, or a number puts the box outside.
 * @throws {DTypeError} If a start is no int32.
 */
export const placeBox = (
  op: string,
  name: string,
  x: Shape,
  start: BoxStart,
  size: Shape,
): { readonly place: BoxPlace; readonly input?: Tensor } => {
  if ((isTensor(start) ? start.shape[0] : start.length) !== x.length || (isTensor(start) && start.shape.length !== 1))
    throw new ShapeError(
      `${op}: expected a start for each of the ${x.length} axes of x, got ${isTensor(start) ? `shape ${formatShape(start.shape)}` : `${start.length} of them`}`,
    );
  const starts = isTensor(start) ? x.map((_, a) => reshape(sliceAxis(start, 0, a, a + 1), [])) : start;
  const steps = rowMajorStrides(x);
  let base = 0;
  const moving: { readonly start: Tensor; readonly limit: number; readonly step: number }[] = [];
  starts.forEach((at, a) => {
    const [limit, step] = [x[a]! - size[a]!, steps[a]!];
    if (isTensor(at)) {
      if (at.dtype !== 'int32')
        throw new DTypeError(`${op}: expected start of int32, got ${at.dtype}; use cast to convert`);
      if (at.shape.length > 0)
        throw new ShapeError(
          `${op}: expected tensors of shape [] in start, got ${formatShape(at.shape)}; or pass one tensor of shape [${x.length}]`,
        );
      if (limit > 0) moving.push({ start: at, limit, step });
    } else {
      if (!Number.isInteger(at) || at < 0 || at > limit)
        throw new ShapeError(
          `${op}: expected a start from 0 to ${limit} along axis ${a} (x ${formatShape(x)}, ${name} ${formatShape(size)}), got ${at}`,
        );
      base += at * step;
    }
  });
  const [only, ...others] = moving;
  if (only === undefined) return { place: { base, limit: 0, step: 1 } };
  if (others.length === 0) return { place: { base, limit: only.limit, step: only.step }, input: only.start };
  return {
    place: { base, limit: moving.reduce((sum, { limit, step }) => sum + limit * step, 0), step: 1 },
    input: moving
      .map((axis) => multiply(clip(axis.start, 0, axis.limit), axis.step))
      .reduce((sum, next) => add(sum, next)),
  };
};

/** The elements of `x` in a box of some size: rows of a table, as long as x and the box have axes in common. */
export const takeBox = (x: Tensor, size: Shape, { base, limit, step }: BoxPlace, start?: Tensor): Tensor => {
  const steps = rowMajorStrides(x.shape);
  if (start === undefined || limit === 0 || count(size) === 0) {
    const begins = x.shape.map((length, a) => (base === 0 || length === 0 ? 0 : Math.floor(base / steps[a]!) % length));
    return asFloat32(slice(x, begins, size));
  }
  const wholeFrom = 1 + size.findLastIndex((length, a) => length !== x.shape[a]);
  const wide = count(x.shape.slice(wholeFrom));
  const isRows = base % wide === 0 && step % wide === 0;
  const columns = isRows ? wide : 1;
  const outer = isRows ? size.slice(0, wholeFrom) : size;
  // Places of the box's rows in the table, from where it begins.
  const begin = add(multiply(clip(start, 0, limit), step / columns), base / columns);
  const places = outer.reduce((sum, length, a) => {
    const along = outer.map((_, axis) => (axis === a ? length : 1));
    return add(sum, reshape(multiply(arange(length), steps[a]! / columns), along));
  }, begin);
  const table = reshape(x, columns === 1 ? [-1] : [count(x.shape) / columns, columns]);
  return reshape(take(table, broadcastTo(places, outer)), size);
};
