import { type Activation, ownActivations, transformersActivations } from '../activations.ts';
import type { ConfigReader } from '../configReader.ts';
import { epsilonRule, makeConfig, mostLayers, mostWidth, parseConfig, rateRule } from '../encoder/config.ts';
import type { TransformerEncoderConfig } from '../encoder/transformerEncoder.ts';

/** The sizes of a BERT, by KerasHub's names. */
export interface BertConfig extends TransformerEncoderConfig {
  /** Rows of the segment table; 2 if not given. */
  readonly numSegments: number;
  /** Of a masked LM's head; `gelu` in KerasHub. */
  readonly headActivation: Activation;
  /** Of a masked LM's head; 1e-5 in KerasHub. */
  readonly headLayerNormEpsilon: number;
}

/** What `BertBackbone` takes: the fields with a default may be left out. */
export type BertOptions = Pick<
  BertConfig,
  'vocabularySize' | 'numLayers' | 'numHeads' | 'hiddenDim' | 'intermediateDim'
> &
  Partial<BertConfig>;

const fromOptions = (reader: ConfigReader): BertConfig => ({
  vocabularySize: reader.integer('vocabularySize', { high: mostWidth }),
  numLayers: reader.integer('numLayers', { high: mostLayers }),
  numHeads: reader.integer('numHeads', { high: mostWidth }),
  hiddenDim: reader.integer('hiddenDim', { high: mostWidth }),
  intermediateDim: reader.integer('intermediateDim', { high: mostWidth }),
  dropout: reader.number('dropout', { fallback: 0.1, ...rateRule }),
  maxSequenceLength: reader.integer('maxSequenceLength', { high: mostWidth, fallback: 512 }),
  numSegments: reader.integer('numSegments', { high: mostWidth, fallback: 2 }),
  layerNormEpsilon: reader.number('layerNormEpsilon', { fallback: 1e-12, ...epsilonRule }),
  activation: reader.oneOf('activation', ownActivations, 'geluApproximate'),
  headActivation: reader.oneOf('headActivation', ownActivations, 'gelu'),
  headLayerNormEpsilon: reader.number('headLayerNormEpsilon', { fallback: 1e-5, ...epsilonRule }),
});

// KerasHub's body has the tanh form of GELU, its head the exact one with an epsilon of its own.
const fromKeras = (reader: ConfigReader): BertConfig => ({
  vocabularySize: reader.integer('vocabulary_size', { high: mostWidth }),
  numLayers: reader.integer('num_layers', { high: mostLayers }),
  numHeads: reader.integer('num_heads', { high: mostWidth }),
  hiddenDim: reader.integer('hidden_dim', { high: mostWidth }),
  intermediateDim: reader.integer('intermediate_dim', { high: mostWidth }),
  dropout: reader.number('dropout', { fallback: 0.1, ...rateRule }),
  maxSequenceLength: reader.integer('max_sequence_length', { high: mostWidth, fallback: 512 }),
  numSegments: reader.integer('num_segments', { high: mostWidth, fallback: 2 }),
  layerNormEpsilon: 1e-12,
  activation: 'geluApproximate',
  headActivation: 'gelu',
  headLayerNormEpsilon: 1e-5,
});

// Absent fields have the defaults of transformers' BertConfig. Body and head share activation and epsilon there.
const fromTransformers = (reader: ConfigReader): BertConfig => {
  reader.fixed('is_decoder', false, 'a BERT that is a decoder is not supported');
  reader.fixed('add_cross_attention', false, 'BERT with cross-attention is not supported');
  const kind = reader.value('position_embedding_type');
  if (kind !== undefined && kind !== 'absolute')
    reader.complain(`position_embedding_type: expected "absolute", got ${JSON.stringify(kind)}`);
  const activation = reader.oneOf('hidden_act', transformersActivations, 'gelu');
  const layerNormEpsilon = reader.number('layer_norm_eps', { fallback: 1e-12, ...epsilonRule });
  return {
    vocabularySize: reader.integer('vocab_size', { high: mostWidth, fallback: 30522 }),
    numLayers: reader.integer('num_hidden_layers', { high: mostLayers, fallback: 12 }),
    numHeads: reader.integer('num_attention_heads', { high: mostWidth, fallback: 12 }),
    hiddenDim: reader.integer('hidden_size', { high: mostWidth, fallback: 768 }),
    intermediateDim: reader.integer('intermediate_size', { high: mostWidth, fallback: 3072 }),
    dropout: reader.number('hidden_dropout_prob', { fallback: 0.1, ...rateRule }),
    maxSequenceLength: reader.integer('max_position_embeddings', { high: mostWidth, fallback: 512 }),
    numSegments: reader.integer('type_vocab_size', { high: mostWidth, fallback: 2 }),
    layerNormEpsilon,
    activation,
    headActivation: activation,
    headLayerNormEpsilon: layerNormEpsilon,
  };
};

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeBertConfig = makeConfig<BertOptions, BertConfig>('BertBackbone', fromOptions);

/**
 * The config of a preset: KerasHub's arithmetic in KerasHub's layout, transformers' in transformers'.
 *
 * @param json - The parsed config.json.
 * @see keras_hub.models.BertBackbone, transformers.BertConfig
 */
export const parseBertConfig = parseConfig<BertConfig>('BERT', { keras: fromKeras, transformers: fromTransformers });
