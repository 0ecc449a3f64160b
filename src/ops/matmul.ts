import * as E from 'fp-ts/lib/Either.js';
import { ShapeError } from '../tensor/errors.ts';
import { broadcastShapes, count, formatShape, type Shape } from '../tensor/shape.ts';
import type { HostTensor, Tensor } from '../tensor/tensor.ts';
import { quantizedOf } from './dequantize.ts';
import { broadcastPlaces, floats } from './elementwise.ts';
import { matmulChoice } from './matmulKernels.ts';
import { matmulLaunches, matmulNorms } from './matmulLaunches.ts';
import { apply, defineOp } from './op.ts';
import { quantizedMatmul } from './quantizedMatmul.ts';
import { reshape } from './reshape.ts';
import { asFloat32 } from './rows.ts';
import { sumTo } from './sumTo.ts';
import { transpose } from './transpose.ts';

const batchOf = (shape: Shape): Shape => shape.slice(0, -2);

/** One matrix product, `y += a b`: a is m by k, b is k by n. Rows of b in the inner loop, four at a time. */
const product = (
  a: HostTensor['data'],
  aStart: number,
  b: HostTensor['data'],
  bStart: number,
  y: Float64Array,
  { m, k, n }: { readonly m: number; readonly k: number; readonly n: number },
): void => {
  for (let i = 0; i < m; i++) {
    const row = y.subarray(i * n, (i + 1) * n);
    const from = aStart + i * k;
    let l = 0;
    for (; l + 4 <= k; l += 4) {
      const p = a[from + l]!;
      const q = a[from + l + 1]!;
      const r = a[from + l + 2]!;
      const s = a[from + l + 3]!;
      const at = bStart + l * n;
      for (let j = 0; j < n; j++)
        row[j]! += p * b[at + j]! + q * b[at + n + j]! + r * b[at + 2 * n + j]! + s * b[at + 3 * n + j]!;
    }
    for (; l < k; l++) {
      const p = a[from + l]!;
      const at = bStart + l * n;
      for (let j = 0; j < n; j++) row[j]! += p * b[at + j]!;
    }
  }
};

/** The last two axes exchanged. */
const transposed = (x: Tensor): Tensor => {
  const rank = x.shape.length;
  return transpose(
    x,
    x.shape.map((_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis)),
  );
};

/** Whether a matrix is a view of one whose columns, not rows, are the last axis. */
const liesTransposed = (x: Tensor): boolean => {
  const axes = 'axes' in x.attributes && x.op.name === 'transpose' ? (x.attributes.axes as readonly number[]) : [];
  return axes.length >= 2 && axes.at(-1)! < axes.at(-2)!;
};

const matmulOp = defineOp<object>({
  name: 'matmul',

  shape: ([a = [], b = []]) => {
    if (a.length < 2 || b.length < 2 || a.at(-1) !== b.at(-2))
      return E.left(
        new ShapeError(
          `matmul: expected a of shape [..., m, k] and b of shape [..., k, n], got ${formatShape(a)} and ${formatShape(b)}`,
        ),
      );
    const batch = broadcastShapes('matmul', batchOf(a), batchOf(b));
    return E.isLeft(batch) ? batch : E.right([...batch.right, a.at(-2)!, b.at(-1)!]);
  },

  dtype: (inputs) => floats('matmul', inputs),

  // Sums in double precision: this is what the shaders are judged against.
  reference: ([a, b], _, shape) => {
    const [m, n] = shape.slice(-2) as [number, number];
    const k = a!.shape.at(-1)!;
    const batch = batchOf(shape);
    const y = new Float64Array(count(shape));
    const aPlaces = broadcastPlaces(batchOf(a!.shape), batch);
    const bPlaces = broadcastPlaces(batchOf(b!.shape), batch);
    for (let z = 0; z < count(batch); z++)
      product(
        a!.data,
        (aPlaces === undefined ? z : aPlaces[z]!) * m * k,
        b!.data,
        (bPlaces === undefined ? z : bPlaces[z]!) * k * n,
        y.subarray(z * m * n, (z + 1) * m * n),
        { m, k, n },
      );
    return y;
  },

  // da = dy bT and db = aT dy, summed over what was broadcast; a weight shared by the whole batch takes one product. For an
  // operand that lies in memory the other way round, as a tied embedding does, the product is taken that way round too.
  vjp: ({ inputs }, dy) => {
    const [a, b] = inputs as readonly [Tensor, Tensor];
    const rows = (x: Tensor): Tensor => reshape(x, [count(x.shape.slice(0, -1)), x.shape.at(-1)!]);
    const [x, dz] = b.shape.length === 2 ? [rows(a), rows(dy)] : [a, dy];
    const da = liesTransposed(a) ? transposed(matmul(b, transposed(dy))) : matmul(dy, transposed(b));
    const db = liesTransposed(b) ? transposed(matmul(transposed(dz), x)) : matmul(transposed(x), dz);
    return [sumTo(da, a.shape), sumTo(db, b.shape)];
  },

  kernel: {
    kind: 'shader',
    strided: [true, true],
    epilogue: 'all',
    launches: matmulLaunches,
    norms: matmulNorms,
    choice: matmulChoice,
  },
});

/**
 * Matrix product over the last two axes, `y[..., i, j] = sum_l a[..., i, l] * b[..., l, j]`; the axes before them are a
 * batch, and broadcast.
 *
 * @param a - `[..., m, k]`, float; or `[k]`, taken as one row, whose axis the result does not have.
 * @param b - `[..., k, n]`, float, read in the precision it is stored in (a quantized one as it
 *   lies); or `[k]`, taken as one column.
 * @returns `[..., m, n]`, float32, sums in float32.
 * @throws {ShapeError} If `k` differs, a batch does not broadcast, or an operand is a scalar.
 * @throws {DTypeError} If an operand is not float.
 * @see keras.ops.matmul
 */
export const matmul = (a: Tensor, b: Tensor): Tensor => {
  const few = quantizedOf(b);
  if (few !== undefined && !few.isTransposed && a.shape.length > 0) return quantizedMatmul(a, few.tensors, few.format);
  const isRow = a.shape.length === 1;
  const isColumn = b.shape.length === 1;
  const y = apply(
    matmulOp,
    [asFloat32(isRow ? reshape(a, [1, a.shape[0]!]) : a), isColumn ? reshape(b, [b.shape[0]!, 1]) : b],
    {},
  );
  if (!isRow && !isColumn) return y;
  return reshape(y, [...batchOf(y.shape), ...(isRow ? [] : [y.shape.at(-2)!]), ...(isColumn ? [] : [y.shape.at(-1)!])]);
};
