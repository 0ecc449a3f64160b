import { headsDivide, makeConfig, parseConfig } from '../configParser.ts';
import {
  type RobertaConfig,
  type RobertaOptions,
  robertaFromKeras,
  robertaFromOptions,
  robertaFromTransformers,
} from '../roberta/config.ts';

/** The sizes of an XLM-RoBERTa: those of a RoBERTa. */
export type XLMRobertaConfig = RobertaConfig;

/** What `XLMRobertaBackbone` takes: the fields with a default may be left out. */
export type XLMRobertaOptions = RobertaOptions;

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeXLMRobertaConfig = makeConfig<XLMRobertaOptions, XLMRobertaConfig>(
  'XLMRobertaBackbone',
  robertaFromOptions,
  [headsDivide],
);

/**
 * The config of a preset: KerasHub's arithmetic in KerasHub's layout, transformers' in transformers'.
 *
 * @param json - The parsed config.json.
 * @param warn - Hears of fields that are unknown and passed over.
 * @see keras_hub.models.XLMRobertaBackbone, transformers.XLMRobertaConfig
 */
export const parseXLMRobertaConfig = parseConfig<XLMRobertaConfig>(
  'XLM-RoBERTa',
  { keras: robertaFromKeras, transformers: robertaFromTransformers(30522) },
  [headsDivide],
);
