// Why not a library: @huggingface/tokenizers 0.2.0 has no SentencePiece character map and its conversions differ on user's
// symbols and white space; sentencepiece-js and its kin are SentencePiece compiled to 0.8 MB of wasm that reads files from
// a path only. This follows SentencePiece 0.2.3, rule by rule, in the order in which it applies them.

import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { ArgumentError } from '../tensor/errors.ts';
import { openBytes, utf8Bytes, utf8Text } from './bytes.ts';
import { type ByteTrie, type ByteTrieBuilder, byteTrie, MOST_NODES } from './byteTrie.ts';
import { describe, quote, TokenizerFileError } from './errors.ts';
import { sentencePieceBpe } from './sentencePieceBpe.ts';
import {
  characterLength,
  longestSymbol,
  sentencePieceNormalizer,
  spaceSymbol,
  wholeCharacter,
} from './sentencePieceNormalizer.ts';
import {
  MalformedProto,
  ModelType,
  PieceType,
  readSentencePieceProto,
  type SentencePieceProto,
  whereMalformed,
} from './sentencePieceProto.ts';
import type { TextStream, TokenIds } from './tokenizer.ts';
import { type Segment, unigramSegment } from './unigram.ts';

/** What a piece is: text, the unknown piece, a mark without text, the user's symbol, unused, or one byte. */
export type SentencePieceType = 'normal' | 'unknown' | 'control' | 'userDefined' | 'unused' | 'byte';

/** A SentencePiece model at work. Ids are places in its list of pieces. */
export interface SentencePiece {
  /** The ids of a text; a lone surrogate counts as U+FFFD. */
  readonly encode: (text: string) => number[];
  /** The text of ids. @throws {ArgumentError} If an id is not below `size`. */
  readonly decode: (ids: TokenIds) => string;
  /** A decoder for ids that come one by one. */
  readonly textStream: () => TextStream;
  /** The text as the model segments it: rewritten, with U+2581 for spaces. */
  readonly normalize: (text: string) => string;
  /** How many pieces there are. */
  readonly size: number;
  /** How texts are segmented. */
  readonly modelType: 'unigram' | 'bpe' | 'word' | 'char';
  /** A piece as it stands in the file. @throws {ArgumentError} If the id is not below `size`. */
  readonly piece: (id: number) => string;
  /** The id of a piece of any type, or `undefined`. */
  readonly id: (piece: string) => number | undefined;
  /** @throws {ArgumentError} If the id is not below `size`. */
  readonly score: (id: number) => number;
  /** @throws {ArgumentError} If the id is not below `size`. */
  readonly type: (id: number) => SentencePieceType;
  /** The id of the unknown piece, or `undefined` where every character has bytes. */
  readonly unknownId: number | undefined;
  /** A copy of the file that this is made of. */
  readonly proto: () => Uint8Array;
}

const LONGEST_PIECE = 8000;
// A vocabulary of 256,000 pieces has two megabytes; each byte may take forty in the trie.
const MOST_TEXTS = 2 ** 22;

const typeNames: Readonly<Record<number, SentencePieceType>> = {
  [PieceType.NORMAL]: 'normal',
  [PieceType.UNKNOWN]: 'unknown',
  [PieceType.CONTROL]: 'control',
  [PieceType.USER_DEFINED]: 'userDefined',
  [PieceType.UNUSED]: 'unused',
  [PieceType.BYTE]: 'byte',
};

const modelNames: Readonly<Record<number, SentencePiece['modelType']>> = {
  [ModelType.UNIGRAM]: 'unigram',
  [ModelType.BPE]: 'bpe',
  [ModelType.WORD]: 'word',
  [ModelType.CHAR]: 'char',
};

/** The pieces of a file by their text. */
interface Pieces {
  /** Normal, unused and the user's: what segments of a text may be. */
  readonly segments: ByteTrie;
  /** Control, unknown and byte pieces: never found in a text. */
  readonly reserved: ByteTrie;
  /** The user's symbols alone; `undefined` for none. */
  readonly symbols: ByteTrie | undefined;
  readonly unknownId: number;
  /** The id of each byte's piece, -1 for none. */
  readonly byteIds: Int32Array;
  /** The byte that a byte piece stands for, by id. */
  readonly byteOfId: ReadonlyMap<number, number>;
}

/** The byte of `<0x00>` to `<0xFF>`, or -1. */
const byteOfPiece = (piece: string): number => (/^<0x[0-9A-F]{2}>$/.test(piece) ? Number(piece.slice(1, 5)) : -1);

const hasNul = (bytes: Uint8Array, start: number, end: number): boolean => {
  for (let at = start; at < end; at++) if (bytes[at] === 0) return true;
  return false;
};

/** Sorts a file's pieces. A piece that is one NUL, which some conversions write, is unused where bytes have pieces. */
const sortPieces = ({
  bytes,
  size,
  starts,
  ends,
  scores,
  types,
  modelType,
  byteFallback,
}: SentencePieceProto): Pieces => {
  const bad = (message: string): never => {
    throw new MalformedProto(message);
  };
  const textOf = (id: number): string => utf8Text(bytes.subarray(starts[id]!, ends[id]!));
  const segments = byteTrie();
  // A BPE model has each text once; others may have a control piece and a normal one of the same text.
  const reserved = byteTrie();
  let symbols: ByteTrieBuilder | undefined;
  let unknownId = -1;
  const byteIds = new Int32Array(256).fill(-1);
  const byteOfId = new Map<number, number>();

  for (let id = 0; id < size; id++) {
    const start = starts[id]!;
    const end = ends[id]!;
    if (end - start >= LONGEST_PIECE)
      bad(`expected pieces of fewer than ${LONGEST_PIECE} bytes, got ${end - start} in piece ${id}`);
    if (end - start === 1 && bytes[start] === 0 && (byteFallback || types[id] === PieceType.UNUSED)) {
      types[id] = PieceType.UNUSED;
      continue;
    }
    if (hasNul(bytes, start, end)) bad(`expected pieces without NUL, got ${quote(textOf(id))} as piece ${id}`);
    if (modelType === ModelType.UNIGRAM && !Number.isFinite(scores[id]))
      bad(`expected the score of piece ${id} to be a finite number, got ${scores[id]}`);

    const type = types[id];
    const isSegment = type === PieceType.NORMAL || type === PieceType.USER_DEFINED || type === PieceType.UNUSED;
    const other = (isSegment ? segments : reserved).add(bytes, start, end, id);
    if (other >= 0) bad(`expected each piece once, got ${quote(textOf(id))} as pieces ${other} and ${id}`);
    if (type === PieceType.USER_DEFINED) {
      symbols ??= byteTrie();
      symbols.add(bytes, start, end, id);
    } else if (type === PieceType.UNKNOWN) {
      if (unknownId >= 0) bad(`expected one unknown piece, got pieces ${unknownId} and ${id}`);
      unknownId = id;
    } else if (type === PieceType.BYTE) {
      const byte = byteOfPiece(textOf(id));
      if (!byteFallback)
        bad(`expected no byte pieces without trainer_spec.byte_fallback, got ${quote(textOf(id))} as piece ${id}`);
      if (byte < 0) bad(`expected byte pieces <0x00> to <0xFF>, got ${quote(textOf(id))} as piece ${id}`);
      byteIds[byte] = id;
      byteOfId.set(id, byte);
    }
  }
  if (modelType === ModelType.BPE)
    for (let id = 0; id < size; id++) {
      const type = types[id];
      if (type === PieceType.NORMAL || type === PieceType.USER_DEFINED || type === PieceType.UNUSED) continue;
      const node = segments.walk(0, bytes, starts[id]!, ends[id]!);
      const other = node < 0 ? -1 : segments.valueAt(node);
      if (other >= 0) bad(`expected each piece once, got ${quote(textOf(id))} as pieces ${other} and ${id}`);
    }
  if (byteFallback && byteIds.includes(-1))
    bad(`expected a piece for each of 256 bytes, as trainer_spec.byte_fallback says, got ${byteOfId.size}`);
  if (!byteFallback && unknownId < 0) bad(`expected an unknown piece (type 2), got ${size} pieces without one`);
  return { segments, reserved, symbols, unknownId, byteIds, byteOfId };
};

/** Segments that are words: each begins with U+2581, the first may begin without. */
const wordSegment =
  (segmentId: (text: Uint8Array, start: number, end: number) => number): Segment =>
  (text, emit) => {
    const isSpace = (at: number): boolean => spaceSymbol.every((byte, i) => text[at + i] === byte);
    let start = 0;
    for (let at = 0; at < text.length; ) {
      if (at > start && isSpace(at)) {
        emit(segmentId(text, start, at), start, at);
        start = at;
      }
      at += Math.min(characterLength(text[at]!), text.length - at);
    }
    if (start < text.length) emit(segmentId(text, start, text.length), start, text.length);
  };

/** Segments that are characters or the user's symbols. */
const characterSegment =
  (symbols: ByteTrie | undefined, segmentId: (text: Uint8Array, start: number, end: number) => number): Segment =>
  (text, emit) => {
    for (let at = 0; at < text.length; ) {
      const symbol = longestSymbol(symbols, text, at);
      const end = at + (symbol > 0 ? symbol : Math.min(characterLength(text[at]!), text.length - at));
      emit(segmentId(text, at, end), at, end);
      at = end;
    }
  };

const segmentOf = (proto: SentencePieceProto, { segments, symbols, unknownId }: Pieces): Segment => {
  const segmentId = (text: Uint8Array, start: number, end: number): number => {
    const node = segments.walk(0, text, start, end);
    const id = node < 0 ? -1 : segments.valueAt(node);
    return id < 0 || proto.types[id] === PieceType.UNUSED ? unknownId : id;
  };
  if (proto.modelType === ModelType.BPE) return sentencePieceBpe(proto, segments, symbols, unknownId);
  if (proto.modelType === ModelType.WORD) return wordSegment(segmentId);
  if (proto.modelType === ModelType.CHAR) return characterSegment(symbols, segmentId);
  return unigramSegment(proto, segments, unknownId);
};

/** Text of bytes of which each that begins no whole character gives one U+FFFD. */
const textOfBytes = (held: readonly number[]): string => {
  const bytes = Uint8Array.from(held);
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = wholeCharacter(bytes, at);
    text += length > 0 ? utf8Text(bytes.subarray(at, at + length)) : '\ufffd';
    at += Math.max(1, length);
  }
  return text;
};

const build = (proto: SentencePieceProto): SentencePiece => {
  const { bytes, size, starts, ends, scores, types, byteFallback, unknownSurface, normalizer } = proto;
  if (proto.bytes.length > MOST_NODES)
    throw new MalformedProto(`expected a file of at most ${MOST_NODES} bytes, got ${proto.bytes.length}`);
  const total = proto.ends.reduce((sum, end, id) => sum + end - proto.starts[id]!, 0);
  if (total > MOST_TEXTS)
    throw new MalformedProto(`expected pieces of at most ${MOST_TEXTS} bytes in all, got ${total}`);
  const pieces = sortPieces(proto);
  const { segments, reserved, symbols, unknownId, byteIds, byteOfId } = pieces;
  const normalize = sentencePieceNormalizer(normalizer, symbols, proto.treatWhitespaceAsSuffix);
  const denormalize =
    proto.denormalizer === undefined || proto.denormalizer.precompiledCharsmap.length === 0
      ? undefined
      : sentencePieceNormalizer(proto.denormalizer, undefined, false);
  const segment = segmentOf(proto, pieces);
  const texts: (string | undefined)[] = new Array<undefined>(size).fill(undefined); // Read when first asked for.

  const checkId = (id: unknown): number => {
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < size) return id;
    throw new ArgumentError(
      `SentencePiece: expected token ids to be integers from 0 to ${size - 1}, got ${describe(id)}`,
    );
  };
  const piece = (id: number): string => {
    const known = texts[checkId(id)];
    if (known !== undefined) return known;
    const text = utf8Text(bytes.subarray(starts[id]!, ends[id]!));
    texts[id] = text;
    return text;
  };

  const encode = (text: string): number[] => {
    const normalized = normalize(utf8Bytes(text));
    const ids: number[] = [];
    let afterUnknown = false;
    segment(normalized, (id, start, end) => {
      const isUnknown = id === unknownId;
      if (isUnknown && byteFallback) for (let at = start; at < end; at++) ids.push(byteIds[normalized[at]!]!);
      else if (!isUnknown || !afterUnknown) ids.push(id); // One unknown id for a run of unknown characters.
      afterUnknown = isUnknown;
    });
    return ids;
  };

  const stripsSpace = normalizer.addDummyPrefix || normalizer.removeExtraWhitespaces;
  const pieceStream = (): TextStream => {
    let isEmpty = true; // Whether there is no text yet, held bytes aside.
    let atStart = true; // Whether a space that begins a piece is the one that encoding adds.
    let held: number[] = []; // Bytes that may still become a character.
    const release = (decided: number): string => {
      const text = textOfBytes(held.slice(0, decided));
      held = held.slice(decided);
      isEmpty &&= text === '';
      return text;
    };
    const textOf = (id: number): string => {
      if (types[id] === PieceType.CONTROL) return '';
      const whole = piece(id);
      const strips = atStart && stripsSpace && whole.startsWith('\u2581');
      // Where extra white space goes, all pieces of white space at the start do.
      if (strips && !normalizer.removeExtraWhitespaces) atStart = false;
      if (types[id] === PieceType.UNKNOWN) return unknownSurface;
      return (strips ? whole.slice(1) : whole).replaceAll('\u2581', ' ');
    };
    return {
      push: (id) => {
        const byte = byteOfId.get(checkId(id));
        if (byte !== undefined) {
          held.push(byte);
          return release(held.length - openBytes(held));
        }
        const before = release(held.length);
        if (!isEmpty) atStart = false;
        const text = textOf(id);
        isEmpty &&= text === '';
        return before + text;
      },
      end: () => {
        const text = release(held.length);
        isEmpty = true;
        atStart = true;
        return text;
      },
    };
  };

  const textStream = (): TextStream => {
    const stream = pieceStream();
    if (denormalize === undefined) return stream;
    // What a text is rewritten to depends on all of it.
    let whole = '';
    return {
      push: (id) => {
        whole += stream.push(id);
        return '';
      },
      end: () => {
        const text = utf8Text(denormalize(utf8Bytes(whole + stream.end())));
        whole = '';
        return text;
      },
    };
  };

  return Object.freeze({
    encode,
    decode: (ids) => {
      const stream = textStream();
      const parts: string[] = [];
      for (const id of ids) parts.push(stream.push(id));
      parts.push(stream.end());
      return parts.join('');
    },
    textStream,
    normalize: (text) => utf8Text(normalize(utf8Bytes(text))),
    size,
    modelType: modelNames[proto.modelType]!,
    piece,
    id: (text) => {
      const key = utf8Bytes(text);
      for (const trie of [reserved, segments]) {
        const node = trie.walk(0, key, 0, key.length);
        const id = node < 0 ? -1 : trie.valueAt(node);
        if (id >= 0) return id;
      }
      return undefined;
    },
    score: (id) => scores[checkId(id)]!,
    type: (id) => typeNames[types[checkId(id)]!]!,
    unknownId: unknownId < 0 ? undefined : unknownId,
    proto: () => bytes.slice(),
  } satisfies SentencePiece);
};

/**
 * A SentencePiece model from the bytes of its file: unigram, BPE, word or character, with character map, byte fallback
 * and all types of pieces. It gives the ids and texts that SentencePiece gives.
 *
 * A piece that is no UTF-8, which no trainer writes, is refused.
 *
 * @param bytes - What a `.spm` or `.model` file holds. It is copied.
 * @param file - Its name, for messages.
 * @see Kudo and Richardson 2018; sentencepiece 0.2.3
 */
export const sentencePiece = (
  bytes: Uint8Array,
  file = 'SentencePiece model',
): E.Either<TokenizerFileError, SentencePiece> =>
  pipe(
    bytes instanceof Uint8Array
      ? readSentencePieceProto(new Uint8Array(bytes)) // A Buffer's slice would be no copy.
      : E.left(`expected bytes (a Uint8Array), got ${describe(bytes)}`),
    E.chain((proto) => whereMalformed(() => build(proto))),
    E.mapLeft((message) => new TokenizerFileError(`${file}: ${message}`)),
  );
