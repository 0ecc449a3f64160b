import * as E from 'fp-ts/lib/Either.js';
import type * as TE from 'fp-ts/lib/TaskEither.js';
import { isJsonObject, preview } from '../models/configReader.ts';
import { headerLimits, parseJsonText } from '../models/jsonText.ts';
import { count, formatShape, type Shape } from '../tensor/shape.ts';
import { type Checkpoint, checkRange, type StoredDType, type StoredTensor, storedBytes } from './checkpoint.ts';
import { fail, toPresetError, type WeightsError, weightsError } from './errors.ts';
import { type Content, decodeText, type OpenFile, openWith, writeAtomically } from './files.ts';
import { ambiguity, field } from './json.ts';

// The format: eight bytes with the header's length N, N bytes of JSON (padded with spaces), then the data.
// https://github.com/huggingface/safetensors#format

const lengthBytes = 8;

/** The largest header that is read: 32 MiB, for 100,000 tensors. The format allows 100 MB. */
const mostHeaderBytes = headerLimits.length;

const mostAxes = 64;

const dtypeNames: ReadonlyMap<unknown, StoredDType> = new Map([
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I32', 'int32'],
  ['BOOL', 'bool'],
  ['F64', 'float64'],
  ['F8_E4M3', 'float8'],
  ['F8_E5M2', 'float8'],
  ['F8_E8M0', 'float8'],
  ['I8', 'int8'],
  ['I16', 'int16'],
  ['I64', 'int64'],
  ['U8', 'uint8'],
  ['U16', 'uint16'],
  ['U32', 'uint32'],
  ['U64', 'uint64'],
  ['C64', 'complex64'],
]);

interface HeaderEntry {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: Shape;
  /** Where the bytes lie, counted from the end of the header. */
  readonly start: number;
  readonly end: number;
}

const entryFields: readonly string[] = ['dtype', 'shape', 'data_offsets'];

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** The product of the sizes times the element's bytes, or undefined where it is no safe integer on the way. */
const byteLength = (shape: Shape, dtype: StoredDType): number | undefined => {
  let bytes = storedBytes[dtype];
  for (const size of shape) {
    bytes *= size;
    if (!Number.isSafeInteger(bytes)) return undefined;
  }
  return bytes;
};

/** Reads one entry of the header, or says what is wrong with it. */
const parseEntry = (name: string, value: unknown, dataBytes: number): HeaderEntry | string => {
  const unknown = isJsonObject(value) ? Object.keys(value).find((key) => !entryFields.includes(key)) : undefined;
  if (unknown !== undefined) return `expected ${entryFields.join(', ')} and no more, got ${preview(unknown)}`;
  const dtype = dtypeNames.get(field(value, 'dtype'));
  const shape = field(value, 'shape');
  const offsets = field(value, 'data_offsets');
  if (dtype === undefined)
    return `dtype: expected one of ${[...dtypeNames.keys()].join(', ')}, got ${preview(field(value, 'dtype'))}`;
  if (!Array.isArray(shape) || shape.length > mostAxes || !shape.every(isSize))
    return `shape: expected a list of at most ${mostAxes} whole numbers, got ${preview(shape)}`;
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    return `data_offsets: expected two whole numbers, got ${preview(offsets)}`;
  const [start, end] = offsets as [number, number];
  if (start > end || end > dataBytes)
    return `data_offsets: expected a range within the ${dataBytes} bytes of data, got ${start} to ${end}`;
  const expected = byteLength(shape, dtype);
  if (end - start !== expected)
    return `data_offsets: expected ${expected ?? 'too many'} bytes for ${dtype} ${formatShape(shape)}, got ${end - start}`;
  return { name, dtype, shape, start, end };
};

const badMetadata = (value: unknown): boolean =>
  value !== undefined && !(isJsonObject(value) && Object.values(value).every((text) => typeof text === 'string'));

/**
 * The entries of a header: each is checked alone, and all together must cover the data from its first byte to its last
 * with no overlap and no hole.
 */
const parseHeader = (path: string, text: string, dataBytes: number): E.Either<WeightsError, readonly HeaderEntry[]> => {
  const parsed = parseJsonText(text, headerLimits);
  if (E.isLeft(parsed)) return fail('BrokenFile', path, `the safetensors header: ${parsed.left}`);
  const header = parsed.right;
  if (!isJsonObject(header))
    return fail('BrokenFile', path, `expected the header to be an object, got ${preview(header)}`);
  const ambiguous = ambiguity(text);
  if (ambiguous !== undefined) return fail('BrokenFile', path, `the header has ${ambiguous}`);
  if (badMetadata(field(header, '__metadata__')))
    return fail('BrokenFile', path, 'expected __metadata__ to be an object of strings');

  const entries: HeaderEntry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const entry = parseEntry(name, value, dataBytes);
    if (typeof entry === 'string') return fail('BrokenFile', path, `tensor ${preview(name)}: ${entry}`);
    entries.push(entry);
  }
  let covered = 0;
  for (const { name, start, end } of [...entries].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (start !== covered)
      return fail('BrokenFile', path, `tensor ${preview(name)}: expected its data at byte ${covered}, got ${start}`);
    covered = end;
  }
  return covered === dataBytes
    ? E.right(entries)
    : fail('BrokenFile', path, `expected ${covered} bytes of data, got ${dataBytes}`);
};

const readEntries = async (
  file: OpenFile,
): Promise<E.Either<WeightsError, { readonly entries: readonly HeaderEntry[]; readonly dataStart: number }>> => {
  const { path, size } = file;
  if (size < lengthBytes) return fail('BrokenFile', path, `expected a safetensors file, got ${size} bytes`);
  const start = await file.read(0, lengthBytes);
  if (new TextDecoder().decode(start) === 'version ')
    return fail('BrokenFile', path, 'expected a safetensors file, got a Git LFS pointer (run "git lfs pull")');
  const length = new DataView(start.buffer).getBigUint64(0, true);
  if (length > mostHeaderBytes || length > size - lengthBytes)
    return fail(
      'BrokenFile',
      path,
      `expected a header within the file's ${size} bytes and at most ${mostHeaderBytes}, got one of ${length}; is it a whole safetensors file?`,
    );
  const dataStart = lengthBytes + Number(length);
  const text = decodeText(path, await file.read(lengthBytes, dataStart));
  if (E.isLeft(text)) return text;
  const entries = parseHeader(path, text.right, size - dataStart);
  return E.isLeft(entries) ? entries : E.right({ entries: entries.right, dataStart });
};

/**
 * Opens a safetensors file. The header is read and checked whole, the data only where it is asked for.
 *
 * @param path - The file.
 */
export const openSafetensors = (path: string): TE.TaskEither<WeightsError, Checkpoint> =>
  openWith(path, async (file) => {
    const read = await readEntries(file);
    if (E.isLeft(read)) return read;
    const { entries, dataStart } = read.right;
    const tensors = entries.map(
      ({ name, dtype, shape, start, end }): StoredTensor => ({
        name,
        dtype,
        shape,
        byteLength: end - start,
        read: async (from, to, into) => {
          checkRange(name, end - start, from, to);
          return file.read(dataStart + start + from, dataStart + start + to, into);
        },
      }),
    );
    return E.right({ path, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), close: file.close });
  });

/** A tensor to be written: its bytes, row-major and little-endian, at once or in pieces. */
export interface TensorToWrite {
  /** As the file will say it. */
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: Shape;
  /** All bytes, or a function that gives them in pieces. */
  readonly data: Uint8Array | (() => AsyncIterable<Uint8Array>);
}

const writtenNames = new Map<StoredDType, string>(
  [...dtypeNames].filter(([, dtype]) => dtype !== 'float8').map(([name, dtype]) => [dtype, String(name)]),
);

async function* content(
  header: Uint8Array,
  path: string,
  tensors: readonly TensorToWrite[],
): AsyncGenerator<Uint8Array> {
  yield header;
  for (const { name, dtype, shape, data } of tensors) {
    const expected = count(shape) * storedBytes[dtype];
    let written = 0;
    for await (const bytes of data instanceof Uint8Array ? [data] : data()) {
      written += bytes.length;
      yield bytes;
    }
    if (written !== expected)
      throw toPresetError(
        weightsError('WrongTensors', path, `tensor ${preview(name)}: expected ${expected} bytes, got ${written}`),
      );
  }
}

/**
 * The bytes of a safetensors file. Tensors stand in the order of their element size, largest first, then of their names,
 * so all data is aligned.
 *
 * @param path - The file's name, for messages.
 * @param tensors - In any order.
 * @param metadata - Strings to keep in the header; transformers wants `{ format: 'pt' }`.
 */
export const safetensorsContent = (
  path: string,
  tensors: readonly TensorToWrite[],
  metadata?: Readonly<Record<string, string>>,
): E.Either<WeightsError, Content> => {
  const sorted = [...tensors].sort(
    (a, b) => storedBytes[b.dtype] - storedBytes[a.dtype] || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  const header: [string, unknown][] = metadata === undefined ? [] : [['__metadata__', metadata]];
  const names = new Set(['__metadata__']);
  let offset = 0;
  for (const { name, dtype, shape } of sorted) {
    const stored = writtenNames.get(dtype);
    if (stored === undefined || names.has(name))
      return fail(
        'WrongTensors',
        path,
        `tensor ${preview(name)}: expected a name of its own and a dtype to write, got ${dtype}`,
      );
    names.add(name);
    const end = offset + count(shape) * storedBytes[dtype];
    header.push([name, { dtype: stored, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(lengthBytes + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, lengthBytes);
  return E.right(content(bytes, path, sorted));
};

/**
 * Writes a safetensors file, whole or not at all.
 *
 * @param path - The file; what was there is replaced in the end, or left as it was.
 * @param tensors - In any order.
 * @param metadata - Strings to keep in the header; transformers wants `{ format: 'pt' }`.
 */
export const writeSafetensors = (
  path: string,
  tensors: readonly TensorToWrite[],
  metadata?: Readonly<Record<string, string>>,
): TE.TaskEither<WeightsError, void> => {
  const made = safetensorsContent(path, tensors, metadata);
  return E.isLeft(made) ? async () => made : writeAtomically(path, made.right);
};
