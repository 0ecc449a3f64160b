import * as E from 'fp-ts/lib/Either.js';
import { isFloat } from '../tensor/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../tensor/errors.ts';
import type { KernelTraits, Launch, Operand } from '../tensor/kernel.ts';
import { count, formatShape, normalizeAxis } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { cast } from './cast.ts';
import { hostArray } from './elementwise.ts';
import { input, output, storageFormat } from './launch.ts';
import { apply, defineOp } from './op.ts';
import { reshape } from './reshape.ts';
import { elementWindow, tiling } from './rows.ts';
import { slice } from './slice.ts';

/** Inputs of one op; more are joined in groups first. */
const MOST_INPUTS = 256;

/** Launches that copy `[rows, columns]`, strided, to columns from `start` on of an output with rows of `outputStride`. */
const copyLaunches = (
  index: number,
  { shape, strides, offset, dtype }: Operand,
  start: number,
  outputStride: number,
  traits: KernelTraits,
): readonly Launch[] => {
  const [rows = 0, columns = 0] = shape;
  const [rowStride = 0, columnStride = 0] = strides;
  if (rows * columns === 0) return [];
  // Halved until what is read and what is written can be bound.
  const fits = (height: number, width: number): boolean =>
    Math.max((height - 1) * rowStride + (width - 1) * columnStride, (height - 1) * outputStride + width - 1) * 4 + 4 <=
    traits.maxBindingBytes - traits.offsetAlignment;
  let height = rows;
  let width = columns;
  while (!fits(height, width)) {
    const isTall = (height - 1) * Math.max(rowStride, outputStride) >= (width - 1) * Math.max(columnStride, 1);
    if (isTall) height = Math.ceil(height / 2);
    else width = Math.ceil(width / 2);
  }
  const launches: Launch[] = [];
  for (let row = 0; row < rows; row += height)
    for (let column = 0; column < columns; column += width) {
      const size = { rows: Math.min(height, rows - row), columns: Math.min(width, columns - column) };
      const first = offset + row * rowStride + column * columnStride;
      const last = first + (size.rows - 1) * rowStride + (size.columns - 1) * columnStride;
      const x = elementWindow(first, last + 1, dtype, traits);
      const at = row * outputStride + start + column;
      const y = elementWindow(at, at + (size.rows - 1) * outputStride + size.columns, 'float32', traits);
      const tiles = tiling(size, traits);
      launches.push({
        shader: 'concatenate',
        constants: { ...tiles.constants, X_FORMAT: storageFormat(dtype) },
        uniforms: { ...size, rowStride, columnStride, offset: x.skip, outputStride, start: y.skip },
        buffers: { x: input(index, x.range), y: output(y.range) },
        workgroups: tiles.workgroups,
      });
    }
  return launches;
};

/** Joins `[rows, columns]` with the same rows; every input is read where it lies. */
const concatenateOp = defineOp<object>({
  name: 'concatenate',
  shape: (inputs) => E.right([inputs[0]![0]!, inputs.reduce((total, [, columns]) => total + columns!, 0)]),
  dtype: (inputs) =>
    inputs.every(isFloat)
      ? E.right('float32')
      : inputs.every((dtype) => dtype === inputs[0])
        ? E.right(inputs[0]!)
        : E.left(
            new DTypeError(`concatenate: expected tensors of one kind, got ${inputs.join(', ')}; use cast to convert`),
          ),
  reference: (inputs, _, shape) => {
    const [rows = 0, width = 0] = shape;
    const y = hostArray(inputs.some(({ dtype }) => isFloat(dtype)) ? 'float32' : inputs[0]!.dtype, count(shape));
    let start = 0;
    for (const { data, shape: from } of inputs) {
      const columns = from[1]!;
      for (let row = 0; row < rows; row++)
        y.set(data.subarray(row * columns, (row + 1) * columns), row * width + start);
      start += columns;
    }
    return y;
  },
  // Each input's cotangent is its part of the output's.
  vjp: ({ inputs }, dy) => {
    let start = 0;
    return inputs.map(({ shape }) => {
      const from = start;
      start += shape[1]!;
      return slice(dy, [0, from], shape);
    });
  },
  kernel: {
    kind: 'shader',
    strided: new Array<boolean>(MOST_INPUTS).fill(true),
    launches: ({ inputs, output: { shape }, traits }) => {
      let start = 0;
      return inputs.flatMap((x, index) => {
        const from = start;
        start += x.shape[1]!;
        return copyLaunches(index, x, from, shape[1]!, traits);
      });
    },
  },
});

/**
 * Tensors one after the other along an axis.
 *
 * @param tensors - One or more, alike but for the size of that axis; all floats, all int32 or all bool.
 * @param options - `axis`, default -1.
 * @returns float32 for floats.
 * @throws {ShapeError} If the tensors differ along another axis.
 * @throws {DTypeError} If they are not of one kind.
 * @see keras.ops.concatenate
 */
export const concatenate = (tensors: readonly Tensor[], { axis = -1 }: { readonly axis?: number } = {}): Tensor => {
  const [first] = tensors;
  if (first === undefined) throw new ArgumentError('concatenate: expected one tensor or more, got none');
  const along = normalizeAxis('concatenate', axis, first.shape.length);
  if (E.isLeft(along)) throw along.left;
  const at = along.right;
  const different = tensors.find(
    ({ shape }) => shape.length !== first.shape.length || shape.some((size, i) => i !== at && size !== first.shape[i]),
  );
  if (different !== undefined)
    throw new ShapeError(
      `concatenate: expected shapes alike but for axis ${axis}, got ${formatShape(first.shape)} and ${formatShape(different.shape)}`,
    );
  if (tensors.length === 1) return isFloat(first.dtype) ? cast(first, 'float32') : first;
  if (tensors.length > MOST_INPUTS) {
    const groups = Array.from({ length: Math.ceil(tensors.length / MOST_INPUTS) }, (_, i) =>
      concatenate(tensors.slice(i * MOST_INPUTS, (i + 1) * MOST_INPUTS), { axis }),
    );
    return concatenate(groups, { axis });
  }
  const outer = first.shape.slice(0, at);
  const inner = first.shape.slice(at + 1);
  const size = tensors.reduce((total, { shape }) => total + shape[at]!, 0);
  const rows = tensors.map((x) => reshape(x, [count(outer), x.shape[at]! * count(inner)]));
  return reshape(apply(concatenateOp, rows, {}), [...outer, size, ...inner]);
};
