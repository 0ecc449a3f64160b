import type { Shape } from '../tensor/shape.ts';
import { checkRange, type StoredTensor } from './checkpoint.ts';

/** Memory that is the same each time, unless more is asked for than there was. */
export const scratch = (): ((bytes: number) => Uint8Array) => {
  let memory = new Uint8Array(0);
  return (bytes) => {
    if (memory.length < bytes) memory = new Uint8Array(bytes);
    return memory;
  };
};

/**
 * Some stored tensors as one whose rows are theirs side by side; of one row each, they lie one after the other. What is read of it
 * is read of them, each byte once.
 *
 * @param sources - Of one dtype, and of as many rows.
 * @param shape - Of all together.
 * @param rows - How many rows each of them has.
 * @param memory - For what is read of one of them; tensors that are not read at the same time can share it.
 */
export const sideBySide = (
  sources: readonly StoredTensor[],
  shape: Shape,
  rows: number,
  memory: (bytes: number) => Uint8Array = scratch(),
): StoredTensor => {
  const name = sources.map((source) => source.name).join(', ');
  const byteLength = sources.reduce((sum, source) => sum + source.byteLength, 0);
  const rowBytes = byteLength / rows;
  const read: StoredTensor['read'] = async (start, end, into = new Uint8Array(end - start)) => {
    checkRange(name, byteLength, start, end);
    const target = into.subarray(0, end - start);
    const last = Math.ceil(end / rowBytes) - 1;
    const firstRow = Math.min(last, Math.floor(start / rowBytes));
    let column = 0;
    for (const source of sources) {
      const width = source.byteLength / rows;
      /** Bytes of the source before a place in a row of all. */
      const until = (row: number, place: number): number =>
        row * width + Math.max(0, Math.min(width, place - row * rowBytes - column));
      const [from, to] = [until(firstRow, start), until(last, end)];
      if (from < to && firstRow === last) {
        const at = firstRow * rowBytes + column + (from - firstRow * width) - start;
        await source.read(from, to, target.subarray(at, at + to - from));
      } else if (from < to) {
        const bytes = await source.read(from, to, memory(to - from));
        let next = from;
        for (let row = firstRow; next < to; row++) {
          const at = next;
          next = Math.min(to, (row + 1) * width);
          const place = row * (rowBytes - width) + column + at - start;
          if (at < next) target.set(bytes.subarray(at - from, next - from), place);
        }
      }
      column += width;
    }
    return target;
  };
  return { name, shape, dtype: sources[0]!.dtype, byteLength, read };
};
