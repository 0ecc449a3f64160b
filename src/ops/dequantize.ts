import * as E from 'fp-ts/lib/Either.js';
import type { DType } from '../tensor/dtype.ts';
import { DTypeError, ShapeError } from '../tensor/errors.ts';
import type { Binding, KernelTraits, Launch, Layout } from '../tensor/kernel.ts';
import { type QuantizedFormat, quantizedReader, quantizedShapes, STRIP, stripWords } from '../tensor/quantized.ts';
import { count, formatShape, type Shape, sameShape } from '../tensor/shape.ts';
import type { HostTensor, Tensor } from '../tensor/tensor.ts';
import { input, output, rowRange, rowRuns } from './launch.ts';
import { apply, defineOp } from './op.ts';
import { contiguous, isContiguous } from './view.ts';

/** What holds a matrix in few bits: its inputs of `dequantize`. */
export interface QuantizedTensors {
  /** `[strips, rows, words of a row]` int32. */
  readonly words: Tensor;
  /** `[strips, blocks, 64]` float32. */
  readonly scales: Tensor;
  /** Of 4 bits: of the scales' shape, float32. */
  readonly zeros?: Tensor | undefined;
}

/** The tensors as inputs of an op, in the order in which all ops on them have theirs. */
export const quantizedInputs = ({ words, scales, zeros }: QuantizedTensors): readonly Tensor[] =>
  zeros === undefined ? [words, scales] : [words, scales, zeros];

/** How many rows a matrix has, if the tensors that hold it fit together. */
export const expectQuantized = (
  op: string,
  inputs: readonly Shape[],
  format: QuantizedFormat,
): E.Either<ShapeError, number> => {
  const [words = [], scales = [], zeros] = inputs;
  const rows = words[1] ?? 0;
  const expected = quantizedShapes(rows, format);
  const fits =
    sameShape(words, expected.words) &&
    sameShape(scales, expected.scales) &&
    (format.bits === 4 ? zeros !== undefined && sameShape(zeros, expected.scales) : zeros === undefined);
  return fits
    ? E.right(rows)
    : E.left(
        new ShapeError(
          `${op}: expected words ${formatShape(expected.words)}${format.bits === 4 ? ', scales and zeros' : ' and scales'} ${formatShape(expected.scales)} for ${format.columns} columns of ${format.bits} bits, got ${inputs.map(formatShape).join(', ')}`,
        ),
      );
};

/** The result's dtype, if words are int32, and scales and zeros float32. */
export const expectQuantizedTypes = (
  op: string,
  [words, ...rest]: readonly (DType | undefined)[],
): E.Either<DTypeError, DType> =>
  words === 'int32' && rest.every((dtype) => dtype === 'float32')
    ? E.right('float32')
    : E.left(
        new DTypeError(
          `${op}: expected words of int32, scales and zeros of float32, got ${[words, ...rest].join(', ')}`,
        ),
      );

/** What reads one number of a matrix, on the host. */
export const readerOf = (
  [words, scales, zeros]: readonly HostTensor[],
  format: QuantizedFormat,
): ((row: number, column: number) => number) =>
  quantizedReader(format, words!.shape[1]!, words!.data, scales!.data, zeros?.data);

/** Strips that a device can bind at once, with how they are bound; the tensors are inputs `first` and on. */
export const stripRuns = (
  op: string,
  words: Shape,
  { bits, block }: QuantizedFormat,
  first: number,
  traits: KernelTraits,
): readonly {
  readonly buffers: Readonly<Record<'words' | 'scales' | 'zeros', Binding>>;
  readonly uniforms: Readonly<Record<'rows' | 'block' | 'blocks' | 'firstStrip' | 'strips', number>>;
}[] => {
  const [strips = 0, rows = 0, width = 0] = words;
  const blocks = Math.max(1, Math.ceil(rows / block));
  const [wordBytes, scaleBytes] = [rows * width * 4, blocks * STRIP * 4];
  return rowRuns(op, strips, [wordBytes, scaleBytes], traits).map(({ start, end }) => {
    const scales = rowRange({ start, end }, scaleBytes);
    return {
      buffers: {
        words: input(first, rowRange({ start, end }, wordBytes)),
        scales: input(first + 1, scales),
        // What is absent is bound to something that the shader does not read.
        zeros: input(bits === 4 ? first + 2 : first + 1, scales),
      },
      uniforms: { rows, block, blocks, firstStrip: start, strips: end - start },
    };
  });
};

/**
 * Launches that write a whole matrix in float32, row-major, to `target`.
 *
 * @param first - The number of the input that the words are.
 */
export const dequantizeLaunches = (
  words: Shape,
  format: QuantizedFormat,
  first: number,
  target: (start: number, end: number) => Binding,
  traits: KernelTraits,
): readonly Launch[] => {
  const { bits, columns } = format;
  const [, rows = 0] = words;
  if (rows * columns === 0) return [];
  return stripRuns('dequantize', words, format, first, traits).flatMap(({ buffers, uniforms }) =>
    rowRuns('dequantize', rows, [columns * 4], traits).map((run) => {
      const items = (run.end - run.start) * uniforms.strips * stripWords(bits);
      return {
        shader: 'dequantize',
        constants: { BITS: bits, WORKGROUP: 64 },
        uniforms: { ...uniforms, columns, firstRow: run.start, items, perWord: 32 / bits },
        buffers: { ...buffers, y: target(run.start, run.end) },
        workgroups: Math.ceil(items / 64),
      };
    }),
  );
};

const dequantizeOp = defineOp<QuantizedFormat>({
  name: 'dequantize',
  shape: (inputs, format) =>
    E.map((rows: number): Shape => [rows, format.columns])(expectQuantized('dequantize', inputs, format)),
  dtype: (inputs) => expectQuantizedTypes('dequantize', inputs),
  reference: (inputs, format, shape) => {
    const [rows = 0, columns = 0] = shape;
    const read = readerOf(inputs, format);
    const y = new Float64Array(count(shape));
    for (let k = 0; k < rows; k++) for (let j = 0; j < columns; j++) y[k * columns + j] = read(k, j);
    return y;
  },
  // Whole numbers do not change by little.
  vjp: ({ inputs }) => inputs.map(() => undefined),
  kernel: {
    kind: 'shader',
    launches: ({ inputs: [words], attributes, traits }) =>
      dequantizeLaunches(
        words!.shape,
        attributes,
        0,
        (start, end) => output(rowRange({ start, end }, attributes.columns * 4)),
        traits,
      ),
  },
});

/**
 * A matrix that is held in whole numbers of 4 or 8 bits, as float32: `w[k, j] = scales[block of k, j] * (q[k, j] - zero)`.
 *
 * As a parameter it stands for the matrix everywhere, and need not be computed: `matmul` and `take` read the whole numbers
 * where they lie.
 *
 * @param tensors - The words, scales and zeros, in strips of 64 columns, as `quantizeMatrix` makes them.
 * @param format - Bits, columns, and how many rows share a scale.
 * @returns `[rows, columns]`, float32. No gradient flows through it.
 * @throws {ShapeError} If the tensors' shapes do not fit together.
 * @throws {DTypeError} If the words are not int32, or scales and zeros not float32.
 */
export const dequantize = (tensors: QuantizedTensors, { bits, columns, block }: QuantizedFormat): Tensor =>
  apply(dequantizeOp, quantizedInputs(tensors), { bits, columns, block });

/** Whether a tensor is a matrix in few bits, or a view of one. */
export const isQuantized = (tensor: Tensor): boolean =>
  tensor.op === (dequantizeOp as object) ||
  (tensor.op.kernel.kind === 'view' && tensor.inputs[0] !== undefined && isQuantized(tensor.inputs[0]));

/** What a tensor is a view of, and the layout in which it sees it; undefined where strides cannot say it. */
const seenThrough = (tensor: Tensor): { readonly root: Tensor; readonly layout: Layout } | undefined => {
  const { kernel } = tensor.op;
  if (kernel.kind !== 'view') return { root: tensor, layout: contiguous(tensor.shape) };
  const below = seenThrough(tensor.inputs[0]!);
  const layout = below && kernel.view(below.layout, tensor.attributes, tensor.shape);
  return layout && { root: below.root, layout };
};

/** A matrix in few bits as a product or a lookup reads it. */
export interface Quantized {
  readonly tensors: QuantizedTensors;
  readonly format: QuantizedFormat;
  /** Whether its rows are the tensor's columns. */
  readonly isTransposed: boolean;
}

/** A matrix in few bits that a tensor is a view of: what holds it, its rows, and the layout in which the tensor sees it. */
export interface QuantizedView {
  readonly tensors: QuantizedTensors;
  readonly format: QuantizedFormat;
  readonly rows: number;
  readonly layout: Layout;
}

/** The matrix in few bits that a tensor is, or is a view of; undefined if there is none, or strides cannot say the view. */
export const quantizedView = (tensor: Tensor): QuantizedView | undefined => {
  const seen = isQuantized(tensor) ? seenThrough(tensor) : undefined;
  if (seen === undefined) return undefined;
  const { root, layout } = seen;
  const [words, scales, zeros] = root.inputs;
  return {
    tensors: { words: words!, scales: scales!, zeros },
    format: root.attributes as QuantizedFormat,
    rows: root.shape[0]!,
    layout,
  };
};

/** The matrix in few bits that a tensor of two axes is, whole, one way round or the other; undefined if it is none. */
export const quantizedOf = (tensor: Tensor): Quantized | undefined => {
  if (tensor.shape.length !== 2) return undefined;
  const view = quantizedView(tensor);
  if (view === undefined) return undefined;
  const { tensors, format, rows, layout } = view;
  const whole: Shape = [rows, format.columns];
  if (count(whole) !== count(tensor.shape) || layout.offset !== 0) return undefined;
  const own = { tensors, format };
  if (sameShape(tensor.shape, whole) && isContiguous(layout)) return { ...own, isTransposed: false };
  const turned: Layout = { shape: [...layout.shape].reverse(), strides: [...layout.strides].reverse(), offset: 0 };
  return sameShape(turned.shape, whole) && isContiguous(turned) ? { ...own, isTransposed: true } : undefined;
};
