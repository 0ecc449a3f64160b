import { pipe } from 'fp-ts/lib/function.js';
import { type DenseParams, dense } from '../../layers/dense.ts';
import { dropouts } from '../../layers/dropout.ts';
import { type EmbeddingParams, embed, positions } from '../../layers/embedding.ts';
import { afterMixing } from '../../layers/encoderLayer.ts';
import { fourierMix, wavesOf } from '../../layers/fourierMix.ts';
import { checkIntercept, noTap, tapOf } from '../../layers/intercept.ts';
import { type LayerNormParams, layerNorm } from '../../layers/layerNorm.ts';
import { decoderSites, type Site } from '../../layers/sites.ts';
import { add } from '../../ops/add.ts';
import { asFloat32 } from '../../ops/rows.ts';
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
import { expectTokens, pool, segmentsOf, startOf } from '../encoder/transformerEncoder.ts';
import type { EncoderInputs, EncoderModel, EncoderOutputs } from '../encoderModel.ts';
import { initWeights } from '../init.ts';
import type { EncoderContext } from '../seq2seqModel.ts';
import type { FNetConfig } from './config.ts';
import { fNetWeights } from './weightNames.ts';

/**
 * Parameters of a layer of an FNet, by KerasHub's names: `mixingLayerNorm` behind mixing, which itself has none; the MLP's
 * `intermediateDense` and `outputDense`; `outputLayerNorm` behind them.
 */
export type FNetLayerParams = {
  readonly mixingLayerNorm: LayerNormParams;
  readonly intermediateDense: DenseParams;
  readonly outputDense: DenseParams;
  readonly outputLayerNorm: LayerNormParams;
};

/** Parameters of an FNet, by KerasHub's layer names. */
export type FNetParams = {
  /** `[vocabularySize, hiddenDim]`. */
  readonly tokenEmbedding: EmbeddingParams;
  /** `[maxSequenceLength, hiddenDim]`. */
  readonly positionEmbedding: EmbeddingParams;
  /** `[numSegments, hiddenDim]`. */
  readonly segmentEmbedding: EmbeddingParams;
  /** Over the sum of the three. */
  readonly embeddingsLayerNorm: LayerNormParams;
  /** From `hiddenDim` to `hiddenDim`. */
  readonly embeddingProjection: DenseParams;
  /** One of them a layer. */
  readonly transformerLayers: readonly FNetLayerParams[];
  /** Over the first place. */
  readonly pooledDense: DenseParams;
};

/** The sites of a layer, in order: where other families attend, this one mixes. */
const layerSites: readonly Site[] = [
  'residualPre',
  'attentionOut',
  'residualMid',
  'attentionNormScale',
  'attentionNormalized',
  'attentionNormOut',
  'mlpPre',
  'mlpPost',
  'mlpOut',
  'mlpNormScale',
  'mlpNormalized',
  'residualPost',
];

const kept = (x: Tensor): Tensor => x;

/**
 * An FNet of these sizes: `h = norm(x + fourierMix(x))`, then `y = norm(h + mlp(h))`. It knows no padding: what stands
 * behind a text changes every place.
 *
 * @see Lee-Thorp et al. 2022; keras_hub.models.FNetBackbone
 */
export const fNet = (config: FNetConfig): EncoderModel<FNetParams> => {
  const name = 'FNetBackbone';
  const { layerNormEpsilon: epsilon, activation } = config;
  const weights = fNetWeights(config);
  const sites = decoderSites(config.numLayers, [
    'tokenEmbedding',
    'positionEmbedding',
    'segmentEmbedding',
    'embeddings',
    ...layerSites,
    'pooled',
  ]);

  const apply = (
    params: FNetParams,
    inputs: EncoderInputs,
    { intercept, dropout }: EncoderContext = {},
  ): EncoderOutputs => {
    const { tokenIds } = inputs;
    expectTokens(name, tokenIds);
    if (intercept !== undefined) checkIntercept(name, intercept, sites);
    const tap = tapOf(intercept, undefined, undefined) ?? noTap;
    // Place 0 is the embeddings'; each layer has one.
    const drop = dropouts(dropout && { key: dropout.key, rate: dropout.rate ?? config.dropout });

    const length = tokenIds.shape[1]!;
    const tokens = tap('tokenEmbedding')(embed(params.tokenEmbedding)(tokenIds));
    const places = tap('positionEmbedding')(asFloat32(positions(params.positionEmbedding, length)));
    const segments = tap('segmentEmbedding')(embed(params.segmentEmbedding)(segmentsOf(name, inputs)));
    const embedded = pipe(
      tap('embeddings')(add(add(tokens, places), segments)),
      layerNorm(params.embeddingsLayerNorm, { epsilon }),
      dense(params.embeddingProjection),
      drop?.(0) ?? kept,
    );
    const waves = [wavesOf(Math.max(1, length)), wavesOf(config.hiddenDim)] as const;
    const sequence = params.transformerLayers.reduce((input, layer, i) => {
      const own = tapOf(intercept, i, undefined);
      const x = (own ?? noTap)('residualPre')(input);
      const mixed = (own ?? noTap)('attentionOut')(fourierMix(x, waves));
      return afterMixing(
        {
          selfAttentionLayerNorm: layer.mixingLayerNorm,
          feedforwardIntermediateDense: layer.intermediateDense,
          feedforwardOutputDense: layer.outputDense,
          feedforwardLayerNorm: layer.outputLayerNorm,
        },
        {
          activation: activations[activation],
          epsilon,
          tap: own,
          // Only what the MLP adds, place 2, is dropped from.
          drop: drop && ((place) => (place === 2 ? drop(1 + i) : kept)),
        },
      )(x, mixed);
    }, embedded);
    return { sequence, pooled: tap('pooled')(pool(params.pooledDense)(sequence)) };
  };

  return Object.freeze<EncoderModel<FNetParams>>({
    name,
    vocabularySize: config.vocabularySize,
    maxSequenceLength: config.maxSequenceLength,
    numSegments: config.numSegments,
    hasPaddingMask: false,
    hiddenDim: config.hiddenDim,
    weights,
    sites,
    init: (seed) => initWeights(weights, seed, startOf) as unknown as FNetParams,
    apply,
    tokenTable: ({ tokenEmbedding }) => tokenEmbedding.embeddings,
  });
};

/** The head of a masked LM over an FNet. */
export const fNetMaskedLMHead = (config: FNetConfig): Head<MaskedLMHeadParams, MaskedLMHeadInputs> =>
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

/** The head of a classifier over an FNet: `numClasses` logits from the pooled output, with `dropout` before. */
export const fNetClassifierHead = (
  { hiddenDim }: FNetConfig,
  { numClasses, dropout }: { readonly numClasses: number; readonly dropout: number },
): Head<ClassifierHeadParams, EncoderOutputs> => classifierHead({ hiddenDim, numClasses, dropout, name: 'classifier' });
