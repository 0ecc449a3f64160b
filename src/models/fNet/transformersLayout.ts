import { encoderTransformersClasses, headFields, headlessFields } from '../encoder/transformersLayout.ts';
import type { TransformersLayout } from '../transformersLayout.ts';
import { type FNetConfig, parseFNetConfig } from './config.ts';

/** How transformers writes an FNet down. @see transformers.FNetConfig */
export const fNetTransformersLayout: TransformersLayout<FNetConfig> = {
  classes: encoderTransformersClasses('FNet'),
  parse: parseFNetConfig,
  only: { maskedLM: headFields },
  config: (config) => ({ model_type: 'fnet', ...headlessFields(config), type_vocab_size: config.numSegments }),
};
