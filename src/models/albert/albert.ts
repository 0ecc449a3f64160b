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
import type { AlbertConfig } from './config.ts';
import { albertLayers, albertWeights } from './weightNames.ts';

/** Parameters of an ALBERT, by KerasHub's layer names: `transformerLayers` holds all groups' inner layers in order. */
export type AlbertParams = TransformerEncoderParams;

/** Which layer's parameters each application takes: a group is applied several times before the next has its turn. */
const scheduleOf = (config: AlbertConfig): readonly number[] => {
  const { numLayers, numGroups } = config;
  const own = albertLayers(config);
  return Array.from({ length: numLayers }, (_, layer) => Math.floor((layer * numGroups) / numLayers)).flatMap((turn) =>
    own.flatMap(({ group }, index) => (group === turn ? [index] : [])),
  );
};

/**
 * An ALBERT of these sizes: narrow embeddings, and groups of layers that are applied again and again.
 *
 * @see Lan et al. 2020
 */
export const albert = (config: AlbertConfig): EncoderModel<AlbertParams> =>
  transformerEncoder({
    name: 'AlbertBackbone',
    config,
    weights: albertWeights(config),
    numSegments: config.numSegments,
    hasPooler: true,
    schedule: scheduleOf(config),
  });

/** The head of a masked LM over an ALBERT, as narrow as its embeddings. */
export const albertMaskedLMHead = (config: AlbertConfig): Head<MaskedLMHeadParams, MaskedLMHeadInputs> =>
  maskedLMHead({
    hiddenDim: config.hiddenDim,
    width: config.embeddingDim,
    vocabularySize: config.vocabularySize,
    activation: config.headActivation,
    epsilon: config.headLayerNormEpsilon,
    names: { dense: 'predictions.dense', norm: 'predictions.LayerNorm', bias: 'predictions.bias' },
    ignored: [
      { name: 'predictions.decoder.weight', why: 'the output table is the token embedding itself' },
      { name: 'predictions.decoder.bias', why: 'the same as predictions.bias' },
    ],
  });

/**
 * The head of a classifier over an ALBERT: a dense layer over the pooled output.
 *
 * @param options - How many classes there are, and the dropout before the layer.
 */
export const albertClassifierHead = (
  { hiddenDim }: AlbertConfig,
  options: ClassifierHeadOptions,
): Head<ClassifierHeadParams, EncoderOutputs> =>
  classifierHead({ hiddenDim, numClasses: options.numClasses, dropout: options.dropout, name: 'classifier' });
