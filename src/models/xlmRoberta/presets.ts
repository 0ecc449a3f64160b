import type { PresetInfo } from '../presetInfo.ts';
import { robertaPreset } from '../roberta/presets.ts';
import type { XLMRobertaConfig } from './config.ts';

const corpora = 'cased, trained on CommonCrawl in 100 languages';

/** The built-in XLM-RoBERTa presets of KerasHub's pages by id. */
export const xlmRobertaPresets: ReadonlyMap<string, PresetInfo<XLMRobertaConfig>> = new Map([
  robertaPreset(
    'xlm_roberta',
    'xlm_roberta_base_multi',
    `XLM-RoBERTa of 12 layers, ${corpora}`,
    277_450_752,
    [12, 12, 768, 250002],
  ),
  robertaPreset(
    'xlm_roberta',
    'xlm_roberta_large_multi',
    `XLM-RoBERTa of 24 layers, ${corpora}`,
    558_837_760,
    [24, 16, 1024, 250002],
  ),
]);
