import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { add } from './add.ts';
import { floats } from './elementwise.ts';
import { input, output, rowRange, rowRuns, weightFormat } from './launch.ts';
import { expectWeights } from './layerNorm.ts';
import { mean } from './mean.ts';
import { multiply } from './multiply.ts';
import { apply, defineOp } from './op.ts';
import { formulaVjp } from './pullback.ts';
import { rowKernel, rowsOf } from './rows.ts';
import { rsqrt } from './rsqrt.ts';
import { subtract } from './subtract.ts';

/** Which norm it is the gradient of: one that takes the mean out of a row, or not. */
interface NormGradient {
  readonly isCentred: boolean;
  readonly epsilon: number;
  /** Added to gamma; where there is no gamma, its place is taken by 1 alone. */
  readonly offset: number;
}

/**
 * With n the normalized row and g = dy * (offset + gamma): dx = (g - mean(g) - n * mean(g * n)) * scale, where
 * scale = 1 / sqrt(mean((x - mean(x))^2) + epsilon). A norm that is not centred has no means of x and g.
 */
const composedGradient = ([x, dy, gamma]: readonly Tensor[], { isCentred, epsilon, offset }: NormGradient): Tensor => {
  const last = { axis: -1, keepDims: true };
  const centre = (row: Tensor): Tensor => (isCentred ? subtract(row, mean(row, last)) : row);
  const centred = centre(x!);
  const scale = rsqrt(add(mean(multiply(centred, centred), last), epsilon));
  const normalized = multiply(centred, scale);
  const g = gamma === undefined ? dy! : multiply(dy!, offset === 0 ? gamma : add(gamma, offset));
  return multiply(subtract(centre(g), multiply(normalized, mean(multiply(g, normalized), last))), scale);
};

/** Inputs are x, the output's cotangent and perhaps gamma. */
const normGradientOp = defineOp<NormGradient>({
  name: 'normGradient',
  shape: ([x = [], , gamma]) => expectWeights('normGradient', x, [{ name: 'gamma', shape: gamma }]),
  dtype: (inputs) => floats('normGradient', inputs),
  reference: ([x, dy, gamma], { isCentred, epsilon, offset }, shape) => {
    const { columns } = rowsOf(shape);
    const dx = new Float64Array(count(shape));
    const meanOf = (f: (j: number) => number): number => {
      let sum = 0;
      for (let j = 0; j < columns; j++) sum += f(j);
      return sum / columns;
    };
    for (let start = 0; start < dx.length; start += columns) {
      const average = isCentred ? meanOf((j) => x!.data[start + j]!) : 0;
      const scale = 1 / Math.sqrt(meanOf((j) => (x!.data[start + j]! - average) ** 2) + epsilon);
      const n = (j: number) => (x!.data[start + j]! - average) * scale;
      const g = (j: number) => dy!.data[start + j]! * (gamma === undefined ? 1 : offset + gamma.data[j]!);
      const [plain, weighted] = [isCentred ? meanOf(g) : 0, meanOf((j) => g(j) * n(j))];
      for (let j = 0; j < columns; j++) dx[start + j] = (g(j) - plain - n(j) * weighted) * scale;
    }
    return dx;
  },
  vjp: ({ inputs, attributes }, ddx) =>
    formulaVjp('normGradient', (own) => [composedGradient(own, attributes)], inputs, [ddx]),
  kernel: {
    kind: 'shader',
    launches: ({ inputs: [x, , gamma], attributes: { isCentred, epsilon, offset }, traits }) => {
      const { rows, columns } = rowsOf(x!.shape);
      if (rows * columns === 0) return [];
      const { shader, lanes } = rowKernel('normGradient', columns, traits);
      return rowRuns('normGradient', rows, [columns * 4], traits).map((run) => {
        const range = rowRange(run, columns * 4);
        return {
          shader,
          constants: { WORKGROUP: lanes, CENTRED: Number(isCentred), GAMMA_FORMAT: weightFormat(gamma) },
          uniforms: { rows: run.end - run.start, columns, epsilon, offset },
          // Something has to be bound for a gamma that is absent: x, which is then not read as one.
          buffers: {
            x: input(0, range),
            gamma: gamma === undefined ? input(0, range) : input(2),
            dy: input(1, range),
            dx: output(range),
          },
          workgroups: run.end - run.start,
        };
      });
    },
  },
});

/** The cotangent of a norm's input, `x [..., columns]`, given the output's. */
export const normGradient = (x: Tensor, gamma: Tensor | undefined, dy: Tensor, attributes: NormGradient): Tensor =>
  apply(normGradientOp, gamma === undefined ? [x, dy] : [x, dy, gamma], attributes);
