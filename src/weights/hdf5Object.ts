import { preview } from '../models/configReader.ts';
import { count, formatShape, type Shape } from '../tensor/shape.ts';
import { type StoredDType, storedBytes } from './checkpoint.ts';
import {
  type Block,
  broken,
  foreign,
  part,
  type StructureReader,
  signatureOf,
  u64,
  undefinedAddress,
} from './hdf5Bytes.ts';

// Object headers of version 1 and the messages in them: sections IV.A.1.a and IV.A.2 of the HDF5 File Format
// Specification, version 3.0 (https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html).

const messageTypes = {
  dataspace: 0x01,
  linkInfo: 0x02,
  datatype: 0x03,
  link: 0x06,
  externalFiles: 0x07,
  layout: 0x08,
  groupInfo: 0x0a,
  filters: 0x0b,
  attribute: 0x0c,
  continuation: 0x10,
  symbolTable: 0x11,
} as const;

/** The largest piece of an object header: attributes are at most 64 KiB each. */
const mostHeaderBytes = 2 ** 20;

const mostAxes = 32;

interface Message {
  readonly type: number;
  readonly shared: boolean;
  readonly body: Block;
}

/** A group of the old kind: its names are in a tree and a heap. */
export interface Group {
  readonly kind: 'group';
  readonly tree: number;
  readonly heap: number;
}

/** A dataset whose bytes lie one after the other in this file. */
export interface Dataset {
  readonly kind: 'dataset';
  readonly dtype: StoredDType;
  readonly shape: Shape;
  /** The first byte; 0 where there are none. */
  readonly at: number;
  readonly byteLength: number;
}

const readMessages = async (reader: StructureReader, name: string, address: number): Promise<readonly Message[]> => {
  const what = `the header of ${preview(name)}`;
  const start = await reader.block(what, address, 16);
  if (signatureOf(start) === 'OHDR') throw foreign(reader.path, `${what} is of a newer kind`);
  if (start.view.getUint8(0) !== 1)
    throw broken(reader.path, `${what}: expected version 1, got ${start.view.getUint8(0)}`);
  const expected = start.view.getUint16(2, true);
  const messages: Message[] = [];
  const chunks: (readonly [at: number, length: number])[] = [[address + 16, start.view.getUint32(8, true)]];
  for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
    const [at, length] = chunk;
    if (length > mostHeaderBytes) throw broken(reader.path, `${what}: a piece of ${length} bytes`);
    const block = await reader.block(what, at, length);
    let offset = 0;
    while (offset + 8 <= length && messages.length < expected) {
      const size = block.view.getUint16(offset + 2, true);
      if (offset + 8 + size > length) throw broken(reader.path, `${what}: a message reaches beyond it`);
      const body = part(block, offset + 8, size);
      const type = block.view.getUint16(offset, true);
      messages.push({ type, shared: (block.view.getUint8(offset + 4) & 2) !== 0, body });
      if (type === messageTypes.continuation) {
        if (size < 16) throw broken(reader.path, `${what}: a continuation of ${size} bytes`);
        chunks.push([u64(body.view, 0), u64(body.view, 8)]);
      }
      offset += 8 + size;
    }
  }
  return messages;
};

/** The one message of a type, if there is one; it must have at least so many bytes. */
const only = (
  reader: StructureReader,
  name: string,
  messages: readonly Message[],
  type: number,
  least: number,
): Block | undefined => {
  const [first, second] = messages.filter((message) => message.type === type);
  if (first === undefined) return undefined;
  if (second !== undefined || first.shared || first.body.view.byteLength < least)
    throw broken(reader.path, `${preview(name)}: expected one message of type ${type} with ${least} bytes or more`);
  return first.body;
};

/** The sizes of a dataspace, or undefined if it is none that a tensor has. */
const parseShape = ({ view }: Block): Shape | undefined => {
  const version = view.getUint8(0);
  const rank = view.getUint8(1);
  const start = version === 1 ? 8 : 4;
  const isArray = version === 1 || (version === 2 && view.getUint8(3) <= 1);
  if (!isArray || rank > mostAxes || start + 8 * rank > view.byteLength) return undefined;
  const shape = Array.from({ length: rank }, (_, axis) => u64(view, start + 8 * axis));
  return shape.every(Number.isSafeInteger) ? shape : undefined;
};

// Exponent's place and width, mantissa's place and width, bias.
const floats: ReadonlyMap<string, StoredDType> = new Map([
  ['2: 10 5 0 10 15', 'float16'],
  ['2: 7 8 0 7 127', 'bfloat16'],
  ['4: 23 8 0 23 127', 'float32'],
  ['8: 52 11 0 52 1023', 'float64'],
]);

const integers: ReadonlyMap<number, readonly [unsigned: StoredDType, signed: StoredDType]> = new Map([
  [1, ['uint8', 'int8']],
  [2, ['uint16', 'int16']],
  [4, ['uint32', 'int32']],
  [8, ['uint64', 'int64']],
]);

const classes = { integer: 0, float: 1, string: 3, opaque: 5, variableLength: 9 } as const;

/** A little-endian number type, or `opaque` for two bytes of unknown meaning; undefined for all others. */
const parseDType = ({ view }: Block): StoredDType | 'opaque' | undefined => {
  const kind = view.getUint8(0) & 15;
  const bits = view.getUint8(1);
  const size = view.getUint32(4, true);
  if (kind === classes.opaque) return size === 2 ? 'opaque' : undefined;
  const bigEndian = (bits & 1) !== 0 || (kind === classes.float && (bits & 0x40) !== 0);
  const fills =
    view.byteLength >= 12 && view.getUint16(8, true) === 0 && view.getUint16(10, true) === 8 * size && !bigEndian;
  if (kind === classes.integer && fills) return integers.get(size)?.[(bits & 8) === 0 ? 0 : 1];
  if (kind !== classes.float || !fills || view.byteLength < 20) return undefined;
  const places = [12, 13, 14, 15].map((at) => view.getUint8(at)).join(' ');
  return floats.get(`${size}: ${places} ${view.getUint32(16, true)}`);
};

/**
 * Whether an attribute is `dtype` = "bfloat16", Keras's mark. A text of variable length lies elsewhere in the file and
 * only its length is looked at: bfloat16 is the one dtype that Keras marks.
 */
const marksBfloat16 = ({ view }: Block): boolean => {
  const version = view.getUint8(0);
  const round = (length: number): number => (version === 1 ? Math.ceil(length / 8) * 8 : length);
  const [nameLength, typeLength, spaceLength] = [2, 4, 6].map((at) => view.getUint16(at, true)) as [
    number,
    number,
    number,
  ];
  const nameAt = version === 3 ? 9 : 8;
  const typeAt = nameAt + round(nameLength);
  const valueAt = typeAt + round(typeLength) + round(spaceLength);
  const text = (at: number, length: number): string =>
    String.fromCharCode(...Array.from({ length }, (_, i) => view.getUint8(at + i)));
  if (typeLength < 8 || valueAt + 4 > view.byteLength || text(nameAt, Math.min(nameLength, 6)) !== 'dtype\0')
    return false;
  const kind = view.getUint8(typeAt) & 15;
  if (kind === classes.variableLength) return view.getUint32(valueAt, true) === 'bfloat16'.length;
  const size = view.getUint32(typeAt + 4, true);
  if (kind !== classes.string || size > 64 || valueAt + size > view.byteLength) return false;
  return text(valueAt, size).replace(/\0.*$/s, '') === 'bfloat16';
};

/** Where a dataset's bytes lie, by the message that says so. */
const parseLayout = (reader: StructureReader, name: string, { at, view }: Block): { at: bigint; bytes: number } => {
  const [version, kind] = [view.getUint8(0), view.getUint8(1)];
  if (version === 3 && kind === 1 && view.byteLength >= 18)
    return { at: view.getBigUint64(2, true), bytes: u64(view, 10) };
  if (version === 3 && kind === 0 && view.getUint16(2, true) <= view.byteLength - 4)
    return { at: BigInt(at + 4), bytes: view.getUint16(2, true) };
  throw foreign(reader.path, `dataset ${preview(name)} is not contiguous (chunked, compressed or virtual)`);
};

const parseDataset = (reader: StructureReader, name: string, messages: readonly Message[], layout: Block): Dataset => {
  const { path, size } = reader;
  const space = only(reader, name, messages, messageTypes.dataspace, 4);
  const type = only(reader, name, messages, messageTypes.datatype, 8);
  const shape = space && parseShape(space);
  const stored = type && parseDType(type);
  const marked = messages.some(
    (message) =>
      message.type === messageTypes.attribute && message.body.view.byteLength >= 8 && marksBfloat16(message.body),
  );
  const dtype = stored === 'opaque' ? (marked ? 'bfloat16' : undefined) : stored;
  if (dtype === undefined || shape === undefined)
    throw broken(
      path,
      `dataset ${preview(name)}: expected little-endian numbers (bfloat16 as two bytes with the attribute "dtype")`,
    );
  if (messages.some(({ type: other }) => other === messageTypes.externalFiles))
    throw broken(path, `dataset ${preview(name)} has its data in another file: refused`);
  if (messages.some(({ type: other }) => other === messageTypes.filters))
    throw foreign(path, `dataset ${preview(name)} is compressed`);
  const byteLength = count(shape) * storedBytes[dtype];
  const { at, bytes } = parseLayout(reader, name, layout);
  if (byteLength === 0) return { kind: 'dataset', dtype, shape, at: 0, byteLength };
  const said = `dataset ${preview(name)}: ${dtype} ${formatShape(shape)}`;
  if (at === undefinedAddress) throw broken(path, `${said} was never written`);
  if (bytes !== byteLength) throw broken(path, `${said} is ${byteLength} bytes, but ${bytes} are stored`);
  if (!(Number(at) + byteLength <= size))
    throw broken(path, `${said} reaches to byte ${Number(at) + byteLength}, but the file has ${size}; is it whole?`);
  return { kind: 'dataset', dtype, shape, at: Number(at), byteLength };
};

/**
 * Reads the object whose header is at an address.
 *
 * @param name - Its path in the file, for messages.
 * @throws {PresetError} If it is neither a group nor a dataset of plain numbers, as Keras writes them.
 */
export const readObject = async (reader: StructureReader, name: string, address: number): Promise<Group | Dataset> => {
  const messages = await readMessages(reader, name, address);
  const table = only(reader, name, messages, messageTypes.symbolTable, 16);
  const layout = only(reader, name, messages, messageTypes.layout, 4);
  if (layout !== undefined && table === undefined) return parseDataset(reader, name, messages, layout);
  if (table !== undefined && layout === undefined)
    return { kind: 'group', tree: u64(table.view, 0), heap: u64(table.view, 8) };
  const newer: readonly number[] = [messageTypes.linkInfo, messageTypes.link, messageTypes.groupInfo];
  if (layout === undefined && messages.some(({ type }) => newer.includes(type)))
    throw foreign(reader.path, `group ${preview(name)} is of a newer kind, which may hold links to other files`);
  throw broken(reader.path, `${preview(name)} is neither a group nor a dataset`);
};
