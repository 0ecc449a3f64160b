import { type Activation, ownActivations, transformersActivations } from '../activations.ts';
import type { ConfigReader } from '../configReader.ts';
import { epsilonRule, makeConfig, mostLayers, mostWidth, parseConfig, rateRule } from '../encoder/config.ts';
import type { TransformerEncoderConfig } from '../encoder/transformerEncoder.ts';

/** The sizes of a RoBERTa or an XLM-RoBERTa, by KerasHub's names. */
export interface RobertaConfig extends TransformerEncoderConfig {
  /** Of a masked LM's head; `gelu` in KerasHub and in transformers. */
  readonly headActivation: Activation;
  /** Of a masked LM's head; 1e-5 in KerasHub. */
  readonly headLayerNormEpsilon: number;
  /** Rows of transformers' position table before that of a text's first place: 2, one more than the id of padding. */
  readonly reservedPositions: number;
  /** Rows of transformers' token-type table, of which only the first is ever read; 1 if not given. */
  readonly tokenTypes: number;
}

/** What `RobertaBackbone` and `XLMRobertaBackbone` take: the fields with a default may be left out. */
export type RobertaOptions = Pick<
  RobertaConfig,
  'vocabularySize' | 'numLayers' | 'numHeads' | 'hiddenDim' | 'intermediateDim'
> &
  Partial<RobertaConfig>;

/** A config from a user's options, with KerasHub's defaults. */
export const robertaFromOptions = (reader: ConfigReader): RobertaConfig => ({
  vocabularySize: reader.integer('vocabularySize', { high: mostWidth }),
  numLayers: reader.integer('numLayers', { high: mostLayers }),
  numHeads: reader.integer('numHeads', { high: mostWidth }),
  hiddenDim: reader.integer('hiddenDim', { high: mostWidth }),
  intermediateDim: reader.integer('intermediateDim', { high: mostWidth }),
  dropout: reader.number('dropout', { fallback: 0.1, ...rateRule }),
  maxSequenceLength: reader.integer('maxSequenceLength', { high: mostWidth, fallback: 512 }),
  layerNormEpsilon: reader.number('layerNormEpsilon', { fallback: 1e-5, ...epsilonRule }),
  activation: reader.oneOf('activation', ownActivations, 'gelu'),
  headActivation: reader.oneOf('headActivation', ownActivations, 'gelu'),
  headLayerNormEpsilon: reader.number('headLayerNormEpsilon', { fallback: 1e-5, ...epsilonRule }),
  reservedPositions: reader.integer('reservedPositions', { high: mostWidth, fallback: 2 }),
  tokenTypes: reader.integer('tokenTypes', { high: mostWidth, fallback: 1 }),
});

/** A config from KerasHub's. */
export const robertaFromKeras = (reader: ConfigReader): RobertaConfig => ({
  vocabularySize: reader.integer('vocabulary_size', { high: mostWidth }),
  numLayers: reader.integer('num_layers', { high: mostLayers }),
  numHeads: reader.integer('num_heads', { high: mostWidth }),
  hiddenDim: reader.integer('hidden_dim', { high: mostWidth }),
  intermediateDim: reader.integer('intermediate_dim', { high: mostWidth }),
  dropout: reader.number('dropout', { fallback: 0.1, ...rateRule }),
  maxSequenceLength: reader.integer('max_sequence_length', { high: mostWidth, fallback: 512 }),
  layerNormEpsilon: 1e-5,
  activation: 'gelu',
  headActivation: 'gelu',
  headLayerNormEpsilon: 1e-5,
  reservedPositions: 2,
  tokenTypes: 1,
});

/**
 * A config from transformers'. Absent fields have the defaults of its config class.
 *
 * @param vocabularySize - The default, the only one in which RoBERTa's class and XLM-RoBERTa's differ.
 */
export const robertaFromTransformers =
  (vocabularySize: number) =>
  (reader: ConfigReader): RobertaConfig => {
    reader.fixed('is_decoder', false, 'a RoBERTa that is a decoder is not supported');
    reader.fixed('add_cross_attention', false, 'RoBERTa with cross-attention is not supported');
    const kind = reader.value('position_embedding_type');
    if (kind !== undefined && kind !== 'absolute')
      reader.complain(`position_embedding_type: expected "absolute", got ${JSON.stringify(kind)}`);
    const padding = reader.integer('pad_token_id', { low: 0, high: mostWidth, fallback: 1 });
    const rows = reader.integer('max_position_embeddings', { high: mostWidth, fallback: 512 });
    const reservedPositions = padding + 1;
    if (rows <= reservedPositions)
      reader.complain(
        `max_position_embeddings: expected more than ${reservedPositions}, since rows up to pad_token_id are no places, got ${rows}`,
      );
    const layerNormEpsilon = reader.number('layer_norm_eps', { fallback: 1e-12, ...epsilonRule });
    return {
      vocabularySize: reader.integer('vocab_size', { high: mostWidth, fallback: vocabularySize }),
      numLayers: reader.integer('num_hidden_layers', { high: mostLayers, fallback: 12 }),
      numHeads: reader.integer('num_attention_heads', { high: mostWidth, fallback: 12 }),
      hiddenDim: reader.integer('hidden_size', { high: mostWidth, fallback: 768 }),
      intermediateDim: reader.integer('intermediate_size', { high: mostWidth, fallback: 3072 }),
      dropout: reader.number('hidden_dropout_prob', { fallback: 0.1, ...rateRule }),
      maxSequenceLength: rows - reservedPositions,
      layerNormEpsilon,
      activation: reader.oneOf('hidden_act', transformersActivations, 'gelu'),
      // Whatever the body's is.
      headActivation: 'gelu',
      headLayerNormEpsilon: layerNormEpsilon,
      reservedPositions,
      tokenTypes: reader.integer('type_vocab_size', { high: mostWidth, fallback: 2 }),
    };
  };

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeRobertaConfig = makeConfig<RobertaOptions, RobertaConfig>('RobertaBackbone', robertaFromOptions);

/**
 * The config of a preset: KerasHub's arithmetic in KerasHub's layout, transformers' in transformers'.
 *
 * @param json - The parsed config.json.
 * @see keras_hub.models.RobertaBackbone, transformers.RobertaConfig
 */
export const parseRobertaConfig = parseConfig<RobertaConfig>('RoBERTa', {
  keras: robertaFromKeras,
  transformers: robertaFromTransformers(50265),
});
