import { type AlbertParams, albert, albertClassifierHead, albertMaskedLMHead } from '../models/albert/albert.ts';
import { type AlbertConfig, makeAlbertConfig, parseAlbertConfig } from '../models/albert/config.ts';
import { albertKerasLayout } from '../models/albert/kerasLayout.ts';
import { albertPresets } from '../models/albert/presets.ts';
import {
  AlbertMaskedLMPreprocessor as createMaskedLMPreprocessor,
  AlbertTextClassifierPreprocessor as createTextClassifierPreprocessor,
} from '../tokenizers/albertPreprocessors.ts';
import {
  AlbertTokenizer as createTokenizer,
  type AlbertTokenizer as Tokenizer,
} from '../tokenizers/albertTokenizer.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { encoderClasses } from './encoderClasses.ts';
import type { MaskedLM } from './maskedLM.ts';
import { sentencePiece } from './sentencePieceFiles.ts';
import type { TextClassifier } from './textClassifier.ts';

/** An ALBERT backbone: encoder layers over narrow token, position and segment embeddings. */
export type AlbertBackbone = EncoderBackbone<AlbertConfig, AlbertParams>;

/** An ALBERT that tells what stands in masked places. */
export type AlbertMaskedLM = MaskedLM<AlbertConfig, AlbertParams, Tokenizer>;

/** An ALBERT that tells which class a text is of. */
export type AlbertTextClassifier = TextClassifier<AlbertConfig, AlbertParams, Tokenizer>;

const classes = encoderClasses({
  family: 'albert',
  layout: albertKerasLayout,
  presets: albertPresets,
  makeConfig: makeAlbertConfig,
  parseConfig: parseAlbertConfig,
  model: albert,
  maskedLMHead: albertMaskedLMHead,
  classifierHead: albertClassifierHead,
  classifier: { dropout: 0.1, learningRate: 1e-5 },
  tokenizer: sentencePiece('spiece.model', createTokenizer),
  maskedLMPreprocessor: createMaskedLMPreprocessor,
  textClassifierPreprocessor: createTextClassifierPreprocessor,
});

/** ALBERT as one of the families. */
export const albertFamily = classes.family;

/**
 * An ALBERT backbone of these sizes with random weights from a seed.
 *
 * @throws {ArgumentError} If a size is missing or nonsense; the message lists all that is wrong.
 * @see Lan et al. 2020; keras_hub.models.AlbertBackbone
 * @example
 * const backbone = AlbertBackbone({ vocabularySize: 30000, numLayers: 2, numHeads: 2, embeddingDim: 16, hiddenDim: 64,
 *   intermediateDim: 128, maxSequenceLength: 32 });
 * const { sequence } = backbone.apply({ tokenIds: [[0, 5, 2]] }); // [1, 3, 64], an expression
 */
export const AlbertBackbone = classes.Backbone;

/** ALBERT's tokenizer: SentencePiece; `fromPreset` reads a preset folder's. */
export const AlbertTokenizer = classes.Tokenizer;

/** The preprocessor of an `AlbertMaskedLM`; `fromPreset` reads a preset folder's tokenizer and length. */
export const AlbertMaskedLMPreprocessor = classes.MaskedLMPreprocessor;

/** The preprocessor of an `AlbertTextClassifier`; `fromPreset` reads a preset folder's tokenizer and length. */
export const AlbertTextClassifierPreprocessor = classes.TextClassifierPreprocessor;

/**
 * An ALBERT that tells what stands in masked places, from a backbone and, for texts, a preprocessor.
 *
 * @see keras_hub.models.AlbertMaskedLM
 */
export const AlbertMaskedLM = classes.MaskedLM;

/**
 * An ALBERT that tells which class a text is of, from a backbone, the number of classes and, for texts, a preprocessor.
 *
 * @see keras_hub.models.AlbertTextClassifier
 */
export const AlbertTextClassifier = classes.TextClassifier;
