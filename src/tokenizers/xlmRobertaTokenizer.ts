import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { ArgumentError } from '../tensor/errors.ts';
import { describe, quote, TokenizerFileError } from './errors.ts';
import { type MaskSentencePieceTokenizer, sentencePieceConstructor } from './maskSentencePiece.ts';
import type { MaskTokenizer } from './maskTokenizer.ts';
import { overRows, overTexts } from './overTexts.ts';
import { type SentencePieceTokenizer, sentencePieceTokenizer } from './sentencePieceTokenizer.ts';

/** XLM-RoBERTa's tokenizer: SentencePiece, its ids shifted by one. */
export type XLMRobertaTokenizer = MaskSentencePieceTokenizer;

const name = 'XLMRobertaTokenizer';
const maskToken = '<mask>';
const first = ['<s>', '<pad>', '</s>', '<unk>'];
const pieces = ['<unk>', '<s>', '</s>'];

/**
 * An XLM-RoBERTa tokenizer.
 *
 * The model's pieces begin with `<unk>`, `<s>`, `</s>`; the ids begin with `<s>`, `<pad>`, `</s>`, `<unk>`, all others
 * are the piece's number and one, and `<mask>` is the last. `detokenize` leaves masks out, and takes `<pad>`, which no
 * piece is, for unknown. Special tokens in a text are text.
 *
 * @throws {ArgumentError} If `proto` is no SentencePiece model, or does not begin with these pieces.
 * @see Conneau et al. 2019; keras_hub.models.XLMRobertaTokenizer
 */
export const XLMRobertaTokenizer = sentencePieceConstructor({
  name,
  make: (options) =>
    pipe(
      // The padding token has no piece: a piece that is there anyway stands for it.
      sentencePieceTokenizer({ name, startToken: '<s>', endToken: '</s>', padToken: '<unk>' }, options),
      E.filterOrElse(
        ({ model }) => pieces.every((piece, id) => id < model.size && model.piece(id) === piece),
        ({ model }) =>
          new TokenizerFileError(
            `${name}: expected pieces that begin with ${pieces.map(quote).join(', ')}, got ` +
              `${Array.from({ length: Math.min(3, model.size) }, (_, id) => quote(model.piece(id))).join(', ')}; ` +
              "is this another family's file?",
          ),
      ),
      E.map(({ model }) => {
        const size = model.size + 2;
        const maskTokenId = size - 1;
        const shifted = (id: number): number => (id === 0 ? 3 : id + 1);
        /** The piece of an id that is no mask. */
        const pieceOf = (id: unknown): number => {
          if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= size)
            throw new ArgumentError(
              `${name}: expected token ids to be integers from 0 to ${size - 1}, got ${describe(id)}`,
            );
          return id === 0 ? 1 : id === 2 ? 2 : id === 3 ? 0 : id - 1;
        };
        return Object.freeze({
          tokenize: overTexts(name, (text) => model.encode(text).map(shifted)),
          detokenize: overRows(name, (row) =>
            model.decode(
              Array.from(row)
                .filter((id) => id !== maskTokenId)
                .map(pieceOf),
            ),
          ),
          textStream: () => {
            const stream = model.textStream();
            return { push: (id) => (id === maskTokenId ? '' : stream.push(pieceOf(id))), end: stream.end };
          },
          vocabularySize: size,
          idToToken: (id) => (id === maskTokenId ? maskToken : (first[id] ?? model.piece(pieceOf(id)))),
          tokenToId: (token) => {
            if (token === maskToken) return maskTokenId;
            const known = first.indexOf(token);
            if (known >= 0) return known;
            const piece = typeof token === 'string' ? model.id(token) : undefined;
            if (piece !== undefined) return shifted(piece);
            throw new ArgumentError(
              `${name}: expected a token of the vocabulary (${size} tokens), got ${describe(token)}`,
            );
          },
          startTokenId: 0,
          endTokenId: 2,
          padTokenId: 1,
          maskToken,
          maskTokenId,
          specialTokenIds: Object.freeze([0, 2, 1, 3, maskTokenId]),
          model,
          get proto() {
            return model.proto();
          },
        } satisfies SentencePieceTokenizer & MaskTokenizer);
      }),
    ),
  undo: ({ pieces: all }) => {
    const wrong = [...first, maskToken].find((token, at) => all.at(at < first.length ? at : -1)?.[0] !== token);
    return wrong === undefined
      ? E.right({
          pieces: [all[3]!, all[0]!, all[2]!, ...all.slice(first.length, -1)],
          unknown: '<unk>',
          marks: ['<s>', '</s>'],
        })
      : E.left(
          `expected pieces that begin with ${first.map(quote).join(', ')} and end with ${quote(maskToken)}, ` +
            `got another than ${quote(wrong)} in its place`,
        );
  },
});
