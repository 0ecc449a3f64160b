import { encoderFields, encoderTransformersClasses, headFields } from '../encoder/transformersLayout.ts';
import type { TransformersLayout } from '../transformersLayout.ts';
import { parseRobertaConfig, type RobertaConfig } from './config.ts';
import { robertaWeights } from './weightNames.ts';

/** How transformers writes a RoBERTa down, or a family that differs in name only. */
export const robertaLikeLayout = (
  name: string,
  modelType: string,
  parse: TransformersLayout<RobertaConfig>['parse'],
): TransformersLayout<RobertaConfig> => ({
  classes: encoderTransformersClasses(name),
  parse,
  only: { maskedLM: headFields },
  // The first places of transformers' table end with the id of padding.
  withPadding: (config, padTokenId) => ({ ...config, reservedPositions: padTokenId + 1 }),
  weights: robertaWeights,
  config: (config) => ({
    model_type: modelType,
    ...encoderFields(config),
    max_position_embeddings: config.maxSequenceLength + config.reservedPositions,
    type_vocab_size: config.tokenTypes,
    pad_token_id: config.reservedPositions - 1,
  }),
});

/** How transformers writes a RoBERTa down. @see transformers.RobertaConfig */
export const robertaTransformersLayout = robertaLikeLayout('Roberta', 'roberta', parseRobertaConfig);
