import {
  makeRobertaConfig,
  parseRobertaConfig,
  type RobertaConfig,
  type RobertaOptions,
} from '../models/roberta/config.ts';
import { robertaKerasLayout } from '../models/roberta/kerasLayout.ts';
import { robertaPresets } from '../models/roberta/presets.ts';
import { type RobertaParams, roberta, robertaClassifierHead, robertaMaskedLMHead } from '../models/roberta/roberta.ts';
import type { BytePairTokenizerOptions } from '../tokenizers/bytePairTokenizer.ts';
import type { MaskedLMPreprocessorOptions } from '../tokenizers/maskedLMPreprocessor.ts';
import {
  RobertaMaskedLMPreprocessor as createMaskedLMPreprocessor,
  RobertaTextClassifierPreprocessor as createTextClassifierPreprocessor,
  type RobertaMaskedLMPreprocessor as MaskedLMPreprocessor,
  type RobertaInput,
  type RobertaTextClassifierPreprocessor as TextClassifierPreprocessor,
} from '../tokenizers/robertaPreprocessors.ts';
import {
  RobertaTokenizer as createTokenizer,
  type RobertaTokenizer as Tokenizer,
} from '../tokenizers/robertaTokenizer.ts';
import type { TextClassifierPreprocessorOptions } from '../tokenizers/textClassifierPreprocessor.ts';
import { bytePairFiles, openBytePair, readersOf } from './bytePairFiles.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { encoderClasses } from './encoderClasses.ts';
import type { MaskedLM, MaskedLMParts } from './maskedLM.ts';
import type { TextClassifier, TextClassifierParts } from './textClassifier.ts';

/** A RoBERTa backbone: encoder layers over token and position embeddings. */
export type RobertaBackbone = EncoderBackbone<RobertaConfig, RobertaParams>;

/** A RoBERTa that tells what stands in masked places. */
export type RobertaMaskedLM = MaskedLM<RobertaConfig, RobertaParams, Tokenizer>;

/** A RoBERTa that tells which class a text is of. */
export type RobertaTextClassifier = TextClassifier<RobertaConfig, RobertaParams, Tokenizer>;

const classes = encoderClasses<RobertaConfig, RobertaOptions, RobertaParams, Tokenizer, RobertaInput>({
  family: 'roberta',
  layout: robertaKerasLayout,
  presets: robertaPresets,
  makeConfig: makeRobertaConfig,
  parseConfig: parseRobertaConfig,
  model: roberta,
  maskedLMHead: robertaMaskedLMHead,
  classifierHead: robertaClassifierHead,
  classifier: { dropout: 0, learningRate: 5e-5 },
  tokenizer: {
    files: bytePairFiles.names,
    open: (preset) => openBytePair(preset, createTokenizer),
    save: bytePairFiles.save,
  },
  maskedLMPreprocessor: createMaskedLMPreprocessor,
  textClassifierPreprocessor: createTextClassifierPreprocessor,
});

/** RoBERTa as one of the families. */
export const robertaFamily = classes.any;

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
export const RobertaBackbone = Object.freeze(
  Object.assign(
    (options: RobertaOptions & { readonly seed?: number }): RobertaBackbone => classes.backbone.make(options),
    classes.backbone.statics,
  ),
);

/** RoBERTa's tokenizer: byte-level BPE with a mask token; `fromPreset` reads a preset folder's. */
export const RobertaTokenizer = Object.freeze(
  Object.assign(
    (options: BytePairTokenizerOptions): Tokenizer => createTokenizer(options),
    readersOf(createTokenizer),
    classes.tokenizer.statics,
  ),
);

/** The preprocessor of a `RobertaMaskedLM`; `fromPreset` reads a preset folder's tokenizer and length. */
export const RobertaMaskedLMPreprocessor = Object.freeze(
  Object.assign(
    (options: MaskedLMPreprocessorOptions<Tokenizer>): MaskedLMPreprocessor => createMaskedLMPreprocessor(options),
    classes.maskedLMPreprocessor.statics,
  ),
);

/** The preprocessor of a `RobertaTextClassifier`; `fromPreset` reads a preset folder's tokenizer and length. */
export const RobertaTextClassifierPreprocessor = Object.freeze(
  Object.assign(
    (options: TextClassifierPreprocessorOptions<Tokenizer>): TextClassifierPreprocessor =>
      createTextClassifierPreprocessor(options),
    classes.textClassifierPreprocessor.statics,
  ),
);

/**
 * A RoBERTa that tells what stands in masked places, from a backbone and, for texts, a preprocessor.
 *
 * @see keras_hub.models.RobertaMaskedLM
 */
export const RobertaMaskedLM = Object.freeze(
  Object.assign(
    (parts: MaskedLMParts<RobertaConfig, RobertaParams, Tokenizer>): RobertaMaskedLM => classes.maskedLM.make(parts),
    classes.maskedLM.statics,
  ),
);

/**
 * A RoBERTa that tells which class a text is of, from a backbone, the number of classes and, for texts, a preprocessor.
 *
 * @see keras_hub.models.RobertaTextClassifier
 */
export const RobertaTextClassifier = Object.freeze(
  Object.assign(
    (parts: TextClassifierParts<RobertaConfig, RobertaParams, Tokenizer>): RobertaTextClassifier =>
      classes.textClassifier.make(parts),
    classes.textClassifier.statics,
  ),
);
