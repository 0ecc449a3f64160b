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
import type { BertConfig } from './config.ts';
import { bertWeights } from './weightNames.ts';

/** Parameters of a BERT, by KerasHub's layer names. */
export type BertParams = TransformerEncoderParams;

/** A BERT of these sizes. */
export const bert = (config: BertConfig): EncoderModel<BertParams> =>
  transformerEncoder({
    name: 'BertBackbone',
    config,
    weights: bertWeights(config),
    numSegments: config.numSegments,
    hasPooler: true,
  });

/** The head of a masked LM over a BERT. */
export const bertMaskedLMHead = (config: BertConfig): Head<MaskedLMHeadParams, MaskedLMHeadInputs> =>
  maskedLMHead({
    hiddenDim: config.hiddenDim,
    width: config.hiddenDim,
    vocabularySize: config.vocabularySize,
    activation: config.headActivation,
    epsilon: config.headLayerNormEpsilon,
    names: {
      dense: 'cls.predictions.transform.dense',
      norm: 'cls.predictions.transform.LayerNorm',
      bias: 'cls.predictions.bias',
    },
    ignored: [
      { name: 'cls.predictions.decoder.weight', why: 'the output table is the token embedding itself' },
      { name: 'cls.predictions.decoder.bias', why: 'the same as cls.predictions.bias' },
    ],
  });

/**
 * The head of a classifier over a BERT: a dense layer over the pooled output.
 *
 * @param options - How many classes there are, and the dropout before the layer.
 */
export const bertClassifierHead = (
  { hiddenDim }: BertConfig,
  options: ClassifierHeadOptions,
): Head<ClassifierHeadParams, EncoderOutputs> =>
  classifierHead({ hiddenDim, numClasses: options.numClasses, dropout: options.dropout, name: 'classifier' });
