import type { ByteRange, KernelTraits, Operand } from '../tensor/kernel.ts';
import type { Rows } from './launch.ts';

/** Elements of an operand, strided or not, that some of the indices of its first axis reach: `[start, end)`. */
export const reach = ({ shape, strides, offset }: Omit<Operand, 'dtype'>, { start, end }: Rows): Rows => ({
  start: offset + start * strides[0]!,
  end: 1 + shape.reduce((last, size, axis) => last + strides[axis]! * ((axis === 0 ? end : size) - 1), offset),
});

/** A range that a binding can have which covers some elements of 4 bytes, and where in it the first of them lies. */
export const cover = (
  { start, end }: Rows,
  { offsetAlignment }: KernelTraits,
): { readonly range: ByteRange; readonly offset: number } => {
  const from = Math.floor((start * 4) / offsetAlignment) * offsetAlignment;
  return { range: { start: from, size: end * 4 - from }, offset: start - from / 4 };
};

/**
 * Cuts the first axis into runs of which the device can bind the part of every operand: one run where all of it fits.
 *
 * @param operands - Of one size along the first axis, elements of 4 bytes, none of them empty.
 * @throws {RangeError} If the part of a single index is larger than the device binds.
 */
export const outerRuns = (
  op: string,
  operands: readonly Omit<Operand, 'dtype'>[],
  traits: KernelTraits,
): readonly Rows[] => {
  const length = operands[0]!.shape[0]!;
  const bytes = (run: Rows) => Math.max(...operands.map((operand) => cover(reach(operand, run), traits).range.size));
  if (bytes({ start: 0, end: length }) <= traits.maxBindingBytes) return [{ start: 0, end: length }];
  const runs: Rows[] = [];
  for (let start = 0; start < length; ) {
    let end = start + 1;
    if (bytes({ start, end }) > traits.maxBindingBytes)
      throw new RangeError(
        `${op}: expected parts along the first axis that fit a binding of ${traits.maxBindingBytes} bytes, got ${bytes({ start, end })} bytes`,
      );
    // The largest end that fits: the bytes grow with it.
    for (let beyond = length + 1; beyond - end > 1; ) {
      const middle = Math.floor((end + beyond) / 2);
      if (bytes({ start, end: middle }) <= traits.maxBindingBytes) end = middle;
      else beyond = middle;
    }
    runs.push({ start, end });
    start = end;
  }
  return runs;
};
