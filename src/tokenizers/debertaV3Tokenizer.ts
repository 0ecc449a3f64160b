import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { type MaskSentencePieceTokenizer, sentencePieceConstructor, undoPlain } from './maskSentencePiece.ts';
import type { MaskTokenizer } from './maskTokenizer.ts';
import { overRows } from './overTexts.ts';
import { type SentencePieceTokenizer, sentencePieceTokenizer } from './sentencePieceTokenizer.ts';

/** DeBERTa V3's tokenizer: SentencePiece with `[CLS]`, `[SEP]`, `[PAD]`, and `[MASK]` behind the pieces. */
export type DebertaV3Tokenizer = MaskSentencePieceTokenizer;

const name = 'DebertaV3Tokenizer';
const maskToken = '[MASK]';

/**
 * A DeBERTa V3 tokenizer.
 *
 * Texts are segmented by the SentencePiece model alone. `[MASK]` has the id after the last piece where it is none itself,
 * as in DeBERTa's own files; `detokenize` leaves it out.
 *
 * @throws {ArgumentError} If `proto` is no SentencePiece model, or lacks `[CLS]`, `[SEP]` or `[PAD]`.
 * @see He et al. 2021; keras_hub.models.DebertaV3Tokenizer
 */
export const DebertaV3Tokenizer = sentencePieceConstructor({
  name,
  make: (options) =>
    pipe(
      sentencePieceTokenizer({ name, startToken: '[CLS]', endToken: '[SEP]', padToken: '[PAD]' }, options),
      E.map((tokenizer) => {
        const { model } = tokenizer;
        const maskTokenId = model.id(maskToken) ?? model.size;
        return Object.freeze({
          tokenize: tokenizer.tokenize,
          detokenize: overRows(name, (row) => model.decode(Array.from(row).filter((id) => id !== maskTokenId))),
          textStream: () => {
            const stream = model.textStream();
            return { push: (id) => (id === maskTokenId ? '' : stream.push(id)), end: stream.end };
          },
          vocabularySize: Math.max(model.size, maskTokenId + 1),
          idToToken: (id) => (id === maskTokenId ? maskToken : model.piece(id)),
          tokenToId: (token) => (token === maskToken ? maskTokenId : tokenizer.tokenToId(token)),
          startTokenId: tokenizer.startTokenId,
          endTokenId: tokenizer.endTokenId,
          padTokenId: tokenizer.padTokenId,
          maskToken,
          maskTokenId,
          specialTokenIds: Object.freeze([...tokenizer.specialTokenIds, maskTokenId]),
          model,
          get proto() {
            return model.proto();
          },
        } satisfies SentencePieceTokenizer & MaskTokenizer);
      }),
    ),
  undo: undoPlain(['[CLS]', '[SEP]', '[PAD]', maskToken]),
});
