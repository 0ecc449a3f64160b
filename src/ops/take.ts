import * as E from 'fp-ts/lib/Either.js';
import { deviceBytes, isFloat } from '../tensor/dtype.ts';
import { ShapeError } from '../tensor/errors.ts';
import { count, formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { quantizedOf } from './dequantize.ts';
import { hostArray } from './elementwise.ts';
import { input, output, rowRange, rowRuns, storageFormat } from './launch.ts';
import { apply, defineOp } from './op.ts';
import { quantizedTake } from './quantizedTake.ts';
import { expectIntegers, tiling } from './rows.ts';
import { scatterAdd } from './scatterAdd.ts';
import { zeros } from './zeros.ts';

const takeOp = defineOp<object>({
  name: 'take',
  shape: ([table = [], indices = []]) =>
    table.length === 0 || table[0] === 0
      ? E.left(new ShapeError(`take: expected a table of one row or more, got shape ${formatShape(table)}`))
      : E.right([...indices, ...table.slice(1)]),
  dtype: ([table, indices]) =>
    E.map(() => (isFloat(table!) ? 'float32' : table!))(expectIntegers('take', 'indices', indices)),
  reference: ([table, indices], _, shape) => {
    const [size = 1, ...rest] = table!.shape;
    const columns = count(rest);
    const y = hostArray(table!.dtype, count(shape));
    for (let row = 0; row < indices!.data.length; row++) {
      const index = Math.max(0, Math.min(size - 1, indices!.data[row]!));
      for (let j = 0; j < columns; j++) y[row * columns + j] = table!.data[index * columns + j]!;
    }
    return y;
  },
  vjp: ({ inputs: [table, indices] }, dy) => [scatterAdd(zeros(table!.shape), indices!, dy)],
  kernel: {
    kind: 'shader',
    gather: (table, indices) => {
      const [size = 1, ...rest] = table.shape;
      const [step = 0, ...within] = table.strides;
      const shape = [...indices.shape, ...rest];
      return {
        source: { shape, strides: [...indices.shape.map(() => 0), ...within], offset: table.offset },
        index: { shape, strides: [...indices.strides, ...rest.map(() => 0)], offset: indices.offset },
        size,
        step,
      };
    },
    launches: ({ inputs: [table, indices], traits }) => {
      const [size = 1, ...rest] = table!.shape;
      const rows = count(indices!.shape);
      const columns = count(rest);
      if (rows * columns === 0) return [];
      const rowBytes = columns * deviceBytes(table!.dtype);
      return rowRuns('take', rows, [4, columns * 4], traits).flatMap((run) => {
        const tiles = tiling({ rows: run.end - run.start, columns }, traits);
        return rowRuns('take', size, [rowBytes], traits).map((part) => ({
          shader: 'take',
          constants: { ...tiles.constants, TABLE_FORMAT: storageFormat(table!.dtype) },
          uniforms: { rows: run.end - run.start, columns, size, first: part.start, end: part.end },
          buffers: {
            table: input(0, {
              start: part.start * rowBytes,
              size: Math.ceil(((part.end - part.start) * rowBytes) / 4) * 4,
            }),
            indices: input(1, rowRange(run, 4)),
            y: output(rowRange(run, columns * 4)),
          },
          workgroups: tiles.workgroups,
        }));
      });
    },
  },
});

/**
 * Rows of a table: `y[..., :] = table[indices[...], :]`, along axis 0. Indices that reach beyond the table are held
 * within it; whoever has them on the host checks them there.
 *
 * @param table - `[rows, ...]`, any dtype; a table of any size, float16 and bfloat16 as they are stored.
 * @param indices - Any shape, int32.
 * @returns The indices' shape followed by a row's, float32 for float tables.
 * @throws {ShapeError} If the table has no rows.
 * @throws {DTypeError} If the indices are not int32.
 * @see keras.ops.take
 */
export const take = (table: Tensor, indices: Tensor): Tensor => {
  const few = quantizedOf(table);
  return few?.isTransposed ? quantizedTake(few.tensors, few.format, indices) : apply(takeOp, [table, indices], {});
};
