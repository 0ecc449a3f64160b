import * as E from 'fp-ts/lib/Either.js';
import { ShapeError } from '../tensor/errors.ts';
import { type Activation, activations, joins, type Launch, type LaunchContext } from '../tensor/kernel.ts';
import { type QuantizedFormat, STRIP, stripWords } from '../tensor/quantized.ts';
import { count, formatShape, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { chosen } from './choice.ts';
import {
  dequantize,
  dequantizeLaunches,
  expectQuantized,
  expectQuantizedTypes,
  type QuantizedTensors,
  quantizedInputs,
  readerOf,
  stripRuns,
} from './dequantize.ts';
import { floats } from './elementwise.ts';
import { input, output, type Rows, rowRange, rowRuns, scratch, storageFormat } from './launch.ts';
import { matmul } from './matmul.ts';
import { matmulLaunches } from './matmulLaunches.ts';
import { apply, defineOp } from './op.ts';
import { quantizedCase, quantizedChoice, quantizedClass, quantizedKernels } from './quantizedKernels.ts';
import { norming, paysToNorm } from './rowNorm.ts';
import { asFloat32 } from './rows.ts';
import { transpose } from './transpose.ts';
import { contiguous } from './view.ts';

const epilogueOf = ({ epilogue }: LaunchContext<QuantizedFormat>) => {
  const { bias, residual, join = 'add' } = epilogue;
  const activation: Activation = epilogue.activation ?? 'none';
  return {
    uniforms: {
      hasBias: Number(bias !== undefined),
      biasOffset: bias?.offset ?? 0,
      biasFormat: bias === undefined ? 0 : storageFormat(bias.dtype),
      activation: activations[activation],
      joins: residual === undefined ? 0 : joins[join],
    },
    buffers: (own: Rows, rowBytes: number) => ({
      // What is absent is bound to something that the shader does not read.
      bias: bias === undefined ? input(2) : ({ of: 'bias' } as const),
      residual: residual === undefined ? input(0) : ({ of: 'residual', range: rowRange(own, rowBytes) } as const),
      y: output(rowRange(own, rowBytes)),
    }),
  };
};

/** By kernels that read the whole numbers where they lie: that of the name, where it can compute a part too. */
const direct = (context: LaunchContext<QuantizedFormat>, name: string): readonly Launch[] => {
  const { inputs, attributes, output: result, traits } = context;
  const [a, words] = inputs;
  const { bits, columns } = attributes;
  const k = a!.shape.at(-1)!;
  const epilogue = epilogueOf(context);
  return rowRuns('matmul', count(result.shape) / columns, [k * 4, columns * 4], traits).flatMap((run) =>
    stripRuns('matmul', words!.shape, attributes, 1, traits).map(
      ({ buffers, uniforms: { block, blocks, firstStrip, strips } }) => {
        const m = run.end - run.start;
        const kernels = quantizedKernels({ m, k, format: attributes }, traits);
        const kernel = kernels.find((candidate) => candidate.name === name) ?? kernels[0]!;
        const units = (strips * stripWords(bits)) / kernel.words;
        const columnTiles = Math.ceil(units / kernel.lanes);
        const workgroups = Math.ceil(m / kernel.rows) * columnTiles;
        const norm = kernel.norms && norming(context);
        return {
          shader: kernel.shader,
          constants: { ...kernel.constants, ...norm?.constants },
          uniforms: {
            workgroups,
            columnTiles,
            units,
            m,
            k,
            n: columns,
            block,
            blocks,
            firstColumn: STRIP * firstStrip,
            ...kernel.uniforms,
            ...epilogue.uniforms,
            ...norm?.uniforms,
          },
          buffers: {
            a: input(0, rowRange(run, k * 4)),
            ...buffers,
            ...epilogue.buffers(run, columns * 4),
            ...norm?.buffers,
          },
          workgroups,
        };
      },
    ),
  );
};

/** By way of the matrix in float32, which is written first; where many rows pay for that. */
const widened = (context: LaunchContext<QuantizedFormat>): readonly Launch[] => {
  const { inputs, attributes, output: result, traits, epilogue } = context;
  const k = inputs[0]!.shape.at(-1)!;
  const shape = [k, attributes.columns];
  const whole = scratch(0, 4 * count(shape));
  const product = matmulLaunches({
    inputs: [inputs[0]!, { ...contiguous(shape), dtype: 'float32' }],
    output: result,
    attributes: {},
    traits,
    epilogue,
  });
  return [
    ...dequantizeLaunches(
      inputs[1]!.shape,
      attributes,
      1,
      (start, end) => ({ ...whole, range: rowRange({ start, end }, 4 * attributes.columns) }),
      traits,
    ),
    ...product.map((launch) => ({
      ...launch,
      buffers: Object.fromEntries(
        Object.entries(launch.buffers).map(([name, binding]) => [
          name,
          binding.of === 'input' && binding.index === 1
            ? { ...whole, ...(binding.range && { range: binding.range }) }
            : binding.of === 'scratch'
              ? { ...binding, index: binding.index + 1 }
              : binding,
        ]),
      ),
    })),
  ];
};

const launches = (context: LaunchContext<QuantizedFormat>): readonly Launch[] => {
  const { output: result, traits } = context;
  if (count(result.shape) === 0) return [];
  const product = quantizedCase(context);
  const { name, shader } = chosen(quantizedKernels(product, traits), quantizedClass(product), traits);
  return shader === 'dequantize' ? widened(context) : direct(context, name);
};

/** Whether a norm of the row is for the kernel that is chosen to do. */
const norms = (context: LaunchContext<QuantizedFormat>): boolean => {
  const { inputs, traits, attributes } = context;
  const product = quantizedCase(context);
  if (product.m !== 1) return false;
  const kernel = chosen(quantizedKernels(product, traits), quantizedClass(product), traits);
  const units = (inputs[1]!.shape[0]! * stripWords(attributes.bits)) / kernel.words;
  return kernel.norms === true && paysToNorm(Math.ceil(units / kernel.lanes), product.k);
};

const quantizedMatmulOp = defineOp<QuantizedFormat>({
  name: 'quantizedMatmul',
  shape: ([a = [], ...held], format) =>
    E.chain(
      (rows: number): E.Either<ShapeError, Shape> =>
        a.at(-1) === rows
          ? E.right([...a.slice(0, -1), format.columns])
          : E.left(
              new ShapeError(
                `matmul: expected a of shape [..., m, k] and b of shape [..., k, n], got ${formatShape(a)} and ${formatShape([rows, format.columns])}`,
              ),
            ),
    )(expectQuantized('matmul', held, format)),
  dtype: ([a, ...held]) => E.chain(() => expectQuantizedTypes('matmul', held))(floats('matmul', [a!])),
  reference: ([a, ...held], format, shape) => {
    const k = a!.shape.at(-1)!;
    const { columns } = format;
    const read = readerOf(held, format);
    const y = new Float64Array(count(shape));
    const rows = count(shape) / Math.max(1, columns);
    for (let l = 0; l < k; l++)
      for (let j = 0; j < columns; j++) {
        const w = read(l, j);
        for (let i = 0; i < rows; i++) y[i * columns + j]! += a!.data[i * k + l]! * w;
      }
    return y;
  },
  vjp: ({ inputs: [, words, scales, zeros], attributes }, dy) => [
    matmul(dy, transpose(dequantize({ words: words!, scales: scales!, zeros }, attributes))),
  ],
  kernel: { kind: 'shader', epilogue: 'all', launches, norms, choice: quantizedChoice },
});

/** `a [..., k]` times a matrix in few bits, `[..., columns]`; `matmul` calls this. */
export const quantizedMatmul = (a: Tensor, tensors: QuantizedTensors, format: QuantizedFormat): Tensor =>
  apply(quantizedMatmulOp, [asFloat32(a), ...quantizedInputs(tensors)], format);
