import {
  type DistilBertConfig,
  type DistilBertOptions,
  makeDistilBertConfig,
  parseDistilBertConfig,
} from '../models/distilBert/config.ts';
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
  type DistilBertInput,
  type DistilBertMaskedLMPreprocessor as MaskedLMPreprocessor,
  type DistilBertTextClassifierPreprocessor as TextClassifierPreprocessor,
} from '../tokenizers/distilBertPreprocessors.ts';
import {
  DistilBertTokenizer as createTokenizer,
  type DistilBertTokenizer as Tokenizer,
} from '../tokenizers/distilBertTokenizer.ts';
import type { MaskedLMPreprocessorOptions } from '../tokenizers/maskedLMPreprocessor.ts';
import type { TextClassifierPreprocessorOptions } from '../tokenizers/textClassifierPreprocessor.ts';
import type { WordPieceTokenizerOptions } from '../tokenizers/wordPieceTokenizer.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { encoderClasses } from './encoderClasses.ts';
import type { MaskedLM, MaskedLMParts } from './maskedLM.ts';
import type { TextClassifier, TextClassifierParts } from './textClassifier.ts';
import { openWordPiece, wordPieceFiles, wordPieceReaders } from './wordPieceFiles.ts';

/** A DistilBERT backbone: encoder layers over token and position embeddings. */
export type DistilBertBackbone = EncoderBackbone<DistilBertConfig, DistilBertParams>;

/** A DistilBERT that tells what stands in masked places. */
export type DistilBertMaskedLM = MaskedLM<DistilBertConfig, DistilBertParams, Tokenizer>;

/** A DistilBERT that tells which class a text is of. */
export type DistilBertTextClassifier = TextClassifier<DistilBertConfig, DistilBertParams, Tokenizer>;

const classes = encoderClasses<DistilBertConfig, DistilBertOptions, DistilBertParams, Tokenizer, DistilBertInput>({
  family: 'distilBert',
  layout: distilBertKerasLayout,
  presets: distilBertPresets,
  makeConfig: makeDistilBertConfig,
  parseConfig: parseDistilBertConfig,
  model: distilBert,
  maskedLMHead: distilBertMaskedLMHead,
  classifierHead: distilBertClassifierHead,
  classifier: { dropout: 0.2, learningRate: 5e-5 },
  tokenizer: {
    files: wordPieceFiles.names,
    open: (preset) => openWordPiece(preset, createTokenizer),
    save: wordPieceFiles.save,
  },
  maskedLMPreprocessor: createMaskedLMPreprocessor,
  textClassifierPreprocessor: createTextClassifierPreprocessor,
});

/** DistilBERT as one of the families. */
export const distilBertFamily = classes.any;

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
export const DistilBertBackbone = Object.freeze(
  Object.assign(
    (options: DistilBertOptions & { readonly seed?: number }): DistilBertBackbone => classes.backbone.make(options),
    classes.backbone.statics,
  ),
);

/** DistilBERT's tokenizer: WordPiece; `fromPreset` reads a preset folder's. */
export const DistilBertTokenizer = Object.freeze(
  Object.assign(
    (options: WordPieceTokenizerOptions): Tokenizer => createTokenizer(options),
    wordPieceReaders(createTokenizer),
    classes.tokenizer.statics,
  ),
);

/** The preprocessor of a `DistilBertMaskedLM`; `fromPreset` reads a preset folder's tokenizer and length. */
export const DistilBertMaskedLMPreprocessor = Object.freeze(
  Object.assign(
    (options: MaskedLMPreprocessorOptions<Tokenizer>): MaskedLMPreprocessor => createMaskedLMPreprocessor(options),
    classes.maskedLMPreprocessor.statics,
  ),
);

/** The preprocessor of a `DistilBertTextClassifier`; `fromPreset` reads a preset folder's tokenizer and length. */
export const DistilBertTextClassifierPreprocessor = Object.freeze(
  Object.assign(
    (options: TextClassifierPreprocessorOptions<Tokenizer>): TextClassifierPreprocessor =>
      createTextClassifierPreprocessor(options),
    classes.textClassifierPreprocessor.statics,
  ),
);

/**
 * A DistilBERT that tells what stands in masked places, from a backbone and, for texts, a preprocessor.
 *
 * @see keras_hub.models.DistilBertMaskedLM
 */
export const DistilBertMaskedLM = Object.freeze(
  Object.assign(
    (parts: MaskedLMParts<DistilBertConfig, DistilBertParams, Tokenizer>): DistilBertMaskedLM =>
      classes.maskedLM.make(parts),
    classes.maskedLM.statics,
  ),
);

/**
 * A DistilBERT that tells which class a text is of, from a backbone, the number of classes and, for texts, a preprocessor.
 *
 * @see keras_hub.models.DistilBertTextClassifier
 */
export const DistilBertTextClassifier = Object.freeze(
  Object.assign(
    (parts: TextClassifierParts<DistilBertConfig, DistilBertParams, Tokenizer>): DistilBertTextClassifier =>
      classes.textClassifier.make(parts),
    classes.textClassifier.statics,
  ),
);
