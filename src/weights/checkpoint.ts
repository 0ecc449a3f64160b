import type { DType } from '../tensor/dtype.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Shape } from '../tensor/shape.ts';

/** Dtypes that files hold: those of tensors, and others that are named only to be refused or ignored. */
export type StoredDType =
  | DType
  | 'float64'
  | 'float8'
  | 'int8'
  | 'int16'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'complex64';

/** Bytes of one element in a file. */
export const storedBytes: Readonly<Record<StoredDType, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int32: 4,
  bool: 1,
  float64: 8,
  float8: 1,
  int8: 1,
  int16: 2,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  complex64: 8,
};

/** A tensor in a file: what it is, and its bytes on request. */
export interface StoredTensor {
  /** As the file says it. */
  readonly name: string;
  /** Row-major. */
  readonly shape: Shape;
  /** As it lies in the file. */
  readonly dtype: StoredDType;
  /** Bytes of all its values. */
  readonly byteLength: number;
  /**
   * Bytes `start` to `end` of the row-major little-endian data. Nothing else is read, and nothing is kept: read a large
   * tensor in pieces. They lie in a part of `into` if it is given: fresh memory for each piece would cost more than reading.
   *
   * @throws {ArgumentError} If the range is not within the tensor, or `into` is too small.
   * @throws {PresetError} By rejection, if the file cannot be read any more.
   */
  readonly read: (start: number, end: number, into?: Uint8Array) => Promise<Uint8Array>;
}

/** The tensors of one or more open files, by name. */
export interface Checkpoint {
  /** The file, or the index of the files. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Closes the files; reading after that is an error. Closing twice is not. */
  readonly close: () => Promise<void>;
}

/** Checks the range of a read. @throws {ArgumentError} If it is not a range of whole bytes within the tensor. */
export const checkRange = (name: string, byteLength: number, start: number, end: number): void => {
  if (!(Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end && end <= byteLength))
    throw new ArgumentError(
      `read of ${name}: expected a range within 0 to ${byteLength} bytes, got ${start} to ${end}`,
    );
};

/** The largest piece that `pieces` yields unless told otherwise: 16 MiB. */
export const pieceBytes = 2 ** 24;

/**
 * A tensor's bytes from first to last, in pieces: the way to move a large tensor with little memory.
 *
 * @param size - Bytes of a piece at most; default 16 MiB.
 */
export async function* pieces(tensor: StoredTensor, size = pieceBytes): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < tensor.byteLength; start += size)
    yield await tensor.read(start, Math.min(start + size, tensor.byteLength));
}
