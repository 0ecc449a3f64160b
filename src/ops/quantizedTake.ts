import * as E from 'fp-ts/lib/Either.js';
import type { QuantizedFormat } from '../tensor/quantized.ts';
import { count, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  expectQuantized,
  expectQuantizedTypes,
  type QuantizedTensors,
  quantizedInputs,
  readerOf,
  stripRuns,
} from './dequantize.ts';
import { input, output, rowRange, rowRuns } from './launch.ts';
import { apply, defineOp } from './op.ts';
import { expectIntegers, tiling } from './rows.ts';

const quantizedTakeOp = defineOp<QuantizedFormat>({
  name: 'quantizedTake',
  shape: ([indices = [], ...held], format) =>
    E.map((rows: number): Shape => [...indices, rows])(expectQuantized('take', held, format)),
  dtype: ([indices, ...held]) =>
    E.chain(() => expectQuantizedTypes('take', held))(expectIntegers('take', 'indices', indices)),
  reference: ([indices, ...held], format, shape) => {
    const rows = shape.at(-1)!;
    const read = readerOf(held, format);
    const y = new Float64Array(count(shape));
    for (const [i, index] of indices!.data.entries()) {
      const column = Math.max(0, Math.min(format.columns - 1, index));
      for (let k = 0; k < rows; k++) y[i * rows + k] = read(k, column);
    }
    return y;
  },
  vjp: ({ inputs }) => inputs.map(() => undefined),
  kernel: {
    kind: 'shader',
    launches: ({ inputs: [indices, words], attributes, output: { shape }, traits }) => {
      const size = count(indices!.shape);
      const rows = shape.at(-1)!;
      if (size * rows === 0) return [];
      return rowRuns('take', size, [4, rows * 4], traits).flatMap((run) => {
        const tiles = tiling({ rows: run.end - run.start, columns: rows }, traits);
        return stripRuns('take', words!.shape, attributes, 1, traits).map(({ buffers, uniforms }) => ({
          shader: 'quantizedTake',
          constants: { ...tiles.constants, BITS: attributes.bits },
          uniforms: { ...uniforms, indices: run.end - run.start, columns: attributes.columns },
          buffers: { indices: input(0, rowRange(run, 4)), ...buffers, y: output(rowRange(run, rows * 4)) },
          workgroups: tiles.workgroups,
        }));
      });
    },
  },
});

/** Rows of a table whose columns' strips are its rows': `y[..., k] = w[k, indices[...]]`; `take` calls this. */
export const quantizedTake = (tensors: QuantizedTensors, format: QuantizedFormat, indices: Tensor): Tensor =>
  apply(quantizedTakeOp, [indices, ...quantizedInputs(tensors)], format);
