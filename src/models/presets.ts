import { albertPresets } from './albert/presets.ts';
import { bartPresets } from './bart/presets.ts';
import { bertPresets } from './bert/presets.ts';
import { debertaV3Presets } from './debertaV3/presets.ts';
import { distilBertPresets } from './distilBert/presets.ts';
import { falconPresets } from './falcon/presets.ts';
import { fNetPresets } from './fNet/presets.ts';
import { gemmaPresets } from './gemma/presets.ts';
import { gpt2Presets } from './gpt2/presets.ts';
import type { PresetInfo } from './presetInfo.ts';
import { robertaPresets } from './roberta/presets.ts';
import { xlmRobertaPresets } from './xlmRoberta/presets.ts';

/** Every built-in preset by its id, whatever its family. */
export const builtInPresets: ReadonlyMap<string, PresetInfo<unknown>> = new Map<string, PresetInfo<unknown>>([
  ...bertPresets,
  ...robertaPresets,
  ...xlmRobertaPresets,
  ...distilBertPresets,
  ...albertPresets,
  ...debertaV3Presets,
  ...fNetPresets,
  ...gpt2Presets,
  ...falconPresets,
  ...gemmaPresets,
  ...bartPresets,
]);
