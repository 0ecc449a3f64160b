import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { add } from './add.ts';
import { hostArray, numbers } from './elementwise.ts';
import { input, output, rowRange, rowRuns } from './launch.ts';
import { apply, defineOp } from './op.ts';
import { asFloat32, expectRows, rowKernel, rowsOf } from './rows.ts';
import { subtract } from './subtract.ts';
import { sum } from './sum.ts';

const cumsumOp = defineOp<object>({
  name: 'cumsum',
  shape: ([x = []]) => expectRows('cumsum', x),
  dtype: (inputs) => numbers('cumsum', inputs),
  reference: ([x], _, shape) => {
    const { columns } = rowsOf(shape);
    const y = hostArray(x!.dtype, count(shape));
    for (let start = 0; start < y.length; start += columns) {
      let total = 0;
      for (let j = start; j < start + columns; j++) {
        total += x!.data[j]!;
        y[j] = total;
      }
    }
    return y;
  },
  // An element is in its own sum and all later ones: dx[j] = sum(dy[j:]) = sum(dy) - cumsum(dy)[j] + dy[j].
  vjp: (_, dy) => [add(subtract(sum(dy, { axis: -1, keepDims: true }), cumsum(dy)), dy)],
  kernel: {
    kind: 'shader',
    launches: ({ inputs: [x], traits }) => {
      const { rows, columns } = rowsOf(x!.shape);
      if (rows * columns === 0) return [];
      const { shader, lanes } = rowKernel('cumsum', columns, traits);
      return rowRuns('cumsum', rows, [columns * 4], traits).map((run) => ({
        shader,
        constants: { WORKGROUP: lanes, INTEGER: x!.dtype === 'int32' ? 1 : 0 },
        uniforms: { rows: run.end - run.start, columns },
        buffers: { x: input(0, rowRange(run, columns * 4)), y: output(rowRange(run, columns * 4)) },
        workgroups: run.end - run.start,
      }));
    },
  },
});

/**
 * Cumulative sum along the last axis: `y[..., j] = sum_{i <= j} x[..., i]`.
 *
 * @param x - `[..., columns]`, floats, or int32, summed modulo 2^32.
 * @returns Of the same shape.
 * @throws {ShapeError} If `x` is a scalar.
 * @see keras.ops.cumsum
 */
export const cumsum = (x: Tensor): Tensor => apply(cumsumOp, [asFloat32(x)], {});
