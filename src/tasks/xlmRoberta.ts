import { makeXLMRobertaConfig, parseXLMRobertaConfig, type XLMRobertaConfig } from '../models/xlmRoberta/config.ts';
import { xlmRobertaKerasLayout } from '../models/xlmRoberta/kerasLayout.ts';
import { xlmRobertaPresets } from '../models/xlmRoberta/presets.ts';
import {
  type XLMRobertaParams,
  xlmRoberta,
  xlmRobertaClassifierHead,
  xlmRobertaMaskedLMHead,
} from '../models/xlmRoberta/xlmRoberta.ts';
import {
  XLMRobertaMaskedLMPreprocessor as createMaskedLMPreprocessor,
  XLMRobertaTextClassifierPreprocessor as createTextClassifierPreprocessor,
} from '../tokenizers/xlmRobertaPreprocessors.ts';
import {
  XLMRobertaTokenizer as createTokenizer,
  type XLMRobertaTokenizer as Tokenizer,
} from '../tokenizers/xlmRobertaTokenizer.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { encoderClasses } from './encoderClasses.ts';
import type { MaskedLM } from './maskedLM.ts';
import { sentencePiece } from './sentencePieceFiles.ts';
import type { TextClassifier } from './textClassifier.ts';

/** An XLM-RoBERTa backbone: encoder layers over token and position embeddings. */
export type XLMRobertaBackbone = EncoderBackbone<XLMRobertaConfig, XLMRobertaParams>;

/** An XLM-RoBERTa that tells what stands in masked places. */
export type XLMRobertaMaskedLM = MaskedLM<XLMRobertaConfig, XLMRobertaParams, Tokenizer>;

/** An XLM-RoBERTa that tells which class a text is of. */
export type XLMRobertaTextClassifier = TextClassifier<XLMRobertaConfig, XLMRobertaParams, Tokenizer>;

const classes = encoderClasses({
  family: 'xlmRoberta',
  layout: xlmRobertaKerasLayout,
  presets: xlmRobertaPresets,
  makeConfig: makeXLMRobertaConfig,
  parseConfig: parseXLMRobertaConfig,
  model: xlmRoberta,
  maskedLMHead: xlmRobertaMaskedLMHead,
  classifierHead: xlmRobertaClassifierHead,
  classifier: { dropout: 0, learningRate: 5e-5 },
  hasEmbedder: true,
  tokenizer: sentencePiece('sentencepiece.bpe.model', createTokenizer),
  maskedLMPreprocessor: createMaskedLMPreprocessor,
  textClassifierPreprocessor: createTextClassifierPreprocessor,
});

/** XLM-RoBERTa as one of the families. */
export const xlmRobertaFamily = classes.family;

/**
 * An XLM-RoBERTa backbone of these sizes with random weights from a seed.
 *
 * @throws {ArgumentError} If a size is missing or nonsense; the message lists all that is wrong.
 * @see Conneau et al. 2020; keras_hub.models.XLMRobertaBackbone
 * @example
 * const backbone = XLMRobertaBackbone({ vocabularySize: 250002, numLayers: 2, numHeads: 2, hiddenDim: 64,
 *   intermediateDim: 128, maxSequenceLength: 32 });
 * const { sequence } = backbone.apply({ tokenIds: [[0, 5, 2]] }); // [1, 3, 64], an expression
 */
export const XLMRobertaBackbone = classes.Backbone;

/** XLM-RoBERTa's tokenizer: SentencePiece, its ids shifted by one; `fromPreset` reads a preset folder's. */
export const XLMRobertaTokenizer = classes.Tokenizer;

/** The preprocessor of an `XLMRobertaMaskedLM`; `fromPreset` reads a preset folder's tokenizer and length. */
export const XLMRobertaMaskedLMPreprocessor = classes.MaskedLMPreprocessor;

/** The preprocessor of an `XLMRobertaTextClassifier`; `fromPreset` reads a preset folder's tokenizer and length. */
export const XLMRobertaTextClassifierPreprocessor = classes.TextClassifierPreprocessor;

/**
 * An XLM-RoBERTa that tells what stands in masked places, from a backbone and, for texts, a preprocessor.
 *
 * @see keras_hub.models.XLMRobertaMaskedLM
 */
export const XLMRobertaMaskedLM = classes.MaskedLM;

/**
 * An XLM-RoBERTa that tells which class a text is of, from a backbone, the number of classes and, for texts, a preprocessor.
 *
 * @see keras_hub.models.XLMRobertaTextClassifier
 */
export const XLMRobertaTextClassifier = classes.TextClassifier;
