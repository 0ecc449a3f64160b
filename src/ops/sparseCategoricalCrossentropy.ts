import * as E from 'fp-ts/lib/Either.js';
import { type DType, isFloat } from '../tensor/dtype.ts';
import { DTypeError, ShapeError } from '../tensor/errors.ts';
import type { ShaderKernel } from '../tensor/kernel.ts';
import { count, formatShape, type Shape, sameShape } from '../tensor/shape.ts';
import type { HostTensor, Tensor } from '../tensor/tensor.ts';
import { input, output, rowRange, rowRuns } from './launch.ts';
import { maximum } from './maximum.ts';
import { minimum } from './minimum.ts';
import { multiply } from './multiply.ts';
import { oneHot } from './oneHot.ts';
import { apply, defineOp } from './op.ts';
import { formulaVjp } from './pullback.ts';
import { expandDims } from './reshape.ts';
import { asFloat32, expectColumns, expectIntegers, rowKernel, rowsOf } from './rows.ts';
import { softmax } from './softmax.ts';
import { subtract } from './subtract.ts';

const expectTargets = (op: string, targets: Shape, logits: Shape): E.Either<ShapeError, Shape> =>
  logits.length === 0 || sameShape(targets, logits.slice(0, -1))
    ? expectColumns(op, logits)
    : E.left(
        new ShapeError(
          `${op}: expected targets of shape ${formatShape(logits.slice(0, -1))} for logits of shape ${formatShape(logits)}, got ${formatShape(targets)}`,
        ),
      );

const expectDTypes = (op: string, [targets, ...rest]: readonly DType[]): E.Either<DTypeError, DType> =>
  rest.every(isFloat)
    ? E.map((): DType => 'float32')(expectIntegers(op, 'targets', targets))
    : E.left(new DTypeError(`${op}: expected logits of floats, got ${rest[0]}; use cast to convert`));

/** Each row's target, held within the classes, and the logarithm of its sum of exponentials in double precision. */
const eachRow = (
  targets: HostTensor,
  logits: HostTensor,
  visit: (row: number, target: number, logSum: number) => void,
): void => {
  const { columns } = rowsOf(logits.shape);
  for (let row = 0; row < targets.data.length; row++) {
    const start = row * columns;
    let peak = Number.NEGATIVE_INFINITY;
    for (let j = start; j < start + columns; j++) peak = Math.max(peak, logits.data[j]!);
    let total = 0;
    for (let j = start; j < start + columns; j++) total += Math.exp(logits.data[j]! - peak);
    visit(row, Math.max(0, Math.min(columns - 1, targets.data[row]!)), peak + Math.log(total));
  }
};

/** One workgroup a row; the rows are cut into runs where they do not fit one binding. */
const rowsKernel = (shaderName: string, isGradient: boolean): ShaderKernel<object> => ({
  kind: 'shader',
  launches: ({ inputs: [, logits], traits }) => {
    const { rows, columns } = rowsOf(logits!.shape);
    if (rows * columns === 0) return [];
    const { shader, lanes } = rowKernel(shaderName, columns, traits);
    return rowRuns(shaderName, rows, [4, columns * 4], traits).map((run) => ({
      shader,
      constants: { WORKGROUP: lanes },
      uniforms: { rows: run.end - run.start, columns },
      buffers: {
        targets: input(0, rowRange(run, 4)),
        logits: input(1, rowRange(run, columns * 4)),
        ...(isGradient
          ? { dy: input(2, rowRange(run, 4)), dx: output(rowRange(run, columns * 4)) }
          : { y: output(rowRange(run, 4)) }),
      },
      workgroups: run.end - run.start,
    }));
  },
});

const crossEntropyGradientOp = defineOp<object>({
  name: 'crossEntropyGradient',
  shape: ([targets = [], logits = []]) => expectTargets('crossEntropyGradient', targets, logits),
  dtype: (inputs) => expectDTypes('crossEntropyGradient', inputs),
  reference: ([targets, logits, dy], _, shape) => {
    const { columns } = rowsOf(shape);
    const dx = new Float64Array(count(shape));
    eachRow(targets!, logits!, (row, target, logSum) => {
      const factor = dy!.data[row]!;
      for (let j = row * columns; j < (row + 1) * columns; j++) dx[j] = Math.exp(logits!.data[j]! - logSum) * factor;
      dx[row * columns + target]! -= factor;
    });
    return dx;
  },
  vjp: ({ inputs: [targets, logits, dy] }, ddx) => {
    const classes = logits!.shape.at(-1)!;
    const held = minimum(maximum(targets!, 0), classes - 1);
    const formula = ([x, own]: readonly Tensor[]) => [
      multiply(subtract(softmax(x!), oneHot(held, classes)), expandDims(own!, -1)),
    ];
    return [undefined, ...formulaVjp('crossEntropyGradient', formula, [logits!, dy!], [ddx])];
  },
  kernel: rowsKernel('crossEntropyGradient', true),
});

const crossEntropyOp = defineOp<object>({
  name: 'sparseCategoricalCrossentropy',
  shape: ([targets = [], logits = []]) =>
    E.map((x: Shape) => x.slice(0, -1))(expectTargets('sparseCategoricalCrossentropy', targets, logits)),
  dtype: (inputs) => expectDTypes('sparseCategoricalCrossentropy', inputs),
  reference: ([targets, logits], _, shape) => {
    const { columns } = rowsOf(logits!.shape);
    const y = new Float64Array(count(shape));
    eachRow(targets!, logits!, (row, target, logSum) => {
      y[row] = logSum - logits!.data[row * columns + target]!;
    });
    return y;
  },
  // dlogits = (softmax(logits) - oneHot(targets)) * dy, written by one kernel: nothing else is as large as the logits.
  vjp: ({ inputs: [targets, logits] }, dy) => [undefined, apply(crossEntropyGradientOp, [targets!, logits!, dy], {})],
  kernel: rowsKernel('crossEntropy', false),
});

/**
 * Cross entropy of classes given by number, from logits: `y[...] = log(sum_j exp(logits[..., j])) - logits[..., targets[...]]`,
 * with the largest logit taken out before the exponentials. As `from_logits=True` in Keras.
 *
 * Targets that reach beyond the classes are held within them; whoever has them on the host checks them there.
 *
 * @param targets - Classes, `[...]`, int32.
 * @param logits - `[..., classes]`, float.
 * @returns `[...]`, float32, 0 or more.
 * @throws {ShapeError} If the shapes do not fit, or there are no classes.
 * @throws {DTypeError} If targets are not int32, or logits not float.
 * @see keras.ops.sparse_categorical_crossentropy
 */
export const sparseCategoricalCrossentropy = (targets: Tensor, logits: Tensor): Tensor =>
  apply(crossEntropyOp, [targets, asFloat32(logits)], {});
