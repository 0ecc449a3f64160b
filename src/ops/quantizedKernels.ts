import type { KernelChoice, KernelTraits, LaunchContext } from '../tensor/kernel.ts';
import { countBlocks, type QuantizedFormat, STRIP } from '../tensor/quantized.ts';
import { count } from '../tensor/shape.ts';
import { corner, rowsCorner } from './choice.ts';
import { powerOfTwo } from './rows.ts';

/** A kernel that reads whole numbers, and the rows and words of a row of a strip that one of its lanes computes. */
export interface QuantizedKernel {
  /** By which it is remembered. */
  readonly name: string;
  /** `dequantize` writes the matrix in float32 for the kernels of matmul; the others read it where it lies. */
  readonly shader: string;
  readonly rows: number;
  readonly words: number;
  /** Lanes of a workgroup side by side. */
  readonly lanes: number;
  readonly constants: Readonly<Record<string, number>>;
  /** Bounds of loops that a compiler is not to know. */
  readonly uniforms: Readonly<Record<string, number>>;
  /** Whether it can norm the row of a as it reads it. */
  readonly norms?: true;
}

/** A product's sizes, and how its matrix is held. */
export interface QuantizedCase {
  readonly m: number;
  readonly k: number;
  readonly format: QuantizedFormat;
}

/** Buffers that the kernels of lanes bind, at most: of the weights of a norm one more than every device has. */
const LANE_BUFFERS = 9;

/** A subgroup is a workgroup: tiles of rows; or a single row, and lanes that share out the rows of the matrix in parts. */
const laneKernels = ({ m, k, format }: QuantizedCase, lanes: number): readonly QuantizedKernel[] => {
  const { bits, block } = format;
  const constants = { BITS: bits, SUBGROUP: lanes };
  if (m > 1)
    return (m <= 8 ? [8, 16] : [16, 8]).map((rows) => ({
      name: `quantizedMatmulLanes ${rows}`,
      shader: 'quantizedMatmulLanes',
      rows,
      words: bits / 4,
      lanes,
      constants: { ...constants, ROWS: rows },
      uniforms: { tileRows: rows, each: 8 },
    }));
  // Parts are more workgroups; that they cost more than idle cores is usual where there are two.
  return [1, 2, 4]
    .filter((parts) => parts <= Math.min(lanes, bits === 8 ? k : countBlocks(k, format)))
    .map((parts) => ({
      name: `quantizedMatvecLanes ${parts}`,
      shader: 'quantizedMatvecLanes',
      rows: 1,
      words: 4,
      lanes: lanes / parts,
      constants: { ...constants, PARTS: parts },
      uniforms: {
        partRows: bits === 8 ? Math.ceil(k / parts) : Math.min(k, block * Math.ceil(k / block / parts)),
        lanes: lanes / parts,
        quads: 32 / bits,
        factor: 0,
      },
      norms: true,
    }));
};

/** For a single row on a GPU: invocations that share out the rows of some columns, and meet in workgroup memory. */
const rowKernels = ({ m, format: { bits } }: QuantizedCase, traits: KernelTraits): readonly QuantizedKernel[] =>
  m > 1
    ? []
    : [256, 128, 64]
        .filter((invocations) => invocations <= traits.maxInvocations)
        .map((invocations) => ({
          name: `quantizedMatvec ${invocations}`,
          shader: 'quantizedMatvec',
          rows: 1,
          words: bits / 2,
          lanes: 8,
          constants: { BITS: bits, LANES_Y: invocations / 8 },
          uniforms: { factor: 0 },
        }));

/** By way of the matrix in float32; where many rows pay for that. */
const widened = ({ m }: QuantizedCase): readonly QuantizedKernel[] =>
  m > 1 ? [{ name: 'widened', shader: 'dequantize', rows: m, words: 0, lanes: 0, constants: {}, uniforms: {} }] : [];

/** The kernels that can compute a product on a device, the one that is usual there first. */
export const quantizedKernels = (product: QuantizedCase, traits: KernelTraits): readonly QuantizedKernel[] => {
  const { isSoftware, subgroups = 0, maxStorageBuffers } = traits;
  const lanes = subgroups >= 4 && maxStorageBuffers >= LANE_BUFFERS ? laneKernels(product, subgroups) : [];
  const others = [...rowKernels(product, traits), ...widened(product)];
  return isSoftware ? [...lanes, ...others] : [...others, ...lanes];
};

/** The class of shapes of a product: the bits of its matrix, and its sizes, rounded up to powers of two. */
export const quantizedClass = ({ m, k, format: { bits, columns } }: QuantizedCase): string =>
  `quantizedMatmul int${bits} ${[Math.min(1024, powerOfTwo(m)), powerOfTwo(k), powerOfTwo(columns)].join(' ')}`;

/** The case of a whole product. */
export const quantizedCase = ({ inputs, output, attributes }: LaunchContext<QuantizedFormat>): QuantizedCase => ({
  m: count(output.shape) / attributes.columns,
  k: inputs[0]!.shape.at(-1)!,
  format: attributes,
});

/** Rows of a sample; its columns are those of a strip. */
const SAMPLE_ROWS = 3;

/** What there is to choose for a product. */
export const quantizedChoice = (context: LaunchContext<QuantizedFormat>): KernelChoice<QuantizedFormat> | undefined => {
  const product = quantizedCase(context);
  const { inputs, output, attributes, traits } = context;
  const { k } = product;
  if (count(output.shape) * k === 0) return undefined;
  const [a, ...held] = inputs.map(({ shape }) => shape);
  return {
    shapes: quantizedClass(product),
    names: quantizedKernels(product, traits).map(({ name }) => name),
    samples: [false, true].map((isLast) => {
      const columns = isLast ? attributes.columns - STRIP * (held[0]![0]! - 1) : Math.min(STRIP, attributes.columns);
      return {
        inputs: [
          rowsCorner(a!, SAMPLE_ROWS, k, isLast),
          ...held.map((shape) => corner(shape, [1, ...shape.slice(1)], isLast)),
        ],
        output: rowsCorner(output.shape, SAMPLE_ROWS, columns, isLast),
        attributes: { ...attributes, columns },
      };
    }),
  };
};
