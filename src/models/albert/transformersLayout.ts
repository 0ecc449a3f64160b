import { encoderFields, encoderTransformersClasses, headFields } from '../encoder/transformersLayout.ts';
import type { TransformersLayout } from '../transformersLayout.ts';
import { type AlbertConfig, parseAlbertConfig } from './config.ts';

/** How transformers writes an ALBERT down. @see transformers.AlbertConfig */
export const albertTransformersLayout: TransformersLayout<AlbertConfig> = {
  classes: encoderTransformersClasses('Albert'),
  parse: parseAlbertConfig,
  only: { maskedLM: headFields },
  config: (config) => ({
    model_type: 'albert',
    ...encoderFields(config),
    embedding_size: config.embeddingDim,
    num_hidden_groups: config.numGroups,
    inner_group_num: config.numInnerRepetitions,
    type_vocab_size: config.numSegments,
  }),
};
