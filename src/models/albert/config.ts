import { type Activation, ownActivations, transformersActivations } from '../activations.ts';
import type { ConfigReader } from '../configReader.ts';
import { epsilonRule, makeConfig, mostLayers, mostWidth, parseConfig, rateRule } from '../encoder/config.ts';
import type { TransformerEncoderConfig } from '../encoder/transformerEncoder.ts';

/** The sizes of an ALBERT, by KerasHub's names. `numLayers` counts how often a group is applied, all groups together. */
export interface AlbertConfig extends TransformerEncoderConfig {
  /** Groups of layers with parameters of their own; divides `numLayers`; 1 if not given. */
  readonly numGroups: number;
  /** Layers in a group, each with parameters of its own; 1 if not given. */
  readonly numInnerRepetitions: number;
  /** Width of the embeddings, before they are projected to `hiddenDim`. */
  readonly embeddingDim: number;
  /** Rows of the segment table; 2 if not given. */
  readonly numSegments: number;
  /** Of a masked LM's head; `geluApproximate` in KerasHub. */
  readonly headActivation: Activation;
  /** Of a masked LM's head; 1e-5 in KerasHub. */
  readonly headLayerNormEpsilon: number;
}

/** What `AlbertBackbone` takes: the fields with a default may be left out. */
export type AlbertOptions = Pick<
  AlbertConfig,
  'vocabularySize' | 'numLayers' | 'numHeads' | 'embeddingDim' | 'hiddenDim' | 'intermediateDim'
> &
  Partial<AlbertConfig>;

/** The config, after a complaint where groups cannot be of one number of layers, or layers are more than can be. */
const checked = (reader: ConfigReader, config: AlbertConfig): AlbertConfig => {
  const { numLayers, numGroups, numInnerRepetitions } = config;
  if (numLayers % numGroups !== 0)
    reader.complain(
      `the number of layers must be a multiple of the number of groups, got ${numLayers} and ${numGroups}`,
    );
  if (numLayers * numInnerRepetitions > mostLayers)
    reader.complain(
      `expected at most ${mostLayers} layers in all, got ${numLayers} of groups with ${numInnerRepetitions} inner layers`,
    );
  return config;
};

const fromOptions = (reader: ConfigReader): AlbertConfig =>
  checked(reader, {
    vocabularySize: reader.integer('vocabularySize', { high: mostWidth }),
    numLayers: reader.integer('numLayers', { high: mostLayers }),
    numHeads: reader.integer('numHeads', { high: mostWidth }),
    numGroups: reader.integer('numGroups', { high: mostLayers, fallback: 1 }),
    numInnerRepetitions: reader.integer('numInnerRepetitions', { high: mostLayers, fallback: 1 }),
    embeddingDim: reader.integer('embeddingDim', { high: mostWidth }),
    hiddenDim: reader.integer('hiddenDim', { high: mostWidth }),
    intermediateDim: reader.integer('intermediateDim', { high: mostWidth }),
    dropout: reader.number('dropout', { fallback: 0, ...rateRule }),
    maxSequenceLength: reader.integer('maxSequenceLength', { high: mostWidth, fallback: 512 }),
    numSegments: reader.integer('numSegments', { high: mostWidth, fallback: 2 }),
    layerNormEpsilon: reader.number('layerNormEpsilon', { fallback: 1e-12, ...epsilonRule }),
    activation: reader.oneOf('activation', ownActivations, 'geluApproximate'),
    headActivation: reader.oneOf('headActivation', ownActivations, 'geluApproximate'),
    headLayerNormEpsilon: reader.number('headLayerNormEpsilon', { fallback: 1e-5, ...epsilonRule }),
  });

const fromKeras = (reader: ConfigReader): AlbertConfig =>
  checked(reader, {
    vocabularySize: reader.integer('vocabulary_size', { high: mostWidth }),
    numLayers: reader.integer('num_layers', { high: mostLayers }),
    numHeads: reader.integer('num_heads', { high: mostWidth }),
    numGroups: reader.integer('num_groups', { high: mostLayers, fallback: 1 }),
    numInnerRepetitions: reader.integer('num_inner_repetitions', { high: mostLayers, fallback: 1 }),
    embeddingDim: reader.integer('embedding_dim', { high: mostWidth }),
    hiddenDim: reader.integer('hidden_dim', { high: mostWidth }),
    intermediateDim: reader.integer('intermediate_dim', { high: mostWidth }),
    dropout: reader.number('dropout', { fallback: 0, ...rateRule }),
    maxSequenceLength: reader.integer('max_sequence_length', { high: mostWidth, fallback: 512 }),
    numSegments: reader.integer('num_segments', { high: mostWidth, fallback: 2 }),
    layerNormEpsilon: 1e-12,
    activation: 'geluApproximate',
    headActivation: 'geluApproximate',
    headLayerNormEpsilon: 1e-5,
  });

// Absent fields have the defaults of transformers' AlbertConfig. Body and head share activation and epsilon there. Of its
// two dropout rates KerasHub takes the patterns'.
const fromTransformers = (reader: ConfigReader): AlbertConfig => {
  reader.fixed('is_decoder', false, 'an ALBERT that is a decoder is not supported');
  reader.fixed('add_cross_attention', false, 'ALBERT with cross-attention is not supported');
  const kind = reader.value('position_embedding_type');
  if (kind !== undefined && kind !== 'absolute')
    reader.complain(`position_embedding_type: expected "absolute", got ${JSON.stringify(kind)}`);
  const activation = reader.oneOf('hidden_act', transformersActivations, 'gelu_new');
  const layerNormEpsilon = reader.number('layer_norm_eps', { fallback: 1e-12, ...epsilonRule });
  return checked(reader, {
    vocabularySize: reader.integer('vocab_size', { high: mostWidth, fallback: 30000 }),
    numLayers: reader.integer('num_hidden_layers', { high: mostLayers, fallback: 12 }),
    numHeads: reader.integer('num_attention_heads', { high: mostWidth, fallback: 64 }),
    numGroups: reader.integer('num_hidden_groups', { high: mostLayers, fallback: 1 }),
    numInnerRepetitions: reader.integer('inner_group_num', { high: mostLayers, fallback: 1 }),
    embeddingDim: reader.integer('embedding_size', { high: mostWidth, fallback: 128 }),
    hiddenDim: reader.integer('hidden_size', { high: mostWidth, fallback: 4096 }),
    intermediateDim: reader.integer('intermediate_size', { high: mostWidth, fallback: 16384 }),
    dropout: reader.number('attention_probs_dropout_prob', { fallback: 0, ...rateRule }),
    maxSequenceLength: reader.integer('max_position_embeddings', { high: mostWidth, fallback: 512 }),
    numSegments: reader.integer('type_vocab_size', { high: mostWidth, fallback: 2 }),
    layerNormEpsilon,
    activation,
    headActivation: activation,
    headLayerNormEpsilon: layerNormEpsilon,
  });
};

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeAlbertConfig = makeConfig<AlbertOptions, AlbertConfig>('AlbertBackbone', fromOptions);

/**
 * The config of a preset: KerasHub's arithmetic in KerasHub's layout, transformers' in transformers'.
 *
 * @param json - The parsed config.json.
 * @see keras_hub.models.AlbertBackbone, transformers.AlbertConfig
 */
export const parseAlbertConfig = parseConfig<AlbertConfig>('ALBERT', {
  keras: fromKeras,
  transformers: fromTransformers,
});
