import { encoderFields, encoderTransformersClasses, headFields } from '../encoder/transformersLayout.ts';
import { type TransformersLayout, transformersActivation } from '../transformersLayout.ts';
import { type DebertaV3Config, hasKerasBuckets, parseDebertaV3Config } from './config.ts';

/** How transformers writes a DeBERTa V3 down. @see transformers.DebertaV2Config */
export const debertaV3TransformersLayout: TransformersLayout<DebertaV3Config> = {
  classes: encoderTransformersClasses('DebertaV2'),
  parse: parseDebertaV3Config,
  only: { maskedLM: headFields, textClassifier: ['poolerActivation'] },
  // Both roundings give the same buckets but for the edge of some sizes.
  isSame: (field, _, other) => field === 'bucketRounding' && hasKerasBuckets(other),
  config: (config) => ({
    model_type: 'deberta-v2',
    ...encoderFields(config),
    relative_attention: true,
    position_buckets: config.bucketSize,
    max_relative_positions: config.maxRelativePositions === config.maxSequenceLength ? -1 : config.maxRelativePositions,
    norm_rel_ebd: 'layer_norm',
    share_att_key: true,
    pos_att_type: ['p2c', 'c2p'],
    position_biased_input: false,
    type_vocab_size: 0,
    pooler_hidden_size: config.hiddenDim,
    pooler_hidden_act: transformersActivation[config.poolerActivation],
  }),
};
