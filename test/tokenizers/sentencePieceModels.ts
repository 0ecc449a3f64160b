import { existsSync, readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
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
