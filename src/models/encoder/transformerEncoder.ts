import { pipe } from 'fp-ts/lib/function.js';
import { type DenseParams, dense } from '../../layers/dense.ts';
import { dropouts } from '../../layers/dropout.ts';
import { type EmbeddingParams, embed, positions } from '../../layers/embedding.ts';
import { type EncoderLayerParams, encoderLayer, encoderLayerSites } from '../../layers/encoderLayer.ts';
import { checkIntercept, noTap, tapOf } from '../../layers/intercept.ts';
import { type LayerNormParams, layerNorm } from '../../layers/layerNorm.ts';
import { decoderSites, type Site } from '../../layers/sites.ts';
import { add } from '../../ops/add.ts';
import { broadcastTo } from '../../ops/broadcastTo.ts';
import { constant } from '../../ops/constant.ts';
import { reshape } from '../../ops/reshape.ts';
import { asFloat32 } from '../../ops/rows.ts';
import { sliceAxis } from '../../ops/slice.ts';
import { tanh } from '../../ops/tanh.ts';
import { ShapeError } from '../../tensor/errors.ts';
import { formatShape, sameShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Activation, activations } from '../activations.ts';
import type { EncoderInputs, EncoderModel, EncoderOutputs } from '../encoderModel.ts';
import { initWeights, type Start } from '../init.ts';
import type { EncoderContext } from '../seq2seqModel.ts';
import type { ParamPath, WeightTable } from '../weightEntry.ts';

/** The sizes that every encoder of post-norm layers has, by KerasHub's names. */
export interface TransformerEncoderConfig {
  /** How many tokens there are. */
  readonly vocabularySize: number;
  /** How many times a layer is applied. */
  readonly numLayers: number;
  /** Attention heads a layer; divides `hiddenDim`. */
  readonly numHeads: number;
  /** Width of the residual stream. */
  readonly hiddenDim: number;
  /** Width between the two feedforward layers. */
  readonly intermediateDim: number;
  /** Dropout probability while training, from 0 to below 1. Above 0 it also decides how a fully masked query behaves. */
  readonly dropout: number;
  /** Rows of the position table, so the longest text in tokens. */
  readonly maxSequenceLength: number;
  /** Added to the variance in every layer norm. */
  readonly layerNormEpsilon: number;
  /** Of the feedforward layers. */
  readonly activation: Activation;
}

/** Parameters of an encoder of post-norm layers, by KerasHub's layer names; a family has those of its table. */
export type TransformerEncoderParams = {
  /** `[vocabularySize, hiddenDim]`, or in ALBERT `[vocabularySize, embeddingDim]`. */
  readonly tokenEmbedding: EmbeddingParams;
  /** `[maxSequenceLength, …]`. */
  readonly positionEmbedding: EmbeddingParams;
  /** `[numSegments, …]`. */
  readonly segmentEmbedding?: EmbeddingParams;
  /** Over the embeddings' sum. */
  readonly embeddingsLayerNorm: LayerNormParams;
  /** From the embeddings' width to `hiddenDim`. */
  readonly embeddingProjection?: DenseParams;
  /** Each of them once, though it may be applied several times. */
  readonly transformerLayers: readonly EncoderLayerParams[];
  /** Over the first place. */
  readonly pooledDense?: DenseParams;
};

/** An encoder of post-norm layers, as a family describes itself. */
export interface TransformerEncoderSpec {
  /** KerasHub's name of the backbone. */
  readonly name: string;
  /** The sizes. */
  readonly config: TransformerEncoderConfig;
  /** Every parameter, with its names. */
  readonly weights: WeightTable;
  /** How many segments there are; undefined without segments. */
  readonly numSegments?: number | undefined;
  /** Whether there is a dense layer over the first place. */
  readonly hasPooler: boolean;
  /** Which layer's parameters each application takes. Default: each its own. */
  readonly schedule?: readonly number[] | undefined;
}

/** How a parameter of an encoder or a head starts: gains as ones, offsets as zeros, all else small and random. */
export const startOf = (path: ParamPath): Start => {
  const last = path.at(-1);
  return last === 'gamma' ? 'ones' : last === 'beta' || last === 'bias' ? 'zeros' : { deviation: 0.02 };
};

const kept = (x: Tensor): Tensor => x;

/**
 * `tanh` of a dense layer over the first place: `[batch, length, hiddenDim]` to `[batch, hiddenDim]`.
 *
 * @see Devlin et al. 2019
 */
export const pool =
  (params: DenseParams) =>
  (sequence: Tensor): Tensor => {
    const [batch = 0, , width = 0] = sequence.shape;
    return tanh(dense(params)(reshape(sliceAxis(sequence, 1, 0, 1), [batch, width])));
  };

/**
 * Segment ids as given, or all 0.
 *
 * @throws {ShapeError} If they are not of the tokens' shape.
 */
export const segmentsOf = (name: string, { tokenIds, segmentIds }: EncoderInputs): Tensor => {
  if (segmentIds === undefined) return broadcastTo(constant(0, { dtype: 'int32' }), tokenIds.shape);
  if (!sameShape(segmentIds.shape, tokenIds.shape))
    throw new ShapeError(
      `${name}: expected segmentIds of tokenIds' shape ${formatShape(tokenIds.shape)}, got ${formatShape(segmentIds.shape)}`,
    );
  return segmentIds;
};

/**
 * Holds tokens to a shape.
 *
 * @throws {ShapeError} If they are not `[batch, length]`.
 */
export const expectTokens = (name: string, tokenIds: Tensor): void => {
  if (tokenIds.shape.length !== 2)
    throw new ShapeError(`${name}: expected tokenIds of shape [batch, length], got ${formatShape(tokenIds.shape)}`);
};

/**
 * An encoder of post-norm layers over the sum of its embeddings: BERT, RoBERTa, XLM-RoBERTa, DistilBERT and ALBERT.
 *
 * @see Devlin et al. 2019; keras_hub.models.BertBackbone
 */
export const transformerEncoder = ({
  name,
  config,
  weights,
  numSegments,
  hasPooler,
  schedule = Array.from({ length: config.numLayers }, (_, layer) => layer),
}: TransformerEncoderSpec): EncoderModel<TransformerEncoderParams> => {
  const { layerNormEpsilon: epsilon, activation } = config;
  const sites = decoderSites(schedule.length, [
    'tokenEmbedding',
    'positionEmbedding',
    ...(numSegments === undefined ? [] : (['segmentEmbedding'] satisfies readonly Site[])),
    'embeddings',
    ...encoderLayerSites,
    ...(hasPooler ? (['pooled'] satisfies readonly Site[]) : []),
  ]);

  const apply = (
    params: TransformerEncoderParams,
    inputs: EncoderInputs,
    { intercept, dropout }: EncoderContext = {},
  ): EncoderOutputs => {
    const { tokenIds, paddingMask } = inputs;
    expectTokens(name, tokenIds);
    if (intercept !== undefined) checkIntercept(name, intercept, sites);
    const tap = tapOf(intercept, undefined, undefined) ?? noTap;
    // Place 0 is the embeddings'; each layer has three.
    const drop = dropouts(dropout && { key: dropout.key, rate: dropout.rate ?? config.dropout });

    const tokens = tap('tokenEmbedding')(embed(params.tokenEmbedding)(tokenIds));
    const places = tap('positionEmbedding')(asFloat32(positions(params.positionEmbedding, tokenIds.shape[1]!)));
    const placed = add(tokens, places);
    const summed =
      params.segmentEmbedding === undefined
        ? placed
        : add(placed, tap('segmentEmbedding')(embed(params.segmentEmbedding)(segmentsOf(name, inputs))));
    const embedded = pipe(
      tap('embeddings')(summed),
      layerNorm(params.embeddingsLayerNorm, { epsilon }),
      drop?.(0) ?? kept,
      params.embeddingProjection === undefined ? kept : dense(params.embeddingProjection),
    );
    const sequence = schedule.reduce(
      (x, own, i) =>
        encoderLayer(params.transformerLayers[own]!, {
          activation: activations[activation],
          epsilon,
          paddingMask,
          // KerasHub's attention gives fully masked rows nothing where it was built with dropout, else a plain mean.
          emptyRows: config.dropout > 0 ? 'zero' : 'uniform',
          tap: tapOf(intercept, i, undefined),
          drop: drop && ((place) => drop(1 + 3 * i + place)),
        })(x),
      embedded,
    );
    return {
      sequence,
      pooled: params.pooledDense === undefined ? undefined : tap('pooled')(pool(params.pooledDense)(sequence)),
    };
  };

  return Object.freeze<EncoderModel<TransformerEncoderParams>>({
    name,
    vocabularySize: config.vocabularySize,
    maxSequenceLength: config.maxSequenceLength,
    numSegments,
    hasPaddingMask: true,
    hiddenDim: config.hiddenDim,
    weights,
    sites,
    init: (seed) => initWeights(weights, seed, startOf) as unknown as TransformerEncoderParams,
    apply,
    tokenTable: ({ tokenEmbedding }) => tokenEmbedding.embeddings,
  });
};
