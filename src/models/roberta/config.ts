import { headsDivide, makeConfig, parseConfig } from '../configParser.ts';
import type { ConfigReader } from '../configReader.ts';
import { mostWidth } from '../configRules.ts';
import {
  type EncoderConfig,
  type EncoderDefaults,
  encoderKeras,
  encoderOptions,
  encoderTransformers,
  refuseDecoders,
  segments,
} from '../encoder/config.ts';

/** The sizes of a RoBERTa or an XLM-RoBERTa, by KerasHub's names. */
export interface RobertaConfig extends EncoderConfig {
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

const defaults: EncoderDefaults = {
  dropout: 0.1,
  layerNormEpsilon: 1e-5,
  activation: 'gelu',
  headActivation: 'gelu',
};

/** A config from a user's options, with KerasHub's defaults. */
export const robertaFromOptions = (reader: ConfigReader): RobertaConfig => ({
  ...encoderOptions(reader, defaults),
  reservedPositions: reader.integer('reservedPositions', { high: mostWidth, fallback: 2 }),
  tokenTypes: reader.integer('tokenTypes', { high: mostWidth, fallback: 1 }),
});

/** A config from KerasHub's. */
export const robertaFromKeras = (reader: ConfigReader): RobertaConfig => ({
  ...encoderKeras(reader, defaults),
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
    refuseDecoders(reader, 'RoBERTa');
    const fields = encoderTransformers(reader, { vocabularySize });
    const rows = fields.maxSequenceLength;
    const reservedPositions = reader.integer('pad_token_id', { low: 0, high: mostWidth, fallback: 1 }) + 1;
    if (rows <= reservedPositions)
      reader.complain(
        `max_position_embeddings: expected more than ${reservedPositions}, since rows up to pad_token_id are no places, got ${rows}`,
      );
    return {
      ...fields,
      maxSequenceLength: rows - reservedPositions,
      // Whatever the body's is.
      headActivation: 'gelu',
      reservedPositions,
      tokenTypes: segments(reader, 'type_vocab_size', 2),
    };
  };

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeRobertaConfig = makeConfig<RobertaOptions, RobertaConfig>('RobertaBackbone', robertaFromOptions, [
  headsDivide,
]);

/**
 * The config of a preset: KerasHub's arithmetic in KerasHub's layout, transformers' in transformers'.
 *
 * @param json - The parsed config.json.
 * @param warn - Hears of fields that are unknown and passed over.
 * @see keras_hub.models.RobertaBackbone, transformers.RobertaConfig
 */
export const parseRobertaConfig = parseConfig<RobertaConfig>(
  'RoBERTa',
  { keras: robertaFromKeras, transformers: robertaFromTransformers(50265) },
  [headsDivide],
);
