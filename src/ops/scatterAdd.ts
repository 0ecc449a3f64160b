import * as E from 'fp-ts/lib/Either.js';
import { ShapeError } from '../tensor/errors.ts';
import type { KernelTraits, Launch } from '../tensor/kernel.ts';
import { count, formatShape, type Shape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { add } from './add.ts';
import { floats, hostArray } from './elementwise.ts';
import { input, output, type Rows, rowRange, rowRuns, scratch } from './launch.ts';
import { apply, defineOp } from './op.ts';
import { asFloat32, expectIntegers, tiling } from './rows.ts';
import { take } from './take.ts';
import { isZeros } from './zeros.ts';

const WORKGROUP = 64;

/** Launches that sort some of the indices, and which memory of theirs has the order in the end. */
const sortLaunches = (size: number, run: Rows, bytes: number): { launches: readonly Launch[]; order: number } => {
  const length = run.end - run.start;
  const launches: Launch[] = [];
  let order = 0;
  for (let sorted = 1; sorted < length; sorted *= 2) {
    launches.push({
      shader: 'mergeOrder',
      constants: { WORKGROUP },
      uniforms: { count: length, run: sorted, size },
      buffers: {
        indices: input(1, rowRange(run, 4)),
        order: scratch(order, bytes),
        merged: scratch(1 - order, bytes),
      },
      workgroups: Math.ceil(length / WORKGROUP),
    });
    order = 1 - order;
  }
  return { launches, order };
};

const scatterLaunches = ([size = 1, ...rest]: Shape, indices: number, traits: KernelTraits): readonly Launch[] => {
  const columns = count(rest);
  if (indices * columns === 0) return [];
  const runs = rowRuns('scatterAdd', indices, [4, columns * 4], traits);
  const bytes = Math.ceil((runs[0]!.end - runs[0]!.start) / 4) * 16;
  return runs.flatMap((run) => {
    const { launches, order } = sortLaunches(size, run, bytes);
    const length = run.end - run.start;
    const tiles = tiling({ rows: length, columns }, traits);
    const sums = rowRuns('scatterAdd', size, [columns * 4], traits).map(
      (part): Launch => ({
        shader: 'scatterAdd',
        constants: { ...tiles.constants, SORTED: Number(launches.length > 0) },
        uniforms: { count: length, columns, size, first: part.start, end: part.end },
        buffers: {
          indices: input(1, rowRange(run, 4)),
          order: scratch(order, bytes),
          updates: input(2, rowRange(run, columns * 4)),
          x: output(rowRange(part, columns * 4)),
        },
        workgroups: tiles.workgroups,
      }),
    );
    return [...launches, ...sums];
  });
};

const scatterAddOp = defineOp<object>({
  name: 'scatterAdd',
  shape: ([x = [], indices = [], updates = []]) =>
    x.length === 0 || x[0] === 0
      ? E.left(new ShapeError(`scatterAdd: expected x of one row or more, got shape ${formatShape(x)}`))
      : sameShape(updates, [...indices, ...x.slice(1)])
        ? E.right(x)
        : E.left(
            new ShapeError(
              `scatterAdd: expected updates of shape ${formatShape([...indices, ...x.slice(1)])} for indices of shape ${formatShape(indices)} and x of shape ${formatShape(x)}, got ${formatShape(updates)}`,
            ),
          ),
  dtype: ([x, indices, updates]) =>
    E.chain(() => floats('scatterAdd', [x!, updates!]))(expectIntegers('scatterAdd', 'indices', indices)),
  reference: ([x, indices, updates], _, shape) => {
    const [size = 1, ...rest] = shape;
    const columns = count(rest);
    const y = hostArray('float32', count(shape));
    y.set(x!.data);
    for (let i = 0; i < indices!.data.length; i++) {
      const start = Math.max(0, Math.min(size - 1, indices!.data[i]!)) * columns;
      for (let j = 0; j < columns; j++) y[start + j]! += updates!.data[i * columns + j]!;
    }
    return y;
  },
  vjp: ({ inputs: [, indices] }, dy) => [dy, undefined, take(dy, indices!)],
  kernel: {
    kind: 'shader',
    inPlace: 0,
    launches: ({ inputs: [, indices], output: { shape }, traits }) =>
      scatterLaunches(shape, count(indices!.shape), traits),
  },
});

/**
 * `x` with rows added to some of its rows: `y = x`, then `y[indices[...], :] += updates[..., :]`, along axis 0. What goes to
 * one row is added in the order of the indices, so that the result is the same every time. Indices that reach beyond `x`
 * are held within it, as `take` does, whose gradient this is.
 *
 * @param x - `[rows, ...]`, float. On a device it is updated in place when nobody else needs it.
 * @param indices - Any shape, int32.
 * @param updates - The indices' shape followed by a row's, float.
 * @returns Of the shape of `x`, float32.
 * @throws {ShapeError} If `x` has no rows, or the updates are of another shape.
 * @throws {DTypeError} If the indices are not int32.
 * @see keras.ops.scatter_update with reduction="add"
 */
export const scatterAdd = (x: Tensor, indices: Tensor, updates: Tensor): Tensor =>
  apply(scatterAddOp, [asFloat32(x), indices, asFloat32(updates)], {});

const isIntoZeros = ({ op, inputs }: Tensor): boolean => op === (scatterAddOp as object) && isZeros(inputs[0]!);

/**
 * `a + b` of one shape, where one that was scattered into zeros is scattered into the other instead: a table that embeds and
 * unembeds is filled with zeros and added to for each of its gradients otherwise.
 */
export const addScattered = (a: Tensor, b: Tensor): Tensor => {
  const [into, scattered] = isIntoZeros(b) ? [a, b] : [b, a];
  const [, indices, updates] = scattered.inputs;
  return isIntoZeros(scattered) && sameShape(a.shape, b.shape) ? scatterAdd(into, indices!, updates!) : add(a, b);
};
