import { type DebertaV3Config, makeDebertaV3Config, parseDebertaV3Config } from '../models/debertaV3/config.ts';
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
} from '../tokenizers/debertaV3Preprocessors.ts';
import {
  DebertaV3Tokenizer as createTokenizer,
  type DebertaV3Tokenizer as Tokenizer,
} from '../tokenizers/debertaV3Tokenizer.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { encoderClasses } from './encoderClasses.ts';
import type { MaskedLM } from './maskedLM.ts';
import { sentencePiece } from './sentencePieceFiles.ts';
import type { TextClassifier } from './textClassifier.ts';

/** A DeBERTa V3 backbone: encoder layers over token embeddings, whose attention looks at relative places too. */
export type DebertaV3Backbone = EncoderBackbone<DebertaV3Config, DebertaV3Params>;

/** A DeBERTa V3 that tells what stands in masked places. */
export type DebertaV3MaskedLM = MaskedLM<DebertaV3Config, DebertaV3Params, Tokenizer>;

/** A DeBERTa V3 that tells which class a text is of. */
export type DebertaV3TextClassifier = TextClassifier<DebertaV3Config, DebertaV3Params, Tokenizer>;

const classes = encoderClasses({
  family: 'debertaV3',
  layout: debertaV3KerasLayout,
  presets: debertaV3Presets,
  makeConfig: makeDebertaV3Config,
  parseConfig: parseDebertaV3Config,
  model: debertaV3,
  maskedLMHead: debertaV3MaskedLMHead,
  classifierHead: debertaV3ClassifierHead,
  classifier: { dropout: 0, learningRate: 5e-5 },
  tokenizer: sentencePiece('spm.model', createTokenizer),
  maskedLMPreprocessor: createMaskedLMPreprocessor,
  textClassifierPreprocessor: createTextClassifierPreprocessor,
});

/** DeBERTa V3 as one of the families. */
export const debertaV3Family = classes.family;

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
export const DebertaV3Backbone = classes.Backbone;

/** DeBERTa V3's tokenizer: SentencePiece; `fromPreset` reads a preset folder's. */
export const DebertaV3Tokenizer = classes.Tokenizer;

/** The preprocessor of a `DebertaV3MaskedLM`; `fromPreset` reads a preset folder's tokenizer and length. */
export const DebertaV3MaskedLMPreprocessor = classes.MaskedLMPreprocessor;

/** The preprocessor of a `DebertaV3TextClassifier`; `fromPreset` reads a preset folder's tokenizer and length. */
export const DebertaV3TextClassifierPreprocessor = classes.TextClassifierPreprocessor;

/**
 * A DeBERTa V3 that tells what stands in masked places, from a backbone and, for texts, a preprocessor.
 *
 * @see keras_hub.models.DebertaV3MaskedLM
 */
export const DebertaV3MaskedLM = classes.MaskedLM;

/**
 * A DeBERTa V3 that tells which class a text is of, from a backbone, the number of classes and, for texts, a preprocessor.
 *
 * @see keras_hub.models.DebertaV3TextClassifier
 */
export const DebertaV3TextClassifier = classes.TextClassifier;
