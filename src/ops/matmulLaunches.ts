import {
  type Activation,
  activations,
  type ByteRange,
  type KernelTraits,
  type Launch,
  type LaunchContext,
  type Operand,
} from '../tensor/kernel.ts';
import { count } from '../tensor/shape.ts';
import { broadcastLayout } from './broadcastTo.ts';
import { input, output, scratch, storageFormat } from './launch.ts';
import { elementWindow, type Window } from './rows.ts';

/** Where the elements of a batch of matrices lie: an offset and strides, in elements. */
export interface Matrices {
  readonly offset: number;
  /** From one matrix to the next along each batch axis, outermost first; 0 where the axis is broadcast. */
  readonly batch: readonly number[];
  readonly row: number;
  readonly column: number;
}

/**
 * A part of a product: `y[z, i, j] = sum_l a[z, i, l] * b[z, l, j]` for some rows, columns and terms. A part whose terms
 * are not the first adds to what is in y; the epilogue comes with the last.
 */
export interface Product {
  readonly batch: readonly number[];
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly a: Matrices;
  readonly b: Matrices;
  readonly y: Matrices;
  readonly firstColumn: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

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

/** Whether matrices consist of whole vectors of `width` elements that lie one after the other along rows, or columns. */
const isInVectors = (along: 'row' | 'column', { offset, batch, row, column }: Matrices, width: number, size: number) =>
  (along === 'row' ? column : row) === 1 &&
  size > 0 &&
  [size, offset, along === 'row' ? row : column, ...batch].every((step) => step % width === 0);

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

/** The product as one of few batch axes: axes that lie evenly in all three are one, and rows of a batch are rows. */
const flatten = ({ inputs, output: y }: LaunchContext<object>): Product => {
  const [m, n] = y.shape.slice(-2) as [number, number];
  const k = inputs[0]!.shape.at(-1)!;
  const sizes = y.shape.slice(0, -2);
  const [a, b] = [broadcastLayout(inputs[0]!, [...sizes, m, k]), broadcastLayout(inputs[1]!, [...sizes, k, n])];
  const axes: { size: number; a: number; b: number; y: number }[] = [];
  for (const [axis, size] of sizes.entries()) {
    if (size === 1) continue;
    const next = { size, a: a.strides[axis]!, b: b.strides[axis]!, y: y.strides[axis]! };
    const last = axes.at(-1);
    if (last !== undefined && last.a === next.a * size && last.b === next.b * size)
      axes.splice(-1, 1, { ...next, size: last.size * size });
    else axes.push(next);
  }
  const rank = sizes.length;
  let rows = m;
  // A stride along an axis of size 1 says nothing.
  let aRow = m === 1 ? 0 : a.strides[rank]!;
  for (let last = axes.at(-1); last?.b === 0 && (rows === 1 || last.a === aRow * rows); last = axes.at(-1)) {
    if (rows === 1) aRow = last.a;
    rows *= last.size;
    axes.pop();
  }
  return {
    batch: axes.map(({ size }) => size),
    m: rows,
    k,
    n,
    a: { offset: a.offset, batch: axes.map((axis) => axis.a), row: aRow, column: k === 1 ? 1 : a.strides[rank + 1]! },
    b: {
      offset: b.offset,
      batch: axes.map((axis) => axis.b),
      row: k === 1 ? n : b.strides[rank]!,
      column: n === 1 ? (b.strides[rank] === 1 ? k : 1) : b.strides[rank + 1]!,
    },
    y: { offset: 0, batch: axes.map((axis) => axis.y), row: n, column: 1 },
    firstColumn: 0,
    isFirst: true,
    isLast: true,
  };
};

type Axis = 'm' | 'k' | 'n' | number;

const sizeOf = (product: Product, axis: Axis): number =>
  typeof axis === 'number' ? product.batch[axis]! : product[axis];

const part = (product: Product, axis: Axis, start: number, end: number): Product => {
  const moved = (matrices: Matrices, stride: number): Matrices => ({
    ...matrices,
    offset: matrices.offset + start * stride,
  });
  const { a, b, y } = product;
  switch (axis) {
    case 'm':
      return { ...product, m: end - start, a: moved(a, a.row), y: moved(y, y.row) };
    case 'n':
      return {
        ...product,
        n: end - start,
        b: moved(b, b.column),
        y: moved(y, y.column),
        firstColumn: product.firstColumn + start,
      };
    case 'k':
      return {
        ...product,
        k: end - start,
        a: moved(a, a.column),
        b: moved(b, b.row),
        isFirst: product.isFirst && start === 0,
        isLast: product.isLast && end === product.k,
      };
    default:
      return {
        ...product,
        batch: product.batch.map((size, i) => (i === axis ? end - start : size)),
        a: moved(a, a.batch[axis]!),
        b: moved(b, b.batch[axis]!),
        y: moved(y, y.batch[axis]!),
      };
  }
};

/** How far the elements of matrices reach, from the first to behind the last. */
const reach = (
  batch: readonly number[],
  { offset, batch: steps, row, column }: Matrices,
  rows: number,
  columns: number,
): readonly [number, number] =>
  // Of an empty matrix nothing is read, but something must be bound.
  rows * columns === 0
    ? [0, 4]
    : [
        offset,
        steps.reduce(
          (last, step, i) => last + step * (batch[i]! - 1),
          offset + row * (rows - 1) + column * (columns - 1) + 1,
        ),
      ];

interface Windows {
  readonly a: Window;
  readonly b: Window;
  readonly y: Window;
}

const windowsOf = (
  { batch, m, k, n, a, b, y }: Product,
  inputs: readonly Operand[],
  traits: KernelTraits,
): Windows => ({
  a: elementWindow(...reach(batch, a, m, k), 'float32', traits),
  b: elementWindow(...reach(batch, b, k, n), inputs[1]!.dtype, traits),
  y: elementWindow(...reach(batch, y, m, n), 'float32', traits),
});

/** Halves `product` along the axis that shortens most what one of its operands reaches. */
const halves = (product: Product, operand: 'a' | 'b' | 'y'): readonly Product[] => {
  const matrices = product[operand];
  const [row, column]: readonly [Axis, Axis] = operand === 'a' ? ['m', 'k'] : operand === 'b' ? ['k', 'n'] : ['m', 'n'];
  const candidates: readonly (readonly [Axis, number])[] = [
    ...matrices.batch.map((step, i) => [i, step] as const),
    [row, matrices.row],
    [column, matrices.column],
  ];
  const span = ([axis, step]: readonly [Axis, number]): number => step * (sizeOf(product, axis) - 1);
  const [axis] = candidates.reduce((longest, candidate) => (span(candidate) > span(longest) ? candidate : longest));
  const size = sizeOf(product, axis);
  // Whole steps of 128 keep what was aligned aligned, and tiles full.
  const step = size > 128 && typeof axis !== 'number' ? 128 : 1;
  const middle = Math.ceil(Math.ceil(size / 2) / step) * step;
  return [part(product, axis, 0, middle), part(product, axis, middle, size)];
};

/** Parts of a product that the device can bind, in an order in which sums over terms may be continued. */
const bindable = (product: Product, inputs: readonly Operand[], traits: KernelTraits): readonly Product[] => {
  const windows = windowsOf(product, inputs, traits);
  const operand = (['y', 'b', 'a'] as const).find((name) => windows[name].range.size > traits.maxBindingBytes);
  if (operand !== undefined) return halves(product, operand).flatMap((half) => bindable(half, inputs, traits));
  // Shaders know two batch axes.
  return product.batch.length <= 2
    ? [product]
    : Array.from({ length: product.batch[0]! }, (_, i) => {
        const { batch, a, b, y, ...rest } = part(product, 0, i, i + 1);
        const inner = (matrices: Matrices): Matrices => ({ ...matrices, batch: matrices.batch.slice(1) });
        return { ...rest, batch: batch.slice(1), a: inner(a), b: inner(b), y: inner(y) };
      }).flatMap((each) => bindable(each, inputs, traits));
};

const steps = (name: string, { batch, row, column }: Matrices, offset: number) => ({
  [`${name}Offset`]: offset,
  [`${name}Outer`]: batch.length === 2 ? batch[0]! : 0,
  [`${name}Inner`]: batch.at(-1) ?? 0,
  [`${name}Row`]: row,
  ...(name === 'y' ? {} : { [`${name}Column`]: column }),
});

/** What the launches of a part need of the whole. */
interface Whole {
  readonly context: LaunchContext<object>;
  /** Of b, as `storageFormat` says it. */
  readonly format: number;
}

/** Uniforms and buffers of what is done as a part's sums are written. */
const finishing = ({ context: { inputs, epilogue, traits } }: Whole, product: Product) => {
  const { isFirst, isLast, firstColumn } = product;
  const { bias, residual } = epilogue;
  const activation: Activation = epilogue.activation ?? 'none';
  const windows = windowsOf(product, inputs, traits);
  const residualRange: ByteRange | undefined = residual === undefined ? undefined : windows.y.range;
  return {
    uniforms: {
      continues: Number(!isFirst),
      hasBias: Number(isLast && bias !== undefined),
      biasFormat: bias === undefined ? 0 : storageFormat(bias.dtype),
      biasOffset: firstColumn + (bias?.offset ?? 0),
      activation: isLast ? activations[activation] : 0,
      hasResidual: Number(isLast && residual !== undefined),
    },
    buffers: {
      // What is absent is bound to something that the shader does not read.
      bias: bias === undefined ? input(0, windows.a.range) : ({ of: 'bias' } as const),
      residual:
        residualRange === undefined ? input(0, windows.a.range) : ({ of: 'residual', range: residualRange } as const),
      y: output(windows.y.range),
    },
  };
};

/** A part by the one kernel that suits it, its operands read where they lie. */
const direct = (whole: Whole, product: Product): Launch => {
  const { inputs, traits } = whole.context;
  const { batch, m, k, n, a, b, y } = product;
  const windows = windowsOf(product, inputs, traits);
  const kernel = chooseMatmul(
    {
      ...product,
      format: whole.format,
      a: { ...a, offset: windows.a.skip },
      b: { ...b, offset: windows.b.skip },
    },
    traits,
  );
  const rowTiles = Math.ceil(m / kernel.rows);
  const columnTiles = Math.ceil(n / kernel.columns);
  const workgroups = count(batch) * rowTiles * columnTiles;
  const { uniforms, buffers } = finishing(whole, product);
  return {
    shader: kernel.shader,
    constants: kernel.constants,
    uniforms: {
      workgroups,
      rowTiles,
      columnTiles,
      m,
      k,
      n,
      inner: batch.at(-1) ?? 1,
      ...steps('a', a, windows.a.skip),
      ...steps('b', b, windows.b.skip),
      ...steps('y', y, windows.y.skip),
      ...kernel.uniforms,
      ...uniforms,
    },
    buffers: { a: input(0, windows.a.range), b: input(1, windows.b.range), ...buffers },
    workgroups,
  };
};

/** Bytes of strips of an operand, at most, so that packing takes little memory however large the product is. */
const PACKED_BYTES = 2 ** 24;

/** Terms of a strip, at most. */
const PACKED_TERMS = 2 ** 14;

/**
 * Whether a part is computed from strips: on adapters that run subgroups on a CPU, where there are enough rows to pay for
 * packing b, and enough columns to pay for packing a. A b whose columns lie in vectors gains less, and one of halves nothing.
 */
const isPacked = ({ context: { traits }, format }: Whole, { batch, m, k, n, b }: Product): boolean => {
  const { isSoftware, subgroups = 0 } = traits;
  if (!isSoftware || subgroups < 4 || count(batch) !== 1 || n < 256) return false;
  return isInVectors('row', b, format === 0 ? 4 : 8, n) ? format === 0 && m >= 256 && k >= 256 : m >= 64 && k >= 16;
};

/** A part cut along an axis into pieces of `most` at most. */
const pieces = (product: Product, axis: 'm' | 'k' | 'n', most: number): readonly Product[] =>
  Array.from({ length: Math.ceil(product[axis] / most) }, (_, i) =>
    part(product, axis, i * most, Math.min(product[axis], (i + 1) * most)),
  );

/** A part by way of strips of a and b, which are written first. */
const packed = (whole: Whole, product: Product): readonly Launch[] => {
  const { inputs, traits } = whole.context;
  const lanes = traits.subgroups!;
  const rows = lanes >= 8 ? 32 : 16;
  const columns = 8 * lanes;
  /** Rows or columns whose strips are few enough, in whole strips. */
  const most = (width: number, k: number): number => Math.max(1, Math.floor(PACKED_BYTES / (4 * k * width))) * width;

  const pack = (operand: 'a' | 'b', own: Product): Launch => {
    const [width, size, step, term] =
      operand === 'a' ? [rows, own.m, own.a.row, own.a.column] : [columns, own.n, own.b.column, own.b.row];
    const at = operand === 'a' ? 0 : 1;
    const { range, skip } = windowsOf(own, inputs, traits)[operand];
    const chunks = Math.ceil(own.k / 64);
    const workgroups = Math.ceil(size / width) * chunks;
    return {
      shader: 'matmulPack',
      constants: { FORMAT: operand === 'a' ? 0 : whole.format, WIDTH: width, LANES: lanes },
      uniforms: { workgroups, chunks, size, terms: own.k, offset: skip, step, term },
      buffers: { x: input(at, range), packed: strips(at, width, own.k, size) },
      workgroups,
    };
  };
  const strips = (at: number, width: number, k: number, size: number) =>
    scratch(at, 4 * width * k * Math.ceil(size / width));

  const launches: Launch[] = [];
  for (const terms of pieces(product, 'k', PACKED_TERMS)) {
    const bands = pieces(terms, 'm', most(rows, terms.k));
    for (const [i, wide] of pieces(terms, 'n', most(columns, terms.k)).entries()) {
      launches.push(pack('b', wide));
      for (const own of pieces(wide, 'm', most(rows, terms.k))) {
        // A single band of rows stays packed for all columns.
        if (i === 0 || bands.length > 1) launches.push(pack('a', own));
        const { m, k, n, y } = own;
        const columnTiles = Math.ceil(n / columns);
        const workgroups = Math.ceil(m / rows) * columnTiles;
        const { uniforms, buffers } = finishing(whole, own);
        launches.push({
          shader: 'matmulPacked',
          constants: { SUBGROUP: lanes, ROWS: rows },
          uniforms: {
            workgroups,
            columnTiles,
            m,
            k,
            n,
            yOffset: windowsOf(own, inputs, traits).y.skip,
            yRow: y.row,
            tileRows: rows,
            each: 8,
            ...uniforms,
          },
          buffers: { a: strips(0, rows, k, m), b: strips(1, columns, k, n), ...buffers },
          workgroups,
        });
      }
    }
  }
  return launches;
};

/** How the kernels of matmul are launched. */
export const matmulLaunches = (context: LaunchContext<object>): readonly Launch[] => {
  const { inputs, output: result, traits } = context;
  if (count(result.shape) === 0) return [];
  const whole: Whole = { context, format: storageFormat(inputs[1]!.dtype) };
  return bindable(flatten(context), inputs, traits).flatMap((product) =>
    isPacked(whole, product) ? packed(whole, product) : [direct(whole, product)],
  );
};
