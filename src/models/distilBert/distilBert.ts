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
import type { DistilBertConfig } from './config.ts';
import { distilBertWeights } from './weightNames.ts';

/** Parameters of a DistilBERT, by KerasHub's layer names. */
export type DistilBertParams = TransformerEncoderParams;

/** A DistilBERT of these sizes: a BERT without segments and pooler. */
export const distilBert = (config: DistilBertConfig): EncoderModel<DistilBertParams> =>
  transformerEncoder({ name: 'DistilBertBackbone', config, weights: distilBertWeights(config), hasPooler: false });

/** The head of a masked LM over a DistilBERT. */
export const distilBertMaskedLMHead = (config: DistilBertConfig): Head<MaskedLMHeadParams, MaskedLMHeadInputs> =>
  maskedLMHead({
    hiddenDim: config.hiddenDim,
    width: config.hiddenDim,
    vocabularySize: config.vocabularySize,
    activation: config.headActivation,
    epsilon: config.headLayerNormEpsilon,
    names: { dense: 'vocab_transform', norm: 'vocab_layer_norm', bias: 'vocab_projector.bias' },
    ignored: [{ name: 'vocab_projector.weight', why: 'the output table is the token embedding itself' }],
  });

/**
 * The head of a classifier over a DistilBERT: a dense layer with ReLU over the first place, then one to the classes.
 *
 * @param options - How many classes there are, the dropout before the last layer, the width of the first.
 */
export const distilBertClassifierHead = (
  { hiddenDim }: DistilBertConfig,
  options: ClassifierHeadOptions,
): Head<ClassifierHeadParams, EncoderOutputs> =>
  classifierHead({
    hiddenDim,
    numClasses: options.numClasses,
    dropout: options.dropout,
    pooler: {
      dim: options.hiddenDim ?? hiddenDim,
      activation: 'relu',
      name: 'pre_classifier',
      isFirstDropped: false,
    },
    name: 'classifier',
  });
