import * as E from 'fp-ts/lib/Either.js';
import { ShapeError } from '../tensor/errors.ts';
import { count, formatShape, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { floats } from './elementwise.ts';
import { input, output, rowRange, rowRuns, weightFormat } from './launch.ts';
import { multiply } from './multiply.ts';
import { normGradient } from './normGradient.ts';
import { apply, defineOp } from './op.ts';
import { chosenRowKernel, rowChoice } from './rowChoice.ts';
import { asFloat32, expectColumns, rowsOf } from './rows.ts';
import { sum } from './sum.ts';

/** Which of gamma and beta are there; they follow `x` in that order. */
interface LayerNorm {
  readonly epsilon: number;
  readonly gamma: boolean;
  readonly beta: boolean;
}

/** A shape as it is, if it has columns, and each weight has one number a column. */
export const expectWeights = (
  op: string,
  x: Shape,
  weights: readonly { readonly name: string; readonly shape: Shape | undefined }[],
): E.Either<ShapeError, Shape> => {
  const wrong = weights.find(({ shape }) => shape !== undefined && (shape.length !== 1 || shape[0] !== x.at(-1)));
  return wrong === undefined || x.length === 0
    ? expectColumns(op, x)
    : E.left(
        new ShapeError(
          `${op}: expected ${wrong.name} of shape [${x.at(-1)}] for x of shape ${formatShape(x)}, got ${formatShape(wrong.shape!)}`,
        ),
      );
};

/** Places of gamma and beta among the inputs; -1, where nothing is, for one that is absent. */
const places = ({ gamma, beta }: LayerNorm) => ({ gammaAt: gamma ? 1 : -1, betaAt: beta ? (gamma ? 2 : 1) : -1 });

const layerNormOp = defineOp<LayerNorm>({
  name: 'layerNorm',
  shape: (inputs, attributes) => {
    const { gammaAt, betaAt } = places(attributes);
    return expectWeights('layerNorm', inputs[0] ?? [], [
      { name: 'gamma', shape: inputs[gammaAt] },
      { name: 'beta', shape: inputs[betaAt] },
    ]);
  },
  dtype: (inputs) => floats('layerNorm', inputs),
  reference: (inputs, attributes, shape) => {
    const { gammaAt, betaAt } = places(attributes);
    const x = inputs[0]!.data;
    const gamma = inputs[gammaAt]?.data;
    const beta = inputs[betaAt]?.data;
    const { columns } = rowsOf(shape);
    const y = new Float64Array(count(shape));
    for (let start = 0; start < y.length; start += columns) {
      let average = 0;
      for (let j = 0; j < columns; j++) average += x[start + j]! / columns;
      let variance = 0;
      for (let j = 0; j < columns; j++) variance += (x[start + j]! - average) ** 2 / columns;
      const scale = 1 / Math.sqrt(variance + attributes.epsilon);
      for (let j = 0; j < columns; j++)
        y[start + j] = (x[start + j]! - average) * scale * (gamma?.[j] ?? 1) + (beta?.[j] ?? 0);
    }
    return y;
  },
  // The normalized row is what the op gives without weights.
  vjp: ({ inputs, attributes }, dy) => {
    const { gammaAt, betaAt } = places(attributes);
    const { epsilon } = attributes;
    const x = inputs[0]!;
    const leading = { axis: x.shape.slice(0, -1).map((_, axis) => axis) };
    return [
      normGradient(x, gammaAt === -1 ? undefined : inputs[gammaAt], dy, { isCentred: true, epsilon, offset: 0 }),
      ...(gammaAt === -1 ? [] : [sum(multiply(dy, layerNorm(x, undefined, undefined, { epsilon })), leading)]),
      ...(betaAt === -1 ? [] : [sum(dy, leading)]),
    ];
  },
  kernel: {
    kind: 'shader',
    launches: ({ inputs, attributes, traits }) => {
      const { gammaAt, betaAt } = places(attributes);
      const { rows, columns } = rowsOf(inputs[0]!.shape);
      if (rows * columns === 0) return [];
      const { shader, lanes } = chosenRowKernel('layerNorm', { rows, columns }, traits);
      return rowRuns('layerNorm', rows, [columns * 4], traits).map((run) => {
        const x = input(0, rowRange(run, columns * 4));
        return {
          shader,
          constants: {
            WORKGROUP: lanes,
            GAMMA_FORMAT: weightFormat(inputs[gammaAt]),
            BETA_FORMAT: weightFormat(inputs[betaAt]),
          },
          uniforms: { rows: run.end - run.start, columns, epsilon: attributes.epsilon },
          // Something has to be bound for a weight that is absent: x, which is then not read as one.
          buffers: {
            x,
            gamma: gammaAt === -1 ? x : input(gammaAt),
            beta: betaAt === -1 ? x : input(betaAt),
            y: output(rowRange(run, columns * 4)),
          },
          workgroups: run.end - run.start,
        };
      });
    },
    choice: rowChoice('layerNorm'),
    norm: (attributes) => ({ isCentred: true, epsilon: attributes.epsilon, offset: 0, ...places(attributes) }),
  },
});

/** Options of `layerNorm` and `rmsNorm`. */
export interface NormOptions {
  /** Added to the variance or mean square, so that constant rows stay finite. Default: 1e-7, as `keras.config.epsilon()`. */
  readonly epsilon?: number;
}

/**
 * Layer normalization over the last axis: `y = (x - mean(x)) / sqrt(variance(x) + epsilon) * gamma + beta`, with the
 * biased variance.
 *
 * @param x - `[..., columns]`, float.
 * @param gamma - Gain, `[columns]`, float of any width; left out, 1.
 * @param beta - Offset, `[columns]`, float of any width; left out, 0.
 * @returns Of the shape of `x`, float32.
 * @throws {ShapeError} If `x` is a scalar, or a weight has not one number a column.
 * @see Ba, Kiros and Hinton 2016, section 3; keras.ops.layer_normalization
 */
export const layerNorm = (x: Tensor, gamma?: Tensor, beta?: Tensor, { epsilon = 1e-7 }: NormOptions = {}): Tensor =>
  apply(layerNormOp, [asFloat32(x), ...(gamma === undefined ? [] : [gamma]), ...(beta === undefined ? [] : [beta])], {
    epsilon,
    gamma: gamma !== undefined,
    beta: beta !== undefined,
  });
