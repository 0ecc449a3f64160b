import * as E from 'fp-ts/lib/Either.js';
import { quote } from './errors.ts';
import type { MaskSentencePieceTokenizer } from './maskSentencePiece.ts';
import type { SentencePiece } from './sentencePiece.ts';
import { type NormalizerSpec, readSentencePieceProto, type SentencePieceProto } from './sentencePieceProto.ts';
import type { TextStep } from './textSteps.ts';
import {
  addedToken,
  bertTemplate,
  robertaTemplate,
  type TransformersTokenizer,
  templateProcessing,
  tokenizerConfig,
  tokenizerJson,
} from './tokenizerJson.ts';

/** What a family makes of a unigram tokenizer that transformers is to read. */
export interface UnigramJsonOptions {
  /** What transformers calls the SentencePiece file. */
  readonly modelName: string;
  /** The class of transformers that reads that file. */
  readonly tokenizerClass: string;
  /** Which tokens stand around texts, and how often. */
  readonly around: 'bert' | 'roberta';
  /** The names of what the model reads. */
  readonly inputs: readonly string[];
}

const space = '\u2581';

const base64 = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return globalThis.btoa(text);
};

/** A step as one of transformers' normalizers; undefined for one that is no normalizer there. */
const normalizerOf = (step: TextStep): object | undefined => {
  if (typeof step !== 'string') return { type: 'Replace', pattern: { String: step.replace }, content: step.by };
  if (step === 'lowercase') return { type: 'Lowercase' };
  if (step === 'stripAccents') return { type: 'StripAccents' };
  if (step === 'trimStart') return { type: 'Strip', strip_left: true, strip_right: false };
  if (step === 'trimEnd') return { type: 'Strip', strip_left: false, strip_right: true };
  if (step === 'runs') return { type: 'Replace', pattern: { Regex: '\\s{2,}|[\\n\\r\\t]' }, content: ' ' };
  return step === 'spaces' ? undefined : { type: step };
};

/** Why transformers cannot be told how a model segments; undefined where it can. */
const strangeness = (model: SentencePiece, proto: SentencePieceProto, splits: boolean): string | undefined => {
  const { addDummyPrefix, removeExtraWhitespaces, escapeWhitespaces }: NormalizerSpec = proto.normalizer;
  if (model.modelType !== 'unigram') return `expected a unigram model, got one of type ${model.modelType}`;
  if (proto.byteFallback) return 'expected a model without byte fallback';
  if (proto.treatWhitespaceAsSuffix) return 'expected white space at the beginning of pieces, got it at their end';
  if (addDummyPrefix !== removeExtraWhitespaces || !escapeWhitespaces)
    return 'expected a space added, extra ones removed and all escaped, or only escaped';
  for (let id = 0; id < model.size; id++) {
    if (model.type(id) === 'unused') return `expected no unused pieces, got ${quote(model.piece(id))}`;
    if (splits && model.type(id) === 'normal' && model.piece(id).lastIndexOf(space) > 0 && model.piece(id) !== space)
      return `expected pieces of one word, got ${quote(model.piece(id))}`;
  }
  return undefined;
};

const wordsOf = (splits: boolean, addsPrefix: boolean): object => {
  const metaspace = {
    type: 'Metaspace',
    replacement: space,
    prepend_scheme: addsPrefix ? 'always' : 'never',
    split: true,
  };
  return splits ? { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] } : metaspace;
};

/**
 * A SentencePiece tokenizer of a unigram model as transformers writes it down: the SentencePiece file, where it says all, and
 * tokenizer.json, where that can.
 *
 * @returns A left if neither can.
 */
export const unigramToJson = (
  tokenizer: MaskSentencePieceTokenizer,
  { modelName, tokenizerClass, around, inputs }: UnigramJsonOptions,
): E.Either<string, TransformersTokenizer> => {
  const { model, textSteps, addedTokens, lstripTokens, maskToken, maskTokenId, vocabularySize, idToToken } = tokenizer;
  const bytes = tokenizer.proto;
  const read = readSentencePieceProto(bytes);
  if (E.isLeft(read)) return read;
  const { addDummyPrefix, removeExtraWhitespaces, precompiledCharsmap } = read.right.normalizer;
  const isPlain = textSteps.length === 0 && addedTokens.size === 0;
  // SentencePiece takes white space at the end and in runs away itself.
  const splits = isPlain ? removeExtraWhitespaces : textSteps.at(-1) === 'spaces';
  const steps = textSteps.at(-1) === 'spaces' ? textSteps.slice(0, -1) : textSteps;
  const start = idToToken(tokenizer.startTokenId);
  const end = idToToken(tokenizer.endTokenId);
  const pad = idToToken(tokenizer.padTokenId);
  const unknown = model.unknownId === undefined ? undefined : model.piece(model.unknownId);
  const tokens = {
    bos_token: start,
    eos_token: end,
    sep_token: end,
    pad_token: pad,
    cls_token: start,
    mask_token: maskToken,
    ...(unknown === undefined ? {} : { unk_token: unknown }),
  };
  const problem =
    strangeness(model, read.right, splits) ??
    (steps.includes('spaces') ? 'expected white space parted last' : undefined) ??
    (unknown === undefined ? 'expected an unknown piece, got none' : undefined);
  const file = { name: modelName, content: bytes };
  const settings = {
    ...tokenizerConfig(tokens, inputs),
    // For the classes of ALBERT and FNet, which else prepare texts as they are told nothing.
    do_lower_case: steps.includes('lowercase'),
    keep_accents: !steps.includes('stripAccents'),
  };
  if (problem !== undefined)
    return isPlain
      ? E.right({ files: [file], config: { ...settings, tokenizer_class: tokenizerClass } })
      : E.left(`${problem}, which transformers cannot read`);

  const pieces = Array.from({ length: vocabularySize }, (_, id): readonly [string, number] => {
    const token = idToToken(id);
    const piece = id === maskTokenId || (token === pad && id === tokenizer.padTokenId) ? undefined : model.id(token);
    return [token, piece === undefined ? 0 : model.score(piece)];
  });
  const symbols = Array.from({ length: model.size }, (_, id) => id)
    .filter((id) => model.type(id) === 'userDefined')
    .map(model.piece);
  const special = new Set<string>(Object.values(tokens));
  const found = isPlain ? [...new Set([...special, ...symbols])] : [...addedTokens.keys()];
  const json = tokenizerJson({
    added: found.map((token) =>
      addedToken(tokenizer.tokenToId(token), token, {
        lstrip: isPlain ? token === maskToken : lstripTokens.includes(token),
        special: special.has(token),
      }),
    ),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        ...steps.map((step) => normalizerOf(step)),
        ...(precompiledCharsmap.length === 0
          ? []
          : [{ type: 'Precompiled', precompiled_charsmap: base64(precompiledCharsmap) }]),
        ...(removeExtraWhitespaces && !splits ? [{ type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }] : []),
      ],
    },
    preTokenizer: wordsOf(splits, addDummyPrefix),
    postProcessor: templateProcessing(
      around === 'bert' ? bertTemplate(start, end) : robertaTemplate(start, end),
      tokenizer,
    ),
    decoder: {
      type: 'Metaspace',
      replacement: space,
      prepend_scheme: addDummyPrefix ? 'always' : 'never',
      split: true,
    },
    model: { type: 'Unigram', unk_id: tokenizer.tokenToId(unknown!), vocab: pieces, byte_fallback: false },
  });
  return E.right({
    files: [{ name: 'tokenizer.json', content: json }, ...(isPlain ? [file] : [])],
    config: settings,
  });
};
