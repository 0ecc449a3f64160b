import { countStrips, type QuantizedBits, STRIP } from './quantized.ts';

// Between strips (see quantized.ts) and matrices as files hold them: rows of whole bytes, of two numbers the first in the low half.
// In both a row's numbers follow each other, so that a file's row is cut into pieces of 64 columns; its columns have to be turned.

/** A matrix of whole numbers in a file. */
export interface StoredMatrix {
  readonly bits: QuantizedBits;
  readonly rows: number;
  readonly columns: number;
  /** Bytes of one of the file's rows, or, where the file's rows are the matrix's columns, of one of these. */
  readonly bytesPerRow: number;
  /** What each byte is changed by (exclusive or): 0x88 makes numbers from -8 to 7 ones from 0 to 15. */
  readonly flip: number;
}

/** Bytes of a row of a strip. */
export const stripBytes = (bits: QuantizedBits): number => (STRIP * bits) / 8;

/** Zeros that fill up a last strip stay zeros, whatever fills up the file's last byte. */
const lastByte = ({ bits, columns }: StoredMatrix): number => (bits === 4 && columns % 2 === 1 ? 0x0f : 0xff);

/**
 * Puts whole rows of a file where strips have them.
 *
 * @param strips - Bytes of all strips.
 * @param first - The number of the first of the rows.
 * @param file - The rows' bytes.
 */
export const packRows = (strips: Uint8Array, matrix: StoredMatrix, first: number, file: Uint8Array): void => {
  const { bits, rows, columns, bytesPerRow, flip } = matrix;
  const width = stripBytes(bits);
  const used = Math.ceil((columns * bits) / 8);
  const end = lastByte(matrix);
  for (let from = 0; from < file.length; from += bytesPerRow) {
    const row = first + from / bytesPerRow;
    for (let start = 0; start < used; start += width) {
      const at = ((start / width) * rows + row) * width;
      for (let j = start; j < Math.min(used, start + width); j++) strips[at + j - start] = file[from + j]! ^ flip;
    }
    strips[(Math.floor((used - 1) / width) * rows + row) * width + ((used - 1) % width)]! &= end;
  }
};

/** The bytes of rows of a file, out of strips that hold those rows alone: what `packRows` does, undone. */
export const unpackRows = (strips: Uint8Array, matrix: StoredMatrix): Uint8Array => {
  const { bits, rows, columns, bytesPerRow, flip } = matrix;
  const width = stripBytes(bits);
  const used = Math.ceil((columns * bits) / 8);
  const end = lastByte(matrix);
  const file = new Uint8Array(rows * bytesPerRow);
  for (let row = 0; row < rows; row++) {
    const to = row * bytesPerRow;
    for (let start = 0; start < used; start += width) {
      const at = ((start / width) * rows + row) * width;
      for (let j = start; j < Math.min(used, start + width); j++) file[to + j] = strips[at + j - start]! ^ flip;
    }
    file[to + used - 1]! &= end;
  }
  return file;
};

/** Puts rows of a file that hold, head by head, 8 bits of the columns of one head each where strips have them. */
export const packHeads = (
  strips: Uint8Array,
  { rows, columns, bytesPerRow, flip }: StoredMatrix,
  first: number,
  file: Uint8Array,
): void => {
  const heads = columns / bytesPerRow;
  for (let from = 0; from < file.length; from += bytesPerRow) {
    const line = first + from / bytesPerRow;
    const [head, row] = [Math.floor(line / rows), line % rows];
    if (head >= heads) return;
    for (let j = 0; j < bytesPerRow; j++) {
      const column = head * bytesPerRow + j;
      strips[(Math.floor(column / STRIP) * rows + row) * STRIP + (column % STRIP)] = file[from + j]! ^ flip;
    }
  }
};

/** The bytes of rows of a file that hold one head's columns each: what `packHeads` does, undone. */
export const unpackHeads = (strips: Uint8Array, { rows, columns, bytesPerRow, flip }: StoredMatrix): Uint8Array => {
  const file = new Uint8Array(rows * columns);
  for (let column = 0; column < columns; column++) {
    const head = Math.floor(column / bytesPerRow);
    for (let row = 0; row < rows; row++)
      file[(head * rows + row) * bytesPerRow + (column % bytesPerRow)] =
        strips[(Math.floor(column / STRIP) * rows + row) * STRIP + (column % STRIP)]! ^ flip;
  }
  return file;
};

/**
 * Strips of some columns, 64 each but the last, out of a file whose rows are those columns.
 *
 * @param file - The rows' bytes: as many as `columns` says.
 */
export const packColumns = (
  { bits, rows, columns, bytesPerRow, flip }: StoredMatrix,
  file: Uint8Array,
): Uint8Array<ArrayBuffer> => {
  const width = stripBytes(bits);
  const strips = new Uint8Array(countStrips(columns) * rows * width);
  for (let column = 0; column < columns; column++) {
    const to = Math.floor(column / STRIP) * rows * width;
    const from = column * bytesPerRow;
    const place = column % STRIP;
    if (bits === 8) for (let row = 0; row < rows; row++) strips[to + row * width + place] = file[from + row]! ^ flip;
    else {
      const at = to + (place >> 1);
      const shift = 4 * (place & 1);
      for (let row = 0; row < rows; row++) {
        const byte = file[from + (row >> 1)]! ^ flip;
        strips[at + row * width]! |= ((byte >> (4 * (row & 1))) & 15) << shift;
      }
    }
  }
  return strips;
};

/** The bytes of a file whose rows are the columns of strips: what `packColumns` does, undone. */
export const unpackColumns = (
  strips: Uint8Array,
  { bits, rows, columns, bytesPerRow, flip }: StoredMatrix,
): Uint8Array => {
  const width = stripBytes(bits);
  const file = new Uint8Array(columns * bytesPerRow);
  for (let column = 0; column < columns; column++) {
    const from = Math.floor(column / STRIP) * rows * width;
    const to = column * bytesPerRow;
    const place = column % STRIP;
    if (bits === 8) for (let row = 0; row < rows; row++) file[to + row] = strips[from + row * width + place]! ^ flip;
    else {
      const shift = 4 * (place & 1);
      for (let row = 0; row < rows; row++) {
        const nibble = (strips[from + (place >> 1) + row * width]! >> shift) & 15;
        file[to + (row >> 1)]! |= (nibble ^ (flip & 15)) << (4 * (row & 1));
      }
    }
  }
  return file;
};
