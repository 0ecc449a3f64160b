import { preview } from '../models/configReader.ts';
import { matrixOf, type QuantizableParam, quantizableParams } from '../models/quantize.ts';
import { inStripGroups, paramsOfStrips, stripShapes, stripStarts } from '../models/siblings.ts';
import { cast } from '../ops/cast.ts';
import { concatenate } from '../ops/concatenate.ts';
import { tensor } from '../ops/constant.ts';
import { isQuantized } from '../ops/dequantize.ts';
import { reshape } from '../ops/reshape.ts';
import { sliceAxis } from '../ops/slice.ts';
import type { Device } from '../runtime/device.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import { type QuantizedFormat, quantizeMatrix, STRIP } from '../tensor/quantized.ts';
import { count } from '../tensor/shape.ts';
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

/** A parameter that is to be quantized, and how. */
interface Chosen extends QuantizableParam {
  readonly format: QuantizedFormat;
}

/** Parameters in few bits, one's strips after the other's, on the device; some columns of one of them at a time are on the host. */
const quantized = async (
  device: Device,
  chosen: readonly Chosen[],
  signal: AbortSignal | undefined,
  onEach: () => void,
): Promise<readonly Tensor[]> => {
  const [{ form, format }] = chosen as readonly [Chosen];
  const { rows } = form;
  const starts = stripStarts(chosen);
  const strips = starts.at(-1)!;
  const shapes = stripShapes(chosen);
  const words = new Int32Array(count(shapes.words));
  const scales = new Float32Array(count(shapes.scales));
  const zeros = format.bits === 4 ? new Float32Array(scales.length) : undefined;
  const [wordsEach, scalesEach] = [words.length / strips, scales.length / strips];
  const step = Math.max(1, Math.floor(CHUNK / (rows * STRIP))) * STRIP;
  for (const [i, own] of chosen.entries()) {
    signal?.throwIfAborted();
    const matrix = matrixOf(own.param, own.form);
    const { columns } = own.format;
    for (let start = 0; start < columns; start += step) {
      const end = Math.min(columns, start + step);
      const [array] = await device.evaluate([cast(sliceAxis(matrix, 1, start, end), 'float32')]);
      const { data } = array!;
      const numbers = data instanceof Float32Array ? data : Float32Array.from(data);
      const part = quantizeMatrix(numbers, rows, { ...format, columns: end - start });
      const strip = starts[i]! + start / STRIP;
      words.set(part.words, strip * wordsEach);
      scales.set(part.scales, strip * scalesEach);
      zeros?.set(part.zeros!, strip * scalesEach);
    }
    onEach();
  }
  const [heldWords, heldScales, heldZeros] = await device.realize([
    tensor(words, { shape: shapes.words }),
    tensor(scales, { shape: shapes.scales }),
    ...(zeros === undefined ? [] : [tensor(zeros, { shape: shapes.scales })]),
  ]);
  return paramsOfStrips(
    { words: heldWords!, scales: heldScales!, zeros: heldZeros },
    chosen.map((own) => ({ ...own, shape: own.param.shape })),
  );
};

/** What a view looks at; a tensor that is none itself. */
const rootOf = (tensor: Tensor): Tensor => (tensor.op.kernel.kind === 'view' ? rootOf(tensor.inputs[0]!) : tensor);

/** Biases, by those of some kernels side by side that do not lie so. */
const joinedBiases = async (
  device: Device,
  params: Tree,
  groups: readonly (readonly Chosen[])[],
): Promise<ReadonlyMap<Tensor, Tensor>> => {
  const known = new Map(paths(params));
  const apart = groups
    .map((group) => group.map(({ path }) => known.get(path.replace(/kernel$/, 'bias'))))
    .filter((biases): biases is Tensor[] => {
      const [first] = biases;
      const isOne = biases.every((bias) => bias !== undefined && bias.dtype === first!.dtype);
      return isOne && biases.length > 1 && new Set((biases as Tensor[]).map(rootOf)).size > 1;
    });
  const flat = (bias: Tensor): Tensor => reshape(bias, [count(bias.shape)]);
  const held = await device.realize(apart.map((biases) => cast(concatenate(biases.map(flat)), biases[0]!.dtype)));
  return new Map(
    apart.flatMap((biases, i) => {
      let end = 0;
      return biases.map((bias) => {
        const start = end;
        end += count(bias.shape);
        return [bias, reshape(sliceAxis(held[i]!, 0, start, end), bias.shape)] as const;
      });
    }),
  );
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
  const bits = mode === 'int8' ? 8 : 4;
  const own = new Map(chosen.map((each) => [each.param, each]));
  const groups = inStripGroups(
    [...own.values()].map((each): Chosen => {
      const { rows, columns } = each.form;
      const block = mode === 'int8' || blockSize === null ? rows : Math.min(rows, blockSize);
      return { ...each, format: { bits, columns, block } };
    }),
  );
  const replaced = new Map(await joinedBiases(device, held, groups));
  let done = 0;
  for (const group of groups) {
    const matrices = await quantized(device, group, signal, () => onProgress?.({ done: ++done, total: own.size }));
    for (const [i, { param }] of group.entries()) replaced.set(param, matrices[i]!);
  }
  return withLeaves(
    held,
    leaves(held).map((leaf) => replaced.get(leaf) ?? leaf),
  );
};

/** Paths of the parameters that are held in few bits, which do not train. */
export const quantizedPaths = (params: Tree): ReadonlySet<string> =>
  new Set(paths(params).flatMap(([path, param]) => (isQuantized(param) ? [path] : [])));
