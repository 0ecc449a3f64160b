import * as E from 'fp-ts/lib/Either.js';
import { readSentencePieceProto } from './sentencePieceProto.ts';
import type { SentencePieceTokenizer } from './sentencePieceTokenizer.ts';
import {
  addedToken,
  type TransformersTokenizer,
  templateProcessing,
  tokenizerConfig,
  tokenizerJson,
} from './tokenizerJson.ts';

const space = '\u2581';

/** Whether a place in a text is between characters, not inside one that has two units. */
const isBetween = (text: string, at: number): boolean => {
  const unit = text.charCodeAt(at);
  return unit < 0xdc00 || unit >= 0xe000;
};

/**
 * All ways in which two pieces make one, those to the piece of the best score first. Symbols of the user's are made before all
 * others: those of white space are no added tokens to transformers, which looks for these before it escapes spaces.
 */
const mergesOf = ({ model }: SentencePieceTokenizer): readonly string[] => {
  const ids = new Set<string>();
  const made: number[] = [];
  const isSymbol = (id: number): boolean => model.type(id) === 'userDefined';
  for (let id = 0; id < model.size; id++) {
    ids.add(model.piece(id));
    if (isSymbol(id) || model.type(id) === 'normal') made.push(id);
  }
  return made
    .sort((a, b) => Number(isSymbol(b)) - Number(isSymbol(a)) || model.score(b) - model.score(a) || a - b)
    .flatMap((id) => {
      const piece = model.piece(id);
      const own: string[] = [];
      for (let at = 1; at < piece.length; at++) {
        const [left, right] = [piece.slice(0, at), piece.slice(at)];
        if (isBetween(piece, at) && ids.has(left) && ids.has(right)) own.push(`${left} ${right}`);
      }
      return own;
    });
};

/**
 * A SentencePiece tokenizer of a BPE model as transformers writes it down: the SentencePiece file, and tokenizer.json where that
 * can say the same.
 *
 * @param options - What transformers calls the file, and the class of transformers that reads it.
 */
export const sentencePieceBpeToJson = (
  tokenizer: SentencePieceTokenizer,
  { modelName, tokenizerClass }: { readonly modelName: string; readonly tokenizerClass: string },
): E.Either<string, TransformersTokenizer> => {
  const { model, idToToken } = tokenizer;
  const bytes = tokenizer.proto;
  const read = readSentencePieceProto(bytes);
  if (E.isLeft(read)) return read;
  const { normalizer, byteFallback, treatWhitespaceAsSuffix } = read.right;
  const unknown = model.unknownId === undefined ? undefined : model.piece(model.unknownId);
  const tokens = {
    bos_token: idToToken(tokenizer.startTokenId),
    eos_token: idToToken(tokenizer.endTokenId),
    pad_token: idToToken(tokenizer.padTokenId),
    ...(unknown === undefined ? {} : { unk_token: unknown }),
  };
  const file = { name: modelName, content: bytes };
  const settings = { ...tokenizerConfig(tokens, ['input_ids', 'attention_mask']), add_bos_token: true };
  const pieces = Array.from({ length: model.size }, (_, id) => model.piece(id));
  const isSayable =
    model.modelType === 'bpe' &&
    unknown !== undefined &&
    normalizer.precompiledCharsmap.length === 0 &&
    !normalizer.addDummyPrefix &&
    !normalizer.removeExtraWhitespaces &&
    normalizer.escapeWhitespaces &&
    !treatWhitespaceAsSuffix &&
    new Set(pieces).size === pieces.length;
  if (!isSayable) return E.right({ files: [file], config: { ...settings, tokenizer_class: tokenizerClass } });
  const special = new Set<string>(Object.values(tokens));
  const whole = pieces.filter((piece, id) => special.has(piece) || model.type(id) === 'userDefined');
  const json = tokenizerJson({
    added: whole.map((piece) => addedToken(tokenizer.tokenToId(piece), piece, { special: special.has(piece) })),
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: space },
    preTokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
    postProcessor: templateProcessing(
      {
        single: [tokens.bos_token, 'A'],
        pair: [
          [tokens.bos_token, 0],
          ['A', 0],
          [tokens.bos_token, 1],
          ['B', 1],
        ],
      },
      tokenizer,
    ),
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: space }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: unknown,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: byteFallback,
      ignore_merges: false,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: mergesOf(tokenizer),
    },
  });
  return E.right({ files: [{ name: 'tokenizer.json', content: json }, file], config: settings });
};
