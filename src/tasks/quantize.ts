import { preview } from '../models/configReader.ts';
import { matrixOf, paramOf, quantizableParams } from '../models/quantize.ts';
import { cast } from '../ops/cast.ts';
import { tensor } from '../ops/constant.ts';
import { dequantize, isQuantized } from '../ops/dequantize.ts';
import { sliceAxis } from '../ops/slice.ts';
import type { Device } from '../runtime/device.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import { type QuantizedFormat, quantizedShapes, quantizeMatrix, STRIP } from '../tensor/quantized.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { leaves, paths, type Tree, withLeaves } from '../tensor/tree.ts';
import { heldParams } from './heldParams.ts';

/** In how many bits kernels are held: 8, scaled by column, or 4, by block of a column. */
export type QuantizationMode = 'int8' | 'int4';

/** Options of `quantize`. */
export interface QuantizeOptions {
  /** Of `'int4'`: how many of a column's numbers share a scale and a zero, 1 or more; null is the whole column. Default 128. */
  readonly blockSize?: number | null;
  /** Which parameters are quantized, by path (`transformerLayers[0].selfAttention.query.kernel`). Default: all that can be. */
  readonly filter?: (path: string) => boolean;
  /** Stops between two parameters. */
  readonly signal?: AbortSignal;
  /** Told after each parameter. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

const quantizeOptions = ['blockSize', 'filter', 'signal', 'onProgress'] as const;

/** Numbers that are on the host at once, at most. */
const CHUNK = 2 ** 24;

const checked = (mode: QuantizationMode, options: QuantizeOptions): void => {
  if (mode !== 'int8' && mode !== 'int4')
    throw new ArgumentError(`quantize: expected 'int8' or 'int4', got ${preview(mode)}`);
  refuseUnknown('quantize', options, quantizeOptions);
  const { blockSize } = options;
  if (blockSize === undefined) return;
  if (mode === 'int8')
    throw new ArgumentError(
      `quantize: expected no blockSize with 'int8', whose scales are whole columns', got ${preview(blockSize)}`,
    );
  if (blockSize !== null && (!Number.isInteger(blockSize) || blockSize < 1))
    throw new ArgumentError(`quantize: expected a blockSize of 1 or more, or null, got ${preview(blockSize)}`);
};

/** A matrix of a device in few bits, on the device; some columns at a time are on the host. */
const quantized = async (device: Device, matrix: Tensor, format: QuantizedFormat): Promise<Tensor> => {
  const [rows = 0, columns = 0] = matrix.shape;
  const shapes = quantizedShapes(rows, format);
  const [strips = 0, , width = 0] = shapes.words;
  const scaleWidth = shapes.scales[1]! * STRIP;
  const words = new Int32Array(strips * rows * width);
  const scales = new Float32Array(strips * scaleWidth);
  const zeros = format.bits === 4 ? new Float32Array(scales.length) : undefined;
  const step = Math.max(1, Math.floor(CHUNK / (rows * STRIP))) * STRIP;
  for (let start = 0; start < columns; start += step) {
    const end = Math.min(columns, start + step);
    const [array] = await device.evaluate([cast(sliceAxis(matrix, 1, start, end), 'float32')]);
    const { data } = array!;
    const part = quantizeMatrix(data instanceof Float32Array ? data : Float32Array.from(data), rows, {
      ...format,
      columns: end - start,
    });
    const strip = start / STRIP;
    words.set(part.words, strip * rows * width);
    scales.set(part.scales, strip * scaleWidth);
    zeros?.set(part.zeros!, strip * scaleWidth);
  }
  const [heldWords, heldScales, heldZeros] = await device.realize([
    tensor(words, { shape: shapes.words }),
    tensor(scales, { shape: shapes.scales }),
    ...(zeros === undefined ? [] : [tensor(zeros, { shape: shapes.scales })]),
  ]);
  return dequantize({ words: heldWords!, scales: heldScales!, zeros: heldZeros }, format);
};

/**
 * Parameters whose kernels and token table are held in whole numbers of few bits, on the device.
 *
 * @throws {ArgumentError} By rejection, if the mode is no mode, the block size none, or nothing is left to quantize.
 */
export const quantizeParams = async <Params extends Tree>(
  device: Device,
  params: Params,
  mode: QuantizationMode,
  options: QuantizeOptions = {},
): Promise<Params> => {
  checked(mode, options);
  const { blockSize = 128, filter = () => true, signal, onProgress } = options;
  const held = await heldParams(device, params);
  const chosen = quantizableParams(held).filter(({ path }) => filter(path));
  if (chosen.length === 0)
    throw new ArgumentError(
      `quantize: expected a kernel or an embedding that is not quantized yet${options.filter === undefined ? '' : ' and that the filter takes'}, got none`,
    );
  const replaced = new Map<Tensor, Tensor>();
  for (const [i, { param, form }] of chosen.entries()) {
    signal?.throwIfAborted();
    const { rows, columns } = form;
    const block = mode === 'int8' || blockSize === null ? rows : Math.min(rows, blockSize);
    const bits = mode === 'int8' ? 8 : 4;
    if (!replaced.has(param)) {
      const matrix = await quantized(device, matrixOf(param, form), { bits, columns, block });
      replaced.set(param, paramOf(matrix, form, param.shape));
    }
    onProgress?.({ done: i + 1, total: chosen.length });
  }
  return withLeaves(
    held,
    leaves(held).map((leaf) => replaced.get(leaf) ?? leaf),
  );
};

/** Paths of the parameters that are held in few bits, which do not train. */
export const quantizedPaths = (params: Tree): ReadonlySet<string> =>
  new Set(paths(params).flatMap(([path, param]) => (isQuantized(param) ? [path] : [])));
