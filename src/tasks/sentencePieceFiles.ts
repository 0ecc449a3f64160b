import * as E from 'fp-ts/lib/Either.js';
import type { TokenizerFileError } from '../tokenizers/errors.ts';
import type { KerasTokenizer, Preset } from '../weights/index.ts';
import { orReject } from './presets.ts';

const kerasName = 'assets/tokenizer/vocabulary.spm';

/** How a SentencePiece tokenizer is made from the bytes of its file. */
export interface SentencePieceReaders<T> {
  /** A tokenizer from what vocabulary.spm (transformers: spiece.model and its like) holds. */
  readonly fromProto: (proto: Uint8Array) => E.Either<TokenizerFileError, T>;
  /** A tokenizer from what transformers' tokenizer.json holds. */
  readonly fromTokenizerJson: (text: string) => E.Either<TokenizerFileError, T>;
}

/** The readers of a tokenizer's constructor alone. */
export const sentencePieceReaders = <T>({
  fromProto,
  fromTokenizerJson,
}: SentencePieceReaders<T>): SentencePieceReaders<T> => ({ fromProto, fromTokenizerJson });

/**
 * Which files hold a SentencePiece tokenizer, how one is read, and how KerasHub writes one down.
 *
 * @param transformersName - What transformers calls the model's file in this family.
 */
export const sentencePieceFiles = (transformersName: string) => ({
  names: { keras: [kerasName], transformers: [transformersName, 'tokenizer.json'] },
  open: async <T>(preset: Preset, { fromProto, fromTokenizerJson }: SentencePieceReaders<T>): Promise<T> => {
    const name = preset.layout === 'keras' ? kerasName : transformersName;
    const made =
      preset.layout === 'keras' || (await preset.has(name)())
        ? fromProto(orReject(await preset.readBytes(name)()))
        : fromTokenizerJson(orReject(await preset.readText('tokenizer.json')()));
    return orReject(
      E.mapLeft(({ message }: TokenizerFileError) => ({
        _tag: 'BrokenFile' as const,
        message: `${preset.path}: ${message}`,
        path: preset.path,
      }))(made),
    );
  },
  save: ({ proto }: { readonly proto: Uint8Array }): KerasTokenizer => ({
    config: { proto: null, sequence_length: null, add_bos: false, add_eos: false },
    assets: [{ name: 'vocabulary.spm', content: [proto] }],
  }),
});
