import { type BertParams, bert, bertClassifierHead, bertMaskedLMHead } from '../models/bert/bert.ts';
import { type BertConfig, makeBertConfig, parseBertConfig } from '../models/bert/config.ts';
import { bertKerasLayout } from '../models/bert/kerasLayout.ts';
import { bertPresets } from '../models/bert/presets.ts';
import {
  BertMaskedLMPreprocessor as createMaskedLMPreprocessor,
  BertTextClassifierPreprocessor as createTextClassifierPreprocessor,
} from '../tokenizers/bertPreprocessors.ts';
import { BertTokenizer as createTokenizer, type BertTokenizer as Tokenizer } from '../tokenizers/bertTokenizer.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { encoderClasses } from './encoderClasses.ts';
import type { MaskedLM } from './maskedLM.ts';
import type { TextClassifier } from './textClassifier.ts';
import { wordPiece } from './wordPieceFiles.ts';

/** A BERT backbone: encoder layers over token, position and segment embeddings. */
export type BertBackbone = EncoderBackbone<BertConfig, BertParams>;

/** A BERT that tells what stands in masked places. */
export type BertMaskedLM = MaskedLM<BertConfig, BertParams, Tokenizer>;

/** A BERT that tells which class a text is of. */
export type BertTextClassifier = TextClassifier<BertConfig, BertParams, Tokenizer>;

const classes = encoderClasses({
  family: 'bert',
  layout: bertKerasLayout,
  presets: bertPresets,
  makeConfig: makeBertConfig,
  parseConfig: parseBertConfig,
  model: bert,
  maskedLMHead: bertMaskedLMHead,
  classifierHead: bertClassifierHead,
  classifier: { dropout: 0.1, learningRate: 5e-5 },
  hasEmbedder: true,
  tokenizer: wordPiece(createTokenizer),
  maskedLMPreprocessor: createMaskedLMPreprocessor,
  textClassifierPreprocessor: createTextClassifierPreprocessor,
});

/** BERT as one of the families. */
export const bertFamily = classes.family;

/**
 * A BERT backbone of these sizes with random weights from a seed.
 *
 * @throws {ArgumentError} If a size is missing or nonsense; the message lists all that is wrong.
 * @see Devlin et al. 2019; keras_hub.models.BertBackbone
 * @example
 * const backbone = BertBackbone({ vocabularySize: 30522, numLayers: 2, numHeads: 2, hiddenDim: 64, intermediateDim: 128,
 *   maxSequenceLength: 32 });
 * const { sequence, pooled } = backbone.apply({ tokenIds: [[1, 2, 3]] }); // [1, 3, 64] and [1, 64], expressions
 */
export const BertBackbone = classes.Backbone;

/** BERT's tokenizer: WordPiece; `fromPreset` reads a preset folder's. */
export const BertTokenizer = classes.Tokenizer;

/** The preprocessor of a `BertMaskedLM`; `fromPreset` reads a preset folder's tokenizer and length. */
export const BertMaskedLMPreprocessor = classes.MaskedLMPreprocessor;

/** The preprocessor of a `BertTextClassifier`; `fromPreset` reads a preset folder's tokenizer and length. */
export const BertTextClassifierPreprocessor = classes.TextClassifierPreprocessor;

/**
 * A BERT that tells what stands in masked places, from a backbone and, for texts, a preprocessor.
 *
 * @see keras_hub.models.BertMaskedLM
 */
export const BertMaskedLM = classes.MaskedLM;

/**
 * A BERT that tells which class a text is of, from a backbone, the number of classes and, for texts, a preprocessor.
 *
 * @see keras_hub.models.BertTextClassifier
 */
export const BertTextClassifier = classes.TextClassifier;
