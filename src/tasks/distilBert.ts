import { type DistilBertConfig, makeDistilBertConfig, parseDistilBertConfig } from '../models/distilBert/config.ts';
import {
  type DistilBertParams,
  distilBert,
  distilBertClassifierHead,
  distilBertMaskedLMHead,
} from '../models/distilBert/distilBert.ts';
import { distilBertKerasLayout } from '../models/distilBert/kerasLayout.ts';
import { distilBertPresets } from '../models/distilBert/presets.ts';
import {
  DistilBertMaskedLMPreprocessor as createMaskedLMPreprocessor,
  DistilBertTextClassifierPreprocessor as createTextClassifierPreprocessor,
} from '../tokenizers/distilBertPreprocessors.ts';
import {
  DistilBertTokenizer as createTokenizer,
  type DistilBertTokenizer as Tokenizer,
} from '../tokenizers/distilBertTokenizer.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { encoderClasses } from './encoderClasses.ts';
import type { MaskedLM } from './maskedLM.ts';
import type { TextClassifier } from './textClassifier.ts';
import { wordPiece } from './wordPieceFiles.ts';

/** A DistilBERT backbone: encoder layers over token and position embeddings. */
export type DistilBertBackbone = EncoderBackbone<DistilBertConfig, DistilBertParams>;

/** A DistilBERT that tells what stands in masked places. */
export type DistilBertMaskedLM = MaskedLM<DistilBertConfig, DistilBertParams, Tokenizer>;

/** A DistilBERT that tells which class a text is of. */
export type DistilBertTextClassifier = TextClassifier<DistilBertConfig, DistilBertParams, Tokenizer>;

const classes = encoderClasses({
  family: 'distilBert',
  layout: distilBertKerasLayout,
  presets: distilBertPresets,
  makeConfig: makeDistilBertConfig,
  parseConfig: parseDistilBertConfig,
  model: distilBert,
  maskedLMHead: distilBertMaskedLMHead,
  classifierHead: distilBertClassifierHead,
  classifier: { dropout: 0.2, learningRate: 5e-5 },
  tokenizer: wordPiece(createTokenizer),
  maskedLMPreprocessor: createMaskedLMPreprocessor,
  textClassifierPreprocessor: createTextClassifierPreprocessor,
});

/** DistilBERT as one of the families. */
export const distilBertFamily = classes.family;

/**
 * A DistilBERT backbone of these sizes with random weights from a seed.
 *
 * @throws {ArgumentError} If a size is missing or nonsense; the message lists all that is wrong.
 * @see Sanh et al. 2019; keras_hub.models.DistilBertBackbone
 * @example
 * const backbone = DistilBertBackbone({ vocabularySize: 30522, numLayers: 2, numHeads: 2, hiddenDim: 64,
 *   intermediateDim: 128, maxSequenceLength: 32 });
 * const { sequence } = backbone.apply({ tokenIds: [[0, 5, 2]] }); // [1, 3, 64], an expression
 */
export const DistilBertBackbone = classes.Backbone;

/** DistilBERT's tokenizer: WordPiece; `fromPreset` reads a preset folder's. */
export const DistilBertTokenizer = classes.Tokenizer;

/** The preprocessor of a `DistilBertMaskedLM`; `fromPreset` reads a preset folder's tokenizer and length. */
export const DistilBertMaskedLMPreprocessor = classes.MaskedLMPreprocessor;

/** The preprocessor of a `DistilBertTextClassifier`; `fromPreset` reads a preset folder's tokenizer and length. */
export const DistilBertTextClassifierPreprocessor = classes.TextClassifierPreprocessor;

/**
 * A DistilBERT that tells what stands in masked places, from a backbone and, for texts, a preprocessor.
 *
 * @see keras_hub.models.DistilBertMaskedLM
 */
export const DistilBertMaskedLM = classes.MaskedLM;

/**
 * A DistilBERT that tells which class a text is of, from a backbone, the number of classes and, for texts, a preprocessor.
 *
 * @see keras_hub.models.DistilBertTextClassifier
 */
export const DistilBertTextClassifier = classes.TextClassifier;
