import { sliceAxis } from '../ops/slice.ts';
import type { Device } from '../runtime/device.ts';
import { bfloat16Bits, type DType, fileBytes, float16Bits } from '../tensor/dtype.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Numbers as a file holds them: halves as their bits. */
const bytesOf = ({ data }: NDArray, dtype: DType): Uint8Array => {
  const stored =
    dtype === 'float32' || data instanceof Uint16Array
      ? data
      : Uint16Array.from(data, dtype === 'float16' ? float16Bits : bfloat16Bits);
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
};

/** As much as is read at once: 64 MiB. */
const pieceBytes = 2 ** 26;

/** A tensor as rows that are read at once. */
const piecesOf = (tensor: Tensor, most: number): readonly Tensor[] => {
  const [rows = 1] = tensor.shape;
  const bytes = count(tensor.shape) * fileBytes(tensor.dtype);
  if (bytes <= most || rows === 1) return [tensor];
  const step = Math.max(1, Math.floor((rows * most) / bytes));
  return Array.from({ length: Math.ceil(rows / step) }, (_, piece) =>
    sliceAxis(tensor, 0, piece * step, Math.min(rows, (piece + 1) * step)),
  );
};

/**
 * A tensor's bytes as a file holds them, read from the device when its turn has come, a large one piece by piece.
 *
 * @param tensor - Of float32, float16 or bfloat16.
 * @param signal - Ends the reading.
 * @param most - Bytes of a piece, unless a row is more.
 */
export const deviceBytes = (
  device: Device,
  tensor: Tensor,
  signal?: AbortSignal,
  most = pieceBytes,
): (() => AsyncIterable<Uint8Array>) =>
  async function* () {
    for (const piece of piecesOf(tensor, most)) {
      signal?.throwIfAborted();
      const [array] = await device.evaluate([piece]);
      yield bytesOf(array!, tensor.dtype);
    }
    signal?.throwIfAborted();
  };

/** The storage that most numbers have. */
export const commonDType = (tensors: readonly Tensor[]): DType => {
  const counts = new Map<DType, number>();
  for (const { dtype, shape } of tensors) counts.set(dtype, (counts.get(dtype) ?? 0) + count(shape));
  return [...counts].sort(([, a], [, b]) => b - a)[0]![0];
};
