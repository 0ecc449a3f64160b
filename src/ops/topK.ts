import * as E from 'fp-ts/lib/Either.js';
import { ArgumentError, DTypeError } from '../tensor/errors.ts';
import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { argmax } from './argmax.ts';
import { input, output, rowRange, rowRuns } from './launch.ts';
import { apply, defineOp } from './op.ts';
import { expandDims } from './reshape.ts';
import { asFloat32, expectColumns, rowKernel, rowsOf } from './rows.ts';
import { takeAlongAxis } from './takeAlongAxis.ts';

interface TopK {
  readonly k: number;
}

/** Groups of columns of which the subgroup kernel keeps the first, at most. */
const MOST_GROUPS = 256;

const topKOp = defineOp<TopK>({
  name: 'topK',
  shape: ([x = []], { k }) => E.map(() => [...x.slice(0, -1), k])(expectColumns('topK', x)),
  dtype: ([x]) =>
    x === 'float32'
      ? E.right('int32')
      : E.left(new DTypeError(`topK: expected x of a float dtype, got ${x}; use cast to convert`)),
  reference: ([x], { k }, shape) => {
    const { rows, columns } = rowsOf(x!.shape);
    const y = new Int32Array(count(shape));
    for (let row = 0; row < rows; row++) {
      const values = x!.data.subarray(row * columns, (row + 1) * columns);
      const order = Int32Array.from({ length: columns }, (_, j) => j);
      order.sort((a, b) => values[b]! - values[a]! || a - b);
      y.set(order.subarray(0, k), row * k);
    }
    return y;
  },
  kernel: {
    kind: 'shader',
    launches: ({ inputs: [x], attributes: { k }, traits }) => {
      const { rows, columns } = rowsOf(x!.shape);
      if (rows === 0) return [];
      const { shader, lanes } = rowKernel('topK', columns, traits);
      const inGroups = shader !== 'topK';
      // A step looks through the first of all groups, then through one group: the root makes both short.
      const groups = Math.min(MOST_GROUPS, Math.ceil(Math.sqrt(columns) / lanes) * lanes);
      return rowRuns('topK', rows, [columns * 4, k * 4], traits).map((run) => ({
        shader,
        constants: { WORKGROUP: lanes },
        uniforms: { rows: run.end - run.start, columns, k, ...(inGroups ? { groups } : {}) },
        buffers: { x: input(0, rowRange(run, columns * 4)), y: output(rowRange(run, k * 4)) },
        workgroups: run.end - run.start,
      }));
    },
  },
});

/** The largest elements of rows, and where they are. */
export interface TopKResult {
  /** `[..., k]`, float32, falling. */
  readonly values: Tensor;
  /** `[..., k]`, int32; of equal elements, the lowest index first. */
  readonly indices: Tensor;
}

/**
 * The `k` largest elements along the last axis, largest first, equal ones by rising index.
 *
 * @param x - `[..., columns]`, float.
 * @param k - From 1 to `columns`.
 * @throws {ShapeError} If `x` is a scalar or has no columns.
 * @throws {ArgumentError} If there are no `k` columns.
 * @see keras.ops.top_k
 */
export const topK = (x: Tensor, k: number): TopKResult => {
  const columns = x.shape.at(-1) ?? 0;
  if (columns > 0 && !(Number.isInteger(k) && k >= 1 && k <= columns))
    throw new ArgumentError(`topK: expected k from 1 to the ${columns} columns of x, got ${k}`);
  const from = asFloat32(x);
  // The largest alone is found without an order; what has no largest is for the op's own rules to refuse.
  const isArgmax = k === 1 && columns > 0 && from.dtype === 'float32';
  const indices = isArgmax ? expandDims(argmax(from), -1) : apply(topKOp, [from], { k });
  return { values: takeAlongAxis(from, indices), indices };
};
