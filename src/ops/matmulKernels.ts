import type { KernelChoice, KernelTraits, LaunchContext } from '../tensor/kernel.ts';
import { count } from '../tensor/shape.ts';
import { distinct, rowsCorner } from './choice.ts';
import { storageFormat } from './launch.ts';
import { flatten, isInVectors, type Product } from './matmulGeometry.ts';
import { powerOfTwo } from './rows.ts';

/** What the choice of a kernel looks at, besides the device. */
export interface MatmulCase extends Product {
  /** As `storageFormat` says it: 0 float32, 1 float16, 2 bfloat16. */
  readonly format: number;
}

/** A shader, its overrides, and the rows and columns of y that one of its workgroups computes. */
export interface MatmulKernel {
  /** By which it is remembered. */
  readonly name: string;
  /** `matmulPacked` reads strips, which are written first; all others read a and b where they lie. */
  readonly shader: string;
  readonly constants: Readonly<Record<string, number>>;
  readonly rows: number;
  readonly columns: number;
  /** Bounds of loops that a compiler is not to know, or it unrolls them. */
  readonly uniforms: Readonly<Record<string, number>>;
  /** Whether it can norm the row of a as it reads it. */
  readonly norms?: true;
}

const tiled = (format: number, lanesX: number, lanesY: number, blocks: number): MatmulKernel => ({
  name: `matmul ${lanesX}x${lanesY}x${blocks}`,
  shader: 'matmul',
  constants: { FORMAT: format, LANES_X: lanesX, LANES_Y: lanesY, BLOCKS: blocks },
  rows: 4 * lanesY * blocks,
  columns: 4 * lanesX,
  uniforms: {},
});

/** Elements of b in a vector. */
const widthOf = (format: number): number => (format === 0 ? 4 : 8);

/** How a and b lie, as BLAS says it: n along rows, t along columns, and b, if not in whole vectors, x. */
const layoutOf = ({ k, n, a, b, format }: MatmulCase): 'nn' | 'nt' | 'nx' | 'tn' | 'tt' | 'tx' => {
  const width = widthOf(format);
  const ofA = a.column === 1 ? 'n' : 't';
  return isInVectors('row', b, width, n) ? `${ofA}n` : isInVectors('column', b, width, k) ? `${ofA}t` : `${ofA}x`;
};

const hasLanes = ({ subgroups = 0 }: KernelTraits): boolean => subgroups >= 4;

/** Those where a subgroup is a workgroup, and nothing passes through workgroup memory. */
const laneKernels = (product: MatmulCase, traits: KernelTraits): readonly MatmulKernel[] => {
  if (!hasLanes(traits)) return [];
  const { m, k, a, format } = product;
  const lanes = traits.subgroups!;
  const constants = { FORMAT: format, SUBGROUP: lanes };
  const layout = layoutOf(product);
  const inRows = layout.endsWith('n') && k > 0;
  const inColumns = layout.endsWith('t') && isInVectors('row', a, 4, k);
  const row = (shader: string, each: number): MatmulKernel => ({
    name: shader,
    shader,
    constants,
    rows: 1,
    columns: each * lanes,
    uniforms: { lanes, each, factor: 0 },
  });
  const tile = (shader: string, rows: number, each: number): MatmulKernel => ({
    name: `${shader} ${rows}`,
    shader,
    constants: { ...constants, ROWS: rows },
    rows,
    columns: each * lanes,
    uniforms: { tileRows: rows, each },
  });
  if (m === 1 && inRows) return [{ ...row('matvecLanes', 2 * widthOf(format)), norms: true }];
  if (m === 1 && inColumns) return [row('matvecLanesTransposed', 2)];
  return (m <= 8 ? [8, 16] : [16, 8]).flatMap((rows) => [
    ...(inRows ? [tile('matmulLanes', rows, 8)] : []),
    ...(inColumns ? [tile('matmulLanesTransposed', rows, 4)] : []),
    ...(inRows || inColumns ? [] : [tile('matmulLanesStrided', rows, 4)]),
  ]);
};

/** Those that read strips; with many rows for packing b to pay, and many columns for packing a. */
const packedKernels = ({ batch, m, k, n }: MatmulCase, traits: KernelTraits): readonly MatmulKernel[] => {
  if (!hasLanes(traits) || count(batch) !== 1 || m < 16 || k < 16 || n < 64) return [];
  const lanes = traits.subgroups!;
  return (lanes >= 8 ? [32, 16] : [16]).map((rows) => ({
    name: `matmulPacked ${rows}`,
    shader: 'matmulPacked',
    constants: { SUBGROUP: lanes, ROWS: rows },
    rows,
    columns: 8 * lanes,
    uniforms: { tileRows: rows, each: 8 },
  }));
};

/** For a single row, where b lies in vectors: lanes along its rows or along its columns, meeting in workgroup memory. */
const rowKernels = ({ m, k, n, a, b, format }: MatmulCase, traits: KernelTraits): readonly MatmulKernel[] => {
  if (m !== 1 || k === 0) return [];
  const width = widthOf(format);
  const most = Math.min(256, 2 ** Math.floor(Math.log2(traits.maxInvocations)));
  // Few invocations for short sums.
  const sizes = (k < 128 ? [64, 256] : [256, 128, 64]).filter((invocations) => invocations <= most);
  if (isInVectors('row', b, width, n))
    return sizes
      .filter((invocations) => invocations * 32 <= traits.workgroupBytes)
      .map((invocations) => ({
        name: `matvec ${invocations}`,
        shader: 'matvec',
        constants: { FORMAT: format, LANES_X: 8, LANES_Y: invocations / 8 },
        rows: 1,
        columns: 8 * width,
        uniforms: { factor: 0 },
      }));
  if (isInVectors('column', b, width, k) && isInVectors('row', a, 4, k))
    return sizes.map((invocations) => ({
      name: `matvecTransposed ${invocations}`,
      shader: 'matvecTransposed',
      constants: { FORMAT: format, LANES_X: 32, LANES_Y: invocations / 32 },
      rows: 1,
      columns: invocations / 32,
      uniforms: { factor: 0 },
    }));
  return [];
};

/** Those that compute tiles in workgroup memory: the largest of which there are enough for the device first. */
const tileKernels = ({ batch, m, n, format }: MatmulCase, traits: KernelTraits): readonly MatmulKernel[] => {
  const fits = ({ constants, rows, columns }: MatmulKernel): boolean =>
    (constants.LANES_X ?? 1) * (constants.LANES_Y ?? 1) <= traits.maxInvocations &&
    (rows + columns) * 64 <= traits.workgroupBytes;
  const tiles = ({ rows, columns }: MatmulKernel): number =>
    count(batch) * Math.ceil(m / rows) * Math.ceil(n / columns);
  const small = [tiled(format, 8, 8, 1), ...(m <= 16 ? [tiled(format, 8, 4, 1)] : [])].reverse();
  const large = [tiled(format, 16, 16, 2), tiled(format, 16, 16, 1)].filter(fits);
  // A processor gains nothing by workgroup memory, the less the more of it is used.
  if (traits.isSoftware || m <= 16) return small;
  return distinct([...large.filter((kernel) => tiles(kernel) >= 256), ...small, ...large]);
};

/**
 * Whether strips are usual: on adapters that run subgroups on a CPU, where there are enough rows to pay for packing b, and
 * enough columns to pay for packing a. A b whose columns lie in vectors gains less, and one of halves nothing.
 */
const isPacked = ({ m, k, n, b, format }: MatmulCase): boolean =>
  n >= 256 && (isInVectors('row', b, widthOf(format), n) ? format === 0 && m >= 256 && k >= 256 : m >= 64 && k >= 16);

/**
 * The kernels that can compute a product on a device, by how a and b lie in memory; first the one that is usual there, by
 * size and by the kind of device.
 */
export const matmulKernels = (product: MatmulCase, traits: KernelTraits): readonly MatmulKernel[] => {
  const lanes = laneKernels(product, traits);
  const packed = packedKernels(product, traits);
  const others = [...rowKernels(product, traits), ...tileKernels(product, traits)];
  return traits.isSoftware && lanes.length > 0
    ? [...(isPacked(product) ? [...packed, ...lanes] : [...lanes, ...packed]), ...others]
    : [...others, ...lanes, ...packed];
};

const formats = ['float32', 'float16', 'bfloat16'] as const;

/** The class of shapes of a product: its operands' formats, how they lie, and its sizes, rounded up to powers of two. */
export const matmulClass = (product: MatmulCase): string => {
  const { m, k, n, format } = product;
  const sizes = [Math.min(1024, powerOfTwo(m)), powerOfTwo(k), powerOfTwo(n)];
  return `matmul ${formats[format]} ${layoutOf(product)} ${sizes.join(' ')}`;
};

/** The case of a whole product. */
export const matmulCase = (context: LaunchContext<object>): MatmulCase => ({
  ...flatten(context),
  format: storageFormat(context.inputs[1]!.dtype),
});

/** Rows and columns of a sample. */
const SAMPLE = { rows: 3, columns: 70 };

/** What there is to choose for products of one matrix b: those of dense layers, and not of batches of matrices. */
export const matmulChoice = (context: LaunchContext<object>): KernelChoice<object> | undefined => {
  const product = matmulCase(context);
  const { batch, m, k, n } = product;
  if (count(batch) !== 1 || m * k * n === 0) return undefined;
  const { inputs, output, attributes, traits } = context;
  const [a, b] = inputs.map(({ shape }) => shape);
  return {
    shapes: matmulClass(product),
    names: matmulKernels(product, traits).map(({ name }) => name),
    samples: [false, true].map((isLast) => ({
      inputs: [rowsCorner(a!, SAMPLE.rows, k, isLast), rowsCorner(b!, k, SAMPLE.columns, isLast)],
      output: rowsCorner(output.shape, SAMPLE.rows, SAMPLE.columns, isLast),
      attributes,
    })),
  };
};
