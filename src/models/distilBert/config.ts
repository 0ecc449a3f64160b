import { type Activation, ownActivations, transformersActivations } from '../activations.ts';
import type { ConfigReader } from '../configReader.ts';
import { epsilonRule, makeConfig, mostLayers, mostWidth, parseConfig, rateRule } from '../encoder/config.ts';
import type { TransformerEncoderConfig } from '../encoder/transformerEncoder.ts';

/** The sizes of a DistilBERT, by KerasHub's names. */
export interface DistilBertConfig extends TransformerEncoderConfig {
  /** Of a masked LM's head; `gelu` in KerasHub. */
  readonly headActivation: Activation;
  /** Of a masked LM's head; 1e-5 in KerasHub. */
  readonly headLayerNormEpsilon: number;
}

/** What `DistilBertBackbone` takes: the fields with a default may be left out. */
export type DistilBertOptions = Pick<
  DistilBertConfig,
  'vocabularySize' | 'numLayers' | 'numHeads' | 'hiddenDim' | 'intermediateDim'
> &
  Partial<DistilBertConfig>;

const fromOptions = (reader: ConfigReader): DistilBertConfig => ({
  vocabularySize: reader.integer('vocabularySize', { high: mostWidth }),
  numLayers: reader.integer('numLayers', { high: mostLayers }),
  numHeads: reader.integer('numHeads', { high: mostWidth }),
  hiddenDim: reader.integer('hiddenDim', { high: mostWidth }),
  intermediateDim: reader.integer('intermediateDim', { high: mostWidth }),
  dropout: reader.number('dropout', { fallback: 0.1, ...rateRule }),
  maxSequenceLength: reader.integer('maxSequenceLength', { high: mostWidth, fallback: 512 }),
  layerNormEpsilon: reader.number('layerNormEpsilon', { fallback: 1e-12, ...epsilonRule }),
  activation: reader.oneOf('activation', ownActivations, 'gelu'),
  headActivation: reader.oneOf('headActivation', ownActivations, 'gelu'),
  headLayerNormEpsilon: reader.number('headLayerNormEpsilon', { fallback: 1e-5, ...epsilonRule }),
});

const fromKeras = (reader: ConfigReader): DistilBertConfig => ({
  vocabularySize: reader.integer('vocabulary_size', { high: mostWidth }),
  numLayers: reader.integer('num_layers', { high: mostLayers }),
  numHeads: reader.integer('num_heads', { high: mostWidth }),
  hiddenDim: reader.integer('hidden_dim', { high: mostWidth }),
  intermediateDim: reader.integer('intermediate_dim', { high: mostWidth }),
  dropout: reader.number('dropout', { fallback: 0.1, ...rateRule }),
  maxSequenceLength: reader.integer('max_sequence_length', { high: mostWidth, fallback: 512 }),
  layerNormEpsilon: 1e-12,
  activation: 'gelu',
  headActivation: 'gelu',
  headLayerNormEpsilon: 1e-5,
});

// Absent fields have the defaults of transformers' DistilBertConfig, whose epsilon is 1e-12 everywhere. `hidden_dim` is the
// width between the feedforward layers there. Places by sinus are stored like any others.
const fromTransformers = (reader: ConfigReader): DistilBertConfig => {
  const activation = reader.oneOf('activation', transformersActivations, 'gelu');
  return {
    vocabularySize: reader.integer('vocab_size', { high: mostWidth, fallback: 30522 }),
    numLayers: reader.integer(['n_layers', 'num_hidden_layers'], { high: mostLayers, fallback: 6 }),
    numHeads: reader.integer(['n_heads', 'num_attention_heads'], { high: mostWidth, fallback: 12 }),
    hiddenDim: reader.integer(['dim', 'hidden_size'], { high: mostWidth, fallback: 768 }),
    intermediateDim: reader.integer('hidden_dim', { high: mostWidth, fallback: 3072 }),
    dropout: reader.number('dropout', { fallback: 0.1, ...rateRule }),
    maxSequenceLength: reader.integer('max_position_embeddings', { high: mostWidth, fallback: 512 }),
    layerNormEpsilon: 1e-12,
    activation,
    headActivation: activation,
    headLayerNormEpsilon: 1e-12,
  };
};

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeDistilBertConfig = makeConfig<DistilBertOptions, DistilBertConfig>('DistilBertBackbone', fromOptions);

/**
 * The config of a preset: KerasHub's arithmetic in KerasHub's layout, transformers' in transformers'.
 *
 * @param json - The parsed config.json.
 * @see keras_hub.models.DistilBertBackbone, transformers.DistilBertConfig
 */
export const parseDistilBertConfig = parseConfig<DistilBertConfig>('DistilBERT', {
  keras: fromKeras,
  transformers: fromTransformers,
});
