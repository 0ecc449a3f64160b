import * as E from 'fp-ts/lib/Either.js';
import { deviceBytes, isFloat } from '../tensor/dtype.ts';
import { DTypeError, ShapeError } from '../tensor/errors.ts';
import type { Kernel, Launch, Layout, Operand } from '../tensor/kernel.ts';
import { count, formatShape, rowMajorStrides, type Shape } from '../tensor/shape.ts';
import type { Op, Tensor } from '../tensor/tensor.ts';
import { type BoxPlace, type BoxStart, placeBox, takeBox } from './box.ts';
import { cast } from './cast.ts';
import { hostArray } from './elementwise.ts';
import { input, output } from './launch.ts';
import { apply, defineOp } from './op.ts';
import { cover, outerRuns, reach } from './ranges.ts';
import { contiguous } from './view.ts';
import { zeros } from './zeros.ts';

/** An axis of the box: its size, and the steps from one index to the next in x and in the update. */
interface BoxAxis {
  readonly size: number;
  readonly to: number;
  readonly from: number;
}

/** The axes of the box, outermost first; neighbours that follow one another in x and in the update become one. */
const boxAxes = (x: Shape, { shape, strides }: Omit<Layout, 'offset'>): readonly BoxAxis[] => {
  const steps = rowMajorStrides(x);
  const axes: BoxAxis[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const [size, to, from] = [shape[axis]!, steps[axis]!, strides[axis]!];
    const inner = axes[0];
    if (size === 1) continue;
    if (inner !== undefined && to === inner.to * inner.size && from === inner.from * inner.size)
      axes[0] = { size: size * inner.size, to: inner.to, from: inner.from };
    else axes.unshift({ size, to, from });
  }
  // The shader takes it that the last axis is contiguous in x.
  return axes.at(-1)?.to === 1 ? axes : [...axes, { size: 1, to: 1, from: 1 }];
};

/** All indices of some sizes, row-major; one empty index for no sizes. */
const indices = (sizes: readonly number[]): readonly (readonly number[])[] =>
  sizes.reduce<readonly (readonly number[])[]>(
    (all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );

const WORKGROUP = 64;
const AXES = 4;

/** Whether a box of halves consists of whole words, in x and in the contiguous update. */
const inWords = (x: Shape, update: Shape, { base, limit, step }: BoxPlace): boolean => {
  const axes = boxAxes(x, contiguous(update));
  return (
    axes.at(-1)!.size % 2 === 0 &&
    axes.slice(0, -1).every(({ to, from }) => to % 2 === 0 && from % 2 === 0) &&
    base % 2 === 0 &&
    (limit === 0 || step % 2 === 0)
  );
};

const kernel = (strided: boolean): Kernel<BoxPlace> => ({
  kind: 'shader',
  inPlace: 0,
  strided: [false, strided],
  launches: ({ inputs, attributes, output: result, traits }) => {
    const update = inputs[1]!;
    if (count(update.shape) === 0) return [];
    const perWord = 4 / deviceBytes(result.dtype);
    const dynamic = inputs.length === 3;
    const limit = dynamic ? attributes.limit : 0;
    const words = Math.ceil(count(result.shape) / perWord);
    const base = attributes.base / perWord;
    const step = attributes.step / perWord;
    const boxed = boxAxes(result.shape, update).map(({ size, to, from }, i, { length }) =>
      i === length - 1 ? { size: size / perWord, to, from } : { size, to: to / perWord, from: from / perWord },
    );
    const span = (axes: readonly BoxAxis[]) => axes.reduce((sum, { size, from }) => sum + (size - 1) * from, 1);
    // Axes that the shader does not see: those beyond its number, and those of which one index is more than a binding.
    const tooLarge = boxed
      .slice(1)
      .findLastIndex((_, i) => span(boxed.slice(i + 1)) * 4 + traits.offsetAlignment > traits.maxBindingBytes);
    const hidden = Math.max(0, boxed.length - AXES, tooLarge + 1);
    const outer = boxed.slice(0, hidden);
    const seen = boxed.slice(hidden);
    const inner = [...seen, ...Array.from({ length: AXES - seen.length }, () => ({ size: 1, to: 0, from: 0 }))];
    const last = inner.reduce((sum, { size, to }) => sum + (size - 1) * to, 0);
    // A launch for each index of the hidden axes; most of the time there are none.
    return indices(outer.map(({ size }) => size)).flatMap((index) => {
      const at = (name: 'to' | 'from') => index.reduce((sum, i, axis) => sum + i * outer[axis]![name], 0);
      const part: Operand = {
        shape: inner.map(({ size }) => size),
        strides: inner.map(({ from }) => from),
        offset: update.offset / perWord + at('from'),
        dtype: update.dtype,
      };
      return outerRuns('sliceUpdate', [part], traits).flatMap((run) => {
        const { range, offset } = cover(reach(part, run), traits);
        const begin = base + at('to') + run.start * inner[0]!.to;
        const end = begin + last - (inner[0]!.size - (run.end - run.start)) * inner[0]!.to + limit * step + 1;
        const elements = (run.end - run.start) * count(part.shape.slice(1));
        const bound = Math.floor(traits.maxBindingBytes / traits.offsetAlignment) * (traits.offsetAlignment / 4);
        const launches: Launch[] = [];
        for (let first = 0; first < words; first += bound) {
          const stop = Math.min(words, first + bound);
          if (stop <= begin || first >= end) continue;
          launches.push({
            shader: 'sliceUpdate',
            constants: { WORKGROUP, DYNAMIC: Number(dynamic) },
            uniforms: {
              count: elements,
              size1: inner[1]!.size,
              size2: inner[2]!.size,
              size3: inner[3]!.size,
              base: begin,
              step,
              limit,
              first,
              end: stop,
              to0: inner[0]!.to,
              to1: inner[1]!.to,
              to2: inner[2]!.to,
              offset,
              from0: inner[0]!.from,
              from1: inner[1]!.from,
              from2: inner[2]!.from,
              from3: inner[3]!.from,
            },
            buffers: {
              start: dynamic ? input(2) : input(1, range),
              update: input(1, range),
              x: output({ start: first * 4, size: (stop - first) * 4 }),
            },
            workgroups: Math.ceil(elements / WORKGROUP),
          });
        }
        return launches;
      });
    });
  },
});

const misfit = (x: Shape, update: Shape): string | undefined =>
  update.length !== x.length || update.some((size, axis) => size > x[axis]!)
    ? `sliceUpdate: expected an update of rank ${x.length} that fits x of shape ${formatShape(x)}, got ${formatShape(update)}`
    : undefined;

const declare = (strided: boolean): Op<BoxPlace> =>
  defineOp<BoxPlace>({
    name: 'sliceUpdate',
    shape: ([x = [], update = []]) => {
      const problem = misfit(x, update);
      return problem === undefined ? E.right(x) : E.left(new ShapeError(problem));
    },
    dtype: ([x, update]) =>
      x !== update
        ? E.left(new DTypeError(`sliceUpdate: expected an update of ${x}, got ${update}; use cast to convert`))
        : E.right(x!),
    reference: ([x, update, start], { base, limit, step }, shape) => {
      const y = hostArray(x!.dtype, count(shape));
      y.set(x!.data);
      const begin = base + Math.max(0, Math.min(limit, start?.data[0] ?? 0)) * step;
      const axes = boxAxes(shape, contiguous(update!.shape));
      const inner = axes.at(-1)!.size;
      let from = 0;
      if (count(update!.shape) > 0)
        for (const index of indices(axes.slice(0, -1).map(({ size }) => size))) {
          const row = index.reduce((sum, i, axis) => sum + i * axes[axis]!.to, begin);
          for (let i = 0; i < inner; i++) y[row + i] = update!.data[from++]!;
        }
      return y;
    },
    // What was replaced counts no more, and the update counts where it went.
    vjp: ({ inputs: [, update, start], attributes }, dy) => [
      apply(sliceUpdateOp, [dy, zeros(update!.shape), ...(start === undefined ? [] : [start])], attributes),
      takeBox(dy, update!.shape, attributes, start),
    ],
    kernel: kernel(strided),
  });

const sliceUpdateOp = declare(true);
/** For halves, of which two share a word: the update is made contiguous first. */
const sliceUpdateHalvesOp = declare(false);

/**
 * `x` with a box of its elements replaced: `y[start + i] = update[i]`, elsewhere `y = x`. On a device, `x` is
 * updated in place when nobody else needs it.
 *
 * @param x - Any shape, any dtype.
 * @param start - Where the box begins, for each axis a whole number or an int32 tensor of shape `[]`; or all of them as one
 *   int32 tensor, `[rank]`. What tensors say is clamped, so that the update fits: `[0, x.shape[a] - update.shape[a]]`.
 * @param update - Of x's rank, along no axis larger, of x's dtype; where `x` holds floats, floats of any width.
 * @throws {ShapeError} If the update does not fit, or a number of `start` would put it outside of `x`.
 * @throws {DTypeError} If dtypes do not fit.
 * @see keras.ops.slice_update
 */
export const sliceUpdate = (x: Tensor, start: BoxStart, update: Tensor): Tensor => {
  const problem = misfit(x.shape, update.shape);
  if (problem !== undefined) throw new ShapeError(problem);
  const { place, input: at } = placeBox('sliceUpdate', 'update', x.shape, start, update.shape);
  const optional = at === undefined ? [] : [at];
  const fitting = isFloat(x.dtype) && isFloat(update.dtype) ? cast(update, x.dtype) : update;
  if (deviceBytes(x.dtype) === 4) return apply(sliceUpdateOp, [x, fitting, ...optional], place);
  return inWords(x.shape, update.shape, place)
    ? apply(sliceUpdateHalvesOp, [x, fitting, ...optional], place)
    : cast(apply(sliceUpdateOp, [cast(x, 'float32'), cast(fitting, 'float32'), ...optional], place), x.dtype);
};
