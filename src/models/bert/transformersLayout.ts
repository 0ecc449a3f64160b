import { encoderFields, encoderTransformersClasses, headFields } from '../encoder/transformersLayout.ts';
import type { TransformersLayout } from '../transformersLayout.ts';
import { type BertConfig, parseBertConfig } from './config.ts';

/** How transformers writes a BERT down. @see transformers.BertConfig */
export const bertTransformersLayout: TransformersLayout<BertConfig> = {
  classes: encoderTransformersClasses('Bert'),
  parse: parseBertConfig,
  only: { maskedLM: headFields },
  config: (config) => ({ model_type: 'bert', ...encoderFields(config), type_vocab_size: config.numSegments }),
};
