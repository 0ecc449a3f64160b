import type { ShaderKernel } from '../tensor/kernel.ts';
import { count } from '../tensor/shape.ts';
import type { HostTensor, Tensor } from '../tensor/tensor.ts';
import { floats } from './elementwise.ts';
import { exp } from './exp.ts';
import { input, output, rowRange, rowRuns } from './launch.ts';
import { multiply } from './multiply.ts';
import { apply, defineOp } from './op.ts';
import { formulaVjp } from './pullback.ts';
import { chosenRowKernel, rowChoice } from './rowChoice.ts';
import { asFloat32, expectRows, rowKernel, rowsOf } from './rows.ts';
import { subtract } from './subtract.ts';
import { sum } from './sum.ts';

/** Peak and total of each row in double precision: `total = sum_j exp(x[j] - peak)`. */
const eachRow = ({ data, shape }: HostTensor, write: (at: number, shifted: number, total: number) => void): void => {
  const { columns } = rowsOf(shape);
  for (let start = 0; start < data.length; start += columns) {
    let peak = Number.NEGATIVE_INFINITY;
    for (let j = start; j < start + columns; j++) peak = Math.max(peak, data[j]!);
    let total = 0;
    for (let j = start; j < start + columns; j++) total += Math.exp(data[j]! - peak);
    for (let j = start; j < start + columns; j++) write(j, data[j]! - peak, total);
  }
};

const softmaxKernel = (name: string, logarithm: 0 | 1): ShaderKernel<object> => ({
  kind: 'shader',
  launches: ({ inputs: [x], traits }) => {
    const { rows, columns } = rowsOf(x!.shape);
    if (rows * columns === 0) return [];
    const { shader, lanes } = chosenRowKernel('softmax', { rows, columns }, traits);
    return rowRuns(name, rows, [columns * 4], traits).map((run) => ({
      shader,
      constants: { WORKGROUP: lanes, LOGARITHM: logarithm },
      uniforms: { rows: run.end - run.start, columns },
      buffers: { x: input(0, rowRange(run, columns * 4)), y: output(rowRange(run, columns * 4)) },
      workgroups: run.end - run.start,
    }));
  },
  choice: rowChoice('softmax'),
});

interface Gradient {
  readonly logarithm: boolean;
}

// For softmax, dx = y * (dy - sum(dy * y)): the row's Jacobian, diag(y) - y yT, applied to dy.
// For its logarithm, dx = dy - softmax(x) * sum(dy), and softmax(x) = exp(y).
const composedGradient = ([y, dy]: readonly Tensor[], { logarithm }: Gradient): Tensor => {
  const last = { axis: -1, keepDims: true };
  return logarithm
    ? subtract(dy!, multiply(exp(y!), sum(dy!, last)))
    : multiply(y!, subtract(dy!, sum(multiply(dy!, y!), last)));
};

/** The gradient in terms of the output and its cotangent. */
const gradientOp = defineOp<Gradient>({
  name: 'softmaxGradient',
  shape: ([y = []]) => expectRows('softmaxGradient', y),
  dtype: (inputs) => floats('softmaxGradient', inputs),
  reference: ([y, dy], { logarithm }, shape) => {
    const { columns } = rowsOf(shape);
    const dx = new Float64Array(count(shape));
    for (let start = 0; start < dx.length; start += columns) {
      let total = 0;
      for (let j = start; j < start + columns; j++) total += dy!.data[j]! * (logarithm ? 1 : y!.data[j]!);
      for (let j = start; j < start + columns; j++)
        dx[j] = logarithm ? dy!.data[j]! - Math.exp(y!.data[j]!) * total : y!.data[j]! * (dy!.data[j]! - total);
    }
    return dx;
  },
  vjp: ({ inputs, attributes }, ddx) =>
    formulaVjp('softmax', (own) => [composedGradient(own, attributes)], inputs, [ddx]),
  kernel: {
    kind: 'shader',
    launches: ({ inputs: [y], attributes: { logarithm }, traits }) => {
      const { rows, columns } = rowsOf(y!.shape);
      if (rows * columns === 0) return [];
      const { shader, lanes } = rowKernel('softmaxGradient', columns, traits);
      return rowRuns('softmaxGradient', rows, [columns * 4], traits).map((run) => {
        const range = rowRange(run, columns * 4);
        return {
          shader,
          constants: { WORKGROUP: lanes, LOGARITHM: Number(logarithm) },
          uniforms: { rows: run.end - run.start, columns },
          buffers: { y: input(0, range), dy: input(1, range), dx: output(range) },
          workgroups: run.end - run.start,
        };
      });
    },
  },
});

const softmaxOp = defineOp<object>({
  name: 'softmax',
  shape: ([x = []]) => expectRows('softmax', x),
  dtype: (inputs) => floats('softmax', inputs),
  // Sums in double precision: this is what the shader is judged against.
  reference: ([x], _, shape) => {
    const y = new Float64Array(count(shape));
    eachRow(x!, (at, shifted, total) => {
      y[at] = Math.exp(shifted) / total;
    });
    return y;
  },
  vjp: ({ output: y }, dy) => [apply(gradientOp, [y, dy], { logarithm: false })],
  kernel: softmaxKernel('softmax', 0),
});

const logSoftmaxOp = defineOp<object>({
  name: 'logSoftmax',
  shape: ([x = []]) => expectRows('logSoftmax', x),
  dtype: (inputs) => floats('logSoftmax', inputs),
  reference: ([x], _, shape) => {
    const y = new Float64Array(count(shape));
    eachRow(x!, (at, shifted, total) => {
      y[at] = shifted - Math.log(total);
    });
    return y;
  },
  vjp: ({ output: y }, dy) => [apply(gradientOp, [y, dy], { logarithm: true })],
  kernel: softmaxKernel('logSoftmax', 1),
});

/**
 * Softmax over the last axis: `y[..., j] = exp(x[..., j]) / sum_k exp(x[..., k])`.
 *
 * Masked positions hold a large negative finite number, not `-Infinity`: WGSL may assume infinities never occur.
 *
 * @param x - Logits, `[..., columns]`, float.
 * @returns Probabilities of the same shape, float32; every row sums to 1.
 * @throws {ShapeError} If `x` is a scalar.
 * @see keras.ops.softmax
 */
export const softmax = (x: Tensor): Tensor => apply(softmaxOp, [asFloat32(x)], {});

/**
 * Logarithm of the softmax over the last axis: `y[..., j] = x[..., j] - log(sum_k exp(x[..., k]))`, without the loss of
 * digits that the logarithm of a small probability has.
 *
 * @param x - Logits, `[..., columns]`, float.
 * @returns Log probabilities of the same shape, float32.
 * @throws {ShapeError} If `x` is a scalar.
 * @see keras.ops.log_softmax
 */
export const logSoftmax = (x: Tensor): Tensor => apply(logSoftmaxOp, [asFloat32(x)], {});
