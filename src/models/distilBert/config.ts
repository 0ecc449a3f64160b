import { transformersActivations } from '../activations.ts';
import { headsDivide, makeConfig, parseConfig } from '../configParser.ts';
import type { ConfigReader } from '../configReader.ts';
import { mostLayers, mostWidth, probability } from '../configRules.ts';
import {
  type EncoderConfig,
  type EncoderDefaults,
  encoderKeras,
  encoderOptions,
  refuseDecoders,
} from '../encoder/config.ts';

/** The sizes of a DistilBERT, by KerasHub's names. */
export type DistilBertConfig = EncoderConfig;

/** What `DistilBertBackbone` takes: the fields with a default may be left out. */
export type DistilBertOptions = Pick<
  DistilBertConfig,
  'vocabularySize' | 'numLayers' | 'numHeads' | 'hiddenDim' | 'intermediateDim'
> &
  Partial<DistilBertConfig>;

const defaults: EncoderDefaults = {
  dropout: 0.1,
  layerNormEpsilon: 1e-12,
  activation: 'gelu',
  headActivation: 'gelu',
};

// Absent fields have the defaults of transformers' DistilBertConfig, whose epsilon is 1e-12 everywhere. `hidden_dim` is the
// width between the feedforward layers there. Places by sinus are stored like any others.
const fromTransformers = (reader: ConfigReader): DistilBertConfig => {
  refuseDecoders(reader, 'DistilBERT');
  const activation = reader.oneOf('activation', transformersActivations, 'gelu');
  return {
    vocabularySize: reader.integer('vocab_size', { high: mostWidth, fallback: 30522 }),
    numLayers: reader.integer(['n_layers', 'num_hidden_layers'], { high: mostLayers, fallback: 6 }),
    numHeads: reader.integer(['n_heads', 'num_attention_heads'], { high: mostWidth, fallback: 12 }),
    hiddenDim: reader.integer(['dim', 'hidden_size'], { high: mostWidth, fallback: 768 }),
    intermediateDim: reader.integer('hidden_dim', { high: mostWidth, fallback: 3072 }),
    dropout: reader.number('dropout', { fallback: 0.1, ...probability }),
    maxSequenceLength: reader.integer('max_position_embeddings', { high: mostWidth, fallback: 512 }),
    layerNormEpsilon: 1e-12,
    activation,
    headActivation: activation,
    headLayerNormEpsilon: 1e-12,
  };
};

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeDistilBertConfig = makeConfig<DistilBertOptions, DistilBertConfig>(
  'DistilBertBackbone',
  (reader) => encoderOptions(reader, defaults),
  [headsDivide],
);

/**
 * The config of a preset: KerasHub's arithmetic in KerasHub's layout, transformers' in transformers'.
 *
 * @param json - The parsed config.json.
 * @param warn - Hears of fields that are unknown and passed over.
 * @see keras_hub.models.DistilBertBackbone, transformers.DistilBertConfig
 */
export const parseDistilBertConfig = parseConfig<DistilBertConfig>(
  'DistilBERT',
  { keras: (reader) => encoderKeras(reader, defaults), transformers: fromTransformers },
  [headsDivide],
);
