import { paramsOfStrips, type StripsParam, stripShapes } from '../models/siblings.ts';
import type { QuantizedSource } from '../models/weightEntry.ts';
import { tensor } from '../ops/constant.ts';
import type { Device } from '../runtime/device.ts';
import { bfloat16FromBits, float16FromBits } from '../tensor/dtype.ts';
import { countBlocks, countStrips, quantizedShapes, STRIP } from '../tensor/quantized.ts';
import { count, type Shape } from '../tensor/shape.ts';
import { packColumns, packHeads, packRows, type StoredMatrix, stripBytes } from '../tensor/strips.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type MatchedQuantized, type StoredTensor, sideBySide, storedBytes, toPresetError } from '../weights/index.ts';
import { type ReadPiece, readerInTurn } from './readPieces.ts';

/** As much of a file as is read at once: 4 MiB. */
const pieceBytes = 2 ** 22;

/** Numbers of a stored tensor of floats, or of signed bytes. */
const numbersOf = async (source: StoredTensor, read: ReadPiece): Promise<Float32Array> => {
  const bytes = (await read(source, 0, source.byteLength)).slice();
  switch (source.dtype) {
    case 'float32':
      return new Float32Array(bytes.buffer);
    case 'float16':
      return Float32Array.from(new Uint16Array(bytes.buffer), float16FromBits);
    case 'bfloat16':
      return Float32Array.from(new Uint16Array(bytes.buffer), bfloat16FromBits);
    default:
      return Float32Array.from(new Int8Array(bytes.buffer));
  }
};

/** Scales or zeros as strips have them, one for each block of each column. */
const inStrips = (
  numbers: Float32Array,
  { format, form, order }: Pick<MatchedQuantized, 'format' | 'form' | 'order'>,
  change: (value: number) => number,
): Float32Array => {
  const { columns } = format;
  const blocks = countBlocks(form.rows, format);
  const strips = new Float32Array(countStrips(columns) * blocks * STRIP);
  for (let block = 0; block < blocks; block++)
    for (let column = 0; column < columns; column++)
      strips[(Math.floor(column / STRIP) * blocks + block) * STRIP + (column % STRIP)] = change(
        numbers[order === 'columns' ? column * blocks + block : block * columns + column]!,
      );
  return strips;
};

/** The matrix as it lies in its file, in a tensor of this shape. */
export const storedMatrix = (
  { format: { bits, columns }, form: { rows }, order, numbers }: Omit<QuantizedSource, 'scales'>,
  shape: Shape,
): StoredMatrix => {
  const bytes = count(shape) * storedBytes[numbers.dtype];
  return {
    bits,
    rows,
    columns,
    bytesPerRow: order === 'rows' ? bytes / rows : order === 'columns' ? bytes / columns : shape.at(-1)!,
    flip: numbers.flip,
  };
};

/** Reads the words of strips, piece after piece. */
const stripReader = async (
  source: StoredTensor,
  matched: MatchedQuantized,
  read: ReadPiece,
  most: number,
): Promise<(start: number, end: number) => Promise<Uint8Array>> => {
  const matrix = storedMatrix(matched, source.shape);
  const { bits, rows, columns, bytesPerRow } = matrix;
  const bytes = rows * stripBytes(bits);
  if (matched.order === 'columns')
    // A strip is rows of the file.
    return async (start, end) => {
      const first = Math.floor(start / bytes);
      const [from, to] = [first * STRIP, Math.min(columns, Math.ceil(end / bytes) * STRIP)];
      const file = await read(source, from * bytesPerRow, to * bytesPerRow);
      return packColumns({ ...matrix, columns: to - from }, file).subarray(start - first * bytes, end - first * bytes);
    };
  // A strip is a piece of every row, so that all rows are read before the first strip is there.
  const strips = new Uint8Array(countStrips(columns) * bytes);
  const step = Math.max(1, Math.floor(most / bytesPerRow)) * bytesPerRow;
  const pack = matched.order === 'heads' ? packHeads : packRows;
  for (let start = 0; start < source.byteLength; start += step)
    pack(strips, matrix, start / bytesPerRow, await read(source, start, Math.min(source.byteLength, start + step)));
  return async (start, end) => strips.subarray(start, end);
};

/** A parameter whose matrix files hold in few bits. */
export interface QuantizedParam extends StripsParam {
  /** What holds its whole numbers. */
  readonly source: StoredTensor;
  readonly quantized: MatchedQuantized;
  readonly shape: Shape;
}

/** Scales and zeros of a matrix, in strips. */
const scalesAndZeros = async (
  path: string,
  matched: MatchedQuantized,
  read: ReadPiece,
): Promise<{ readonly scales: Float32Array; readonly zeros: Float32Array | undefined }> => {
  const refuse = (own: StoredTensor, problem: string): never => {
    throw toPresetError({ _tag: 'WrongTensors', message: `${path}: ${own.name}: ${problem}`, path });
  };
  const { format, form, dividesByScales, groups, extent } = matched;
  if (groups !== undefined) {
    const numbers = await numbersOf(groups, read);
    const row = numbers.findIndex((block, at) => block !== Math.floor(at / format.block));
    if (row >= 0)
      refuse(
        groups,
        `expected rows in blocks of ${format.block}, so row ${row} in block ${Math.floor(row / format.block)}, got ${numbers[row]}; rows in another order are not supported`,
      );
  }
  if (extent !== undefined) {
    const sizes = new BigInt64Array((await read(extent, 0, extent.byteLength)).slice().buffer);
    if (sizes[0] !== BigInt(format.columns) || sizes[1] !== BigInt(form.rows))
      refuse(extent, `expected ${format.columns} and ${form.rows}, got ${sizes.join(' and ')}`);
  }
  const scales = inStrips(await numbersOf(matched.scales, read), matched, dividesByScales ? (x) => 1 / x : (x) => x);
  if (!scales.every(Number.isFinite))
    refuse(matched.scales, `expected scales that are finite${dividesByScales ? ' and not 0' : ''}, got others`);
  // Zeros are counted from the lowest number as well.
  const zeros =
    format.bits === 8
      ? undefined
      : matched.zeros === undefined
        ? new Float32Array(scales.length).fill(8)
        : inStrips(await numbersOf(matched.zeros, read), matched, (zero) => zero + 8);
  return { scales, zeros };
};

/** The words of a matrix, as a tensor that is read from first to last. */
const wordsOf = ({ source, quantized, form, format }: QuantizedParam, read: ReadPiece, most: number): StoredTensor => {
  const { words: shape } = quantizedShapes(form.rows, format);
  const byteLength = 4 * count(shape);
  let reader: ReturnType<typeof stripReader> | undefined;
  return {
    name: source.name,
    shape,
    dtype: 'int32',
    byteLength,
    read: async (start, end, into) => {
      reader ??= stripReader(source, quantized, read, most);
      const bytes = await (await reader)(start, end);
      // All strips may be in memory, and need not be any longer.
      if (end === byteLength) reader = undefined;
      into?.set(bytes);
      return bytes;
    },
  };
};

/**
 * Matrices that files hold in few bits, on a device in few bits, one's strips after the other's.
 *
 * @param path - The file's, for messages.
 * @param params - One, or several as `inStripGroups` has them.
 * @param most - Bytes of a file that are read at once, unless a row is more.
 * @returns The parameters, and the tensors on the device that hold them.
 * @throws {PresetError} By rejection, if scales are no numbers, or rows are in other blocks than the config says.
 */
export const loadQuantized = async (
  device: Device,
  path: string,
  params: readonly QuantizedParam[],
  read: ReadPiece,
  most = pieceBytes,
): Promise<{ readonly params: readonly Tensor[]; readonly held: readonly Tensor[] }> => {
  const shapes = stripShapes(params);
  const scales = new Float32Array(count(shapes.scales));
  const zeros = params[0]!.format.bits === 4 ? new Float32Array(scales.length) : undefined;
  let at = 0;
  for (const { quantized } of params) {
    const own = await scalesAndZeros(path, quantized, read);
    scales.set(own.scales, at);
    if (own.zeros !== undefined) zeros?.set(own.zeros, at);
    at += own.scales.length;
  }
  const each = params.map((param) => wordsOf(param, read, most));
  const all = sideBySide(each, shapes.words, 1);
  const inTurn = readerInTurn();
  const words = await device.upload(all.name, {
    shape: shapes.words,
    dtype: 'int32',
    read: (start, end) => (each.length === 1 ? each[0]!.read(start, end) : inTurn(all, start, end)),
  });
  const held = [
    words,
    ...(await device.realize(
      [scales, ...(zeros === undefined ? [] : [zeros])].map((own) => tensor(own, { shape: shapes.scales })),
    )),
  ];
  return { params: paramsOfStrips({ words, scales: held[1]!, zeros: held[2] }, params), held };
};
