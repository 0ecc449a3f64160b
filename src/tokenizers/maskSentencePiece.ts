import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { ArgumentError } from '../tensor/errors.ts';
import { cutAround } from './cutAround.ts';
import { quote, TokenizerFileError } from './errors.ts';
import type { MaskTokenizer } from './maskTokenizer.ts';
import { overTexts } from './overTexts.ts';
import type { SentencePieceTokenizer, SentencePieceTokenizerOptions } from './sentencePieceTokenizer.ts';
import { applySteps, type TextStep } from './textSteps.ts';
import { parseUnigramJson, type UnigramJson, unigramProto } from './unigramJson.ts';

/** What is done to texts before SentencePiece sees them. */
export interface TextPreparation {
  /** What is done to a text first, in turn. Default nothing. */
  readonly textSteps?: readonly TextStep[] | undefined;
  /** Tokens that are found in texts, with their ids. Default none. */
  readonly addedTokens?: ReadonlyMap<string, number> | undefined;
  /** Those of them that swallow the white space before them. Default none. */
  readonly lstripTokens?: readonly string[] | undefined;
}

/** A SentencePiece tokenizer with a mask token. */
export interface MaskSentencePieceTokenizer extends SentencePieceTokenizer, MaskTokenizer {
  /** What is done to a text first, in turn. */
  readonly textSteps: readonly TextStep[];
  /** Tokens that are found in texts, with their ids. */
  readonly addedTokens: ReadonlyMap<string, number>;
  /** Those of them that swallow the white space before them. */
  readonly lstripTokens: readonly string[];
}

/** What a SentencePiece tokenizer with a mask token is made of. */
export type MaskSentencePieceOptions = SentencePieceTokenizerOptions & TextPreparation;

/** What a family makes of a SentencePiece file and of transformers' conversion of one. */
export interface MaskSentencePieceFamily {
  /** The constructor's name, for messages. */
  readonly name: string;
  /** A tokenizer without preparation. */
  readonly make: (
    options: SentencePieceTokenizerOptions,
  ) => E.Either<TokenizerFileError, SentencePieceTokenizer & MaskTokenizer>;
  /** The pieces of a conversion in the order of the SentencePiece file, and which of them are unknown and marks. */
  readonly undo: (json: UnigramJson) => E.Either<
    string,
    {
      readonly pieces: UnigramJson['pieces'];
      readonly unknown: string;
      readonly marks: readonly string[];
    }
  >;
}

const prepared = (
  name: string,
  tokenizer: SentencePieceTokenizer & MaskTokenizer,
  { textSteps = [], addedTokens = new Map(), lstripTokens = [] }: TextPreparation,
): MaskSentencePieceTokenizer => {
  const cut = cutAround([...addedTokens.keys()], lstripTokens);
  const tokenize = overTexts(name, (text) =>
    cut(text).flatMap((part, index) =>
      index % 2 === 1 ? [addedTokens.get(part)!] : tokenizer.tokenize(applySteps(part, textSteps)),
    ),
  );
  // Not spread: proto is read from the model when it is asked for.
  const { tokenize: _, ...rest } = Object.getOwnPropertyDescriptors(tokenizer);
  const own = { tokenize, textSteps, addedTokens, lstripTokens };
  return Object.freeze(Object.defineProperties(own, rest) as MaskSentencePieceTokenizer);
};

/** The constructor of a family. */
export const sentencePieceConstructor = ({ name, make, undo }: MaskSentencePieceFamily) => {
  const load = (options: MaskSentencePieceOptions): E.Either<TokenizerFileError, MaskSentencePieceTokenizer> =>
    pipe(
      make(options),
      E.map((tokenizer) => prepared(name, tokenizer, options)),
    );
  const fromJson = (json: UnigramJson): E.Either<TokenizerFileError, MaskSentencePieceTokenizer> =>
    pipe(
      undo(json),
      E.mapLeft((message) => new TokenizerFileError(`${name}: tokenizer.json: ${message}`)),
      E.map(({ pieces, unknown, marks }) =>
        unigramProto(
          pieces,
          (piece) => (piece === unknown ? 'unknown' : marks.includes(piece) ? 'control' : 'normal'),
          json,
        ),
      ),
      E.chain((proto) => load({ ...json, proto, textSteps: json.steps })),
      E.filterOrElse(
        ({ vocabularySize, idToToken }) =>
          [...json.addedTokens].every(([token, id]) => id < vocabularySize && idToToken(id) === token),
        ({ vocabularySize, idToToken }) => {
          const [token, id] = [...json.addedTokens].find(([own, at]) => at >= vocabularySize || idToToken(at) !== own)!;
          return new TokenizerFileError(
            `${name}: tokenizer.json: expected added tokens among the pieces, got ${quote(token)} with id ${id}`,
          );
        },
      ),
    );
  return Object.freeze(
    Object.assign(
      (options: MaskSentencePieceOptions): MaskSentencePieceTokenizer =>
        pipe(
          load(options),
          E.getOrElseW(({ message }) => {
            throw new ArgumentError(message);
          }),
        ),
      {
        /** A tokenizer from what vocabulary.spm (transformers: spiece.model and its like) holds, or what is wrong with it. */
        fromProto: (
          proto: Uint8Array,
          preparation: TextPreparation = {},
        ): E.Either<TokenizerFileError, MaskSentencePieceTokenizer> => load({ ...preparation, proto }),
        /**
         * A tokenizer from what transformers' tokenizer.json holds: the unigram model that it was made from, after its
         * normalizers; its added tokens are found in texts.
         */
        fromTokenizerJson: (text: string): E.Either<TokenizerFileError, MaskSentencePieceTokenizer> =>
          pipe(parseUnigramJson(text), E.chain(fromJson)),
      },
    ),
  );
};

/** `undo` of families whose ids are the pieces' numbers. */
export const undoPlain =
  (marks: readonly string[]): MaskSentencePieceFamily['undo'] =>
  ({ pieces, unknownId }) =>
    E.right({ pieces, unknown: pieces[unknownId]![0], marks });
