import { robertaLikeLayout } from '../roberta/transformersLayout.ts';
import { parseXLMRobertaConfig } from './config.ts';

/** How transformers writes an XLM-RoBERTa down. @see transformers.XLMRobertaConfig */
export const xlmRobertaTransformersLayout = robertaLikeLayout('XLMRoberta', 'xlm-roberta', parseXLMRobertaConfig);
