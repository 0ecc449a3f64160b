import * as E from 'fp-ts/lib/Either.js';
import { DTypeError } from '../tensor/errors.ts';
import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { input, output, rowRange, rowRuns } from './launch.ts';
import { apply, defineOp } from './op.ts';
import { asFloat32, expectColumns, rowKernel, rowsOf } from './rows.ts';

const argmaxOp = defineOp<object>({
  name: 'argmax',
  shape: ([x = []]) => E.map(() => x.slice(0, -1))(expectColumns('argmax', x)),
  dtype: ([x]) =>
    x === 'float32'
      ? E.right('int32')
      : E.left(new DTypeError(`argmax: expected x of a float dtype, got ${x}; use cast to convert`)),
  reference: ([x], _, shape) => {
    const { columns } = rowsOf(x!.shape);
    const y = new Int32Array(count(shape));
    for (let row = 0; row < y.length; row++) {
      let place = 0;
      for (let j = 1; j < columns; j++) if (x!.data[row * columns + j]! > x!.data[row * columns + place]!) place = j;
      y[row] = place;
    }
    return y;
  },
  kernel: {
    kind: 'shader',
    launches: ({ inputs: [x], traits }) => {
      const { rows, columns } = rowsOf(x!.shape);
      if (rows === 0) return [];
      const { shader, lanes } = rowKernel('argmax', columns, traits);
      return rowRuns('argmax', rows, [columns * 4, 4], traits).map((run) => ({
        shader,
        constants: { WORKGROUP: lanes, PAIRS: 0 },
        uniforms: { rows: run.end - run.start, columns },
        buffers: { x: input(0, rowRange(run, columns * 4)), y: output(rowRange(run, 4)) },
        workgroups: run.end - run.start,
      }));
    },
  },
});

/**
 * Index of the largest element along the last axis, the lowest where there are several.
 *
 * @param x - `[..., columns]`, float.
 * @returns `[...]`, int32.
 * @throws {ShapeError} If `x` is a scalar or has no columns.
 * @see keras.ops.argmax
 */
export const argmax = (x: Tensor): Tensor => apply(argmaxOp, [asFloat32(x)], {});
