import { groupOf, type LayerPolicies, type LayerPolicy } from '../models/kerasQuantized.ts';
import { type MatrixForm, quantizedOrder, tableForms } from '../models/quantize.ts';
import { linearModules } from '../models/transformersQuantized.ts';
import { formatPath, type QuantizedSource, type WeightSource, type WeightTable } from '../models/weightEntry.ts';
import { quantizedView } from '../ops/dequantize.ts';
import { sliceAxis } from '../ops/slice.ts';
import type { Device } from '../runtime/device.ts';
import { countBlocks, countStrips, STRIP } from '../tensor/quantized.ts';
import type { Shape } from '../tensor/shape.ts';
import { type StoredMatrix, stripBytes, unpackColumns, unpackHeads, unpackRows } from '../tensor/strips.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { H5Dataset } from '../weights/index.ts';
import { storedMatrix } from './loadQuantized.ts';

/** As much as is read from the device at once: 16 MiB. */
const pieceBytes = 2 ** 24;

/** Whether a parameter is a matrix in 8 bits, a scale a column, that lies in it in this form. */
const isEightBits = (param: Tensor, form: MatrixForm): boolean => {
  const view = quantizedView(param);
  if (view === undefined || view.rows !== form.rows || view.format.bits !== 8) return false;
  const order = quantizedOrder(param);
  // One head's columns are rows after rows.
  const isOneHead = form.order === 'heads' && param.shape[0] === 1;
  return view.format.block >= view.rows && (order === form.order || (isOneHead && order === 'rows'));
};

/** How KerasHub can hold a parameter as it is; undefined if it cannot, or it is no matrix in few bits. */
const policyOf = (param: Tensor, form: MatrixForm): LayerPolicy | undefined => {
  const view = quantizedView(param);
  if (view === undefined || view.rows !== form.rows) return undefined;
  const { bits, block } = view.format;
  const order = quantizedOrder(param);
  if (bits === 8) return isEightBits(param, form) ? { mode: 'int8' } : undefined;
  // Blocks of 4 bits run along a kernel as it lies, so across heads where these come first.
  return order === (form.order === 'columns' ? 'columns' : 'rows') ? { mode: 'int4', block } : undefined;
};

/**
 * How KerasHub can hold the parameters of a table that are in few bits, by layer; those that it cannot are left out.
 *
 * @param layers - Layers by their groups in the weights file.
 * @param params - By path.
 */
export const policiesOf = (
  table: WeightTable,
  layers: ReadonlyMap<string, string>,
  params: ReadonlyMap<string, Tensor>,
): LayerPolicies => {
  const forms = tableForms(table);
  return new Map(
    table.entries.flatMap(({ path, sources }): readonly (readonly [string, LayerPolicy])[] => {
      const name = formatPath(path);
      const form = forms.get(name);
      const layer = layers.get(groupOf(sources.keras.name));
      const policy = form && layer !== undefined ? policyOf(params.get(name)!, form) : undefined;
      return policy === undefined ? [] : [[layer!, policy]];
    }),
  );
};

/**
 * Paths of the parameters in few bits that transformers can hold as they are: kernels in 8 bits of linear layers by themselves.
 *
 * @param params - By path.
 */
export const packedPaths = (table: WeightTable, params: ReadonlyMap<string, Tensor>): ReadonlySet<string> => {
  const forms = tableForms(table);
  return new Set([...linearModules(table).keys()].filter((path) => isEightBits(params.get(path)!, forms.get(path)!)));
};

const floatView = new Float32Array(1);
const bitsView = new Int32Array(floatView.buffer);

/** The float that lies so many steps from another. */
const stepped = (x: number, steps: number): number => {
  floatView[0] = x;
  bitsView[0]! += steps;
  return floatView[0]!;
};

/** What to divide by instead of multiplying by a scale: if there is one, a number whose inverse is that scale, bit for bit. */
const divisorOf = (scale: number): number => {
  const inverse = Math.fround(1 / scale);
  if (!Number.isFinite(inverse)) return stepped(Infinity, -1);
  return [0, 1, -1, 2, -2].map((steps) => stepped(inverse, steps)).find((x) => Math.fround(1 / x) === scale) ?? inverse;
};

/** Scales or zeros out of strips, as files have them. */
const outOfStrips = (
  strips: ArrayLike<number>,
  { format, form, order }: QuantizedSource,
  change: (value: number) => number,
): Float32Array => {
  const { columns } = format;
  const blocks = countBlocks(form.rows, format);
  const numbers = new Float32Array(blocks * columns);
  for (let block = 0; block < blocks; block++)
    for (let column = 0; column < columns; column++)
      numbers[order === 'columns' ? column * blocks + block : block * columns + column] = change(
        strips[(Math.floor(column / STRIP) * blocks + block) * STRIP + (column % STRIP)]!,
      );
  return numbers;
};

/** Bytes of the whole numbers as the file has them, read from the device piece by piece where they lie so. */
const wholeNumbers = (
  device: Device,
  words: Tensor,
  source: QuantizedSource,
  shape: Shape,
  signal: AbortSignal | undefined,
  most: number,
): (() => AsyncIterable<Uint8Array>) => {
  const { order } = source;
  const matrix = storedMatrix(source, shape);
  const { rows, columns, bits } = matrix;
  const bytesOf = async (tensor: Tensor): Promise<Uint8Array> => {
    signal?.throwIfAborted();
    const [array] = await device.evaluate([tensor]);
    const { buffer, byteOffset, byteLength } = array!.data;
    return new Uint8Array(buffer, byteOffset, byteLength);
  };
  const cut = async (
    axis: number,
    start: number,
    end: number,
    unpack: (strips: Uint8Array, matrix: StoredMatrix) => Uint8Array,
    part: Partial<StoredMatrix>,
  ): Promise<Uint8Array> => unpack(await bytesOf(sliceAxis(words, axis, start, end)), { ...matrix, ...part });
  const strips = countStrips(columns);
  const width = stripBytes(bits);
  return async function* () {
    if (order === 'heads') yield unpackHeads(await bytesOf(words), matrix);
    else if (order === 'rows') {
      const step = Math.max(1, Math.floor(most / (strips * width)));
      for (let start = 0; start < rows; start += step) {
        const end = Math.min(rows, start + step);
        yield await cut(1, start, end, unpackRows, { rows: end - start });
      }
    } else {
      const step = Math.max(1, Math.floor(most / (rows * width)));
      for (let start = 0; start < strips; start += step) {
        const end = Math.min(strips, start + step);
        const some = Math.min(columns, end * STRIP) - start * STRIP;
        yield await cut(0, start, end, unpackColumns, { columns: some });
      }
    }
    signal?.throwIfAborted();
  };
};

/**
 * The datasets of a parameter in few bits: whole numbers, scales, and zeros and rows' blocks where there are some.
 *
 * @param most - Bytes that are read from the device at once, unless a row or a strip is more.
 */
export const quantizedDatasets = (
  device: Device,
  { name, shape }: WeightSource,
  source: QuantizedSource,
  param: Tensor,
  signal?: AbortSignal,
  most = pieceBytes,
): readonly (readonly [path: string, dataset: H5Dataset])[] => {
  const { tensors } = quantizedView(param)!;
  const { format, form, numbers, dividesByScales, scales, zeros, groups, extent } = source;
  const numbersOf = (tensor: Tensor, change: (value: number) => number, integers: boolean) =>
    async function* (): AsyncIterable<Uint8Array> {
      signal?.throwIfAborted();
      const [array] = await device.evaluate([tensor]);
      const numbers = outOfStrips(array!.data, source, change);
      yield integers ? new Uint8Array(Int8Array.from(numbers).buffer) : new Uint8Array(numbers.buffer);
    };
  const divisor = dividesByScales ? divisorOf : (x: number) => x;
  const blocks = Float32Array.from({ length: form.rows }, (_, row) => Math.floor(row / format.block));
  const sizes = BigInt64Array.of(BigInt(format.columns), BigInt(form.rows));
  return [
    [name, { dtype: numbers.dtype, shape, data: wholeNumbers(device, tensors.words, source, shape, signal, most) }],
    [scales.name, { dtype: 'float32', shape: scales.shape, data: numbersOf(tensors.scales, divisor, false) }],
    ...(zeros === undefined
      ? []
      : [
          [
            zeros.name,
            { dtype: 'int8', shape: zeros.shape, data: numbersOf(tensors.zeros!, (zero) => zero - 8, true) },
          ] as const,
        ]),
    ...(groups === undefined
      ? []
      : [[groups.name, { dtype: 'float32', shape: groups.shape, data: new Uint8Array(blocks.buffer) }] as const]),
    ...(extent === undefined
      ? []
      : [[extent.name, { dtype: 'int64', shape: extent.shape, data: new Uint8Array(sizes.buffer) }] as const]),
  ];
};
