import { type Activation, ownActivations, transformersActivations } from '../activations.ts';
import { atMostParams, type ConfigRule, headsDivide, makeConfig, parseConfig } from '../configParser.ts';
import type { ConfigReader } from '../configReader.ts';
import { flag, mostLayers, mostWidth, probability } from '../configRules.ts';

/**
 * The sizes of a BART, by KerasHub's names. Where the decoder's differ from the encoder's, which only transformers' layout
 * can say, they have names of their own.
 */
export interface BartConfig {
  /** How many tokens there are. */
  readonly vocabularySize: number;
  /** Layers of the encoder. */
  readonly numLayers: number;
  /** Attention heads of an encoder layer; divides `hiddenDim`. */
  readonly numHeads: number;
  /** Width of the residual stream, in both stacks. */
  readonly hiddenDim: number;
  /** Width between the two feedforward layers of an encoder layer. */
  readonly intermediateDim: number;
  /** Dropout probability while training, from 0 to below 1; 0.1 if not given. Above 0 it also decides how a fully masked query behaves. */
  readonly dropout: number;
  /** Rows of each position table, so the longest text in tokens, on either side; 1024 if not given. */
  readonly maxSequenceLength: number;
  /** Layers of the decoder; `numLayers` if not given. */
  readonly decoderNumLayers: number;
  /** Attention heads of a decoder layer; `numHeads` if not given. */
  readonly decoderNumHeads: number;
  /** As `intermediateDim`, in the decoder; the same if not given. */
  readonly decoderIntermediateDim: number;
  /** `gelu` in every KerasHub preset. */
  readonly activation: Activation;
  /** Whether token embeddings are multiplied by `sqrt(hiddenDim)`; never in a KerasHub preset. */
  readonly scaleEmbedding: boolean;
  /** Whether logits get a bias (`finalLogitsBias`), which transformers keeps beside the model; never in a KerasHub preset. */
  readonly finalLogitsBias: boolean;
}

/** What `BartBackbone` takes: the fields with a default may be left out. */
export type BartOptions = Pick<
  BartConfig,
  'vocabularySize' | 'numLayers' | 'numHeads' | 'hiddenDim' | 'intermediateDim'
> &
  Partial<BartConfig>;

const fromOptions = (reader: ConfigReader): BartConfig => {
  const numLayers = reader.integer('numLayers', { high: mostLayers });
  const numHeads = reader.integer('numHeads', { high: mostWidth });
  const intermediateDim = reader.integer('intermediateDim', { high: mostWidth });
  return {
    vocabularySize: reader.integer('vocabularySize', { high: mostWidth }),
    numLayers,
    numHeads,
    hiddenDim: reader.integer('hiddenDim', { high: mostWidth }),
    intermediateDim,
    dropout: reader.number('dropout', { fallback: 0.1, ...probability }),
    maxSequenceLength: reader.integer('maxSequenceLength', { high: mostWidth, fallback: 1024 }),
    decoderNumLayers: reader.integer('decoderNumLayers', { high: mostLayers, fallback: numLayers }),
    decoderNumHeads: reader.integer('decoderNumHeads', { high: mostWidth, fallback: numHeads }),
    decoderIntermediateDim: reader.integer('decoderIntermediateDim', { high: mostWidth, fallback: intermediateDim }),
    activation: reader.oneOf('activation', ownActivations, 'gelu'),
    scaleEmbedding: flag(reader, 'scaleEmbedding'),
    finalLogitsBias: flag(reader, 'finalLogitsBias'),
  };
};

const fromKeras = (reader: ConfigReader): BartConfig => {
  const numLayers = reader.integer('num_layers', { high: mostLayers });
  const numHeads = reader.integer('num_heads', { high: mostWidth });
  const intermediateDim = reader.integer('intermediate_dim', { high: mostWidth });
  return {
    vocabularySize: reader.integer('vocabulary_size', { high: mostWidth }),
    numLayers,
    numHeads,
    hiddenDim: reader.integer('hidden_dim', { high: mostWidth }),
    intermediateDim,
    dropout: reader.number('dropout', { fallback: 0.1, ...probability }),
    maxSequenceLength: reader.integer('max_sequence_length', { high: mostWidth, fallback: 1024 }),
    decoderNumLayers: numLayers,
    decoderNumHeads: numHeads,
    decoderIntermediateDim: intermediateDim,
    activation: 'gelu',
    scaleEmbedding: false,
    finalLogitsBias: false,
  };
};

// Absent fields have the defaults of transformers' BartConfig. Older files say `num_hidden_layers` besides, and have flags
// for kinds of BART that transformers itself no longer computes.
const fromTransformers = (reader: ConfigReader): BartConfig => {
  reader.fixed('is_encoder_decoder', true, 'a BART of one stack is not supported');
  reader.fixed('is_decoder', false, 'a BART of one stack is not supported');
  reader.fixed('tie_word_embeddings', true, 'an output table of its own is not supported');
  reader.fixed('normalize_before', false, 'norms before attention are not supported');
  reader.fixed('normalize_embedding', true, 'embeddings without a norm are not supported');
  reader.fixed('add_final_layer_norm', false, 'a norm after the last layer is not supported');
  reader.fixed('static_position_embeddings', false, 'positions without a table are not supported');
  reader.fixed('extra_pos_embeddings', 2, 'other rows before the first place are not supported');
  return {
    vocabularySize: reader.integer('vocab_size', { high: mostWidth, fallback: 50265 }),
    numLayers: reader.integer(['encoder_layers', 'num_hidden_layers'], { high: mostLayers, fallback: 12 }),
    numHeads: reader.integer(['encoder_attention_heads', 'num_attention_heads'], { high: mostWidth, fallback: 16 }),
    hiddenDim: reader.integer(['d_model', 'hidden_size'], { high: mostWidth, fallback: 1024 }),
    intermediateDim: reader.integer('encoder_ffn_dim', { high: mostWidth, fallback: 4096 }),
    dropout: reader.number('dropout', { fallback: 0.1, ...probability }),
    maxSequenceLength: reader.integer('max_position_embeddings', { high: mostWidth, fallback: 1024 }),
    decoderNumLayers: reader.integer('decoder_layers', { high: mostLayers, fallback: 12 }),
    decoderNumHeads: reader.integer('decoder_attention_heads', { high: mostWidth, fallback: 16 }),
    decoderIntermediateDim: reader.integer('decoder_ffn_dim', { high: mostWidth, fallback: 4096 }),
    activation: reader.oneOf('activation_function', transformersActivations, 'gelu'),
    scaleEmbedding: flag(reader, 'scale_embedding'),
    // The weights say: most files have a bias of zeros, some have none.
    finalLogitsBias: false,
  };
};

/** How many numbers the parameters are, from the sizes alone. */
const paramCount = (config: BartConfig): number => {
  const { vocabularySize, maxSequenceLength, hiddenDim: h } = config;
  const attention = 4 * h * h + 4 * h;
  const feedforward = (f: number): number => 2 * h * f + f + h;
  return (
    (vocabularySize + 2 * maxSequenceLength + 4) * h +
    config.numLayers * (attention + feedforward(config.intermediateDim) + 4 * h) +
    config.decoderNumLayers * (2 * attention + feedforward(config.decoderIntermediateDim) + 6 * h) +
    (config.finalLogitsBias ? vocabularySize : 0)
  );
};

const rules: readonly ConfigRule<BartConfig>[] = [
  headsDivide,
  ({ hiddenDim, decoderNumHeads }) => headsDivide({ hiddenDim, numHeads: decoderNumHeads }),
  atMostParams(paramCount),
];

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeBartConfig = makeConfig<BartOptions, BartConfig>('BartBackbone', fromOptions, rules);

/**
 * The config of a preset.
 *
 * A transformers folder may have stacks of different depth, heads and feedforward width, another activation and scaled
 * embeddings; what we cannot compute is refused by name. Whether logits have a bias stands in the weights, not here.
 *
 * @param layout - Which library wrote it.
 * @param json - The parsed config.json.
 * @param warn - Hears of fields that are unknown and passed over.
 * @see keras_hub.models.BartBackbone, transformers.BartConfig
 */
export const parseBartConfig = parseConfig<BartConfig>(
  'BART',
  { keras: fromKeras, transformers: fromTransformers },
  rules,
);
