import { bartPresets } from './bart/presets.ts';
import { bertPresets } from './bert/presets.ts';
import { falconPresets } from './falcon/presets.ts';
import { gemmaPresets } from './gemma/presets.ts';
import { gpt2Presets } from './gpt2/presets.ts';
import type { PresetInfo } from './presetInfo.ts';

/** Every built-in preset by its id, whatever its family. */
export const builtInPresets: ReadonlyMap<string, PresetInfo<unknown>> = new Map<string, PresetInfo<unknown>>([
  ...bertPresets,
  ...gpt2Presets,
  ...falconPresets,
  ...gemmaPresets,
  ...bartPresets,
]);
