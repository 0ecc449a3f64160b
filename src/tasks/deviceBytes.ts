import type { Device } from '../runtime/device.ts';
import { bfloat16Bits, type DType, float16Bits } from '../tensor/dtype.ts';
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

/**
 * A tensor's bytes as a file holds them, read from the device when its turn has come.
 *
 * @param tensor - Of float32, float16 or bfloat16.
 * @param signal - Ends the reading.
 */
export const deviceBytes = (device: Device, tensor: Tensor, signal?: AbortSignal): (() => AsyncIterable<Uint8Array>) =>
  async function* () {
    signal?.throwIfAborted();
    const [array] = await device.evaluate([tensor]);
    signal?.throwIfAborted();
    yield bytesOf(array!, tensor.dtype);
  };

/** The storage that most numbers have. */
export const commonDType = (tensors: readonly Tensor[]): DType => {
  const counts = new Map<DType, number>();
  for (const { dtype, shape } of tensors) counts.set(dtype, (counts.get(dtype) ?? 0) + count(shape));
  return [...counts].sort(([, a], [, b]) => b - a)[0]![0];
};
