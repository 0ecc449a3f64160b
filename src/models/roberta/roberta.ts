import {
  type ClassifierHeadOptions,
  type ClassifierHeadParams,
  classifierHead,
  type Head,
  type MaskedLMHeadInputs,
  type MaskedLMHeadParams,
  maskedLMHead,
} from '../encoder/heads.ts';
import { type TransformerEncoderParams, transformerEncoder } from '../encoder/transformerEncoder.ts';
import type { EncoderModel, EncoderOutputs } from '../encoderModel.ts';
import type { RobertaConfig } from './config.ts';
import { robertaWeights } from './weightNames.ts';

/** Parameters of a RoBERTa or an XLM-RoBERTa, by KerasHub's layer names. */
export type RobertaParams = TransformerEncoderParams;

/**
 * A RoBERTa of these sizes. Places count from the first token on, whatever is padding; transformers gives padded places no
 * number of their own, so that its hidden states differ there, and there alone where padding is on the right.
 *
 * @param name - KerasHub's name of the backbone.
 */
export const roberta = (config: RobertaConfig, name = 'RobertaBackbone'): EncoderModel<RobertaParams> =>
  transformerEncoder({ name, config, weights: robertaWeights(config), hasPooler: false });

/** The head of a masked LM over a RoBERTa or an XLM-RoBERTa. */
export const robertaMaskedLMHead = (config: RobertaConfig): Head<MaskedLMHeadParams, MaskedLMHeadInputs> =>
  maskedLMHead({
    hiddenDim: config.hiddenDim,
    width: config.hiddenDim,
    vocabularySize: config.vocabularySize,
    activation: config.headActivation,
    epsilon: config.headLayerNormEpsilon,
    names: { dense: 'lm_head.dense', norm: 'lm_head.layer_norm', bias: 'lm_head.bias' },
    ignored: [
      { name: 'lm_head.decoder.weight', why: 'the output table is the token embedding itself' },
      { name: 'lm_head.decoder.bias', why: 'the same as lm_head.bias' },
    ],
  });

/**
 * The head of a classifier over a RoBERTa or an XLM-RoBERTa: a dense layer with `tanh` over the first place, then one to
 * the classes.
 *
 * @param options - How many classes there are, the dropout before each layer, the width of the first.
 */
export const robertaClassifierHead = (
  { hiddenDim }: RobertaConfig,
  options: ClassifierHeadOptions,
): Head<ClassifierHeadParams, EncoderOutputs> =>
  classifierHead({
    hiddenDim,
    numClasses: options.numClasses,
    dropout: options.dropout,
    pooler: { dim: options.hiddenDim ?? hiddenDim, activation: 'tanh', name: 'classifier.dense' },
    name: 'classifier.out_proj',
  });
