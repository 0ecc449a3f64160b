import type { KernelTraits } from '../tensor/kernel.ts';
import { count } from '../tensor/shape.ts';
import { isInVectors, type Product } from './matmulGeometry.ts';

/** What the choice of a kernel looks at, besides the device. */
export interface MatmulCase extends Product {
  /** As `storageFormat` says it: 0 float32, 1 float16, 2 bfloat16. */
  readonly format: number;
}

/** A shader, its overrides, and the rows and columns of y that one of its workgroups computes. */
export interface MatmulKernel {
  readonly shader: string;
  readonly constants: Readonly<Record<string, number>>;
  readonly rows: number;
  readonly columns: number;
  /** Bounds of loops that a compiler is not to know, or it unrolls them. */
  readonly uniforms: Readonly<Record<string, number>>;
}

const tiled = (format: number, lanesX: number, lanesY: number, blocks: number): MatmulKernel => ({
  shader: 'matmul',
  constants: { FORMAT: format, LANES_X: lanesX, LANES_Y: lanesY, BLOCKS: blocks },
  rows: 4 * lanesY * blocks,
  columns: 4 * lanesX,
  uniforms: {},
});

/** For adapters that run subgroups on a CPU: a subgroup is a workgroup, and nothing passes through workgroup memory. */
const chooseLanes = ({ m, k, n, a, b, format }: MatmulCase, lanes: number): MatmulKernel => {
  const width = format === 0 ? 4 : 8;
  const rows = m === 1 ? 1 : m <= 8 ? 8 : 16;
  const constants = { FORMAT: format, SUBGROUP: lanes };
  const tile = (shader: string, each: number): MatmulKernel => ({
    shader,
    constants: { ...constants, ROWS: Math.max(8, rows) },
    rows: Math.max(8, rows),
    columns: each * lanes,
    uniforms: { tileRows: Math.max(8, rows), each },
  });
  if (isInVectors('row', b, width, n) && k > 0)
    return rows === 1
      ? { shader: 'matvecLanes', constants, rows, columns: 2 * width * lanes, uniforms: { lanes, each: 2 * width } }
      : tile('matmulLanes', 8);
  if (isInVectors('column', b, width, k) && isInVectors('row', a, 4, k))
    return rows === 1
      ? { shader: 'matvecLanesTransposed', constants, rows, columns: 2 * lanes, uniforms: { lanes, each: 2 } }
      : tile('matmulLanesTransposed', 4);
  return tile('matmulLanesStrided', 4);
};

/** For a single row, where b lies in vectors: lanes along its rows or along its columns, meeting in workgroup memory. */
const chooseRow = ({ m, k, n, a, b, format }: MatmulCase, traits: KernelTraits): MatmulKernel | undefined => {
  if (m !== 1 || k === 0) return undefined;
  const width = format === 0 ? 4 : 8;
  // 16384 bytes of sums for 256 invocations; few invocations for short sums.
  const invocations = Math.min(256, 2 ** Math.floor(Math.log2(traits.maxInvocations)), k < 128 ? 64 : 256);
  if (isInVectors('row', b, width, n) && invocations * 32 <= traits.workgroupBytes)
    return {
      shader: 'matvec',
      constants: { FORMAT: format, LANES_X: 8, LANES_Y: invocations / 8 },
      rows: 1,
      columns: 8 * width,
      uniforms: {},
    };
  if (isInVectors('column', b, width, k) && isInVectors('row', a, 4, k))
    return {
      shader: 'matvecTransposed',
      constants: { FORMAT: format, LANES_X: 32, LANES_Y: invocations / 32 },
      rows: 1,
      columns: invocations / 32,
      uniforms: {},
    };
  return undefined;
};

/** The largest tiles of which there are enough for the device; small ones where the product is small. */
const chooseTiles = ({ batch, m, n, format }: MatmulCase, traits: KernelTraits): MatmulKernel => {
  if (m <= 16) return tiled(format, 8, 4, 1);
  const fits = ({ constants, rows, columns }: MatmulKernel): boolean =>
    (constants.LANES_X ?? 1) * (constants.LANES_Y ?? 1) <= traits.maxInvocations &&
    (rows + columns) * 64 <= traits.workgroupBytes;
  const tiles = ({ rows, columns }: MatmulKernel): number =>
    count(batch) * Math.ceil(m / rows) * Math.ceil(n / columns);
  const large = [tiled(format, 16, 16, 2), tiled(format, 16, 16, 1)];
  return large.find((kernel) => fits(kernel) && tiles(kernel) >= 256) ?? tiled(format, 8, 8, 1);
};

/** The kernel for a product on a device: by size, by how a and b lie in memory, and by the kind of device. */
export const chooseMatmul = (product: MatmulCase, traits: KernelTraits): MatmulKernel =>
  traits.isSoftware && traits.subgroups !== undefined && traits.subgroups >= 4
    ? chooseLanes(product, traits.subgroups)
    : (chooseRow(product, traits) ?? chooseTiles(product, traits));

/**
 * Whether a part is computed from strips: on adapters that run subgroups on a CPU, where there are enough rows to pay for
 * packing b, and enough columns to pay for packing a. A b whose columns lie in vectors gains less, and one of halves nothing.
 */
export const isPacked = (
  { batch, m, k, n, b, format }: MatmulCase,
  { isSoftware, subgroups = 0 }: KernelTraits,
): boolean => {
  if (!isSoftware || subgroups < 4 || count(batch) !== 1 || n < 256) return false;
  return isInVectors('row', b, format === 0 ? 4 : 8, n) ? format === 0 && m >= 256 && k >= 256 : m >= 64 && k >= 16;
};
