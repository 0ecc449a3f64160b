import * as E from 'fp-ts/lib/Either.js';
import { ShapeError } from '../tensor/errors.ts';
import type { Binding, ByteRange, KernelTraits, Launch, Layout } from '../tensor/kernel.ts';
import { count, normalizeAxis, type Shape } from '../tensor/shape.ts';
import type { Op, Tensor } from '../tensor/tensor.ts';
import { broadcastTo } from './broadcastTo.ts';
import { cast } from './cast.ts';
import { constant } from './constant.ts';
import { divide } from './divide.ts';
import { hostArray, numbers } from './elementwise.ts';
import { equal } from './equal.ts';
import { input, output, scratch } from './launch.ts';
import { multiply } from './multiply.ts';
import { apply, defineOp } from './op.ts';
import { expandDims, reshape } from './reshape.ts';
import { asFloat32, elementWindow, rowKernel, tiling } from './rows.ts';

/** Options of reductions. */
export interface ReduceOptions {
  /** Axes that go; negative ones count from the back. Default: all of them. */
  readonly axis?: number | readonly number[];
  /** Whether axes that go stay as axes of size 1. Default: false. */
  readonly keepDims?: boolean;
}

const orThrow = <A>(result: E.Either<Error, A>): A => {
  if (E.isLeft(result)) throw result.left;
  return result.right;
};

/** Axes named by an option, from the front, in order. */
export const reducedAxes = (op: string, x: Shape, axis: ReduceOptions['axis']): readonly number[] => {
  const named = axis === undefined ? x.map((_, i) => i) : typeof axis === 'number' ? [axis] : axis;
  const axes = named.map((one) => orThrow(normalizeAxis(op, one, x.length))).sort((a, b) => a - b);
  const twice = axes.find((one, i) => one === axes[i + 1]);
  if (twice !== undefined) throw new ShapeError(`${op}: expected each axis once, got axis ${twice} twice`);
  return axes;
};

/** The shape that is left when axes go. */
export const reducedShape = (x: Shape, axes: readonly number[], keepDims: boolean): Shape =>
  keepDims ? x.map((size, axis) => (axes.includes(axis) ? 1 : size)) : x.filter((_, axis) => !axes.includes(axis));

/** How the shaders know what combines two numbers: the value of their `COMBINE` override. */
const combinations = { sum: 0, max: 1, min: 2 } as const;

/** What combines two numbers in a reduction. */
export type Combination = keyof typeof combinations;

/** Elements that a workgroup, or a lane, may combine in one launch: longer axes are cut into parts. */
const spanOf = (alongRows: boolean, reduced: number, outputs: number, { isSoftware }: KernelTraits): number => {
  if (alongRows) return Math.min(reduced, outputs < 512 ? 16384 : 65536);
  // Enough lanes to keep the device busy, and no chain of sums so long that it loses digits.
  const lanes = isSoftware ? 256 : 65536;
  const parts = Math.min(Math.ceil(reduced / 64), Math.ceil(lanes / outputs));
  return Math.min(4096, Math.ceil(reduced / parts));
};

/** Sizes of the boxes into which `[outer, reduced, inner]` is cut, and of the parts of a box's reduced axis. */
interface Boxes {
  readonly outer: number;
  readonly reduced: number;
  readonly inner: number;
  readonly span: number;
}

const half = (size: number, step = 1): number => Math.ceil(size / 2 / step) * step;

/** The largest boxes, by halving, of which the device can bind what they read and what they write. */
const boxesOf = ({ shape, strides, offset }: Layout, span: number, traits: KernelTraits): Boxes => {
  const [outer = 1, reduced = 1, inner = 1] = shape;
  const [outerStride = 0, reducedStride = 0, innerStride = 0] = strides;
  const most = traits.maxBindingBytes / 4;
  // A range that does not start at the buffer's beginning starts where the device's alignment allows.
  const slack = traits.offsetAlignment / 4;
  let box: Boxes = { outer, reduced, inner, span };
  for (;;) {
    const extents = [
      (box.outer - 1) * outerStride,
      (box.reduced - 1) * reducedStride,
      (box.inner - 1) * innerStride,
    ] as const;
    const reads = extents[0] + extents[1] + extents[2] + 1;
    const parts = Math.ceil(box.reduced / box.span);
    const writes = (parts - 1) * outer * inner + (box.outer - 1) * inner + box.inner;
    if (reads > most - slack && offset + reads > most) {
      const largest = Math.max(...extents);
      if (largest === extents[0]) box = { ...box, outer: half(box.outer) };
      else if (largest === extents[2]) box = { ...box, inner: half(box.inner) };
      else if (parts > 1) box = { ...box, reduced: half(box.reduced, box.span) };
      else box = { ...box, reduced: half(box.reduced), span: half(box.reduced) };
    } else if (writes > most - slack && outer * inner * Math.ceil(reduced / box.span) > most) {
      if (parts > 1) box = { ...box, reduced: half(box.reduced, box.span) };
      else if (box.outer > 1) box = { ...box, outer: half(box.outer) };
      else box = { ...box, inner: half(box.inner) };
    } else return box;
  }
};

/** Something cut into equal parts of at most `size`: starts and ends. */
const cut = (length: number, size: number): readonly (readonly [number, number])[] =>
  Array.from({ length: Math.ceil(length / size) }, (_, i) => [i * size, Math.min(length, (i + 1) * size)]);

/** What is reduced: a layout, and how a range of its buffer is bound. */
interface Source {
  readonly layout: Layout;
  readonly bind: (range: ByteRange) => Binding;
}

/**
 * Launches that reduce `[outer, reduced, inner]`, strided, over its middle axis. The parts of a long axis go to memory
 * of the launches' own, and are reduced by the same means. Where a binding cannot hold even one part, launch after launch
 * adds its share to the result.
 */
const reduceLaunches = (
  combination: Combination,
  isInteger: boolean,
  { layout, bind }: Source,
  traits: KernelTraits,
  depth = 0,
): readonly Launch[] => {
  const [outer = 1, reduced = 1, inner = 1] = layout.shape;
  const [outerStride = 0, reducedStride = 0, innerStride = 0] = layout.strides;
  const outputs = outer * inner;
  const alongRows = reduced >= 32 && (traits.isSoftware ? outputs < 64 : inner < 32 || innerStride > reducedStride);
  const wanted = spanOf(alongRows, reduced, outputs, traits);
  const box = boxesOf(layout, wanted, traits);
  const accumulates = box.span < wanted;
  const parts = accumulates ? 1 : Math.ceil(reduced / wanted);
  const into = (range: ByteRange): Binding =>
    parts === 1 ? output(range) : { ...scratch(depth, parts * outputs * 4), range };

  const launches = cut(outer, box.outer).flatMap(([o0, o1]) =>
    cut(reduced, box.reduced).flatMap(([r0, r1]) =>
      cut(inner, box.inner).map(([i0, i1]): Launch => {
        const sizes = { outer: o1 - o0, reduced: r1 - r0, inner: i1 - i0 };
        const partsHere = Math.ceil(sizes.reduced / box.span);
        const first = layout.offset + o0 * outerStride + r0 * reducedStride + i0 * innerStride;
        const last =
          first +
          (sizes.outer - 1) * outerStride +
          (sizes.reduced - 1) * reducedStride +
          (sizes.inner - 1) * innerStride;
        const x = elementWindow(first, last + 1, 'float32', traits);
        const part = accumulates ? 0 : r0 / box.span;
        const y = elementWindow(
          part * outputs + o0 * inner + i0,
          (part + partsHere - 1) * outputs + (o1 - 1) * inner + i1,
          'float32',
          traits,
        );
        const constants = { COMBINE: combinations[combination], INTEGER: isInteger ? 1 : 0 };
        const uniforms = {
          ...sizes,
          outerStride,
          reducedStride,
          innerStride,
          offset: x.skip,
          span: box.span,
          partStride: outputs,
          rowStride: inner,
          start: y.skip,
          accumulate: accumulates && r0 > 0 ? 1 : 0,
        };
        const buffers = { x: bind(x.range), y: into(y.range) };
        if (alongRows) {
          const { shader, lanes } = rowKernel('reduceRows', wanted, traits);
          return {
            shader,
            constants: { ...constants, WORKGROUP: lanes },
            uniforms: { ...uniforms, parts: partsHere },
            buffers,
            workgroups: sizes.outer * sizes.inner * partsHere,
          };
        }
        const tiles = tiling({ rows: sizes.outer, columns: sizes.inner }, traits, box.span);
        return {
          shader: 'reduceColumns',
          constants: { ...constants, ...tiles.constants },
          uniforms,
          buffers,
          workgroups: [tiles.workgroups[0], tiles.workgroups[1], partsHere],
        };
      }),
    ),
  );
  if (parts === 1) return launches;
  const partial: Layout = { shape: [1, parts, outputs], strides: [0, outputs, 1], offset: 0 };
  return [...launches, ...reduceLaunches(combination, isInteger, { layout: partial, bind: into }, traits, depth + 1)];
};

/** What tells one reduction from another. */
interface Reduction {
  readonly name: Combination;
  /** The value where there is nothing to reduce; undefined where that is a mistake. */
  readonly empty: number | undefined;
  readonly combine: (a: number, b: number) => number;
  /** As an op's: `x` is `[outer, reduced, inner]`, its output and `dy` are `[outer, inner]`. */
  readonly vjp: NonNullable<Op<object>['vjp']>;
}

/** An op that reduces the middle axis of `[outer, reduced, inner]`. */
const middleOp = ({ name, empty, combine, vjp }: Reduction): Op<object> =>
  defineOp<object>({
    name,
    shape: ([x = []]) =>
      x[1] === 0
        ? E.left(new ShapeError(`${name}: expected axes of size 1 or more to reduce, got an axis of size 0`))
        : E.right([x[0]!, x[2]!]),
    dtype: (inputs) => numbers(name, inputs),
    reference: ([x], _, shape) => {
      const { data, dtype, shape: from } = x!;
      const [outer = 1, reduced = 1, inner = 1] = from;
      const y = hostArray(dtype, count(shape));
      for (let o = 0; o < outer; o++)
        for (let i = 0; i < inner; i++) {
          let result = empty ?? data[o * reduced * inner + i]!;
          for (let r = 0; r < reduced; r++) result = combine(result, data[(o * reduced + r) * inner + i]!);
          y[o * inner + i] = result;
        }
      return y;
    },
    vjp,
    kernel: {
      kind: 'shader',
      strided: [true],
      launches: ({ inputs: [x], output: { shape }, traits }) =>
        count(shape) === 0
          ? []
          : reduceLaunches(name, x!.dtype === 'int32', { layout: x!, bind: (range) => input(0, range) }, traits, 0),
    },
  });

/** The gradient goes to the elements that are the extreme one, in equal shares where there are several. */
const extremeVjp: Reduction['vjp'] = ({ inputs: [x], output: y }, dy) => {
  const isExtreme = cast(equal(x!, expandDims(y, 1)), 'float32');
  const share = divide(dy, reduce('sum', isExtreme, { axis: 1 }));
  return [multiply(isExtreme, expandDims(share, 1))];
};

const reductions: Readonly<Record<Combination, Op<object>>> = {
  sum: middleOp({
    name: 'sum',
    empty: 0,
    combine: (a, b) => a + b,
    // Every element counts once: dx = dy, repeated along the axis that went.
    vjp: ({ inputs: [x] }, dy) => [broadcastTo(expandDims(dy, 1), x!.shape)],
  }),
  max: middleOp({ name: 'max', empty: undefined, combine: (a, b) => Math.max(a, b), vjp: extremeVjp }),
  min: middleOp({ name: 'min', empty: undefined, combine: (a, b) => Math.min(a, b), vjp: extremeVjp }),
};

/** Neighbouring axes of a list as runs `[first, end)`. */
const runsOf = (axes: readonly number[]): readonly (readonly [number, number])[] => {
  const starts = axes.filter((axis) => !axes.includes(axis - 1));
  const ends = axes.filter((axis) => !axes.includes(axis + 1));
  return starts.map((start, i) => [start, ends[i]! + 1]);
};

/**
 * Reduces over any axes: each run of neighbouring axes, from the last on, becomes the middle axis of an op that reads it
 * through strides, so nothing is copied.
 */
export const reduce = (combination: Combination, x: Tensor, { axis, keepDims = false }: ReduceOptions): Tensor => {
  const axes = reducedAxes(combination, x.shape, axis);
  const shape = reducedShape(x.shape, axes, keepDims);
  if (combination === 'sum' && count(x.shape) === 0)
    return broadcastTo(constant(0, { dtype: x.dtype === 'int32' ? 'int32' : 'float32' }), shape);
  const reduced = runsOf(axes).reduceRight((value, [first, end]) => {
    const outer = value.shape.slice(0, first);
    const inner = value.shape.slice(end);
    const middle = reshape(value, [count(outer), count(value.shape.slice(first, end)), count(inner)]);
    return reshape(apply(reductions[combination], [middle], {}), [...outer, ...inner]);
  }, asFloat32(x));
  return reshape(reduced, shape);
};
