import * as E from 'fp-ts/lib/Either.js';
import { DTypeError, ShapeError } from '../tensor/errors.ts';
import { count, formatShape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { input, output, rowRange, rowRuns } from './launch.ts';
import { apply, defineOp } from './op.ts';
import { asFloat32, expectColumns, rowKernel, rowsOf } from './rows.ts';

const categoricalOp = defineOp<object>({
  name: 'categorical',
  shape: ([probabilities = [], uniform = []]) => {
    const rows = probabilities.slice(0, -1);
    return sameShape(rows, uniform)
      ? E.map(() => rows)(expectColumns('categorical', probabilities))
      : E.left(
          new ShapeError(
            `categorical: expected uniform of shape ${formatShape(rows)} for probabilities of shape ${formatShape(probabilities)}, got ${formatShape(uniform)}`,
          ),
        );
  },
  dtype: (inputs) =>
    inputs.every((dtype) => dtype === 'float32')
      ? E.right('int32')
      : E.left(new DTypeError(`categorical: expected floats, got ${inputs.join(', ')}; use cast to convert`)),
  reference: ([probabilities, uniform], _, shape) => {
    const { columns } = rowsOf(probabilities!.shape);
    const y = new Int32Array(count(shape));
    for (let row = 0; row < y.length; row++) {
      const values = probabilities!.data.subarray(row * columns, (row + 1) * columns);
      let total = 0;
      for (let j = 0; j < columns; j++) total += values[j]!;
      const aim = uniform!.data[row]! * total;
      let sum = 0;
      // The last column that can be drawn stays, should rounding put the aim beyond all of them.
      for (let j = 0; j < columns; j++) {
        if (values[j]! <= 0) continue;
        y[row] = j;
        sum += values[j]!;
        if (sum > aim) break;
      }
    }
    return y;
  },
  kernel: {
    kind: 'shader',
    launches: ({ inputs: [probabilities], traits }) => {
      const { rows, columns } = rowsOf(probabilities!.shape);
      if (rows === 0) return [];
      const { shader, lanes } = rowKernel('categorical', columns, traits);
      return rowRuns('categorical', rows, [columns * 4, 4], traits).map((run) => ({
        shader,
        constants: { WORKGROUP: lanes },
        uniforms: { rows: run.end - run.start, columns },
        buffers: {
          probabilities: input(0, rowRange(run, columns * 4)),
          random: input(1, rowRange(run, 4)),
          y: output(rowRange(run, 4)),
        },
        workgroups: run.end - run.start,
      }));
    },
  },
});

/**
 * Draws an index of each row with probability in proportion to the row's numbers, from a uniform number: the smallest
 * `j` whose cumulative sum exceeds `uniform * sum(probabilities)`. An index of probability 0 is never drawn; of a row of
 * zeros, index 0 is.
 *
 * @param probabilities - `[..., columns]`, float, not negative; rows need not sum to 1.
 * @param uniform - `[...]`, float in [0, 1).
 * @returns `[...]`, int32.
 * @throws {ShapeError} If there is not one uniform number a row, or there are no columns.
 * @see keras.random.categorical
 */
export const categorical = (probabilities: Tensor, uniform: Tensor): Tensor =>
  apply(categoricalOp, [asFloat32(probabilities), asFloat32(uniform)], {});
