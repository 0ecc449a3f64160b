import { pipe } from 'fp-ts/lib/function.js';
import type { KeyValue } from '../../layers/cache.ts';
import { type Dropouts, dropouts } from '../../layers/dropout.ts';
import { type EmbeddingParams, embed, positions, unembed } from '../../layers/embedding.ts';
import {
  encoderLayer,
  encoderLayerSites,
  postNormAttentionSites,
  postNormMlpSites,
} from '../../layers/encoderLayer.ts';
import { checkIntercept, noTap, type Tap, tapOf } from '../../layers/intercept.ts';
import { type LayerNormParams, layerNorm } from '../../layers/layerNorm.ts';
import { crossKeyValue } from '../../layers/selfAttention.ts';
import { decoderSites, type Site, type SiteInfo, siteInfo } from '../../layers/sites.ts';
import { add } from '../../ops/add.ts';
import { multiply } from '../../ops/multiply.ts';
import { asFloat32 } from '../../ops/rows.ts';
import { stopGradient } from '../../ops/stopGradient.ts';
import { ArgumentError, ShapeError } from '../../tensor/errors.ts';
import { formatShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Tree } from '../../tensor/tree.ts';
import { activations } from '../activations.ts';
import type { CausalContext, CausalInputs, CausalModel, CausalOutputs } from '../causalModel.ts';
import { initWeights } from '../init.ts';
import type { EncoderContext, Seq2SeqModel } from '../seq2seqModel.ts';
import type { ParamPath } from '../weightEntry.ts';
import type { BartConfig } from './config.ts';
import { bartDecoderLayer } from './layers.ts';
import type { BartParams } from './params.ts';
import { bartWeights } from './weightNames.ts';

/** What a BART's decoder reads of an encoded text: each decoder layer's keys and values, and which places are real. */
export type BartMemory = {
  /** Each `[batch, encoderLength, heads, headDim]`. */
  readonly layers: readonly KeyValue[];
  /** `[batch, encoderLength]` bool; left out, all are. */
  readonly paddingMask?: Tensor;
};

const crossSites: readonly Site[] = [
  'crossQuery',
  'crossScores',
  'crossPattern',
  'crossZ',
  'crossPerHead',
  'crossAttentionOut',
  'residualCross',
  'crossAttentionNormScale',
  'crossAttentionNormalized',
  'crossAttentionNormOut',
];
const embeddingSites: readonly Site[] = ['tokenEmbedding', 'positionEmbedding', 'embeddings'];

/** The sites of a BART, in order: the encoder's, the decoder's keys and values of it, the decoder's. */
const sitesOf = ({ numLayers, decoderNumLayers }: BartConfig): readonly SiteInfo[] =>
  Object.freeze([
    ...decoderSites(numLayers, [...embeddingSites, ...encoderLayerSites], 'encoder'),
    ...Array.from({ length: decoderNumLayers }, (_, layer) =>
      (['crossKey', 'crossValue'] as const).map((site) => siteInfo(site, layer, 'decoder')),
    ).flat(),
    ...decoderSites(
      decoderNumLayers,
      [...embeddingSites, ...postNormAttentionSites, ...crossSites, ...postNormMlpSites, 'logits'],
      'decoder',
    ),
  ]);

/** Added to the variance in every layer norm: both libraries know no other. */
const epsilon = 1e-5;

/** KerasHub's attention gives fully masked rows nothing where it was built with dropout, else a plain mean. */
const emptyRowsOf = ({ dropout }: BartConfig): 'zero' | 'uniform' => (dropout > 0 ? 'zero' : 'uniform');

const dropoutsOf = (
  config: BartConfig,
  dropout: CausalContext['dropout'],
  { from }: { readonly from: number },
): Dropouts | undefined => {
  const all = dropouts(dropout && { key: dropout.key, rate: dropout.rate ?? config.dropout });
  return all && ((place) => all(from + place));
};

/** Token and position embeddings, their sum normed: how both stacks begin. */
const embedded = (
  what: string,
  { tokenIds }: CausalInputs,
  {
    tokens,
    places,
    norm,
    scale,
    position,
    tap,
    drop,
  }: {
    readonly tokens: EmbeddingParams;
    readonly places: EmbeddingParams;
    readonly norm: LayerNormParams;
    readonly scale: number;
    readonly position?: Tensor | undefined;
    readonly tap: Tap;
    readonly drop: Dropouts | undefined;
  },
): Tensor => {
  if (tokenIds.shape.length !== 2)
    throw new ShapeError(`BART: expected ${what} of shape [batch, length], got ${formatShape(tokenIds.shape)}`);
  const rows = tap('tokenEmbedding')(embed(tokens)(tokenIds));
  const placed = tap('positionEmbedding')(asFloat32(positions(places, tokenIds.shape[1]!, position)));
  return pipe(
    add(scale === 1 ? rows : multiply(rows, scale), placed),
    tap('embeddings'),
    layerNorm(norm, { epsilon }),
    drop?.(0) ?? ((x) => x),
  );
};

const embeddingScale = ({ scaleEmbedding, hiddenDim }: BartConfig): number =>
  scaleEmbedding ? Math.sqrt(hiddenDim) : 1;

/**
 * The encoder's forward pass: embeddings, their norm, layers in which every place sees every real one.
 *
 * @returns `[batch, encoderLength, hiddenDim]`.
 * @throws {ShapeError} If `tokenIds` is not `[batch, length]`, or longer than the position table.
 * @see Lewis et al. 2019; keras_hub.models.BartBackbone
 */
export const encodeBart = (
  config: BartConfig,
  params: BartParams,
  inputs: CausalInputs,
  { intercept, dropout }: EncoderContext = {},
): Tensor => {
  if (intercept !== undefined) checkIntercept('BartBackbone', intercept, sitesOf(config));
  const tapIn = (layer: number | undefined) => tapOf(intercept, layer, undefined, 'encoder');
  const drop = dropoutsOf(config, dropout, { from: 0 });
  const x = embedded('encoder tokenIds', inputs, {
    tokens: params.tokenEmbedding,
    places: params.encoderPositionEmbedding,
    norm: params.encoderEmbeddingsLayerNorm,
    scale: embeddingScale(config),
    tap: tapIn(undefined) ?? noTap,
    drop,
  });
  return params.encoderTransformerLayers.reduce(
    (stream, layer, i) =>
      encoderLayer(layer, {
        activation: activations[config.activation],
        epsilon,
        emptyRows: emptyRowsOf(config),
        paddingMask: inputs.paddingMask,
        tap: tapIn(i),
        drop: drop && ((place) => drop(1 + 3 * i + place)),
      })(stream),
    x,
  );
};

/**
 * Keys and values of an encoded text for every decoder layer.
 *
 * @param encoded - `[batch, encoderLength, hiddenDim]`.
 * @param paddingMask - Which of its places are real, `[batch, encoderLength]` bool. Default: all.
 * @param context - An `intercept` sees `crossKey` and `crossValue`.
 */
export const rememberBart = (
  params: BartParams,
  encoded: Tensor,
  paddingMask: Tensor | undefined,
  { intercept }: Pick<CausalContext, 'intercept'> = {},
): BartMemory => ({
  layers: params.decoderTransformerLayers.map(({ crossAttention }, i) =>
    crossKeyValue(crossAttention, tapOf(intercept, i, undefined, 'decoder'))(encoded),
  ),
  ...(paddingMask === undefined ? {} : { paddingMask }),
});

/** What the decoder was handed, if it is a memory of its layers. */
const memoryOf = (memory: Tree | undefined, layers: number): BartMemory => {
  const given = memory as BartMemory | undefined;
  if (given?.layers === undefined || given.layers.length !== layers)
    throw new ArgumentError(
      `BART: expected the decoder to get a memory of its ${layers} layers (what remember gives), got ${memory === undefined ? 'none' : 'another tree'}`,
    );
  return given;
};

/**
 * The decoder's forward pass over a memory. Generation, scoring and training all go through it.
 *
 * @throws {ShapeError} If `tokenIds` is not `[batch, length]`, or longer than the position table.
 * @throws {ArgumentError} If there is no memory, or the intercept is for a site that is not there.
 * @see Lewis et al. 2019; keras_hub.models.BartSeq2SeqLM
 */
export const decodeBart = (
  config: BartConfig,
  params: BartParams,
  inputs: CausalInputs,
  { cache, memory, intercept, dropout }: CausalContext = {},
): CausalOutputs => {
  if (intercept !== undefined) checkIntercept('BartBackbone', intercept, sitesOf(config));
  const encoded = memoryOf(memory, params.decoderTransformerLayers.length);
  const position = cache?.position;
  const tapIn = (layer: number | undefined) => tapOf(intercept, layer, position, 'decoder');
  // The encoder has the places before.
  const drop = dropoutsOf(config, dropout, { from: 1 + 3 * config.numLayers });
  let x = embedded('decoder tokenIds', inputs, {
    tokens: params.tokenEmbedding,
    places: params.decoderPositionEmbedding,
    norm: params.decoderEmbeddingsLayerNorm,
    scale: embeddingScale(config),
    position,
    tap: tapIn(undefined) ?? noTap,
    drop,
  });
  const presents: KeyValue[] = [];
  for (const [i, layer] of params.decoderTransformerLayers.entries()) {
    const { y, present } = bartDecoderLayer(layer, {
      activation: activations[config.activation],
      epsilon,
      emptyRows: emptyRowsOf(config),
      paddingMask: inputs.paddingMask,
      past: cache === undefined ? undefined : { keyValue: cache.layers[i]!, position: cache.position },
      memory: encoded.layers[i]!,
      encoderPaddingMask: encoded.paddingMask,
      tap: tapIn(i),
      drop: drop && ((place) => drop(1 + 5 * i + place)),
    })(x);
    x = y;
    presents.push(present);
  }
  return { hidden: x, presents };
};

/**
 * Logits of the decoder's hidden states: `h E^T` with the token table, and transformers' bias where there is one, which
 * does not learn. An `intercept` sees them; with a `cache`, the first place is the cache's position.
 *
 * @returns `[batch, length, hiddenDim]` to `[batch, length, vocabularySize]`.
 */
export const bartLogits = (
  params: BartParams,
  hidden: Tensor,
  { cache, intercept }: Pick<CausalContext, 'cache' | 'intercept'> = {},
): Tensor => {
  const plain = unembed(params.tokenEmbedding)(hidden);
  const { finalLogitsBias } = params;
  const logits = finalLogitsBias === undefined ? plain : add(plain, stopGradient(finalLogitsBias));
  return (tapOf(intercept, undefined, cache?.position, 'decoder') ?? noTap)('logits')(logits);
};

/** How each parameter starts: norms at 1 and 0, biases at 0, everything else normal with deviation 0.02. */
const start = (path: ParamPath): 'zeros' | 'ones' | { readonly deviation: number } => {
  const last = path.at(-1);
  return last === 'gamma'
    ? 'ones'
    : last === 'beta' || last === 'bias' || last === 'finalLogitsBias'
      ? 'zeros'
      : { deviation: 0.02 };
};

/** A BART of these sizes. */
export const bart = (config: BartConfig): Seq2SeqModel<BartParams> => {
  const weights = bartWeights(config);
  const sites = sitesOf(config);
  const shared = {
    name: 'BartBackbone',
    vocabularySize: config.vocabularySize,
    maxSequenceLength: config.maxSequenceLength,
    weights,
    sites,
    init: (seed: number) => initWeights(weights, seed, start) as unknown as BartParams,
  };
  return Object.freeze<Seq2SeqModel<BartParams>>({
    ...shared,
    encode: (params, inputs, context) => encodeBart(config, params, inputs, context),
    remember: rememberBart,
    decoder: Object.freeze<CausalModel<BartParams>>({
      ...shared,
      cache: {
        layers: config.decoderNumLayers,
        heads: config.decoderNumHeads,
        headDim: config.hiddenDim / config.decoderNumHeads,
      },
      apply: (params, inputs, context) => decodeBart(config, params, inputs, context),
      logits: bartLogits,
    }),
  });
};
