import { type FNetConfig, makeFNetConfig, parseFNetConfig } from '../models/fNet/config.ts';
import { type FNetParams, fNet, fNetClassifierHead, fNetMaskedLMHead } from '../models/fNet/fNet.ts';
import { fNetKerasLayout } from '../models/fNet/kerasLayout.ts';
import { fNetPresets } from '../models/fNet/presets.ts';
import {
  FNetMaskedLMPreprocessor as createMaskedLMPreprocessor,
  FNetTextClassifierPreprocessor as createTextClassifierPreprocessor,
} from '../tokenizers/fNetPreprocessors.ts';
import { FNetTokenizer as createTokenizer, type FNetTokenizer as Tokenizer } from '../tokenizers/fNetTokenizer.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { encoderClasses } from './encoderClasses.ts';
import type { MaskedLM } from './maskedLM.ts';
import { sentencePiece } from './sentencePieceFiles.ts';
import type { TextClassifier } from './textClassifier.ts';

/** An FNet backbone: encoder layers over token, position and segment embeddings that mix places by a Fourier transform. */
export type FNetBackbone = EncoderBackbone<FNetConfig, FNetParams>;

/** An FNet that tells what stands in masked places. */
export type FNetMaskedLM = MaskedLM<FNetConfig, FNetParams, Tokenizer>;

/** An FNet that tells which class a text is of. */
export type FNetTextClassifier = TextClassifier<FNetConfig, FNetParams, Tokenizer>;

const classes = encoderClasses({
  family: 'fNet',
  layout: fNetKerasLayout,
  presets: fNetPresets,
  makeConfig: makeFNetConfig,
  parseConfig: parseFNetConfig,
  model: fNet,
  maskedLMHead: fNetMaskedLMHead,
  classifierHead: fNetClassifierHead,
  classifier: { dropout: 0.1, learningRate: 5e-5 },
  tokenizer: sentencePiece('spiece.model', createTokenizer),
  maskedLMPreprocessor: createMaskedLMPreprocessor,
  textClassifierPreprocessor: createTextClassifierPreprocessor,
});

/** FNet as one of the families. */
export const fNetFamily = classes.family;

/**
 * An FNet backbone of these sizes with random weights from a seed.
 *
 * @throws {ArgumentError} If a size is missing or nonsense; the message lists all that is wrong.
 * @see Lee-Thorp et al. 2022; keras_hub.models.FNetBackbone
 * @example
 * const backbone = FNetBackbone({ vocabularySize: 32000, numLayers: 2, hiddenDim: 64, intermediateDim: 128,
 *   maxSequenceLength: 32 });
 * const { sequence } = backbone.apply({ tokenIds: [[0, 5, 2]] }); // [1, 3, 64], an expression
 */
export const FNetBackbone = classes.Backbone;

/** FNet's tokenizer: SentencePiece; `fromPreset` reads a preset folder's. */
export const FNetTokenizer = classes.Tokenizer;

/** The preprocessor of an `FNetMaskedLM`; `fromPreset` reads a preset folder's tokenizer and length. */
export const FNetMaskedLMPreprocessor = classes.MaskedLMPreprocessor;

/** The preprocessor of an `FNetTextClassifier`; `fromPreset` reads a preset folder's tokenizer and length. */
export const FNetTextClassifierPreprocessor = classes.TextClassifierPreprocessor;

/**
 * An FNet that tells what stands in masked places, from a backbone and, for texts, a preprocessor.
 *
 * @see keras_hub.models.FNetMaskedLM
 */
export const FNetMaskedLM = classes.MaskedLM;

/**
 * An FNet that tells which class a text is of, from a backbone, the number of classes and, for texts, a preprocessor.
 *
 * @see keras_hub.models.FNetTextClassifier
 */
export const FNetTextClassifier = classes.TextClassifier;
