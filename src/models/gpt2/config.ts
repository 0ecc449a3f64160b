import { type Activation, ownActivations, transformersActivations } from '../activations.ts';
import { atMostParams, headsDivide, makeConfig, parseConfig } from '../configParser.ts';
import type { ConfigReader } from '../configReader.ts';
import { mostLayers, mostWidth, positive, probability } from '../configRules.ts';

/** The feedforward activation: the tanh form of GELU, GELU by the error function, or ReLU. */
export type GPT2Activation = Activation;

/** The sizes of a GPT-2, by KerasHub's names. */
export interface GPT2Config {
  /** How many tokens there are. */
  readonly vocabularySize: number;
  /** How many decoder layers. */
  readonly numLayers: number;
  /** Attention heads a layer; divides `hiddenDim`. */
  readonly numHeads: number;
  /** Width of the residual stream. */
  readonly hiddenDim: number;
  /** Width between the two feedforward layers. */
  readonly intermediateDim: number;
  /** Dropout probability while training, from 0 to below 1; 0.1 if not given. Above 0 it also decides how a fully masked query behaves. */
  readonly dropout: number;
  /** Rows of the position table, so the longest text in tokens; 1024 if not given. */
  readonly maxSequenceLength: number;
  /** Added to the variance in every layer norm; 1e-5 in every KerasHub preset. */
  readonly layerNormEpsilon: number;
  /** `geluApproximate` in every KerasHub preset. */
  readonly activation: GPT2Activation;
}

/** What `GPT2Backbone` takes: the fields with a default may be left out. */
export type GPT2Options = Pick<
  GPT2Config,
  'vocabularySize' | 'numLayers' | 'numHeads' | 'hiddenDim' | 'intermediateDim'
> &
  Partial<GPT2Config>;

const fromOptions = (reader: ConfigReader): GPT2Config => ({
  vocabularySize: reader.integer('vocabularySize', { high: mostWidth }),
  numLayers: reader.integer('numLayers', { high: mostLayers }),
  numHeads: reader.integer('numHeads', { high: mostWidth }),
  hiddenDim: reader.integer('hiddenDim', { high: mostWidth }),
  intermediateDim: reader.integer('intermediateDim', { high: mostWidth }),
  dropout: reader.number('dropout', { fallback: 0.1, ...probability }),
  maxSequenceLength: reader.integer('maxSequenceLength', { high: mostWidth, fallback: 1024 }),
  layerNormEpsilon: reader.number('layerNormEpsilon', { fallback: 1e-5, ...positive }),
  activation: reader.oneOf('activation', ownActivations, 'geluApproximate'),
});

const fromKeras = (reader: ConfigReader): GPT2Config => ({
  vocabularySize: reader.integer('vocabulary_size', { high: mostWidth }),
  numLayers: reader.integer('num_layers', { high: mostLayers }),
  numHeads: reader.integer('num_heads', { high: mostWidth }),
  hiddenDim: reader.integer('hidden_dim', { high: mostWidth }),
  intermediateDim: reader.integer('intermediate_dim', { high: mostWidth }),
  dropout: reader.number('dropout', { fallback: 0.1, ...probability }),
  maxSequenceLength: reader.integer('max_sequence_length', { high: mostWidth, fallback: 1024 }),
  layerNormEpsilon: 1e-5,
  activation: 'geluApproximate',
});

// Absent fields have the defaults of transformers' GPT2Config, and its second names are read too.
const fromTransformers = (reader: ConfigReader): GPT2Config => {
  const hiddenDim = reader.integer(['n_embd', 'hidden_size'], { high: mostWidth, fallback: 768 });
  reader.fixed('scale_attn_weights', true, 'attention without its 1/sqrt(width) is not supported');
  reader.fixed('scale_attn_by_inverse_layer_idx', false, 'attention scaled by the layer number is not supported');
  reader.fixed('add_cross_attention', false, 'GPT-2 with cross-attention is not supported');
  reader.fixed('tie_word_embeddings', true, 'an output table of its own is not supported');
  // reorder_and_upcast_attn changes no result here: scores and softmax are float32 in any case.
  return {
    vocabularySize: reader.integer('vocab_size', { high: mostWidth, fallback: 50257 }),
    numLayers: reader.integer(['n_layer', 'num_hidden_layers'], { high: mostLayers, fallback: 12 }),
    numHeads: reader.integer(['n_head', 'num_attention_heads'], { high: mostWidth, fallback: 12 }),
    hiddenDim,
    intermediateDim:
      reader.value('n_inner') === null
        ? 4 * hiddenDim
        : reader.integer('n_inner', { high: 4 * mostWidth, fallback: 4 * hiddenDim }),
    dropout: reader.number('resid_pdrop', { fallback: 0.1, ...probability }),
    maxSequenceLength: reader.integer(['n_positions', 'max_position_embeddings'], { high: mostWidth, fallback: 1024 }),
    layerNormEpsilon: reader.number('layer_norm_epsilon', { fallback: 1e-5, ...positive }),
    activation: reader.oneOf('activation_function', transformersActivations, 'gelu_new'),
  };
};

/** How many numbers the parameters are, from the sizes alone. */
const paramCount = (config: GPT2Config): number => {
  const { vocabularySize, maxSequenceLength, numLayers, hiddenDim: h, intermediateDim: f } = config;
  return (vocabularySize + maxSequenceLength) * h + numLayers * (4 * h * h + 2 * h * f + 9 * h + f) + 2 * h;
};

const rules = [headsDivide, atMostParams(paramCount)];

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeGPT2Config = makeConfig<GPT2Options, GPT2Config>('GPT2Backbone', fromOptions, rules);

/**
 * The config of a preset.
 *
 * A KerasHub preset follows KerasHub: LN epsilon 1e-5 and the tanh GELU. A transformers folder follows transformers:
 * `n_inner`, `activation_function` and `layer_norm_epsilon` are honoured, and what we cannot compute is refused by name.
 *
 * @param layout - Which library wrote it.
 * @param json - The parsed config.json.
 * @param warn - Hears of fields that are unknown and passed over.
 * @see keras_hub.models.GPT2Backbone, transformers.GPT2Config
 */
export const parseGPT2Config = parseConfig<GPT2Config>(
  'GPT-2',
  { keras: fromKeras, transformers: fromTransformers },
  rules,
);
