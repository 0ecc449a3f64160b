import { type Buckets, bucketOf } from '../../layers/disentangledAttention.ts';
import { type Activation, ownActivations, transformersActivations } from '../activations.ts';
import { type ConfigReader, preview } from '../configReader.ts';
import { epsilonRule, makeConfig, mostLayers, mostWidth, parseConfig, rateRule } from '../encoder/config.ts';
import type { TransformerEncoderConfig } from '../encoder/transformerEncoder.ts';

/** The sizes of a DeBERTa V3, by KerasHub's names. */
export interface DebertaV3Config extends TransformerEncoderConfig {
  /** Buckets of distances to each side; the table of positions has twice as many rows. 256 if not given. */
  readonly bucketSize: number;
  /** The length at which buckets end; `maxSequenceLength` if not given, as in KerasHub. */
  readonly maxRelativePositions: number;
  /** How a quotient is rounded that decides on buckets; `keras` if not given. */
  readonly bucketRounding: Buckets['rounding'];
  /** Of a masked LM's head; `gelu` in KerasHub. */
  readonly headActivation: Activation;
  /** Of a masked LM's head; 1e-5 in KerasHub. */
  readonly headLayerNormEpsilon: number;
  /** Of a classifier's dense layer over the first place; `gelu` in KerasHub. */
  readonly poolerActivation: Activation;
}

/** What `DebertaV3Backbone` takes: the fields with a default may be left out. */
export type DebertaV3Options = Pick<
  DebertaV3Config,
  'vocabularySize' | 'numLayers' | 'numHeads' | 'hiddenDim' | 'intermediateDim'
> &
  Partial<DebertaV3Config>;

/** Below 2, half of it is no bucket at all. */
const bucketRange = { low: 2, high: mostWidth, fallback: 256 };

const roundings: ReadonlyMap<unknown, Buckets['rounding']> = new Map([
  ['keras', 'keras'],
  ['transformers', 'transformers'],
]);

const fromOptions = (reader: ConfigReader): DebertaV3Config => {
  const maxSequenceLength = reader.integer('maxSequenceLength', { high: mostWidth, fallback: 512 });
  return {
    vocabularySize: reader.integer('vocabularySize', { high: mostWidth }),
    numLayers: reader.integer('numLayers', { high: mostLayers }),
    numHeads: reader.integer('numHeads', { high: mostWidth }),
    hiddenDim: reader.integer('hiddenDim', { high: mostWidth }),
    intermediateDim: reader.integer('intermediateDim', { high: mostWidth }),
    dropout: reader.number('dropout', { fallback: 0.1, ...rateRule }),
    maxSequenceLength,
    bucketSize: reader.integer('bucketSize', bucketRange),
    maxRelativePositions: reader.integer('maxRelativePositions', { high: mostWidth, fallback: maxSequenceLength }),
    bucketRounding: reader.oneOf('bucketRounding', roundings, 'keras'),
    layerNormEpsilon: reader.number('layerNormEpsilon', { fallback: 1e-7, ...epsilonRule }),
    activation: reader.oneOf('activation', ownActivations, 'gelu'),
    headActivation: reader.oneOf('headActivation', ownActivations, 'gelu'),
    headLayerNormEpsilon: reader.number('headLayerNormEpsilon', { fallback: 1e-5, ...epsilonRule }),
    poolerActivation: reader.oneOf('poolerActivation', ownActivations, 'gelu'),
  };
};

const fromKeras = (reader: ConfigReader): DebertaV3Config => {
  const maxSequenceLength = reader.integer('max_sequence_length', { high: mostWidth, fallback: 512 });
  return {
    vocabularySize: reader.integer('vocabulary_size', { high: mostWidth }),
    numLayers: reader.integer('num_layers', { high: mostLayers }),
    numHeads: reader.integer('num_heads', { high: mostWidth }),
    hiddenDim: reader.integer('hidden_dim', { high: mostWidth }),
    intermediateDim: reader.integer('intermediate_dim', { high: mostWidth }),
    dropout: reader.number('dropout', { fallback: 0.1, ...rateRule }),
    maxSequenceLength,
    bucketSize: reader.integer('bucket_size', bucketRange),
    maxRelativePositions: maxSequenceLength,
    bucketRounding: 'keras',
    layerNormEpsilon: 1e-7,
    activation: 'gelu',
    headActivation: 'gelu',
    headLayerNormEpsilon: 1e-5,
    poolerActivation: 'gelu',
  };
};

/** Names in lists and in texts like `c2p|p2c`. */
const names = (value: unknown): readonly unknown[] =>
  typeof value === 'string'
    ? value.split('|').map((name) => name.trim().toLowerCase())
    : Array.isArray(value)
      ? value
      : [];

/** Complains of what `deberta-v2` may say and DeBERTa V3 does not: V2 and V3 share a `model_type`. */
const expectV3 = (reader: ConfigReader): void => {
  const only = (name: string, value: unknown, why: string): void => {
    const found = reader.value(name);
    if (found !== value) reader.complain(`${name}: expected ${preview(value)}, got ${preview(found)} (${why})`);
  };
  only('relative_attention', true, 'attention without relative positions is not supported');
  only('share_att_key', true, 'positions with projections of their own, as in DeBERTa V2, are not supported');
  only('position_biased_input', false, 'a table of absolute positions is not supported');
  const kinds = names(reader.value('pos_att_type'));
  if (kinds.length !== 2 || !kinds.includes('c2p') || !kinds.includes('p2c'))
    reader.complain(`pos_att_type: expected c2p and p2c, got ${preview(reader.value('pos_att_type'))}`);
  const norms = names(reader.value('norm_rel_ebd'));
  if (!norms.includes('layer_norm'))
    reader.complain(`norm_rel_ebd: expected "layer_norm", got ${preview(reader.value('norm_rel_ebd'))}`);
  const absent = (name: string, why: string): void => {
    const found = reader.value(name);
    if (found !== undefined && found !== null && found !== 0)
      reader.complain(`${name}: expected 0, got ${preview(found)} (${why})`);
  };
  absent('type_vocab_size', 'segments are not supported');
  absent('conv_kernel_size', 'a convolution, as in DeBERTa V2, is not supported');
  for (const name of ['embedding_size', 'pooler_hidden_size', 'attention_head_size']) {
    const found = reader.value(name);
    const [width, heads] = [reader.value('hidden_size') ?? 1536, reader.value('num_attention_heads') ?? 24];
    const own = name === 'attention_head_size' ? Number(width) / Number(heads) : width;
    if (found !== undefined && found !== null && found !== own)
      reader.complain(`${name}: expected ${preview(own)}, as hidden_size says, got ${preview(found)}`);
  }
};

// Absent fields have the defaults of transformers' DebertaV2Config. Body and head share activation and epsilon there.
const fromTransformers = (reader: ConfigReader): DebertaV3Config => {
  expectV3(reader);
  const activation = reader.oneOf('hidden_act', transformersActivations, 'gelu');
  const layerNormEpsilon = reader.number('layer_norm_eps', { fallback: 1e-7, ...epsilonRule });
  const own = reader.value('max_relative_positions');
  const last = typeof own === 'number' && own < 1 ? 'max_position_embeddings' : 'max_relative_positions';
  const maxSequenceLength = reader.integer('max_position_embeddings', { high: mostWidth, fallback: 512 });
  return {
    vocabularySize: reader.integer('vocab_size', { high: mostWidth, fallback: 128100 }),
    numLayers: reader.integer('num_hidden_layers', { high: mostLayers, fallback: 24 }),
    numHeads: reader.integer('num_attention_heads', { high: mostWidth, fallback: 24 }),
    hiddenDim: reader.integer('hidden_size', { high: mostWidth, fallback: 1536 }),
    intermediateDim: reader.integer('intermediate_size', { high: mostWidth, fallback: 6144 }),
    dropout: reader.number('hidden_dropout_prob', { fallback: 0.1, ...rateRule }),
    maxSequenceLength,
    bucketSize: reader.integer('position_buckets', { low: 2, high: mostWidth }),
    maxRelativePositions: reader.integer(last, { high: mostWidth, fallback: maxSequenceLength }),
    bucketRounding: 'transformers',
    layerNormEpsilon,
    activation,
    headActivation: activation,
    headLayerNormEpsilon: layerNormEpsilon,
    poolerActivation: reader.oneOf('pooler_hidden_act', transformersActivations, 'gelu'),
  };
};

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeDebertaV3Config = makeConfig<DebertaV3Options, DebertaV3Config>('DebertaV3Backbone', fromOptions);

/**
 * The config of a preset: KerasHub's arithmetic in KerasHub's layout, transformers' in transformers'.
 *
 * @param json - The parsed config.json.
 * @see keras_hub.models.DebertaV3Backbone, transformers.DebertaV2Config
 */
export const parseDebertaV3Config = parseConfig<DebertaV3Config>('DeBERTa V3', {
  keras: fromKeras,
  transformers: fromTransformers,
});

/** How a config's distances become buckets. */
export const bucketsOf = ({ bucketSize, maxRelativePositions, bucketRounding }: DebertaV3Config): Buckets => ({
  bucketSize,
  maxRelativePositions,
  rounding: bucketRounding,
});

/** Whether KerasHub's rounding gives the same buckets for every distance within the length of a config. */
export const hasKerasBuckets = (config: DebertaV3Config): boolean => {
  const own = bucketsOf(config);
  // Only the last distance is on the edge of a bucket.
  const last = config.maxRelativePositions - 1;
  return bucketOf(last, own) === bucketOf(last, { ...own, rounding: 'keras' });
};
