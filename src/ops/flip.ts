import * as E from 'fp-ts/lib/Either.js';
import type { KernelTraits, Launch } from '../tensor/kernel.ts';
import { count, normalizeAxis, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { hostArray } from './elementwise.ts';
import { input, output } from './launch.ts';
import { apply, defineOp } from './op.ts';
import { asFloat32, elementWindow, tiling } from './rows.ts';

interface Flip {
  readonly axis: number;
}

/** A shape as `[outer, length, inner]` around an axis. */
const around = (shape: Shape, axis: number) => ({
  outer: count(shape.slice(0, axis)),
  length: shape[axis]!,
  inner: count(shape.slice(axis + 1)),
});

const flipLaunches = (shape: Shape, axis: number, traits: KernelTraits): readonly Launch[] => {
  const { outer, length, inner } = around(shape, axis);
  if (outer * length * inner === 0) return [];
  // Halved until what is read and what is written can be bound.
  let groups = outer;
  let size = length;
  const span = (): number => ((groups - 1) * length + size) * inner;
  while (span() * 4 > traits.maxBindingBytes - traits.offsetAlignment && groups * size > 1) {
    if (groups > 1) groups = Math.ceil(groups / 2);
    else size = Math.ceil(size / 2);
  }
  const launches: Launch[] = [];
  for (let o = 0; o < outer; o += groups)
    for (let i = 0; i < length; i += size) {
      const [height, width] = [Math.min(groups, outer - o), Math.min(size, length - i)];
      const reach = ((height - 1) * length + width) * inner;
      const [from, to] = [(o * length + length - i - width) * inner, (o * length + i) * inner];
      const x = elementWindow(from, from + reach, 'float32', traits);
      const y = elementWindow(to, to + reach, 'float32', traits);
      const tiles = tiling({ rows: height * width, columns: inner }, traits);
      launches.push({
        shader: 'flip',
        constants: tiles.constants,
        uniforms: {
          rows: height * width,
          size: width,
          length,
          inner,
          xStart: x.skip + (width - 1) * inner,
          yStart: y.skip,
        },
        buffers: { x: input(0, x.range), y: output(y.range) },
        workgroups: tiles.workgroups,
      });
    }
  return launches;
};

const flipOp = defineOp<Flip>({
  name: 'flip',
  shape: ([x = []]) => E.right(x),
  dtype: ([x]) => E.right(x!),
  reference: ([x], { axis }, shape) => {
    const { outer, length, inner } = around(shape, axis);
    const y = hostArray(x!.dtype, count(shape));
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < length; i++) {
        const from = (o * length + length - 1 - i) * inner;
        y.set(x!.data.subarray(from, from + inner), (o * length + i) * inner);
      }
    return y;
  },
  vjp: ({ attributes: { axis } }, dy) => [flip(dy, { axis })],
  kernel: {
    kind: 'shader',
    launches: ({ output: { shape }, attributes: { axis }, traits }) => flipLaunches(shape, axis, traits),
  },
});

/**
 * An axis backwards: `y[..., i, ...] = x[..., length - 1 - i, ...]`.
 *
 * @param x - `[...]`, of any dtype.
 * @param options - `axis`, default -1.
 * @returns Of the shape of `x`; float32 for floats.
 * @throws {ShapeError} If there is no such axis.
 * @see keras.ops.flip
 */
export const flip = (x: Tensor, { axis = -1 }: { readonly axis?: number } = {}): Tensor => {
  const along = normalizeAxis('flip', axis, x.shape.length);
  if (E.isLeft(along)) throw along.left;
  return x.shape[along.right]! < 2 ? asFloat32(x) : apply(flipOp, [asFloat32(x)], { axis: along.right });
};
