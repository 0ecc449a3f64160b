import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { floats } from './elementwise.ts';
import { input, output, rowRange, rowRuns, weightFormat } from './launch.ts';
import { expectWeights, type NormOptions } from './layerNorm.ts';
import { multiply } from './multiply.ts';
import { normGradient } from './normGradient.ts';
import { apply, defineOp } from './op.ts';
import { chosenRowKernel, rowChoice } from './rowChoice.ts';
import { asFloat32, rowsOf } from './rows.ts';
import { sum } from './sum.ts';

interface RmsNorm {
  readonly epsilon: number;
  readonly offset: number;
}

/** Options of `rmsNorm`. */
export interface RmsNormOptions extends NormOptions {
  /** Added to `scale`, so that a scale can say how far it is from 1. Default 0. */
  readonly offset?: number;
}

const rmsNormOp = defineOp<RmsNorm>({
  name: 'rmsNorm',
  shape: ([x = [], scale]) => expectWeights('rmsNorm', x, [{ name: 'scale', shape: scale }]),
  dtype: (inputs) => floats('rmsNorm', inputs),
  reference: ([x, scale], { epsilon, offset }, shape) => {
    const { columns } = rowsOf(shape);
    const y = new Float64Array(count(shape));
    for (let start = 0; start < y.length; start += columns) {
      let meanSquare = 0;
      for (let j = start; j < start + columns; j++) meanSquare += x!.data[j]! ** 2 / columns;
      const factor = 1 / Math.sqrt(meanSquare + epsilon);
      for (let j = 0; j < columns; j++)
        y[start + j] = x!.data[start + j]! * factor * (scale === undefined ? 1 : offset + scale.data[j]!);
    }
    return y;
  },
  // The normalized row is what the op gives without a scale.
  vjp: ({ inputs: [x, scale], attributes: { epsilon, offset } }, dy) => {
    const dx = normGradient(x!, scale, dy, { isCentred: false, epsilon, offset });
    const leading = { axis: x!.shape.slice(0, -1).map((_, axis) => axis) };
    return scale === undefined ? [dx] : [dx, sum(multiply(dy, rmsNorm(x!, undefined, { epsilon })), leading)];
  },
  kernel: {
    kind: 'shader',
    epilogue: 'residual',
    launches: ({ inputs: [x, scale], attributes: { epsilon, offset }, traits, epilogue: { residual } }) => {
      const { rows, columns } = rowsOf(x!.shape);
      if (rows * columns === 0) return [];
      const { shader, lanes } = chosenRowKernel('rmsNorm', { rows, columns }, traits);
      return rowRuns('rmsNorm', rows, [columns * 4], traits).map((run) => {
        const from = input(0, rowRange(run, columns * 4));
        return {
          shader,
          constants: { WORKGROUP: lanes, SCALE_FORMAT: weightFormat(scale), RESIDUAL: Number(residual !== undefined) },
          uniforms: { rows: run.end - run.start, columns, epsilon, offset },
          // Something has to be bound for what is absent: x, which is then not read as that.
          buffers: {
            x: from,
            scale: scale === undefined ? from : input(1),
            residual: residual === undefined ? from : { of: 'residual', range: rowRange(run, columns * 4) },
            y: output(rowRange(run, columns * 4)),
          },
          workgroups: run.end - run.start,
        };
      });
    },
    choice: rowChoice('rmsNorm'),
    norm: ({ epsilon, offset }) => ({ isCentred: false, epsilon, offset, gammaAt: 1, betaAt: -1 }),
  },
});

/**
 * Normalization by the root mean square over the last axis: `y = x / sqrt(mean(x^2) + epsilon) * (offset + scale)`.
 *
 * @param x - `[..., columns]`, float.
 * @param scale - Gain, `[columns]`, float of any width; left out, the gain is 1 and there is no offset.
 * @returns Of the shape of `x`, float32.
 * @throws {ShapeError} If `x` is a scalar, or `scale` has not one number a column.
 * @see Zhang and Sennrich 2019, equation 4; keras.ops.rms_normalization
 */
export const rmsNorm = (x: Tensor, scale?: Tensor, { epsilon = 1e-7, offset = 0 }: RmsNormOptions = {}): Tensor =>
  apply(rmsNormOp, scale === undefined ? [asFloat32(x)] : [asFloat32(x), scale], { epsilon, offset });
