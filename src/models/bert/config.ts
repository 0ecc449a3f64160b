import { headsDivide, makeConfig, parseConfig } from '../configParser.ts';
import type { ConfigReader } from '../configReader.ts';
import {
  type EncoderConfig,
  type EncoderDefaults,
  encoderKeras,
  encoderOptions,
  encoderTransformers,
  refuseDecoders,
  segments,
} from '../encoder/config.ts';

/** The sizes of a BERT, by KerasHub's names. */
export interface BertConfig extends EncoderConfig {
  /** Rows of the segment table; 2 if not given. */
  readonly numSegments: number;
}

/** What `BertBackbone` takes: the fields with a default may be left out. */
export type BertOptions = Pick<
  BertConfig,
  'vocabularySize' | 'numLayers' | 'numHeads' | 'hiddenDim' | 'intermediateDim'
> &
  Partial<BertConfig>;

// KerasHub's body has the tanh form of GELU, its head the exact one with an epsilon of its own.
const defaults: EncoderDefaults = {
  dropout: 0.1,
  layerNormEpsilon: 1e-12,
  activation: 'geluApproximate',
  headActivation: 'gelu',
};

const fromOptions = (reader: ConfigReader): BertConfig => ({
  ...encoderOptions(reader, defaults),
  numSegments: segments(reader, 'numSegments', 2),
});

const fromKeras = (reader: ConfigReader): BertConfig => ({
  ...encoderKeras(reader, defaults),
  numSegments: segments(reader, 'num_segments', 2),
});

// Absent fields have the defaults of transformers' BertConfig.
const fromTransformers = (reader: ConfigReader): BertConfig => {
  refuseDecoders(reader, 'BERT');
  return {
    ...encoderTransformers(reader, { vocabularySize: 30522 }),
    numSegments: segments(reader, 'type_vocab_size', 2),
  };
};

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeBertConfig = makeConfig<BertOptions, BertConfig>('BertBackbone', fromOptions, [headsDivide]);

/**
 * The config of a preset: KerasHub's arithmetic in KerasHub's layout, transformers' in transformers'.
 *
 * @param json - The parsed config.json.
 * @param warn - Hears of fields that are unknown and passed over.
 * @see keras_hub.models.BertBackbone, transformers.BertConfig
 */
export const parseBertConfig = parseConfig<BertConfig>('BERT', { keras: fromKeras, transformers: fromTransformers }, [
  headsDivide,
]);
