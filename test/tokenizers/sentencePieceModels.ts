import { existsSync, readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { type SentencePiece, sentencePiece } from '../../src/tokenizers/index.ts';

const folder = new URL('../fixtures/sentencepiece/', import.meta.url);

/** What SentencePiece gave: test/reference/record_sentencepiece.py. */
export interface SentencePieceRecording {
  readonly texts: readonly string[];
  readonly models: Readonly<
    Record<
      string,
      {
        readonly size: number;
        /** A row for each text. */
        readonly ids: readonly (readonly number[])[];
        /** What each of these rows is decoded to; `null` for the text itself. */
        readonly decoded: readonly (string | null)[];
        readonly rows: readonly { readonly ids: readonly number[]; readonly text: string }[];
      }
    >
  >;
  /** What KerasHub's GemmaTokenizer makes of two of the models. */
  readonly gemmaTokenizer: readonly {
    readonly model: string;
    readonly startTokenId: number;
    readonly endTokenId: number;
    readonly padTokenId: number;
    readonly specialTokenIds: readonly number[];
    readonly vocabularySize: number;
    readonly texts: readonly string[];
    readonly ids: readonly (readonly number[])[];
    readonly detokenized: readonly string[];
  }[];
}

export const recording: SentencePieceRecording = JSON.parse(readFileSync(new URL('recorded.json', folder), 'utf8'));

/** The bytes of a recorded model. */
export const modelBytes = (name: string): Uint8Array => {
  const plain = new URL(`${name}.spm`, folder);
  return new Uint8Array(
    existsSync(plain) ? readFileSync(plain) : brotliDecompressSync(readFileSync(new URL(`${name}.spm.br`, folder))),
  );
};

/** What a right holds. @throws What a left holds. */
export const right = <L, A>(either: E.Either<L, A>): A => {
  if (E.isLeft(either)) throw either.left;
  return either.right;
};

/** A recorded model at work. */
export const model = (name: string): SentencePiece => right(sentencePiece(modelBytes(name), `${name}.spm`));

/** Texts of what segmenters stumble over: recorded texts, pieces of a model, white space, characters of every kind. */
export const hostileTexts = ({ piece, size }: SentencePiece): fc.Arbitrary<string> =>
  fc
    .array(
      fc.oneof(
        fc.constantFrom(...recording.texts),
        fc.nat(size - 1).map(piece),
        fc.nat(size - 1).map((id) => piece(id).replaceAll('\u2581', ' ')),
        fc.constantFrom(' ', '  ', '\n', '\t', '\u3000', '\u2581'),
        fc.string({ unit: 'binary', maxLength: 4 }),
      ),
      { maxLength: 8 },
    )
    .map((parts) => parts.join(''));

// A writer of protobuf, for files that no trainer makes.

const varint = (value: number): number[] =>
  value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];

const encoder = new TextEncoder();

/** A field: a number is a varint, `{ float }` four bytes, a text or bytes have a length. */
export const field = (
  number: number,
  value: number | string | readonly number[] | { readonly float: number },
): number[] => {
  if (typeof value === 'number') return [...varint(number * 8), ...varint(value)];
  if (typeof value === 'object' && 'float' in value)
    return [...varint(number * 8 + 5), ...new Uint8Array(new Float32Array([value.float]).buffer)];
  const bytes = typeof value === 'string' ? [...encoder.encode(value)] : value;
  return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
};

/** A piece: its text, its type (1 normal, 2 unknown, 3 control, 4 the user's, 5 unused, 6 byte) and score. */
export const pieceField = (text: string | readonly number[], type = 1, score = 0): number[] =>
  field(1, [...field(1, text), ...field(2, { float: score }), ...field(3, type)]);

/** The pieces of all bytes, for byte fallback. */
export const bytePieces = (): number[] =>
  Array.from({ length: 256 }, (_, byte) =>
    pieceField(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, 6),
  ).flat();

/** A model of pieces, of trainer_spec's fields and of normalizer_spec's. */
export const proto = (
  pieces: readonly (readonly number[])[],
  trainer: readonly number[] = [],
  normalizer: readonly number[] = [],
): Uint8Array => Uint8Array.from([...pieces.flat(), ...field(2, trainer), ...field(3, normalizer)]);
