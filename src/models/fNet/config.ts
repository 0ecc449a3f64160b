import { makeConfig, parseConfig } from '../configParser.ts';
import type { ConfigReader } from '../configReader.ts';
import {
  type EncoderDefaults,
  type HeadlessEncoderConfig,
  headlessKeras,
  headlessOptions,
  headlessTransformers,
  refuseDecoders,
  segments,
} from '../encoder/config.ts';

/** The sizes of an FNet, by KerasHub's names. */
export interface FNetConfig extends HeadlessEncoderConfig {
  /** Rows of the segment table; 4 if not given. */
  readonly numSegments: number;
}

/** What `FNetBackbone` takes: the fields with a default may be left out. */
export type FNetOptions = Pick<FNetConfig, 'vocabularySize' | 'numLayers' | 'hiddenDim' | 'intermediateDim'> &
  Partial<FNetConfig>;

// KerasHub's body has the tanh form of GELU, its head the exact one with an epsilon of its own.
const defaults: EncoderDefaults = {
  dropout: 0.1,
  layerNormEpsilon: 1e-12,
  activation: 'geluApproximate',
  headActivation: 'gelu',
};

const fromOptions = (reader: ConfigReader): FNetConfig => ({
  ...headlessOptions(reader, defaults),
  numSegments: segments(reader, 'numSegments', 4),
});

const fromKeras = (reader: ConfigReader): FNetConfig => ({
  ...headlessKeras(reader, defaults),
  numSegments: segments(reader, 'num_segments', 4),
});

// Absent fields have the defaults of transformers' FNetConfig. What it says of TPUs chooses another way to the same
// numbers, so that it is passed over.
const fromTransformers = (reader: ConfigReader): FNetConfig => {
  refuseDecoders(reader, 'FNet');
  return {
    ...headlessTransformers(reader, { vocabularySize: 32000, activation: 'gelu_new' }),
    numSegments: segments(reader, 'type_vocab_size', 4),
  };
};

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeFNetConfig = makeConfig<FNetOptions, FNetConfig>('FNetBackbone', fromOptions);

/**
 * The config of a preset: KerasHub's arithmetic in KerasHub's layout, transformers' in transformers'.
 *
 * @param json - The parsed config.json.
 * @param warn - Hears of fields that are unknown and passed over.
 * @see keras_hub.models.FNetBackbone, transformers.FNetConfig
 */
export const parseFNetConfig = parseConfig<FNetConfig>('FNet', { keras: fromKeras, transformers: fromTransformers });
