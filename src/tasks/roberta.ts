import { makeRobertaConfig, parseRobertaConfig, type RobertaConfig } from '../models/roberta/config.ts';
import { robertaKerasLayout } from '../models/roberta/kerasLayout.ts';
import { robertaPresets } from '../models/roberta/presets.ts';
import { type RobertaParams, roberta, robertaClassifierHead, robertaMaskedLMHead } from '../models/roberta/roberta.ts';
import {
  RobertaMaskedLMPreprocessor as createMaskedLMPreprocessor,
  RobertaTextClassifierPreprocessor as createTextClassifierPreprocessor,
} from '../tokenizers/robertaPreprocessors.ts';
import {
  RobertaTokenizer as createTokenizer,
  type RobertaTokenizer as Tokenizer,
} from '../tokenizers/robertaTokenizer.ts';
import { bytePair } from './bytePairFiles.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { encoderClasses } from './encoderClasses.ts';
import type { MaskedLM } from './maskedLM.ts';
import type { TextClassifier } from './textClassifier.ts';

/** A RoBERTa backbone: encoder layers over token and position embeddings. */
export type RobertaBackbone = EncoderBackbone<RobertaConfig, RobertaParams>;

/** A RoBERTa that tells what stands in masked places. */
export type RobertaMaskedLM = MaskedLM<RobertaConfig, RobertaParams, Tokenizer>;

/** A RoBERTa that tells which class a text is of. */
export type RobertaTextClassifier = TextClassifier<RobertaConfig, RobertaParams, Tokenizer>;

const classes = encoderClasses({
  family: 'roberta',
  layout: robertaKerasLayout,
  presets: robertaPresets,
  makeConfig: makeRobertaConfig,
  parseConfig: parseRobertaConfig,
  model: roberta,
  maskedLMHead: robertaMaskedLMHead,
  classifierHead: robertaClassifierHead,
  classifier: { dropout: 0, learningRate: 5e-5 },
  tokenizer: bytePair(createTokenizer),
  maskedLMPreprocessor: createMaskedLMPreprocessor,
  textClassifierPreprocessor: createTextClassifierPreprocessor,
});

/** RoBERTa as one of the families. */
export const robertaFamily = classes.family;

/**
 * A RoBERTa backbone of these sizes with random weights from a seed.
 *
 * @throws {ArgumentError} If a size is missing or nonsense; the message lists all that is wrong.
 * @see Liu et al. 2019; keras_hub.models.RobertaBackbone
 * @example
 * const backbone = RobertaBackbone({ vocabularySize: 50265, numLayers: 2, numHeads: 2, hiddenDim: 64,
 *   intermediateDim: 128, maxSequenceLength: 32 });
 * const { sequence } = backbone.apply({ tokenIds: [[0, 5, 2]] }); // [1, 3, 64], an expression
 */
export const RobertaBackbone = classes.Backbone;

/** RoBERTa's tokenizer: byte-level BPE with a mask token; `fromPreset` reads a preset folder's. */
export const RobertaTokenizer = classes.Tokenizer;

/** The preprocessor of a `RobertaMaskedLM`; `fromPreset` reads a preset folder's tokenizer and length. */
export const RobertaMaskedLMPreprocessor = classes.MaskedLMPreprocessor;

/** The preprocessor of a `RobertaTextClassifier`; `fromPreset` reads a preset folder's tokenizer and length. */
export const RobertaTextClassifierPreprocessor = classes.TextClassifierPreprocessor;

/**
 * A RoBERTa that tells what stands in masked places, from a backbone and, for texts, a preprocessor.
 *
 * @see keras_hub.models.RobertaMaskedLM
 */
export const RobertaMaskedLM = classes.MaskedLM;

/**
 * A RoBERTa that tells which class a text is of, from a backbone, the number of classes and, for texts, a preprocessor.
 *
 * @see keras_hub.models.RobertaTextClassifier
 */
export const RobertaTextClassifier = classes.TextClassifier;
