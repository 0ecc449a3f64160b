import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type StoredTensor, sideBySide } from '../../src/weights/index.ts';

/** A stored tensor of so many bytes, each another one's, that counts how often each is read. */
const stored = (name: string, first: number, byteLength: number) => {
  const reads = new Uint8Array(byteLength);
  const bytes = Uint8Array.from({ length: byteLength }, (_, i) => first + i);
  const tensor: StoredTensor = {
    name,
    shape: [byteLength],
    dtype: 'bool',
    byteLength,
    read: async (start, end, into = new Uint8Array(end - start)) => {
      for (let i = start; i < end; i++) reads[i]!++;
      into.set(bytes.subarray(start, end));
      return into.subarray(0, end - start);
    },
  };
  return { tensor, reads, bytes };
};

it('tensors side by side are read as one, each byte once, in pieces of any size', () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 6 }),
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      async (rows, widths, piece, hasMemory) => {
        const parts = widths.map((width, i) => stored(`${i}`, 50 * i, rows * width));
        const all = sideBySide(
          parts.map(({ tensor }) => tensor),
          [rows, widths.reduce((a, b) => a + b)],
          rows,
        );
        const read: number[] = [];
        const memory = new Uint8Array(piece + 3);
        for (let start = 0; start < all.byteLength; start += piece) {
          const end = Math.min(all.byteLength, start + piece);
          read.push(...(await all.read(start, end, ...(hasMemory ? [memory] : []))));
        }
        const expected = Array.from({ length: rows }, (_, row) =>
          parts.flatMap(({ bytes }, i) => [...bytes.subarray(row * widths[i]!, (row + 1) * widths[i]!)]),
        );
        expect(read).toEqual(expected.flat());
        for (const { reads } of parts) expect(reads.every((times) => times === 1)).toBe(true);
        await expect(all.read(0, all.byteLength + 1)).rejects.toThrow('expected a range within');
      },
    ),
  ));
