import * as E from 'fp-ts/lib/Either.js';
import { ShapeError } from '../tensor/errors.ts';
import { broadcastShapes, count, formatShape, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { add } from './add.ts';
import { arange } from './arange.ts';
import { broadcastTo } from './broadcastTo.ts';
import { clip } from './clip.ts';
import { hostArray } from './elementwise.ts';
import { input, output, rowRange, rowRuns } from './launch.ts';
import { multiply } from './multiply.ts';
import { apply, defineOp } from './op.ts';
import { reshape } from './reshape.ts';
import { asFloat32, expectColumns, expectIntegers, rowsOf, tiling } from './rows.ts';
import { scatterAdd } from './scatterAdd.ts';
import { zeros } from './zeros.ts';

const takeAlongAxisOp = defineOp<object>({
  name: 'takeAlongAxis',
  shape: ([x = [], indices = []]) => E.map(() => indices)(expectColumns('takeAlongAxis', x)),
  dtype: ([x, indices]) => E.map(() => x!)(expectIntegers('takeAlongAxis', 'indices', indices)),
  reference: ([x, indices], _, shape) => {
    const { columns } = rowsOf(x!.shape);
    const { columns: k } = rowsOf(shape);
    const y = hostArray(x!.dtype, count(shape));
    for (let i = 0; i < y.length; i++) {
      const index = Math.max(0, Math.min(columns - 1, indices!.data[i]!));
      y[i] = x!.data[Math.floor(i / k) * columns + index]!;
    }
    return y;
  },
  // Rows one after the other are a table of single elements.
  vjp: ({ inputs: [x, indices] }, dy) => {
    const { rows, columns } = rowsOf(x!.shape);
    const k = indices!.shape.at(-1)!;
    const starts = reshape(multiply(arange(rows), columns), [rows, 1]);
    const places = add(starts, clip(reshape(indices!, [rows, k]), 0, columns - 1));
    return [reshape(scatterAdd(zeros([rows * columns]), places, reshape(dy, [rows, k])), x!.shape)];
  },
  kernel: {
    kind: 'shader',
    gather: (x, index) => ({
      source: { shape: index.shape, strides: [...x.strides.slice(0, -1), 0], offset: x.offset },
      index,
      size: x.shape.at(-1)!,
      step: x.strides.at(-1)!,
    }),
    launches: ({ inputs: [x], output: { shape }, traits }) => {
      const { columns } = rowsOf(x!.shape);
      const { rows, columns: k } = rowsOf(shape);
      if (rows * k === 0) return [];
      return rowRuns('takeAlongAxis', rows, [columns * 4, k * 4], traits).map((run) => {
        const size = run.end - run.start;
        const tiles = tiling({ rows: size, columns: k }, traits);
        return {
          shader: 'takeAlongAxis',
          constants: tiles.constants,
          uniforms: { rows: size, columns, k },
          buffers: {
            x: input(0, rowRange(run, columns * 4)),
            indices: input(1, rowRange(run, k * 4)),
            y: output(rowRange(run, k * 4)),
          },
          workgroups: tiles.workgroups,
        };
      });
    },
  },
});

const leading = (x: Shape, indices: Shape): Shape => {
  const wrong = new ShapeError(
    `takeAlongAxis: expected x and indices alike but for the last axis, got ${formatShape(x)} and ${formatShape(indices)}`,
  );
  if (x.length !== indices.length || x.length === 0) throw wrong;
  const shape = broadcastShapes('takeAlongAxis', x.slice(0, -1), indices.slice(0, -1));
  if (E.isLeft(shape)) throw wrong;
  return shape.right;
};

/**
 * Elements of each row by their places in it: `y[..., i] = x[..., indices[..., i]]`. Indices that reach beyond the row
 * are held within it.
 *
 * @param x - `[..., columns]`, any dtype.
 * @param indices - `[..., k]`, int32; axes before the last broadcast.
 * @returns `[..., k]`; float32 for floats.
 * @throws {ShapeError} If the axes before the last do not fit, or `x` has no columns.
 * @throws {DTypeError} If the indices are not int32.
 * @see keras.ops.take_along_axis
 */
export const takeAlongAxis = (x: Tensor, indices: Tensor): Tensor => {
  const shape = leading(x.shape, indices.shape);
  return apply(
    takeAlongAxisOp,
    [asFloat32(broadcastTo(x, [...shape, x.shape.at(-1)!])), broadcastTo(indices, [...shape, indices.shape.at(-1)!])],
    {},
  );
};
