import * as E from 'fp-ts/lib/Either.js';
import type { TokenizerFileError } from '../tokenizers/errors.ts';
import type { SentencePieceTokenizerOptions } from '../tokenizers/sentencePieceTokenizer.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { FamilyTokenizer } from './family.ts';
import { brokenFile, orReject } from './presets.ts';

const kerasName = 'assets/tokenizer/vocabulary.spm';

/** Makes a SentencePiece tokenizer of `options`, or of what its file holds. */
export interface SentencePieceSource<T, Options = SentencePieceTokenizerOptions> {
  (options: Options): T;
  /** A tokenizer from what vocabulary.spm (transformers: spiece.model and its like) holds. */
  readonly fromProto: (proto: Uint8Array) => E.Either<TokenizerFileError, T>;
  /** A tokenizer from what transformers' tokenizer.json holds. */
  readonly fromTokenizerJson: (text: string) => E.Either<TokenizerFileError, T>;
}

/**
 * A family's SentencePiece tokenizer.
 *
 * @param transformersName - What transformers calls the model's file in this family.
 */
export const sentencePiece = <T extends Tokenizer & { readonly proto: Uint8Array }, Options>(
  transformersName: string,
  source: SentencePieceSource<T, Options>,
): FamilyTokenizer<T, SentencePieceSource<T, Options>> => ({
  source,
  files: { keras: [kerasName], transformers: [transformersName, 'tokenizer.json'] },
  open: async (preset) => {
    const proto = preset.layout === 'keras' ? kerasName : transformersName;
    const hasProto = preset.layout === 'keras' || (await preset.has(proto)());
    const name = hasProto ? proto : 'tokenizer.json';
    const made = hasProto
      ? source.fromProto(orReject(await preset.readBytes(name)()))
      : source.fromTokenizerJson(orReject(await preset.readText(name)()));
    return orReject(E.mapLeft(({ message }: TokenizerFileError) => brokenFile(preset, name, message))(made));
  },
  save: ({ proto }) => ({
    config: { proto: null, sequence_length: null, add_bos: false, add_eos: false },
    assets: [{ name: 'vocabulary.spm', content: [proto] }],
  }),
});
