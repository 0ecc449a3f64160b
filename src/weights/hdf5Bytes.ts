import { ArgumentError } from '../tensor/errors.ts';
import { type PresetError, toPresetError, weightsError } from './errors.ts';
import type { OpenFile } from './files.ts';

/** What HDF5 writes for an address that leads nowhere. */
export const undefinedAddress = 0xffff_ffff_ffff_ffffn;

/** Bytes of the file's structures: a view, and where in the file it begins. */
export interface Block {
  readonly at: number;
  readonly view: DataView;
}

/**
 * Reads the structures of an HDF5 file, every structure at most once and all of them together at most as many bytes as
 * the file has: what points in circles, or at one place from many, ends here.
 */
export interface StructureReader {
  readonly path: string;
  readonly size: number;
  /** @throws {PresetError} If it does not lie in the file, was read before, or is more than a file's structures take. */
  readonly block: (what: string, at: number, length: number) => Promise<Block>;
  /** The same for what is known to be part of a structure that is being read. */
  readonly more: (what: string, at: number, length: number) => Promise<Block>;
}

/** The error of a file that contradicts its format. */
export const broken = (path: string, problem: string): PresetError =>
  toPresetError(weightsError('BrokenFile', path, problem));

/** The error of a file that is sound HDF5 perhaps, but not as Keras writes it. */
export const foreign = (path: string, problem: string): PresetError =>
  toPresetError(
    weightsError('UnknownFormat', path, `${problem}; Keras writes no such file (load it in Keras and save it again)`),
  );

const pageBytes = 2 ** 14;
const keptPages = 64;

/** The most bytes of structures that are read from any file: 64 MiB, where a large model has three. */
const mostBytes = 2 ** 26;

/** A reader of a file's structures. They are small and lie close together, so whole pages are read and some are kept. */
export const structureReader = (file: OpenFile): StructureReader => {
  const { path, size } = file;
  const pages = new Map<number, Uint8Array>();
  const seen = new Set<number>();
  let left = Math.min(size, mostBytes);

  const page = async (index: number): Promise<Uint8Array> => {
    const kept = pages.get(index);
    if (kept !== undefined) return kept;
    const bytes = await file.read(index * pageBytes, Math.min(size, (index + 1) * pageBytes));
    if (pages.size >= keptPages) pages.delete(pages.keys().next().value!);
    pages.set(index, bytes);
    return bytes;
  };

  const more = async (what: string, at: number, length: number): Promise<Block> => {
    if (!Number.isSafeInteger(at) || at < 0 || length < 0 || !(at + length <= size))
      throw broken(path, `${what}: expected ${length} bytes at ${at}, but the file has ${size}; is it whole?`);
    left -= length;
    if (left < 0) throw broken(path, `${what}: the structures are more than fit into the file`);
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      const from = at + filled;
      const part = (await page(Math.floor(from / pageBytes))).subarray(from % pageBytes).subarray(0, length - filled);
      bytes.set(part, filled);
      filled += part.length;
    }
    return { at, view: new DataView(bytes.buffer) };
  };

  const block = async (what: string, at: number, length: number): Promise<Block> => {
    if (seen.has(at)) throw broken(path, `${what}: the structure at byte ${at} is used twice`);
    if (length > 0) seen.add(at);
    return more(what, at, length);
  };
  return { path, size, block, more };
};

/** The text of four bytes, with which most structures begin. */
export const signatureOf = ({ view }: Block): string =>
  String.fromCharCode(...[0, 1, 2, 3].map((i) => (i < view.byteLength ? view.getUint8(i) : 0)));

/** An unsigned 64-bit number; beyond 2^53 it is Infinity, which fits no file. */
export const u64 = (view: DataView, at: number): number => {
  const value = view.getBigUint64(at, true);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : Number.POSITIVE_INFINITY;
};

/** A part of a block. @throws {ArgumentError} If it is not within: the caller checks first. */
export const part = ({ at, view }: Block, offset: number, length: number): Block => {
  if (offset < 0 || length < 0 || offset + length > view.byteLength)
    throw new ArgumentError(`part: expected a range within ${view.byteLength} bytes, got ${length} at ${offset}`);
  return { at: at + offset, view: new DataView(view.buffer, view.byteOffset + offset, length) };
};
