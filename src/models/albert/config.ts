import { type ConfigRule, headsDivide, makeConfig, parseConfig } from '../configParser.ts';
import type { ConfigReader } from '../configReader.ts';
import { mostLayers, mostWidth } from '../configRules.ts';
import {
  type EncoderConfig,
  type EncoderDefaults,
  encoderKeras,
  encoderOptions,
  encoderTransformers,
  refuseDecoders,
  segments,
} from '../encoder/config.ts';

/** The sizes of an ALBERT, by KerasHub's names. `numLayers` counts how often a group is applied, all groups together. */
export interface AlbertConfig extends EncoderConfig {
  /** Groups of layers with parameters of their own; divides `numLayers`; 1 if not given. */
  readonly numGroups: number;
  /** Layers in a group, each with parameters of its own; 1 if not given. */
  readonly numInnerRepetitions: number;
  /** Width of the embeddings, before they are projected to `hiddenDim`. */
  readonly embeddingDim: number;
  /** Rows of the segment table; 2 if not given. */
  readonly numSegments: number;
}

/** What `AlbertBackbone` takes: the fields with a default may be left out. */
export type AlbertOptions = Pick<
  AlbertConfig,
  'vocabularySize' | 'numLayers' | 'numHeads' | 'embeddingDim' | 'hiddenDim' | 'intermediateDim'
> &
  Partial<AlbertConfig>;

// Body and head have the tanh form of GELU in KerasHub.
const defaults: EncoderDefaults = {
  dropout: 0,
  layerNormEpsilon: 1e-12,
  activation: 'geluApproximate',
  headActivation: 'geluApproximate',
};

const fromOptions = (reader: ConfigReader): AlbertConfig => ({
  ...encoderOptions(reader, defaults),
  numGroups: reader.integer('numGroups', { high: mostLayers, fallback: 1 }),
  numInnerRepetitions: reader.integer('numInnerRepetitions', { high: mostLayers, fallback: 1 }),
  embeddingDim: reader.integer('embeddingDim', { high: mostWidth }),
  numSegments: segments(reader, 'numSegments', 2),
});

const fromKeras = (reader: ConfigReader): AlbertConfig => ({
  ...encoderKeras(reader, defaults),
  numGroups: reader.integer('num_groups', { high: mostLayers, fallback: 1 }),
  numInnerRepetitions: reader.integer('num_inner_repetitions', { high: mostLayers, fallback: 1 }),
  embeddingDim: reader.integer('embedding_dim', { high: mostWidth }),
  numSegments: segments(reader, 'num_segments', 2),
});

// Absent fields have the defaults of transformers' AlbertConfig. Of its two dropout rates KerasHub takes the patterns'.
const fromTransformers = (reader: ConfigReader): AlbertConfig => {
  refuseDecoders(reader, 'ALBERT');
  return {
    ...encoderTransformers(reader, {
      vocabularySize: 30000,
      numHeads: 64,
      hiddenDim: 4096,
      intermediateDim: 16384,
      dropoutField: 'attention_probs_dropout_prob',
      dropout: 0,
      activation: 'gelu_new',
    }),
    numGroups: reader.integer('num_hidden_groups', { high: mostLayers, fallback: 1 }),
    numInnerRepetitions: reader.integer('inner_group_num', { high: mostLayers, fallback: 1 }),
    embeddingDim: reader.integer('embedding_size', { high: mostWidth, fallback: 128 }),
    numSegments: segments(reader, 'type_vocab_size', 2),
  };
};

const rules: readonly ConfigRule<AlbertConfig>[] = [
  ({ numLayers, numGroups }) =>
    numLayers % numGroups === 0
      ? undefined
      : `the number of layers must be a multiple of the number of groups, got ${numLayers} and ${numGroups}`,
  ({ numLayers, numInnerRepetitions }) =>
    numLayers * numInnerRepetitions <= mostLayers
      ? undefined
      : `expected at most ${mostLayers} layers in all, got ${numLayers} of groups with ${numInnerRepetitions} inner layers`,
  headsDivide,
];

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeAlbertConfig = makeConfig<AlbertOptions, AlbertConfig>('AlbertBackbone', fromOptions, rules);

/**
 * The config of a preset: KerasHub's arithmetic in KerasHub's layout, transformers' in transformers'.
 *
 * @param json - The parsed config.json.
 * @param warn - Hears of fields that are unknown and passed over.
 * @see keras_hub.models.AlbertBackbone, transformers.AlbertConfig
 */
export const parseAlbertConfig = parseConfig<AlbertConfig>(
  'ALBERT',
  { keras: fromKeras, transformers: fromTransformers },
  rules,
);
