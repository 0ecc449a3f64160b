import * as E from 'fp-ts/lib/Either.js';
import type * as TE from 'fp-ts/lib/TaskEither.js';
import { preview } from '../models/configReader.ts';
import { type Checkpoint, checkRange, type StoredTensor } from './checkpoint.ts';
import type { WeightsError } from './errors.ts';
import { type OpenFile, openWith } from './files.ts';
import {
  broken,
  foreign,
  type StructureReader,
  signatureOf,
  structureReader,
  u64,
  undefinedAddress,
} from './hdf5Bytes.ts';
import { type Dataset, type Group, readObject } from './hdf5Object.ts';

// HDF5 as Keras writes it: superblock 0, groups as trees of names, contiguous data. The HDF5 library itself is not used
// for reading, because a damaged file can make it loop for ever or take all memory (a heap's free list in a circle).
// https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html

const signature = '\x89HDF\r\n\x1a\n';
const superblockBytes = 96;
const softLink = 2;

// A large KerasHub file has a few thousand objects, eight groups deep.
const mostObjects = 20_000;
const mostDepth = 32;
const mostNames = 2 ** 22;
const mostNameBytes = 1024;

/** The address of the root group's header. */
const readSuperblock = async (reader: StructureReader): Promise<number> => {
  const { path, size } = reader;
  const { view } = await reader.block('the superblock', 0, Math.min(size, superblockBytes));
  const start = String.fromCharCode(...new Uint8Array(view.buffer, 0, Math.min(size, signature.length)));
  if (start === 'version ') throw broken(path, 'expected an HDF5 file, got a Git LFS pointer (run "git lfs pull")');
  if (start !== signature) throw broken(path, `expected an HDF5 file, it begins with ${JSON.stringify(start)}`);
  if (size < superblockBytes) throw broken(path, `expected an HDF5 file, got ${size} bytes; is it whole?`);
  if (view.getUint8(8) !== 0) throw foreign(path, `an HDF5 file with superblock ${view.getUint8(8)}`);
  if (view.getUint8(13) !== 8 || view.getUint8(14) !== 8)
    throw foreign(path, 'an HDF5 file whose addresses are not of 8 bytes');
  if (u64(view, 24) !== 0 || view.getBigUint64(48, true) !== undefinedAddress)
    throw foreign(path, 'an HDF5 file of several parts');
  const end = u64(view, 40);
  if (!(end <= size)) throw broken(path, `expected ${end} bytes, got ${size}; is it whole?`);
  return u64(view, 64);
};

/** The names in a group's heap, as bytes. */
const readHeap = async (reader: StructureReader, group: string, address: number): Promise<Uint8Array> => {
  const what = `the names of ${preview(group)}`;
  const heap = await reader.block(what, address, 32);
  const length = u64(heap.view, 8);
  if (signatureOf(heap) !== 'HEAP' || heap.view.getUint8(4) !== 0 || length > mostNames)
    throw broken(reader.path, `${what}: expected a heap of at most ${mostNames} bytes`);
  // A small heap lies right behind its own header, which is another address.
  const names = await reader.block(what, u64(heap.view, 24), length);
  return new Uint8Array(names.view.buffer);
};

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const nameAt = (reader: StructureReader, group: string, names: Uint8Array, offset: number): string => {
  const rest = names.subarray(offset, offset + mostNameBytes);
  const end = rest.indexOf(0);
  if (end <= 0) throw broken(reader.path, `a name in ${preview(group)} is empty, too long or outside its heap`);
  try {
    return decoder.decode(rest.subarray(0, end));
  } catch {
    throw broken(reader.path, `a name in ${preview(group)} is not UTF-8`);
  }
};

/** The members of a group: names and the addresses of their headers, in the order of the tree. */
const readMembers = async (
  reader: StructureReader,
  group: string,
  { tree, heap }: Group,
): Promise<ReadonlyMap<string, number>> => {
  const what = `the members of ${preview(group)}`;
  const names = await readHeap(reader, group, heap);
  const members = new Map<string, number>();
  const nodes: (readonly [address: number, level: number | undefined])[] = [[tree, undefined]];
  for (let next = nodes.pop(); next !== undefined; next = nodes.pop()) {
    const [address, expectedLevel] = next;
    if (expectedLevel === -1) {
      const leaf = await reader.block(what, address, 8);
      if (signatureOf(leaf) !== 'SNOD' || leaf.view.getUint8(4) !== 1)
        throw broken(reader.path, `${what}: expected a symbol node at byte ${address}`);
      const used = leaf.view.getUint16(6, true);
      const { view } = await reader.more(what, address + 8, 40 * used);
      for (let at = 0; at < 40 * used; at += 40) {
        const name = nameAt(reader, group, names, u64(view, at));
        if (members.has(name)) throw broken(reader.path, `${what}: ${preview(name)} is there twice`);
        if (view.getUint32(at + 16, true) === softLink)
          throw broken(reader.path, `${preview(`${group}/${name}`)} is a symbolic link: refused`);
        if (members.set(name, u64(view, at + 8)).size > mostObjects)
          throw broken(reader.path, `${what}: expected at most ${mostObjects}`);
      }
      continue;
    }
    const node = await reader.block(what, address, 24);
    const level = node.view.getUint8(5);
    if (signatureOf(node) !== 'TREE' || node.view.getUint8(4) !== 0 || level !== (expectedLevel ?? level))
      throw broken(reader.path, `${what}: expected a tree node at byte ${address}`);
    const used = node.view.getUint16(6, true);
    // Keys and children take turns: key 0, child 0, key 1, ...
    const { view } = await reader.more(what, address + 24, 16 * used);
    for (let i = used - 1; i >= 0; i--) nodes.push([u64(view, 16 * i + 8), level - 1]);
  }
  return members;
};

/** All datasets by their path without a slash in front. The groups must be a tree: no object has two names. */
const readDatasets = async (reader: StructureReader): Promise<ReadonlyMap<string, Dataset>> => {
  const { path } = reader;
  const datasets = new Map<string, Dataset>();
  const headers = new Set<number>();
  const pending: { readonly name: string; readonly address: number; readonly depth: number }[] = [
    { name: '', address: await readSuperblock(reader), depth: 0 },
  ];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { name, address, depth } = next;
    if (headers.has(address)) throw broken(path, `${preview(name)} is a second name of a group or dataset: refused`);
    if (headers.add(address).size > mostObjects)
      throw broken(path, `expected at most ${mostObjects} groups and datasets`);
    if (depth > mostDepth) throw broken(path, `expected groups at most ${mostDepth} deep, got ${preview(name)}`);
    const object = await readObject(reader, name, address);
    if (object.kind === 'dataset') datasets.set(name.slice(1), object);
    else
      for (const [member, header] of [...(await readMembers(reader, name, object))].reverse())
        pending.push({ name: `${name}/${member}`, address: header, depth: depth + 1 });
  }
  let end = 0;
  for (const [name, { at, byteLength }] of [...datasets].sort(([, a], [, b]) => a.at - b.at)) {
    if (byteLength > 0 && at < end) throw broken(path, `dataset ${preview(name)} lies over another`);
    end = Math.max(end, at + byteLength);
  }
  return datasets;
};

const storedTensor = (file: OpenFile, name: string, { dtype, shape, at, byteLength }: Dataset): StoredTensor => ({
  name,
  dtype,
  shape,
  byteLength,
  read: async (start, end, into) => {
    checkRange(name, byteLength, start, end);
    return file.read(at + start, at + end, into);
  },
});

/**
 * Opens a Keras weights file. Tensors have their HDF5 path, without the slash in front, as name:
 * `layers/transformer_decoder/_self_attention_layer/query_dense/vars/0`. Data is read only where it is asked for.
 *
 * @param path - A *.weights.h5 file, as Keras writes it: links, compression and newer structures are refused.
 */
export const openH5 = (path: string): TE.TaskEither<WeightsError, Checkpoint> =>
  openWith(path, async (file) => {
    const datasets = await readDatasets(structureReader(file));
    return E.right({
      path,
      tensors: new Map([...datasets].map(([name, dataset]) => [name, storedTensor(file, name, dataset)])),
      close: file.close,
    });
  });
