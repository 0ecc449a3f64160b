// Why not protobufjs: 4 MB for one message. No length in a file is trusted: each is held against the bytes there are
// before anything is read or made, and what is kept of a piece is three numbers beside the file's own bytes.

import * as E from 'fp-ts/lib/Either.js';
import { utf8Text } from './bytes.ts';
import { quote } from './errors.ts';

/** What a piece is: sentencepiece_model.proto's numbers. */
export const PieceType = Object.freeze({
  NORMAL: 1,
  UNKNOWN: 2,
  CONTROL: 3,
  USER_DEFINED: 4,
  UNUSED: 5,
  BYTE: 6,
});

/** How a text is segmented: sentencepiece_model.proto's numbers. */
export const ModelType = Object.freeze({ UNIGRAM: 1, BPE: 2, WORD: 3, CHAR: 4 });

/** How a text is rewritten before it is segmented. */
export interface NormalizerSpec {
  /** A double array of rules and the texts they give; empty for none. */
  readonly precompiledCharsmap: Uint8Array;
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
  readonly escapeWhitespaces: boolean;
}

/** What of a SentencePiece model encoding and decoding need. */
export interface SentencePieceProto {
  /** The file; the pieces are parts of it. */
  readonly bytes: Uint8Array;
  /** How many pieces there are; a piece's id is its place. */
  readonly size: number;
  /** Where each piece's UTF-8 begins in `bytes`. */
  readonly starts: Int32Array;
  /** Where it ends. */
  readonly ends: Int32Array;
  readonly scores: Float32Array;
  /** Numbers of `PieceType`. */
  readonly types: Uint8Array;
  /** A number of `ModelType`. */
  readonly modelType: number;
  readonly byteFallback: boolean;
  readonly treatWhitespaceAsSuffix: boolean;
  /** What an unknown id is decoded to. */
  readonly unknownSurface: string;
  readonly normalizer: NormalizerSpec;
  /** How a decoded text is rewritten, where the file says so. */
  readonly denormalizer: NormalizerSpec | undefined;
}

/** A file that is not what it should be: thrown inside this room, a `Left` outside. */
export class MalformedProto extends Error {
  override readonly name = 'MalformedProto';
}

const bad = (message: string): never => {
  throw new MalformedProto(message);
};

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const wireNames: Readonly<Record<number, string>> = {
  [VARINT]: 'a varint',
  [FIXED64]: '8 bytes',
  [BYTES]: 'bytes of a length',
  [FIXED32]: '4 bytes',
};

/** One field of a message. A varint or four bytes are in `value`; bytes are `file[start..end)`. */
interface Field {
  number: number;
  wire: number;
  value: number;
  start: number;
  end: number;
}

/** Calls `visit` for each field of the message `file[start..end)`; the record it gets is always the same one. */
const readFields = (
  file: Uint8Array,
  start: number,
  end: number,
  message: string,
  visit: (field: Field) => void,
): void => {
  let at = start;
  const cutShort = (what: string): never =>
    bad(`expected ${what} of ${message} at byte ${at}, but ${message} ends at byte ${end}; is the file cut short?`);
  const varint = (what: string): number => {
    if (at < end && file[at]! < 0x80) return file[at++]!; // Nearly all are one byte.
    let value = 0;
    for (let shift = 0; shift < 10; shift++) {
      if (at >= end) cutShort(what);
      const byte = file[at++]!;
      // Beyond 2^53 low bits are lost: such a number is too large for every use here.
      value += (byte & 0x7f) * 2 ** (7 * shift);
      if (byte < 0x80) return value;
    }
    return bad(`expected ${what} of ${message} to be a varint of at most 10 bytes, got more before byte ${at}`);
  };

  const field: Field = { number: 0, wire: 0, value: 0, start: 0, end: 0 };
  while (at < end) {
    const begin = at;
    const tag = varint('the next field');
    field.number = Math.floor(tag / 8);
    field.wire = tag % 8;
    if (field.number < 1 || field.number >= 2 ** 29)
      bad(`expected a field of ${message} at byte ${begin}, got the field number ${field.number}`);
    if (field.wire === VARINT) field.value = varint('a number');
    else if (field.wire === BYTES || field.wire === FIXED32 || field.wire === FIXED64) {
      const length = field.wire === BYTES ? varint('a length') : field.wire === FIXED32 ? 4 : 8;
      if (length > end - at)
        bad(
          `expected ${length} bytes of field ${field.number} of ${message} at byte ${at}, got ${end - at}; is the file cut short?`,
        );
      field.start = at;
      at += length;
      field.end = at;
    } else bad(`expected a field of ${message} at byte ${begin}, got wire type ${field.wire}`);
    visit(field);
  }
};

const expectWire = (field: Field, wire: number, name: string): void => {
  if (field.wire !== wire)
    bad(`expected ${name} to be ${wireNames[wire]}, got ${wireNames[field.wire]} before byte ${field.end}`);
};

/** Whether `file[start..end)` is UTF-8, and how it is not. */
const isUtf8 = (file: Uint8Array, start: number, end: number): boolean => {
  let at = start;
  while (at < end) {
    const lead = file[at]!;
    const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length === 0 || at + length > end) return false;
    for (let i = 1; i < length; i++) if ((file[at + i]! & 0xc0) !== 0x80) return false;
    const second = length > 1 ? file[at + 1]! : 0;
    if (
      (lead === 0xe0 && second < 0xa0) ||
      (lead === 0xed && second > 0x9f) ||
      (lead === 0xf0 && second < 0x90) ||
      (lead === 0xf4 && second > 0x8f)
    )
      return false;
    at += length;
  }
  return true;
};

const readNormalizer = (file: Uint8Array, name: string, parts: readonly Field[]): NormalizerSpec => {
  let precompiledCharsmap = file.subarray(0, 0);
  let addDummyPrefix = true;
  let removeExtraWhitespaces = true;
  let escapeWhitespaces = true;
  for (const { start, end } of parts)
    readFields(file, start, end, name, (field) => {
      if (field.number === 2) {
        expectWire(field, BYTES, `${name}.precompiled_charsmap`);
        precompiledCharsmap = file.subarray(field.start, field.end);
      } else if (field.number === 3) {
        expectWire(field, VARINT, `${name}.add_dummy_prefix`);
        addDummyPrefix = field.value !== 0;
      } else if (field.number === 4) {
        expectWire(field, VARINT, `${name}.remove_extra_whitespaces`);
        removeExtraWhitespaces = field.value !== 0;
      } else if (field.number === 5) {
        expectWire(field, VARINT, `${name}.escape_whitespaces`);
        escapeWhitespaces = field.value !== 0;
      }
    });
  return { precompiledCharsmap, addDummyPrefix, removeExtraWhitespaces, escapeWhitespaces };
};

const readTrainer = (file: Uint8Array, parts: readonly Field[]) => {
  const name = 'trainer_spec';
  const read = {
    modelType: ModelType.UNIGRAM as number,
    byteFallback: false,
    treatWhitespaceAsSuffix: false,
    unknownSurface: ' \u2047 ',
  };
  for (const { start, end } of parts)
    readFields(file, start, end, name, (field) => {
      if (field.number === 3) {
        expectWire(field, VARINT, `${name}.model_type`);
        if (field.value < ModelType.UNIGRAM || field.value > ModelType.CHAR)
          bad(`expected ${name}.model_type to be 1 (unigram), 2 (BPE), 3 (word) or 4 (character), got ${field.value}`);
        read.modelType = field.value;
      } else if (field.number === 24) {
        expectWire(field, VARINT, `${name}.treat_whitespace_as_suffix`);
        read.treatWhitespaceAsSuffix = field.value !== 0;
      } else if (field.number === 35) {
        expectWire(field, VARINT, `${name}.byte_fallback`);
        read.byteFallback = field.value !== 0;
      } else if (field.number === 44) {
        expectWire(field, BYTES, `${name}.unk_surface`);
        read.unknownSurface = utf8Text(file.subarray(field.start, field.end));
      }
    });
  return read;
};

const read = (bytes: Uint8Array): SentencePieceProto => {
  if (bytes.length === 0) bad('expected a SentencePiece model, got an empty file');
  const parts: Readonly<Record<number, Field[]>> = { 2: [], 3: [], 5: [] };
  const names: Readonly<Record<number, string>> = {
    1: 'pieces',
    2: 'trainer_spec',
    3: 'normalizer_spec',
    5: 'denormalizer_spec',
  };
  let size = 0;
  readFields(bytes, 0, bytes.length, 'the model', (field) => {
    const name = names[field.number];
    if (name === undefined) return;
    expectWire(field, BYTES, name);
    if (field.number === 1) size += 1;
    else parts[field.number]!.push({ ...field });
    // Small as a piece may be, what is made for it below is not much more than what stands in the file.
    if (field.number === 1 && field.end - field.start < 3)
      bad(`expected piece ${size - 1} to be a text, got an empty one`);
  });
  if (size === 0) bad('expected a SentencePiece model, got a file without pieces');
  for (const number of [2, 3])
    if (parts[number]!.length === 0)
      bad(`expected ${names[number]} after the ${size} pieces, got none; is the file cut short?`);

  const starts = new Int32Array(size);
  const ends = new Int32Array(size);
  const scores = new Float32Array(size);
  const types = new Uint8Array(size).fill(PieceType.NORMAL);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let id = 0;
  const readPiece = (field: Field): void => {
    if (field.number === 1) {
      expectWire(field, BYTES, `piece ${id}`);
      starts[id] = field.start;
      ends[id] = field.end;
    } else if (field.number === 2) {
      expectWire(field, FIXED32, `the score of piece ${id}`);
      scores[id] = view.getFloat32(field.start, true);
    } else if (field.number === 3) {
      expectWire(field, VARINT, `the type of piece ${id}`);
      if (field.value < PieceType.NORMAL || field.value > PieceType.BYTE)
        bad(`expected the type of piece ${id} to be from 1 (normal) to 6 (byte), got ${field.value}`);
      types[id] = field.value;
    }
  };
  readFields(bytes, 0, bytes.length, 'the model', ({ number, start, end }) => {
    if (number !== 1) return;
    readFields(bytes, start, end, 'a piece', readPiece);
    if (ends[id] === starts[id]) bad(`expected piece ${id} to be a text, got an empty one`);
    if (!isUtf8(bytes, starts[id]!, ends[id]!))
      bad(`expected piece ${id} to be UTF-8, got ${quote(utf8Text(bytes.subarray(starts[id]!, ends[id]!)))}`);
    id += 1;
  });

  return {
    bytes,
    size,
    starts,
    ends,
    scores,
    types,
    ...readTrainer(bytes, parts[2]!),
    normalizer: readNormalizer(bytes, names[3]!, parts[3]!),
    denormalizer: parts[5]!.length === 0 ? undefined : readNormalizer(bytes, names[5]!, parts[5]!),
  };
};

/** What `read` gives, or the message of a `MalformedProto` it throws. */
export const whereMalformed = <A>(make: () => A): E.Either<string, A> => {
  try {
    return E.right(make());
  } catch (error) {
    if (error instanceof MalformedProto) return E.left(error.message);
    throw error;
  }
};

/**
 * Reads a SentencePiece model, `.spm` or `.model`.
 *
 * The file must name its trainer and normalizer, as every trained one does: they come after the pieces, so a file cut
 * short is found out.
 *
 * @param bytes - The file; it must not change afterwards.
 * @see sentencepiece_model.proto
 */
export const readSentencePieceProto = (bytes: Uint8Array): E.Either<string, SentencePieceProto> =>
  whereMalformed(() => read(bytes));
