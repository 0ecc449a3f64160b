import * as E from 'fp-ts/lib/Either.js';
import { ShapeError } from '../tensor/errors.ts';
import { type Activation, activations, type KernelTraits, type Launch, type LaunchContext } from '../tensor/kernel.ts';
import { type QuantizedFormat, STRIP, stripWords } from '../tensor/quantized.ts';
import { count, formatShape, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
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
import { asFloat32 } from './rows.ts';
import { transpose } from './transpose.ts';
import { contiguous } from './view.ts';

/** A kernel that reads whole numbers, and the rows and words of a row of a strip that one of its lanes computes. */
interface QuantizedKernel {
  readonly shader: string;
  readonly rows: number;
  readonly words: number;
  /** Lanes of a workgroup side by side. */
  readonly lanes: number;
  readonly constants: Readonly<Record<string, number>>;
  /** Bounds of loops that a compiler is not to know. */
  readonly uniforms: Readonly<Record<string, number>>;
}

/** For adapters that run subgroups on a CPU: a subgroup is a workgroup; tiles of rows, or all of a single one. */
const chooseLanes = (m: number, k: number, { bits, block }: QuantizedFormat, lanes: number): QuantizedKernel => {
  const constants = { BITS: bits, SUBGROUP: lanes };
  if (m === 1) {
    // Lanes that share out rows of w would be more workgroups; they cost more than idle cores where there are two.
    const parts = 1;
    const partBlocks = Math.ceil(k / block / parts);
    return {
      shader: 'quantizedMatvecLanes',
      rows: 1,
      words: 4,
      lanes: lanes / parts,
      constants: { ...constants, PARTS: parts },
      uniforms: {
        partRows: bits === 8 ? Math.ceil(k / parts) : Math.min(k, block * partBlocks),
        lanes: lanes / parts,
        quads: 32 / bits,
      },
    };
  }
  const rows = m <= 8 ? 8 : 16;
  return {
    shader: 'quantizedMatmulLanes',
    rows,
    words: bits / 4,
    lanes,
    constants: { ...constants, ROWS: rows },
    uniforms: { tileRows: rows, each: 8 },
  };
};

/** For a single row on a GPU: 256 invocations that share out the rows of some columns, and meet in workgroup memory. */
const chooseRow = (bits: 8 | 4, traits: KernelTraits): QuantizedKernel => {
  const invocations = Math.min(256, 2 ** Math.floor(Math.log2(traits.maxInvocations)));
  return {
    shader: 'quantizedMatvec',
    rows: 1,
    words: bits / 2,
    lanes: 8,
    constants: { BITS: bits, LANES_Y: invocations / 8 },
    uniforms: {},
  };
};

const epilogueOf = ({ epilogue }: LaunchContext<QuantizedFormat>) => {
  const { bias, residual } = epilogue;
  const activation: Activation = epilogue.activation ?? 'none';
  return {
    uniforms: {
      hasBias: Number(bias !== undefined),
      biasOffset: bias?.offset ?? 0,
      biasFormat: bias === undefined ? 0 : storageFormat(bias.dtype),
      activation: activations[activation],
      hasResidual: Number(residual !== undefined),
    },
    buffers: (own: Rows, rowBytes: number) => ({
      // What is absent is bound to something that the shader does not read.
      bias: bias === undefined ? input(2) : ({ of: 'bias' } as const),
      residual: residual === undefined ? input(0) : ({ of: 'residual', range: rowRange(own, rowBytes) } as const),
      y: output(rowRange(own, rowBytes)),
    }),
  };
};

/** By kernels that read the whole numbers where they lie. */
const direct = (
  context: LaunchContext<QuantizedFormat>,
  choose: (m: number, k: number) => QuantizedKernel,
): readonly Launch[] => {
  const { inputs, attributes, output: result, traits } = context;
  const [a, words] = inputs;
  const { bits, columns } = attributes;
  const k = a!.shape.at(-1)!;
  const epilogue = epilogueOf(context);
  return rowRuns('matmul', count(result.shape) / columns, [k * 4, columns * 4], traits).flatMap((run) =>
    stripRuns('matmul', words!.shape, attributes, 1, traits).map(
      ({ buffers, uniforms: { block, blocks, firstStrip, strips } }) => {
        const m = run.end - run.start;
        const kernel = choose(m, k);
        const units = (strips * stripWords(bits)) / kernel.words;
        const columnTiles = Math.ceil(units / kernel.lanes);
        const workgroups = Math.ceil(m / kernel.rows) * columnTiles;
        return {
          shader: kernel.shader,
          constants: kernel.constants,
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
          },
          buffers: { a: input(0, rowRange(run, k * 4)), ...buffers, ...epilogue.buffers(run, columns * 4) },
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
  const { output: result, attributes, traits } = context;
  if (count(result.shape) === 0) return [];
  const { isSoftware, subgroups = 0 } = traits;
  if (isSoftware && subgroups >= 4) return direct(context, (m, k) => chooseLanes(m, k, attributes, subgroups));
  return count(result.shape) === attributes.columns
    ? direct(context, () => chooseRow(attributes.bits, traits))
    : widened(context);
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
  kernel: { kind: 'shader', epilogue: true, launches },
});

/** `a [..., k]` times a matrix in few bits, `[..., columns]`; `matmul` calls this. */
export const quantizedMatmul = (a: Tensor, tensors: QuantizedTensors, format: QuantizedFormat): Tensor =>
  apply(quantizedMatmulOp, [asFloat32(a), ...quantizedInputs(tensors)], format);
