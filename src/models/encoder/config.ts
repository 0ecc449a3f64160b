import { type Activation, ownActivations, transformersActivations } from '../activations.ts';
import { type ConfigReader, preview } from '../configReader.ts';
import { mostLayers, mostWidth, positive, probability } from '../configRules.ts';
import type { TransformerEncoderConfig } from './transformerEncoder.ts';

/** The sizes that an encoder with a masked LM's head has. */
export interface EncoderConfig extends TransformerEncoderConfig {
  /** Of a masked LM's head. */
  readonly headActivation: Activation;
  /** Of a masked LM's head; 1e-5 in KerasHub. */
  readonly headLayerNormEpsilon: number;
}

/** An encoder's sizes without its heads, for one that has none. */
export type HeadlessEncoderConfig = Omit<EncoderConfig, 'numHeads'>;

/** What KerasHub's class takes where nothing is said; its files say neither activations nor epsilons. */
export interface EncoderDefaults {
  readonly dropout: number;
  readonly layerNormEpsilon: number;
  readonly activation: Activation;
  readonly headActivation: Activation;
}

/** In all of KerasHub's encoders. */
const kerasLength = 512;
const kerasHeadEpsilon = 1e-5;

/** The fields of a user's options that all encoders have, but for heads. */
export const headlessOptions = (reader: ConfigReader, defaults: EncoderDefaults): HeadlessEncoderConfig => ({
  vocabularySize: reader.integer('vocabularySize', { high: mostWidth }),
  numLayers: reader.integer('numLayers', { high: mostLayers }),
  hiddenDim: reader.integer('hiddenDim', { high: mostWidth }),
  intermediateDim: reader.integer('intermediateDim', { high: mostWidth }),
  dropout: reader.number('dropout', { fallback: defaults.dropout, ...probability }),
  maxSequenceLength: reader.integer('maxSequenceLength', { high: mostWidth, fallback: kerasLength }),
  layerNormEpsilon: reader.number('layerNormEpsilon', { fallback: defaults.layerNormEpsilon, ...positive }),
  activation: reader.oneOf('activation', ownActivations, defaults.activation),
  headActivation: reader.oneOf('headActivation', ownActivations, defaults.headActivation),
  headLayerNormEpsilon: reader.number('headLayerNormEpsilon', { fallback: kerasHeadEpsilon, ...positive }),
});

/** The fields of a user's options that all encoders with attention have. */
export const encoderOptions = (reader: ConfigReader, defaults: EncoderDefaults): EncoderConfig => ({
  numHeads: reader.integer('numHeads', { high: mostWidth }),
  ...headlessOptions(reader, defaults),
});

/** The fields of KerasHub's config that all encoders have, but for heads. */
export const headlessKeras = (reader: ConfigReader, defaults: EncoderDefaults): HeadlessEncoderConfig => ({
  vocabularySize: reader.integer('vocabulary_size', { high: mostWidth }),
  numLayers: reader.integer('num_layers', { high: mostLayers }),
  hiddenDim: reader.integer('hidden_dim', { high: mostWidth }),
  intermediateDim: reader.integer('intermediate_dim', { high: mostWidth }),
  dropout: reader.number('dropout', { fallback: defaults.dropout, ...probability }),
  maxSequenceLength: reader.integer('max_sequence_length', { high: mostWidth, fallback: kerasLength }),
  layerNormEpsilon: defaults.layerNormEpsilon,
  activation: defaults.activation,
  headActivation: defaults.headActivation,
  headLayerNormEpsilon: kerasHeadEpsilon,
});

/** The fields of KerasHub's config that all encoders with attention have. */
export const encoderKeras = (reader: ConfigReader, defaults: EncoderDefaults): EncoderConfig => ({
  ...headlessKeras(reader, defaults),
  numHeads: reader.integer('num_heads', { high: mostWidth }),
});

/** What a config class of transformers takes where nothing is said. */
export interface TransformersEncoderDefaults {
  readonly vocabularySize: number;
  readonly numLayers?: number;
  readonly hiddenDim?: number;
  readonly intermediateDim?: number;
  /** The field of the dropout rate; `hidden_dropout_prob` if not given. */
  readonly dropoutField?: string;
  /** Of that field. */
  readonly dropout?: number;
  readonly layerNormEpsilon?: number;
  /** transformers' name; `gelu` if not given. */
  readonly activation?: string;
}

/** The fields of transformers' config that all encoders have, but for heads. Body and head share activation and epsilon. */
export const headlessTransformers = (
  reader: ConfigReader,
  {
    vocabularySize,
    numLayers = 12,
    hiddenDim = 768,
    intermediateDim = 3072,
    dropoutField = 'hidden_dropout_prob',
    dropout = 0.1,
    ...defaults
  }: TransformersEncoderDefaults,
): HeadlessEncoderConfig => {
  const activation = reader.oneOf('hidden_act', transformersActivations, defaults.activation ?? 'gelu');
  const layerNormEpsilon = reader.number('layer_norm_eps', {
    fallback: defaults.layerNormEpsilon ?? 1e-12,
    ...positive,
  });
  return {
    vocabularySize: reader.integer('vocab_size', { high: mostWidth, fallback: vocabularySize }),
    numLayers: reader.integer('num_hidden_layers', { high: mostLayers, fallback: numLayers }),
    hiddenDim: reader.integer('hidden_size', { high: mostWidth, fallback: hiddenDim }),
    intermediateDim: reader.integer('intermediate_size', { high: mostWidth, fallback: intermediateDim }),
    dropout: reader.number(dropoutField, { fallback: dropout, ...probability }),
    maxSequenceLength: reader.integer('max_position_embeddings', { high: mostWidth, fallback: 512 }),
    layerNormEpsilon,
    activation,
    headActivation: activation,
    headLayerNormEpsilon: layerNormEpsilon,
  };
};

/** The fields of transformers' config that all encoders with attention have. */
export const encoderTransformers = (
  reader: ConfigReader,
  { numHeads = 12, ...defaults }: TransformersEncoderDefaults & { readonly numHeads?: number },
): EncoderConfig => ({
  ...headlessTransformers(reader, defaults),
  numHeads: reader.integer('num_attention_heads', { high: mostWidth, fallback: numHeads }),
});

/** Complains of a config of transformers that makes a decoder of an encoder, or has other positions than a table's. */
export const refuseDecoders = (reader: ConfigReader, name: string): void => {
  const article = /^[AEIOU]/.test(name) ? 'an' : 'a';
  reader.fixed('is_decoder', false, `${article} ${name} that is a decoder is not supported`);
  reader.fixed('add_cross_attention', false, `${name} with cross-attention is not supported`);
  const kind = reader.value('position_embedding_type');
  if (kind !== undefined && kind !== 'absolute')
    reader.complain(`position_embedding_type: expected "absolute", got ${preview(kind)}`);
};

/** Rows of a table of segments, as options, KerasHub or transformers name them. */
export const segments = (
  reader: ConfigReader,
  name: 'numSegments' | 'num_segments' | 'type_vocab_size',
  fallback: number,
): number => reader.integer(name, { high: mostWidth, fallback });
