import type { DType } from '../tensor/dtype.ts';
import type { Binding, ByteRange, KernelTraits, Operand } from '../tensor/kernel.ts';

/** Binds input `index`, whole or in part. */
export const input = (index: number, range?: ByteRange): Binding =>
  range === undefined ? { of: 'input', index } : { of: 'input', index, range };

/** Binds the output, whole or in part. */
export const output = (range?: ByteRange): Binding =>
  range === undefined ? { of: 'output' } : { of: 'output', range };

/** Binds memory of the launch's own, the same for equal `index` within one op. */
export const scratch = (index: number, bytes: number): Binding => ({ of: 'scratch', index, bytes });

/** Some rows of something: `[start, end)`. */
export interface Rows {
  readonly start: number;
  readonly end: number;
}

/** Bytes of `rows` of an array whose rows have `rowBytes`, as a range that a binding can have. */
export const rowRange = ({ start, end }: Rows, rowBytes: number): ByteRange => ({
  start: start * rowBytes,
  size: (end - start) * rowBytes,
});

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));

/**
 * Cuts rows into runs that the device can bind: one run where everything fits, else runs whose start lies on the
 * device's alignment in every array and whose bytes fit in each.
 *
 * @param rowBytes - Bytes of a row in each of the arrays that will be bound by rows.
 * @throws {RangeError} If a single aligned step of rows is larger than the device binds.
 */
export const rowRuns = (
  op: string,
  rows: number,
  rowBytes: readonly number[],
  traits: KernelTraits,
): readonly Rows[] => {
  if (rowBytes.every((bytes) => rows * bytes <= traits.maxBindingBytes)) return [{ start: 0, end: rows }];
  const step = rowBytes.reduce((rowsPerStep, bytes) => {
    const own = traits.offsetAlignment / greatestCommonDivisor(traits.offsetAlignment, bytes);
    return (rowsPerStep * own) / greatestCommonDivisor(rowsPerStep, own);
  }, 1);
  const fits = Math.min(...rowBytes.map((bytes) => Math.floor(traits.maxBindingBytes / bytes)));
  const size = Math.floor(fits / step) * step;
  if (size === 0)
    throw new RangeError(
      `${op}: expected rows of which ${step} fit one binding of ${traits.maxBindingBytes} bytes, got rows of ${Math.max(...rowBytes)} bytes`,
    );
  const runs: Rows[] = [];
  for (let start = 0; start < rows; start += size) runs.push({ start, end: Math.min(rows, start + size) });
  return runs;
};

/** The number by which shaders know a storage dtype, as value of an override. */
export const storageFormat = (dtype: DType): number => (dtype === 'float16' ? 1 : dtype === 'bfloat16' ? 2 : 0);

/** The same for a norm's weight, which may be absent: then 3. */
export const weightFormat = (weight: Operand | undefined): number =>
  weight === undefined ? 3 : storageFormat(weight.dtype);
