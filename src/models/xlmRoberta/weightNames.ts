import { robertaWeights } from '../roberta/weightNames.ts';

/**
 * Every parameter of an XLM-RoBERTa with its names in both layouts: a RoBERTa's, prefix included.
 *
 * @see keras_hub.models.XLMRobertaBackbone, transformers.XLMRobertaModel
 */
export const xlmRobertaWeights = robertaWeights;
