import { gemmaPresets } from './gemma/presets.ts';
import { falconPresets } from './falcon/presets.ts';
import { gpt2Presets } from './gpt2/presets.ts';
import type { PresetInfo } from './presetInfo.ts';

/** Every built-in preset by its id, whatever its family. */
export const builtInPresets: ReadonlyMap<string, PresetInfo<unknown>> = new Map<string, PresetInfo<unknown>>([
  ...gpt2Presets,
  ...falconPresets,
  ...gemmaPresets,
]);
