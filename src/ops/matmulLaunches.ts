import {
  type Activation,
  activations,
  type ByteRange,
  joins,
  type Launch,
  type LaunchContext,
} from '../tensor/kernel.ts';
import { count } from '../tensor/shape.ts';
import { chosen } from './choice.ts';
import { input, output, scratch, storageFormat } from './launch.ts';
import { bindable, type Matrices, type Product, pieces, windowsOf } from './matmulGeometry.ts';
import { type MatmulKernel, matmulCase, matmulClass, matmulKernels } from './matmulKernels.ts';
import { norming, paysToNorm } from './rowNorm.ts';

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
  const { bias, residual, join = 'add' } = epilogue;
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
      joins: isLast && residual !== undefined ? joins[join] : 0,
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

/** A part by one kernel, its operands read where they lie. */
const direct = (whole: Whole, product: Product, kernel: MatmulKernel): Launch => {
  const { inputs, traits } = whole.context;
  const { batch, m, k, n, a, b, y } = product;
  const windows = windowsOf(product, inputs, traits);
  const rowTiles = Math.ceil(m / kernel.rows);
  const columnTiles = Math.ceil(n / kernel.columns);
  const workgroups = count(batch) * rowTiles * columnTiles;
  const { uniforms, buffers } = finishing(whole, product);
  const norm = kernel.norms && norming(whole.context, windows.a.range);
  return {
    shader: kernel.shader,
    constants: { ...kernel.constants, ...norm?.constants },
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
      ...norm?.uniforms,
    },
    buffers: { a: input(0, windows.a.range), b: input(1, windows.b.range), ...buffers, ...norm?.buffers },
    workgroups,
  };
};

/** Bytes of strips of an operand, at most, so that packing takes little memory however large the product is. */
const PACKED_BYTES = 2 ** 24;

/** Terms of a strip, at most. */
const PACKED_TERMS = 2 ** 14;

/** A part by way of strips of a and b, which are written first. */
const packed = (whole: Whole, product: Product, kernel: MatmulKernel): readonly Launch[] => {
  const { inputs, traits } = whole.context;
  const { rows, columns } = kernel;
  const lanes = traits.subgroups!;
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
          shader: kernel.shader,
          constants: kernel.constants,
          uniforms: {
            workgroups,
            columnTiles,
            m,
            k,
            n,
            yOffset: windowsOf(own, inputs, traits).y.skip,
            yRow: y.row,
            ...kernel.uniforms,
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

/** Whether a norm of the row is for the kernel that is chosen to do. */
export const matmulNorms = (context: LaunchContext<object>): boolean => {
  const { inputs, traits } = context;
  const product = matmulCase(context);
  if (product.m !== 1 || count(product.batch) !== 1 || product.a.column !== 1) return false;
  if (product.n === 0 || bindable(product, inputs, traits).length > 1) return false;
  const { norms, columns } = chosen(matmulKernels(product, traits), matmulClass(product), traits);
  return norms === true && paysToNorm(Math.ceil(product.n / columns), product.k);
};

/** How the kernels of matmul are launched: all parts by the kernel of the whole, where it can compute them. */
export const matmulLaunches = (context: LaunchContext<object>): readonly Launch[] => {
  const { inputs, output: result, traits } = context;
  if (count(result.shape) === 0) return [];
  const { format, ...all } = matmulCase(context);
  const shapes = matmulClass({ ...all, format });
  const whole: Whole = { context, format };
  return bindable(all, inputs, traits).flatMap((product) => {
    const kernel = chosen(matmulKernels({ ...product, format }, traits), shapes, traits);
    return kernel.shader === 'matmulPacked' ? packed(whole, product, kernel) : [direct(whole, product, kernel)];
  });
};
