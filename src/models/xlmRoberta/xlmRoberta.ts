import type { EncoderModel } from '../encoderModel.ts';
import { type RobertaParams, roberta, robertaClassifierHead, robertaMaskedLMHead } from '../roberta/roberta.ts';
import type { XLMRobertaConfig } from './config.ts';

/** Parameters of an XLM-RoBERTa, by KerasHub's layer names: those of a RoBERTa. */
export type XLMRobertaParams = RobertaParams;

/** An XLM-RoBERTa of these sizes: a RoBERTa that read a hundred languages. */
export const xlmRoberta = (config: XLMRobertaConfig): EncoderModel<XLMRobertaParams> =>
  roberta(config, 'XLMRobertaBackbone');

/** The head of a masked LM over an XLM-RoBERTa. */
export const xlmRobertaMaskedLMHead = robertaMaskedLMHead;

/**
 * The head of a classifier over an XLM-RoBERTa.
 *
 * @param options - How many classes there are, the dropout before each layer, the width of the first.
 */
export const xlmRobertaClassifierHead = robertaClassifierHead;
