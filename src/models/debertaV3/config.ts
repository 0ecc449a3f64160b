import { type Buckets, bucketOf } from '../../layers/disentangledAttention.ts';
import { type Activation, ownActivations, transformersActivations } from '../activations.ts';
import { headsDivide, makeConfig, parseConfig } from '../configParser.ts';
import { type ConfigReader, preview } from '../configReader.ts';
import { mostWidth } from '../configRules.ts';
import {
  type EncoderConfig,
  type EncoderDefaults,
  encoderKeras,
  encoderOptions,
  encoderTransformers,
  refuseDecoders,
} from '../encoder/config.ts';

/** The sizes of a DeBERTa V3, by KerasHub's names. */
export interface DebertaV3Config extends EncoderConfig {
  /** Buckets of distances to each side; the table of positions has twice as many rows. 256 if not given. */
  readonly bucketSize: number;
  /** The length at which buckets end; `maxSequenceLength` if not given, as in KerasHub. */
  readonly maxRelativePositions: number;
  /** How a quotient is rounded that decides on buckets; `keras` if not given. */
  readonly bucketRounding: Buckets['rounding'];
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

const defaults: EncoderDefaults = {
  dropout: 0.1,
  layerNormEpsilon: 1e-7,
  activation: 'gelu',
  headActivation: 'gelu',
};

const fromOptions = (reader: ConfigReader): DebertaV3Config => {
  const fields = encoderOptions(reader, defaults);
  return {
    ...fields,
    bucketSize: reader.integer('bucketSize', bucketRange),
    maxRelativePositions: reader.integer('maxRelativePositions', {
      high: mostWidth,
      fallback: fields.maxSequenceLength,
    }),
    bucketRounding: reader.oneOf('bucketRounding', roundings, 'keras'),
    poolerActivation: reader.oneOf('poolerActivation', ownActivations, 'gelu'),
  };
};

const fromKeras = (reader: ConfigReader): DebertaV3Config => {
  const fields = encoderKeras(reader, defaults);
  return {
    ...fields,
    bucketSize: reader.integer('bucket_size', bucketRange),
    maxRelativePositions: fields.maxSequenceLength,
    bucketRounding: 'keras',
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

// Absent fields have the defaults of transformers' DebertaV2Config.
const fromTransformers = (reader: ConfigReader): DebertaV3Config => {
  refuseDecoders(reader, 'DeBERTa V3');
  expectV3(reader);
  const fields = encoderTransformers(reader, {
    vocabularySize: 128100,
    numLayers: 24,
    numHeads: 24,
    hiddenDim: 1536,
    intermediateDim: 6144,
    layerNormEpsilon: 1e-7,
  });
  const own = reader.value('max_relative_positions');
  return {
    ...fields,
    bucketSize: reader.integer('position_buckets', { low: 2, high: mostWidth }),
    // Below 1 it stands for the longest text.
    maxRelativePositions:
      typeof own === 'number' && own < 1
        ? fields.maxSequenceLength
        : reader.integer('max_relative_positions', { high: mostWidth, fallback: fields.maxSequenceLength }),
    bucketRounding: 'transformers',
    poolerActivation: reader.oneOf('pooler_hidden_act', transformersActivations, 'gelu'),
  };
};

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeDebertaV3Config = makeConfig<DebertaV3Options, DebertaV3Config>('DebertaV3Backbone', fromOptions, [
  headsDivide,
]);

/**
 * The config of a preset: KerasHub's arithmetic in KerasHub's layout, transformers' in transformers'.
 *
 * @param json - The parsed config.json.
 * @param warn - Hears of fields that are unknown and passed over.
 * @see keras_hub.models.DebertaV3Backbone, transformers.DebertaV2Config
 */
export const parseDebertaV3Config = parseConfig<DebertaV3Config>(
  'DeBERTa V3',
  { keras: fromKeras, transformers: fromTransformers },
  [headsDivide],
);

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
