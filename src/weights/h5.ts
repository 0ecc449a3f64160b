import * as E from 'fp-ts/lib/Either.js';
import type * as TE from 'fp-ts/lib/TaskEither.js';
import { preview } from '../models/configReader.ts';
import { ArgumentError } from '../tensor/errors.ts';
import { count, formatShape, type Shape } from '../tensor/shape.ts';
import { type Checkpoint, checkRange, type StoredDType, type StoredTensor, storedBytes } from './checkpoint.ts';
import { fail, PresetError, toPresetError, type WeightsError, weightsError } from './errors.ts';
import { type OpenFile, openWith } from './files.ts';
import { expose, type Hdf5, hdf5, type Metadata } from './hdf5Library.ts';
import { slabs } from './slabs.ts';

const signature = '\x89HDF\r\n\x1a\n';

// Names in a file are cheap; a KerasHub file has a few thousand at most, eight groups deep.
const mostObjects = 50_000;
const mostDepth = 32;

/** Once a call into the library has trapped, nothing it says can be trusted any more. */
let trapped = false;

/** Calls the library: what it throws becomes a PresetError about this file. */
const guarded = <A>(path: string, call: () => A): A => {
  if (trapped)
    throw toPresetError(
      weightsError('InputOutput', path, 'the HDF5 library stopped on a damaged file before; start the program again'),
    );
  try {
    return call();
  } catch (error) {
    if (error instanceof PresetError || error instanceof ArgumentError) throw error;
    trapped ||= error instanceof Error && error.name === 'RuntimeError';
    throw toPresetError(
      weightsError(
        'BrokenFile',
        path,
        `a damaged HDF5 file (${error instanceof Error ? error.message : String(error)})`,
      ),
    );
  }
};

const broken = (path: string, problem: string): PresetError => toPresetError(weightsError('BrokenFile', path, problem));

/** A dataset's attribute `dtype`, with which Keras marks bfloat16, if it is there and a string. */
const dtypeAttribute = (library: Hdf5, file: bigint, dataset: string): string | undefined => {
  if (!library.get_attribute_names(file, dataset).includes('dtype')) return undefined;
  const { type, vlen, size, total_size } = library.get_attribute_metadata(file, dataset, 'dtype');
  if (type !== library.H5T_class_t.H5T_STRING.value || total_size !== 1 || size > 64) return undefined;
  const at = library._malloc(size + 1);
  try {
    library.HEAPU8.fill(0, at, at + size + 1);
    if (library.get_attribute_data(file, dataset, 'dtype', BigInt(at)) < 0) return undefined;
    if (!vlen) return library.UTF8ToString(at);
    const text = library.UTF8ToString(new DataView(library.HEAPU8.buffer).getUint32(at, true));
    library.reclaim_vlen_memory(file, dataset, 'dtype', BigInt(at));
    return text;
  } finally {
    library._free(at);
  }
};

const integers: ReadonlyMap<number, readonly [signed: StoredDType, unsigned: StoredDType]> = new Map([
  [1, ['int8', 'uint8']],
  [2, ['int16', 'uint16']],
  [4, ['int32', 'uint32']],
  [8, ['int64', 'uint64']],
]);

const floats: ReadonlyMap<number, StoredDType> = new Map([
  [2, 'float16'],
  [4, 'float32'],
  [8, 'float64'],
]);

const dtypeOf = (library: Hdf5, file: bigint, name: string, metadata: Metadata): StoredDType | undefined => {
  const { H5T_FLOAT, H5T_INTEGER, H5T_OPAQUE } = library.H5T_class_t;
  const { type, size, signed } = metadata;
  if (type === H5T_FLOAT.value) return floats.get(size);
  if (type === H5T_INTEGER.value) return integers.get(size)?.[signed ? 0 : 1];
  if (type === H5T_OPAQUE.value && size === 2 && dtypeAttribute(library, file, name) === 'bfloat16') return 'bfloat16';
  return undefined;
};

interface Dataset {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: Shape;
}

/** What a dataset is, checked against the file's size. @throws {PresetError} If it is not plain numbers in this file. */
const describe = (library: Hdf5, file: bigint, name: string, { path, size }: OpenFile): Dataset => {
  const metadata = library.get_dataset_metadata(file, name);
  const dtype = dtypeOf(library, file, name, metadata);
  const { shape, chunks, virtual_sources } = metadata;
  if (dtype === undefined || shape === null)
    throw broken(path, `dataset ${preview(name)}: expected numbers (bfloat16 as 2 bytes with the attribute "dtype")`);
  if (chunks !== null || virtual_sources !== undefined)
    throw toPresetError(
      weightsError(
        'UnknownFormat',
        path,
        `dataset ${preview(name)}: expected contiguous data as Keras writes it, got a chunked, compressed or virtual dataset (repack it: h5repack -l CONTI)`,
      ),
    );
  if (!shape.every((axis) => Number.isSafeInteger(axis) && axis >= 0) || !(count(shape) * storedBytes[dtype] <= size))
    throw broken(
      path,
      `dataset ${preview(name)}: ${dtype} ${formatShape(shape)} does not fit into the file's ${size} bytes`,
    );
  return { name, dtype, shape };
};

/** All datasets of a file, which must be a tree: no link leads anywhere, and no object has two names. */
const listDatasets = (library: Hdf5, file: bigint, source: OpenFile): readonly Dataset[] => {
  const { path, size } = source;
  const datasets: Dataset[] = [];
  const addresses = new Set<string>();
  let total = 0;
  const groups: (readonly [name: string, depth: number])[] = [['', 0]];
  for (let group = groups.pop(); group !== undefined; group = groups.pop()) {
    const [parent, depth] = group;
    if (depth > mostDepth)
      throw broken(path, `expected groups at most ${mostDepth} deep; is ${preview(parent)} a ring?`);
    for (const child of library.get_names(file, parent === '' ? '/' : parent, false)) {
      const name = `${parent}/${child}`;
      // Links are looked at before anything that would follow them.
      const outside = library.get_external_link(file, name).filename as string | undefined;
      if (outside !== undefined)
        throw broken(path, `${preview(name)} is a link to another file, ${preview(outside)}: refused`);
      if ((library.get_symbolic_link(file, name) as string | null) !== null)
        throw broken(path, `${preview(name)} is a symbolic link: refused`);
      const address = library.create_object_reference(file, name).join();
      if (addresses.has(address))
        throw broken(path, `${preview(name)} is a second name of a group or dataset: refused`);
      if (addresses.add(address).size > mostObjects)
        throw broken(path, `expected at most ${mostObjects} groups and datasets`);
      const type = library.get_type(file, name);
      if (type === library.H5G_GROUP) groups.push([name, depth + 1]);
      else if (type === library.H5G_DATASET) {
        const dataset = describe(library, file, name, source);
        total += count(dataset.shape) * storedBytes[dataset.dtype];
        if (total > size) throw broken(path, `its datasets hold more than the file's ${size} bytes`);
        datasets.push(dataset);
      } else throw broken(path, `${preview(name)} is neither a group nor a dataset`);
    }
  }
  return datasets;
};

/** Reads a range of elements into the library's memory, block by block, and copies it out. */
const readElements = (
  library: Hdf5,
  file: bigint,
  path: string,
  { name, dtype, shape }: Dataset,
  from: number,
  to: number,
): Uint8Array => {
  const size = storedBytes[dtype];
  const target = new Uint8Array((to - from) * size);
  let filled = 0;
  for (const slab of slabs(shape, from, to)) {
    const bytes = count(slab.count) * size;
    const at = library._malloc(bytes);
    if (at === 0)
      throw toPresetError(weightsError('InputOutput', path, `no memory to read ${bytes} bytes of ${preview(name)}`));
    try {
      const [counts, offsets] = [slab.count.map(BigInt), slab.offset.map(BigInt)];
      const status =
        shape.length === 0
          ? library.get_dataset_data(file, name, null, null, null, BigInt(at))
          : library.get_dataset_data(
              file,
              name,
              counts,
              offsets,
              shape.map(() => 1n),
              BigInt(at),
            );
      if (status < 0) throw broken(path, `dataset ${preview(name)} cannot be read`);
      target.set(library.HEAPU8.subarray(at, at + bytes), filled);
      filled += bytes;
    } finally {
      library._free(at);
    }
  }
  return target;
};

/** What is wrong with the first bytes, if they are not those of an HDF5 file. */
const checkSignature = async (file: OpenFile): Promise<E.Either<WeightsError, void>> => {
  const start = Buffer.from(await file.read(0, Math.min(file.size, signature.length))).toString('latin1');
  if (start === signature) return E.right(undefined);
  return start === 'version '
    ? fail('BrokenFile', file.path, 'expected an HDF5 file, got a Git LFS pointer (run "git lfs pull")')
    : fail('BrokenFile', file.path, `expected an HDF5 file, it begins with ${JSON.stringify(start)}`);
};

/** Shows an open file to the library and lists it. @throws {PresetError} If it is damaged. */
const readFile = async (file: OpenFile): Promise<Checkpoint> => {
  const { path } = file;
  const library = await hdf5();
  const exposed = expose(library, file);
  let id = -1n;
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    if (id >= 0n && !trapped) library.close_file(id);
    exposed.remove();
    await file.close();
  };
  const stored = (dataset: Dataset): StoredTensor => {
    const { dtype, shape } = dataset;
    const name = dataset.name.slice(1);
    const size = storedBytes[dtype];
    const byteLength = count(shape) * size;
    return {
      name,
      dtype,
      shape,
      byteLength,
      read: async (start, end) => {
        checkRange(name, byteLength, start, end);
        if (start % size !== 0 || end % size !== 0)
          throw new ArgumentError(`read of ${name}: expected whole elements of ${size} bytes, got ${start} to ${end}`);
        if (closed) throw toPresetError(weightsError('InputOutput', path, 'the checkpoint is closed'));
        return guarded(path, () => readElements(library, id, path, dataset, start / size, end / size));
      },
    };
  };
  try {
    const tensors = guarded(path, () => {
      id = library.open(exposed.path, library.H5F_ACC_RDONLY, false, -1, -1);
      if (id < 0n) throw broken(path, 'a damaged or truncated HDF5 file');
      return listDatasets(library, id, file).map(stored);
    });
    return { tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), close };
  } catch (error) {
    await close();
    throw error;
  }
};

/**
 * Opens a Keras weights file. Tensors have their HDF5 path, without the slash in front, as name:
 * `layers/transformer_decoder/_self_attention_layer/query_dense/vars/0`. Data is read only where it is asked for.
 *
 * @param path - A *.weights.h5 file.
 */
export const openH5 = (path: string): TE.TaskEither<WeightsError, Checkpoint> =>
  openWith(path, async (file) => {
    const signed = await checkSignature(file);
    return E.isLeft(signed) ? signed : E.right(await readFile(file));
  });
