import { preview } from '../models/configReader.ts';
import { ArgumentError } from '../tensor/errors.ts';
import { count, formatShape, type Shape } from '../tensor/shape.ts';
import { type StoredDType, storedBytes } from './checkpoint.ts';
import { toPresetError } from './errors.ts';
import { undefinedAddress } from './hdf5Bytes.ts';

// HDF5 of the oldest kind, as h5py writes it for Keras: superblock 0, groups as symbol tables, contiguous data, texts of
// attributes in global heaps. Sections II to IV of the HDF5 File Format Specification, version 3.0
// (https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html).

/** Texts beside a group or dataset, by name. */
export type H5Attributes = Readonly<Record<string, string>>;

/** Numbers to be written, row-major and little-endian, at once or in pieces. */
export interface H5Dataset {
  readonly dtype: StoredDType;
  readonly shape: Shape;
  /** As many bytes as dtype and shape say; a function is called when its turn comes. */
  readonly data: Uint8Array | (() => AsyncIterable<Uint8Array>);
  /** Default: none; bfloat16 has its mark besides. */
  readonly attributes?: H5Attributes | undefined;
}

/** Groups and datasets by name, in any order. */
export interface H5Group {
  /** By name, without slashes. */
  readonly members: ReadonlyMap<string, H5Group | H5Dataset>;
  /** Default: none. */
  readonly attributes?: H5Attributes | undefined;
}

const superblockBytes = 96;
/** Names of a symbol node, and children of a tree node: the library's own sizes. */
const symbols = 8;
const children = 32;
const symbolNodeBytes = 8 + 40 * symbols;
const treeNodeBytes = 24 + 16 * children + 8;
const collectionBytes = 4096;
const mostNameBytes = 1023;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

const align = (bytes: number): number => Math.ceil(bytes / 8) * 8;

const padded = (bytes: Uint8Array): Uint8Array => {
  const result = new Uint8Array(align(bytes.length));
  result.set(bytes);
  return result;
};

const joined = (parts: readonly Uint8Array[]): Uint8Array => {
  const result = new Uint8Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
};

/** Little-endian numbers, each in so many bytes. */
const packed = (...fields: readonly (readonly [value: number | bigint, bytes: 1 | 2 | 4 | 8])[]): Uint8Array => {
  const view = new DataView(new ArrayBuffer(fields.reduce((total, [, bytes]) => total + bytes, 0)));
  let at = 0;
  for (const [value, bytes] of fields) {
    if (bytes === 8) view.setBigUint64(at, BigInt(value), true);
    else if (bytes === 4) view.setUint32(at, Number(value), true);
    else if (bytes === 2) view.setUint16(at, Number(value), true);
    else view.setUint8(at, Number(value));
    at += bytes;
  }
  return new Uint8Array(view.buffer);
};

/** A text as UTF-8, if it can be that: half a surrogate pair cannot. */
const utf8 = (what: string, text: string): Uint8Array => {
  const bytes = encoder.encode(text);
  if (decoder.decode(bytes) !== text)
    throw new ArgumentError(`writeHdf5: expected ${what} of UTF-8, got ${preview(text)}`);
  return bytes;
};

/** A name as the file holds it: UTF-8 and a zero. */
const nameBytes = (what: string, name: string): Uint8Array => {
  const bytes = utf8(what, name);
  if (name === '' || name === '.' || /[/\0]/.test(name) || bytes.length > mostNameBytes)
    throw new ArgumentError(
      `writeHdf5: expected ${what} of 1 to ${mostNameBytes} bytes without "/", got ${preview(name)}`,
    );
  return joined([bytes, Uint8Array.of(0)]);
};

const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
};

/** The datatype message of numbers; bfloat16 is two bytes of unknown meaning, as Keras writes it. */
const numberType = (path: string, dtype: StoredDType): Uint8Array => {
  const size = storedBytes[dtype];
  const float = (exponentAt: number, exponentBits: number, bias: number): Uint8Array =>
    packed(
      ...([0x11, 0x20, 8 * size - 1, 0] as const).map((byte) => [byte, 1] as const),
      ...([
        [size, 4],
        [0, 2],
        [8 * size, 2],
        [exponentAt, 1],
        [exponentBits, 1],
        [0, 1],
        [exponentAt, 1],
        [bias, 4],
      ] as const),
    );
  const integer = (signed: boolean): Uint8Array =>
    packed([0x10, 1], [signed ? 8 : 0, 1], [0, 2], [size, 4], [0, 2], [8 * size, 2]);
  switch (dtype) {
    case 'float16':
      return float(10, 5, 15);
    case 'float32':
      return float(23, 8, 127);
    case 'float64':
      return float(52, 11, 1023);
    case 'bfloat16':
      return packed([0x15, 4], [size, 4]);
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      return integer(true);
    case 'uint8':
    case 'uint16':
    case 'uint32':
    case 'uint64':
      return integer(false);
    default:
      throw new ArgumentError(`writeHdf5: expected a dtype that HDF5 has for ${preview(path)}, got ${dtype}`);
  }
};

/** The datatype of a text of any length: UTF-8, of one-byte characters. */
const textType = packed([0x19, 1], [1, 1], [1, 1], [0, 1], [16, 4], [0x10, 4], [1, 4], [0, 2], [8, 2]);

const dataspace = (shape: Shape): Uint8Array =>
  packed([1, 1], [shape.length, 1], [0, 2], [0, 4], ...shape.map((size) => [size, 8] as const));

const messages = { dataspace: 1, datatype: 3, fillValue: 5, layout: 8, attribute: 12, symbolTable: 17 } as const;

const message = (type: number, body: Uint8Array, flags = 0): Uint8Array =>
  joined([packed([type, 2], [align(body.length), 2], [flags, 4]), padded(body)]);

/** A text's place in the file: its collection and its number there. */
interface TextPlace {
  readonly length: number;
  readonly collection: number;
  readonly index: number;
}

const attributeMessage = (name: string, { length, collection, index }: TextPlace): Uint8Array => {
  const own = nameBytes('an attribute name', name);
  const scalar = dataspace([]);
  return message(
    messages.attribute,
    joined([
      packed([1, 2], [own.length, 2], [textType.length, 2], [scalar.length, 2]),
      padded(own),
      padded(textType),
      scalar,
      packed([length, 4], [collection, 8], [index, 4]),
    ]),
  );
};

const objectHeader = (own: readonly Uint8Array[]): Uint8Array => {
  const body = joined(own);
  return joined([packed([1, 2], [own.length, 2], [1, 4], [body.length, 4], [0, 4]), body]);
};

/** Everything of the file but the data: bytes with their addresses. */
type Block = readonly [at: number, bytes: Uint8Array];

interface Member {
  readonly name: Uint8Array;
  readonly object: PlacedGroup | PlacedDataset;
}

interface PlacedDataset {
  readonly kind: 'dataset';
  readonly path: string;
  readonly dataset: H5Dataset;
  readonly texts: readonly (readonly [name: string, place: TextPlace])[];
  readonly header: number;
}

interface PlacedGroup {
  readonly kind: 'group';
  readonly texts: readonly (readonly [name: string, place: TextPlace])[];
  readonly header: number;
  /** In the order of their bytes. */
  readonly members: readonly Member[];
  readonly heap: number;
  /** First address of the symbol nodes, then of each level of the tree above them. */
  readonly levels: readonly { readonly at: number; readonly length: number }[];
}

/** Texts packed into collections: what comes out is read when all have been put in. */
const textHeaps = (first: number) => {
  const collections: { at: number; size: number; used: number; parts: Uint8Array[] }[] = [];
  let end = first;
  return {
    put: (text: string): TextPlace => {
      const bytes = utf8('the text of an attribute', text);
      const size = 16 + align(bytes.length);
      let last = collections.at(-1);
      // Room for the object that says how much is free is kept at the end.
      if (last === undefined || last.used + size + 16 > last.size) {
        last = { at: end, size: Math.max(collectionBytes, 16 + size + 16), used: 16, parts: [] };
        collections.push(last);
        end += last.size;
      }
      const index = last.parts.length + 1;
      last.parts.push(joined([packed([index, 2], [0, 2], [0, 4], [bytes.length, 8]), padded(bytes)]));
      last.used += size;
      return { length: bytes.length, collection: last.at, index };
    },
    blocks: (): readonly Block[] =>
      collections.map(({ at, size, used, parts }) => [
        at,
        joined([
          encoder.encode('GCOL'),
          packed([1, 4], [size, 8]),
          ...parts,
          packed([0, 8], [size - used, 8]),
          new Uint8Array(size - used - 16),
        ]),
      ]),
    end: () => end,
  };
};

const datasetHeader = ({ path, dataset, texts }: PlacedDataset, at: number): Uint8Array => {
  const { dtype, shape } = dataset;
  const bytes = count(shape) * storedBytes[dtype];
  return objectHeader([
    message(messages.dataspace, dataspace(shape)),
    message(messages.datatype, numberType(path, dtype), 1),
    // Space is taken late, fill values are written if set: none is.
    message(messages.fillValue, packed([2, 1], [2, 1], [2, 1], [0, 1]), 1),
    message(messages.layout, packed([3, 1], [1, 1], [bytes === 0 ? undefinedAddress : at, 8], [bytes, 8])),
    ...texts.map(([name, place]) => attributeMessage(name, place)),
  ]);
};

const groupHeader = ({ texts }: Pick<PlacedGroup, 'texts'>, tree: number, heap: number): Uint8Array =>
  objectHeader([
    message(messages.symbolTable, packed([tree, 8], [heap, 8])),
    ...texts.map(([name, place]) => attributeMessage(name, place)),
  ]);

/** The first tree node: that of the highest level. */
const treeOf = ({ levels }: PlacedGroup): number => levels.at(-1)!.at;

/** A group's names: where each begins among them, and the bytes. The empty name comes first. */
const namesOf = (members: readonly Member[]): { readonly offsets: readonly number[]; readonly bytes: Uint8Array } => {
  const offsets: number[] = [];
  let end = 8;
  for (const { name } of members) {
    offsets.push(end);
    end += align(name.length);
  }
  return { offsets, bytes: joined([new Uint8Array(8), ...members.map(({ name }) => padded(name))]) };
};

const symbolEntry = (nameAt: number, object: PlacedGroup | PlacedDataset): Uint8Array =>
  object.kind === 'group'
    ? packed([nameAt, 8], [object.header, 8], [1, 8], [treeOf(object), 8], [object.heap, 8])
    : packed([nameAt, 8], [object.header, 8], [0, 8], [0, 8], [0, 8]);

/** A group's header, names, symbol nodes and tree. */
const groupBlocks = (group: PlacedGroup): readonly Block[] => {
  const { header, heap, members, levels } = group;
  const names = namesOf(members);
  const [leaves, ...nodes] = levels as readonly [PlacedGroup['levels'][number], ...PlacedGroup['levels']];
  const blocks: Block[] = [
    [header, groupHeader(group, treeOf(group), heap)],
    // 1: no part of the names is free.
    [
      heap,
      joined([encoder.encode('HEAP'), packed([0, 4], [names.bytes.length, 8], [1, 8], [heap + 32, 8]), names.bytes]),
    ],
  ];
  for (let i = 0; i < leaves.length; i++) {
    const own = members.slice(symbols * i, symbols * (i + 1));
    blocks.push([
      leaves.at + symbolNodeBytes * i,
      joined([
        encoder.encode('SNOD'),
        packed([1, 2], [own.length, 2]),
        ...own.map(({ object }, j) => symbolEntry(names.offsets[symbols * i + j]!, object)),
      ]),
    ]);
  }
  let below = leaves;
  let belowBytes = symbolNodeBytes;
  // How many names a child of this level covers.
  let covered = symbols;
  for (const [level, { at, length }] of nodes.entries()) {
    const neighbour = (i: number): number | bigint =>
      i < 0 || i >= length ? undefinedAddress : at + treeNodeBytes * i;
    for (let i = 0; i < length; i++) {
      const first = children * i;
      const used = Math.min(children, below.length - first);
      // Keys and children take turns: each key is the last name before it.
      const key = (child: number): number =>
        child === 0 ? 0 : names.offsets[Math.min(covered * child, members.length) - 1]!;
      blocks.push([
        at + treeNodeBytes * i,
        joined([
          encoder.encode('TREE'),
          packed([0, 1], [level, 1], [used, 2], [neighbour(i - 1), 8], [neighbour(i + 1), 8]),
          packed(
            ...Array.from({ length: used }, (_, j) => first + j).flatMap(
              (child) =>
                [
                  [key(child), 8],
                  [below.at + belowBytes * child, 8],
                ] as const,
            ),
            [key(first + used), 8],
          ),
        ]),
      ]);
    }
    below = { at, length };
    belowBytes = treeNodeBytes;
    covered *= children;
  }
  return blocks;
};

const isGroup = (node: H5Group | H5Dataset): node is H5Group => 'members' in node;

/**
 * The pieces of an HDF5 file that h5py and Keras read: first all structures, then each dataset's data as it comes. What
 * is held in memory is the structures, some hundred bytes an object, and one piece of data.
 *
 * bfloat16 data is marked with the attribute `dtype`, as Keras does. The same tree gives the same bytes.
 *
 * @param root - Members of the root group, and its attributes.
 * @throws {ArgumentError} By rejection, before the first piece: a name that HDF5 cannot have, or a dtype.
 * @throws {PresetError} By rejection, if a dataset's data has another length than its shape says.
 */
export async function* writeHdf5(root: H5Group): AsyncGenerator<Uint8Array, void, undefined> {
  const heaps = textHeaps(superblockBytes);
  type Texts = PlacedGroup['texts'];
  const textsOf = (attributes: H5Attributes = {}): Texts =>
    Object.entries(attributes).map(([name, text]) => [name, heaps.put(text)] as const);

  // Texts first, so that all other addresses come after theirs.
  const texts = new Map<H5Group | H5Dataset, Texts>();
  const collect = (node: H5Group | H5Dataset): void => {
    texts.set(
      node,
      textsOf(
        !isGroup(node) && node.dtype === 'bfloat16' ? { dtype: 'bfloat16', ...node.attributes } : node.attributes,
      ),
    );
    if (isGroup(node)) for (const member of node.members.values()) collect(member);
  };
  collect(root);

  let end = heaps.end();
  const take = (bytes: number): number => {
    const at = end;
    end += align(bytes);
    return at;
  };
  const groups: PlacedGroup[] = [];
  const datasets: PlacedDataset[] = [];
  const place = (node: H5Group | H5Dataset, path: string): PlacedGroup | PlacedDataset => {
    const own = texts.get(node)!;
    if (!isGroup(node)) {
      const header = datasetHeader({ kind: 'dataset', path, dataset: node, texts: own, header: 0 }, 0).length;
      const placed: PlacedDataset = { kind: 'dataset', path, dataset: node, texts: own, header: take(header) };
      datasets.push(placed);
      return placed;
    }
    const header = take(groupHeader({ texts: own }, 0, 0).length);
    const named = [...node.members]
      .map(([name, member]) => ({ name: nameBytes(`a name in ${preview(path)}`, name), text: name, member }))
      .sort((a, b) => compareBytes(a.name, b.name));
    const levels: { at: number; length: number }[] = [];
    for (let length = Math.ceil(named.length / symbols), level = 0; ; length = Math.ceil(length / children), level++) {
      const nodes = level === 0 ? length : Math.max(1, length);
      levels.push({ at: take(nodes * (level === 0 ? symbolNodeBytes : treeNodeBytes)), length: nodes });
      if (level > 0 && nodes === 1) break;
    }
    const heap = take(32 + 8 + named.reduce((total, { name }) => total + align(name.length), 0));
    const placed: PlacedGroup = {
      kind: 'group',
      texts: own,
      header,
      heap,
      levels,
      members: named.map(({ name, text, member }) => ({ name, object: place(member, `${path}/${text}`) })),
    };
    groups.push(placed);
    return placed;
  };
  const top = place(root, '') as PlacedGroup;

  const structures = end;
  const data = datasets.map((placed) => {
    const { dtype, shape } = placed.dataset;
    const bytes = count(shape) * storedBytes[dtype];
    return { placed, bytes, at: take(bytes) };
  });

  const metadata = new Uint8Array(structures);
  const blocks: readonly Block[] = [
    [
      0,
      joined([
        Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a),
        packed([0, 4], [0, 1], [8, 1], [8, 1], [0, 1], [symbols / 2, 2], [children / 2, 2], [0, 4]),
        packed([0, 8], [undefinedAddress, 8], [end, 8], [undefinedAddress, 8]),
        symbolEntry(0, top),
      ]),
    ],
    ...heaps.blocks(),
    ...groups.flatMap(groupBlocks),
    ...data.map(({ placed, at }): Block => [placed.header, datasetHeader(placed, at)]),
  ];
  for (const [at, bytes] of blocks) metadata.set(bytes, at);
  yield metadata;

  for (const { placed, bytes } of data) {
    const { path, dataset } = placed;
    let written = 0;
    for await (const piece of dataset.data instanceof Uint8Array ? [dataset.data] : dataset.data()) {
      written += piece.length;
      if (written > bytes) break;
      yield piece;
    }
    if (written !== bytes)
      throw toPresetError({
        _tag: 'WrongTensors',
        message: `dataset ${preview(path)}: expected ${bytes} bytes for ${dataset.dtype} ${formatShape(dataset.shape)}, got ${written}${written > bytes ? ' or more' : ''}`,
      });
    if (align(bytes) > bytes) yield new Uint8Array(align(bytes) - bytes);
  }
}

/**
 * A tree of groups from datasets and attributes by path, such as `layers/dense/vars/0`.
 *
 * @param datasets - Paths without a slash in front.
 * @param attributes - Of groups, by path; a group that has no datasets is made, too. The root's path is `''`.
 * @throws {ArgumentError} If a path is given twice, or leads through a dataset.
 */
export const h5Tree = (
  datasets: Iterable<readonly [path: string, dataset: H5Dataset]>,
  attributes: Iterable<readonly [path: string, attributes: H5Attributes]> = [],
): H5Group => {
  type Branch = { readonly members: Map<string, Branch | H5Dataset>; attributes?: H5Attributes };
  const root: Branch = { members: new Map() };
  const branchAt = (path: string, steps: readonly string[]): Branch => {
    let branch = root;
    for (const step of steps) {
      const known = branch.members.get(step);
      if (known !== undefined && !isGroup(known))
        throw new ArgumentError(
          `h5Tree: expected groups on the way to ${preview(path)}, got a dataset at ${preview(step)}`,
        );
      const next: Branch = (known as Branch | undefined) ?? { members: new Map() };
      branch.members.set(step, next);
      branch = next;
    }
    return branch;
  };
  for (const [path, own] of attributes) branchAt(path, path === '' ? [] : path.split('/')).attributes = own;
  for (const [path, dataset] of datasets) {
    const steps = path.split('/');
    const { members } = branchAt(path, steps.slice(0, -1));
    if (members.has(steps.at(-1)!))
      throw new ArgumentError(`h5Tree: expected each path once, got ${preview(path)} twice`);
    members.set(steps.at(-1)!, dataset);
  }
  return root;
};
