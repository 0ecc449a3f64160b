import { readFileSync } from 'node:fs';
import { type GemmaConfig, gemmaOptionNames, makeGemmaConfig, parseGemmaConfig } from '../models/gemma/config.ts';
import { gemma } from '../models/gemma/gemma.ts';
import { gemmaKerasLayout } from '../models/gemma/kerasLayout.ts';
import type { GemmaParams } from '../models/gemma/params.ts';
import { gemmaPresets } from '../models/gemma/presets.ts';
import { ArgumentError } from '../tensor/errors.ts';
import { GemmaCausalLMPreprocessor as createPreprocessor } from '../tokenizers/gemmaCausalLMPreprocessor.ts';
import { GemmaTokenizer as createTokenizer, type GemmaTokenizer as Tokenizer } from '../tokenizers/gemmaTokenizer.ts';
import type { CausalBackbone } from './backbone.ts';
import { causalClasses } from './causalFamily.ts';
import type { CausalLM } from './causalLM.ts';
import { type SentencePieceSource, sentencePiece } from './sentencePieceFiles.ts';

/** A Gemma backbone: decoder layers over token embeddings, with rotary positions. */
export type GemmaBackbone = CausalBackbone<GemmaConfig, GemmaParams>;

/** A Gemma that writes text. */
export type GemmaCausalLM = CausalLM<GemmaConfig, GemmaParams, Tokenizer>;

/** What a Gemma tokenizer is made of. */
export interface GemmaTokenizerOptions {
  /** What `vocabulary.spm` (transformers: `tokenizer.model`) holds, or, in Node, the path of such a file. */
  readonly proto: Uint8Array | string;
}

/** The bytes that are meant by a proto: itself, or the file at a path. */
const bytesOf = (proto: Uint8Array | string): Uint8Array => {
  if (typeof proto !== 'string') return proto;
  try {
    return readFileSync(proto);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ArgumentError(
      `GemmaTokenizer: expected proto to be bytes or the path of a file, could not read ${JSON.stringify(proto)} (${code})`,
    );
  }
};

/** The tokenizer's constructor, which takes a path too. */
const tokenizerSource: SentencePieceSource<Tokenizer, GemmaTokenizerOptions> = Object.assign(
  ({ proto }: GemmaTokenizerOptions): Tokenizer => createTokenizer({ proto: bytesOf(proto) }),
  { fromProto: createTokenizer.fromProto, fromTokenizerJson: createTokenizer.fromTokenizerJson },
);

const classes = causalClasses({
  family: 'gemma',
  layout: gemmaKerasLayout,
  presets: gemmaPresets,
  makeConfig: makeGemmaConfig,
  optionNames: gemmaOptionNames,
  parseConfig: parseGemmaConfig,
  model: gemma,
  sampler: 'greedy',
  tokenizer: sentencePiece('tokenizer.model', tokenizerSource),
  preprocessor: createPreprocessor,
});

/** Gemma as one of the families. */
export const gemmaFamily = classes.family;

/**
 * A Gemma or Gemma 2 backbone of these sizes with random weights from a seed.
 *
 * @throws {ArgumentError} If a size is missing or nonsense; the message lists all that is wrong.
 * @see Gemma Team 2024; keras_hub.models.GemmaBackbone
 * @example
 * const backbone = GemmaBackbone({ vocabularySize: 256, numLayers: 2, numQueryHeads: 4, numKeyValueHeads: 1,
 *   hiddenDim: 64, intermediateDim: 256, headDim: 16 });
 * const hidden = backbone.apply({ tokenIds: [[1, 2, 3]] }); // [1, 3, 64], an expression
 */
export const GemmaBackbone = classes.Backbone;

/**
 * Gemma's tokenizer, from a SentencePiece model's bytes or path; see `purelm`'s tokenizers. `fromPreset` reads a preset
 * folder's.
 *
 * @throws {ArgumentError} If `proto` cannot be read, is no SentencePiece model, or lacks `<bos>`, `<eos>` or `<pad>`.
 * @example
 * const tokenizer = GemmaTokenizer({ proto: 'proto.spm' });
 */
export const GemmaTokenizer = classes.Tokenizer;

/** Gemma's preprocessor; `fromPreset` reads a preset folder's tokenizer and length. */
export const GemmaCausalLMPreprocessor = classes.CausalLMPreprocessor;

/**
 * A Gemma that writes text, from a backbone and, for text in and out, a preprocessor. One class serves Gemma, CodeGemma,
 * Gemma 2 and ShieldGemma by config; it takes the likeliest token (`'greedy'`) unless `compile` says otherwise.
 *
 * @see keras_hub.models.GemmaCausalLM
 */
export const GemmaCausalLM = classes.CausalLM;
