import { pipe } from 'fp-ts/lib/function.js';
import {
  type DisentangledAttentionParams,
  disentangledSelfAttention,
  relativePlaces,
} from '../../layers/disentangledAttention.ts';
import { dropouts } from '../../layers/dropout.ts';
import { type EmbeddingParams, embed } from '../../layers/embedding.ts';
import { afterMixing, type EncoderLayerParams, encoderLayerSites } from '../../layers/encoderLayer.ts';
import { checkIntercept, noTap, tapOf } from '../../layers/intercept.ts';
import { type LayerNormParams, layerNorm } from '../../layers/layerNorm.ts';
import { decoderSites } from '../../layers/sites.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { activations } from '../activations.ts';
import {
  type ClassifierHeadParams,
  classifierHead,
  type Head,
  type MaskedLMHeadInputs,
  type MaskedLMHeadParams,
  maskedLMHead,
} from '../encoder/heads.ts';
import { expectTokens, startOf } from '../encoder/transformerEncoder.ts';
import type { EncoderInputs, EncoderModel, EncoderOutputs } from '../encoderModel.ts';
import { initWeights } from '../init.ts';
import type { EncoderContext } from '../seq2seqModel.ts';
import { bucketsOf, type DebertaV3Config } from './config.ts';
import { debertaV3Weights } from './weightNames.ts';

/** Parameters of a layer of a DeBERTa V3, by KerasHub's names. */
export type DebertaV3LayerParams = Omit<EncoderLayerParams, 'selfAttention'> & {
  readonly selfAttention: DisentangledAttentionParams;
};

/** Parameters of a DeBERTa V3, by KerasHub's layer names. */
export type DebertaV3Params = {
  /** `[vocabularySize, hiddenDim]`. */
  readonly tokenEmbedding: EmbeddingParams;
  /** Over token embeddings. */
  readonly embeddingsLayerNorm: LayerNormParams;
  /** `[2 bucketSize, hiddenDim]`, and the norm of its rows: all layers share them. */
  readonly relEmbedding: EmbeddingParams & { readonly layerNorm: LayerNormParams };
  /** One of them a layer. */
  readonly transformerLayers: readonly DebertaV3LayerParams[];
};

const kept = (x: Tensor): Tensor => x;

/**
 * A DeBERTa V3 of these sizes: an encoder of post-norm layers whose attention looks at contents and at relative places.
 *
 * @see He et al. 2021; keras_hub.models.DebertaV3Backbone
 */
export const debertaV3 = (config: DebertaV3Config): EncoderModel<DebertaV3Params> => {
  const name = 'DebertaV3Backbone';
  const { layerNormEpsilon: epsilon, activation } = config;
  const weights = debertaV3Weights(config);
  const sites = decoderSites(config.numLayers, ['tokenEmbedding', 'embeddings', ...encoderLayerSites]);

  const apply = (
    params: DebertaV3Params,
    { tokenIds, paddingMask }: EncoderInputs,
    { intercept, dropout }: EncoderContext = {},
  ): EncoderOutputs => {
    expectTokens(name, tokenIds);
    if (intercept !== undefined) checkIntercept(name, intercept, sites);
    const tap = tapOf(intercept, undefined, undefined) ?? noTap;
    // Place 0 is the embeddings'; each layer has four.
    const drop = dropouts(dropout && { key: dropout.key, rate: dropout.rate ?? config.dropout });

    const embedded = pipe(
      embed(params.tokenEmbedding)(tokenIds),
      tap('tokenEmbedding'),
      tap('embeddings'),
      layerNorm(params.embeddingsLayerNorm, { epsilon }),
      drop?.(0) ?? kept,
    );
    const { embeddings, layerNorm: relativeNorm } = params.relEmbedding;
    const places = relativePlaces(
      layerNorm(relativeNorm, { epsilon })(embeddings),
      tokenIds.shape[1]!,
      bucketsOf(config),
    );
    const sequence = params.transformerLayers.reduce((input, layer, i) => {
      const own = tapOf(intercept, i, undefined);
      const dropAt = drop && ((place: number) => drop(1 + 4 * i + place));
      const x = (own ?? noTap)('residualPre')(input);
      const attended = disentangledSelfAttention(layer.selfAttention, {
        places,
        paddingMask,
        tap: own,
        dropPattern: dropAt?.(0),
        dropPlaces: dropAt?.(3),
      })(x);
      return afterMixing(layer, { activation: activations[activation], epsilon, tap: own, drop: dropAt })(
        x,
        (own ?? noTap)('attentionOut')(attended),
      );
    }, embedded);
    return { sequence, pooled: undefined };
  };

  return Object.freeze<EncoderModel<DebertaV3Params>>({
    name,
    vocabularySize: config.vocabularySize,
    maxSequenceLength: config.maxSequenceLength,
    numSegments: undefined,
    hasPaddingMask: true,
    hiddenDim: config.hiddenDim,
    weights,
    sites,
    init: (seed) => initWeights(weights, seed, startOf) as unknown as DebertaV3Params,
    apply,
    tokenTable: ({ tokenEmbedding }) => tokenEmbedding.embeddings,
  });
};

const heads = {
  dense: 'cls.predictions.transform.dense',
  norm: 'cls.predictions.transform.LayerNorm',
  bias: 'cls.predictions.bias',
};

/** The names that the head goes by in checkpoints of pretraining, and in transformers' where `legacy` is false. */
const otherNames = (name: string): readonly string[] => [
  name
    .replace('cls.predictions.transform.', 'lm_predictions.lm_head.')
    .replace('cls.predictions.', 'lm_predictions.lm_head.'),
];

/** The head of a masked LM over a DeBERTa V3. */
export const debertaV3MaskedLMHead = (config: DebertaV3Config): Head<MaskedLMHeadParams, MaskedLMHeadInputs> => {
  const head = maskedLMHead({
    hiddenDim: config.hiddenDim,
    width: config.hiddenDim,
    vocabularySize: config.vocabularySize,
    activation: config.headActivation,
    epsilon: config.headLayerNormEpsilon,
    names: heads,
    ignored: [
      { name: 'cls.predictions.decoder.weight', why: 'the output table is the token embedding itself' },
      { name: 'cls.predictions.decoder.bias', why: 'the same as cls.predictions.bias' },
    ],
  });
  const entries = head.weights.entries.map((entry) => {
    const { transformers } = entry.sources;
    const known = { ...transformers, otherNames: otherNames(transformers.name) };
    return { ...entry, sources: { ...entry.sources, transformers: known } };
  });
  return Object.freeze({ ...head, weights: { ...head.weights, entries } });
};

/**
 * The head of a classifier over a DeBERTa V3: a dense layer of width `hiddenDim` (default: the backbone's) over the first place,
 * then one to `numClasses`. `dropout` comes before the first layer, the backbone's own before the second.
 */
export const debertaV3ClassifierHead = (
  { hiddenDim: width, poolerActivation, dropout: outputDropout }: DebertaV3Config,
  {
    numClasses,
    dropout,
    hiddenDim = width,
  }: { readonly numClasses: number; readonly dropout: number; readonly hiddenDim?: number | undefined },
): Head<ClassifierHeadParams, EncoderOutputs> =>
  classifierHead({
    hiddenDim: width,
    numClasses,
    dropout,
    outputDropout,
    pooler: { dim: hiddenDim, activation: poolerActivation, name: 'pooler.dense' },
    name: 'classifier',
  });
