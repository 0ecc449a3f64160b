import {
  type DebertaV3Config,
  type DebertaV3Options,
  makeDebertaV3Config,
  parseDebertaV3Config,
} from '../models/debertaV3/config.ts';
import {
  type DebertaV3Params,
  debertaV3,
  debertaV3ClassifierHead,
  debertaV3MaskedLMHead,
} from '../models/debertaV3/debertaV3.ts';
import { debertaV3KerasLayout } from '../models/debertaV3/kerasLayout.ts';
import { debertaV3Presets } from '../models/debertaV3/presets.ts';
import {
  DebertaV3MaskedLMPreprocessor as createMaskedLMPreprocessor,
  DebertaV3TextClassifierPreprocessor as createTextClassifierPreprocessor,
  type DebertaV3Input,
  type DebertaV3MaskedLMPreprocessor as MaskedLMPreprocessor,
  type DebertaV3TextClassifierPreprocessor as TextClassifierPreprocessor,
} from '../tokenizers/debertaV3Preprocessors.ts';
import {
  DebertaV3Tokenizer as createTokenizer,
  type DebertaV3Tokenizer as Tokenizer,
} from '../tokenizers/debertaV3Tokenizer.ts';
import type { MaskedLMPreprocessorOptions } from '../tokenizers/maskedLMPreprocessor.ts';
import type { SentencePieceTokenizerOptions } from '../tokenizers/sentencePieceTokenizer.ts';
import type { TextClassifierPreprocessorOptions } from '../tokenizers/textClassifierPreprocessor.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { encoderClasses } from './encoderClasses.ts';
import type { MaskedLM, MaskedLMParts } from './maskedLM.ts';
import { sentencePieceFiles, sentencePieceReaders } from './sentencePieceFiles.ts';
import type { TextClassifier, TextClassifierParts } from './textClassifier.ts';

/** A DeBERTa V3 backbone: encoder layers over token embeddings, whose attention looks at relative places too. */
export type DebertaV3Backbone = EncoderBackbone<DebertaV3Config, DebertaV3Params>;

/** A DeBERTa V3 that tells what stands in masked places. */
export type DebertaV3MaskedLM = MaskedLM<DebertaV3Config, DebertaV3Params, Tokenizer>;

/** A DeBERTa V3 that tells which class a text is of. */
export type DebertaV3TextClassifier = TextClassifier<DebertaV3Config, DebertaV3Params, Tokenizer>;

const files = sentencePieceFiles('spm.model');

const classes = encoderClasses<DebertaV3Config, DebertaV3Options, DebertaV3Params, Tokenizer, DebertaV3Input>({
  family: 'debertaV3',
  layout: debertaV3KerasLayout,
  presets: debertaV3Presets,
  makeConfig: makeDebertaV3Config,
  parseConfig: parseDebertaV3Config,
  model: debertaV3,
  maskedLMHead: debertaV3MaskedLMHead,
  classifierHead: debertaV3ClassifierHead,
  classifier: { dropout: 0, learningRate: 5e-5 },
  tokenizer: {
    files: files.names,
    open: (preset) => files.open(preset, createTokenizer),
    save: files.save,
  },
  maskedLMPreprocessor: createMaskedLMPreprocessor,
  textClassifierPreprocessor: createTextClassifierPreprocessor,
});

/** DeBERTa V3 as one of the families. */
export const debertaV3Family = classes.any;

/**
 * A DeBERTa V3 backbone of these sizes with random weights from a seed.
 *
 * @throws {ArgumentError} If a size is missing or nonsense; the message lists all that is wrong.
 * @see He et al. 2021; keras_hub.models.DebertaV3Backbone
 * @example
 * const backbone = DebertaV3Backbone({ vocabularySize: 128100, numLayers: 2, numHeads: 2, hiddenDim: 64,
 *   intermediateDim: 128, maxSequenceLength: 32, bucketSize: 16 });
 * const { sequence } = backbone.apply({ tokenIds: [[0, 5, 2]] }); // [1, 3, 64], an expression
 */
export const DebertaV3Backbone = Object.freeze(
  Object.assign(
    (options: DebertaV3Options & { readonly seed?: number }): DebertaV3Backbone => classes.backbone.make(options),
    classes.backbone.statics,
  ),
);

/** DeBERTa V3's tokenizer: SentencePiece; `fromPreset` reads a preset folder's. */
export const DebertaV3Tokenizer = Object.freeze(
  Object.assign(
    (options: SentencePieceTokenizerOptions): Tokenizer => createTokenizer(options),
    sentencePieceReaders(createTokenizer),
    classes.tokenizer.statics,
  ),
);

/** The preprocessor of a `DebertaV3MaskedLM`; `fromPreset` reads a preset folder's tokenizer and length. */
export const DebertaV3MaskedLMPreprocessor = Object.freeze(
  Object.assign(
    (options: MaskedLMPreprocessorOptions<Tokenizer>): MaskedLMPreprocessor => createMaskedLMPreprocessor(options),
    classes.maskedLMPreprocessor.statics,
  ),
);

/** The preprocessor of a `DebertaV3TextClassifier`; `fromPreset` reads a preset folder's tokenizer and length. */
export const DebertaV3TextClassifierPreprocessor = Object.freeze(
  Object.assign(
    (options: TextClassifierPreprocessorOptions<Tokenizer>): TextClassifierPreprocessor =>
      createTextClassifierPreprocessor(options),
    classes.textClassifierPreprocessor.statics,
  ),
);

/**
 * A DeBERTa V3 that tells what stands in masked places, from a backbone and, for texts, a preprocessor.
 *
 * @see keras_hub.models.DebertaV3MaskedLM
 */
export const DebertaV3MaskedLM = Object.freeze(
  Object.assign(
    (parts: MaskedLMParts<DebertaV3Config, DebertaV3Params, Tokenizer>): DebertaV3MaskedLM =>
      classes.maskedLM.make(parts),
    classes.maskedLM.statics,
  ),
);

/**
 * A DeBERTa V3 that tells which class a text is of, from a backbone, the number of classes and, for texts, a preprocessor.
 *
 * @see keras_hub.models.DebertaV3TextClassifier
 */
export const DebertaV3TextClassifier = Object.freeze(
  Object.assign(
    (parts: TextClassifierParts<DebertaV3Config, DebertaV3Params, Tokenizer>): DebertaV3TextClassifier =>
      classes.textClassifier.make(parts),
    classes.textClassifier.statics,
  ),
);
