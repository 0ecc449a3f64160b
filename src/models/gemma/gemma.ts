import type { KeyValue } from '../../layers/cache.ts';
import { dropouts } from '../../layers/dropout.ts';
import { embed, unembed } from '../../layers/embedding.ts';
import { checkIntercept, noTap, tapOf } from '../../layers/intercept.ts';
import { rotary } from '../../layers/rotary.ts';
import { decoderSites, gatedSites, postNormSites, rotarySites, type SiteInfo, sitesWith } from '../../layers/sites.ts';
import { multiply } from '../../ops/multiply.ts';
import { asFloat32 } from '../../ops/rows.ts';
import { tanh } from '../../ops/tanh.ts';
import { ShapeError } from '../../tensor/errors.ts';
import { formatShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { CausalContext, CausalInputs, CausalModel, CausalOutputs } from '../causalModel.ts';
import { initWeights, type Start } from '../init.ts';
import type { ParamPath } from '../weightEntry.ts';
import type { GemmaConfig } from './config.ts';
import { gemmaDecoderLayer, gemmaNorm } from './decoderLayer.ts';
import type { GemmaParams } from './params.ts';
import { gemmaWeights } from './weightNames.ts';

/** The sites of a Gemma of this config. */
const sitesOf = ({ numLayers, usePostAttentionNorm, usePostFfwNorm }: GemmaConfig): readonly SiteInfo[] => {
  const behind = postNormSites.filter((site) => (site.startsWith('attention') ? usePostAttentionNorm : usePostFfwNorm));
  return decoderSites(numLayers, sitesWith([...rotarySites, ...gatedSites, ...behind], ['positionEmbedding']));
};

/**
 * The forward pass: token embeddings times `sqrt(hiddenDim)`, decoder layers, a final norm. Generation, scoring and training
 * all go through it. At -1 an intercept sees the embeddings before they are scaled, and what it returns is used.
 *
 * @throws {ShapeError} If `tokenIds` is not `[batch, length]`, or longer than `maxSequenceLength`.
 * @throws {ArgumentError} If the intercept is for a site that is not there.
 * @see Gemma Team 2024a, 2024b; keras_hub.models.GemmaBackbone
 */
export const applyGemma = (
  config: GemmaConfig,
  params: GemmaParams,
  { tokenIds, paddingMask }: CausalInputs,
  { cache, intercept, dropout }: CausalContext = {},
): CausalOutputs => {
  const { hiddenDim, headDim, ropeMaxWavelength, maxSequenceLength } = config;
  const [, length = 0] = tokenIds.shape;
  if (tokenIds.shape.length !== 2)
    throw new ShapeError(`Gemma: expected tokenIds of shape [batch, length], got ${formatShape(tokenIds.shape)}`);
  if (maxSequenceLength !== null && length > maxSequenceLength)
    throw new ShapeError(`Gemma: expected a length of at most ${maxSequenceLength} (maxSequenceLength), got ${length}`);
  if (intercept !== undefined) checkIntercept('GemmaBackbone', intercept, sitesOf(config));
  const watching = tapOf(intercept, undefined, cache?.position);
  const tap = watching ?? noTap;
  // Each layer has two places.
  const drop = dropouts(dropout && { key: dropout.key, rate: dropout.rate ?? config.dropout });
  const rotate = rotary({ length, headDim, base: ropeMaxWavelength, position: cache?.position });

  const tokens = tap('tokenEmbedding')(asFloat32(embed(params.tokenEmbedding)(tokenIds)));
  let x = multiply(tap('embeddings')(tokens), Math.fround(Math.sqrt(hiddenDim)));
  const presents: KeyValue[] = [];
  for (const [i, layer] of params.transformerLayers.entries()) {
    const past = cache === undefined ? undefined : { keyValue: cache.layers[i]!, position: cache.position };
    const { y, present } = gemmaDecoderLayer(layer, config, {
      isSliding: config.slidingLayers[i] === true,
      paddingMask,
      past,
      rotate,
      tap: tapOf(intercept, i, cache?.position),
      drop: drop && ((place) => drop(2 * i + place)),
    })(x);
    x = y;
    presents.push(present);
  }
  const norm = gemmaNorm(params.finalNormalization, config.layerNormEpsilon, watching, 'final');
  return { hidden: tap('finalNormOut')(norm(x)), presents };
};

/**
 * Logits of hidden states: `h E^T` with the token table, bent by the soft cap where there is one, `[batch, length, hiddenDim]`
 * to `[batch, length, vocabularySize]`. An `intercept` sees them bent; with a `cache`, the first place is the cache's position.
 */
export const gemmaLogits = (
  { finalLogitSoftCap: cap }: GemmaConfig,
  params: GemmaParams,
  hidden: Tensor,
  { cache, intercept }: Pick<CausalContext, 'cache' | 'intercept'> = {},
): Tensor => {
  const straight = unembed(params.tokenEmbedding)(hidden);
  const logits = cap === null ? straight : multiply(tanh(multiply(straight, 1 / cap)), cap);
  return (tapOf(intercept, undefined, cache?.position) ?? noTap)('logits')(logits);
};

/** How each parameter starts: norms at 1, biases at 0, the table normal as in KerasHub, kernels normal. */
const startOf =
  ({ vocabularySize, hiddenDim }: GemmaConfig) =>
  (path: ParamPath): Start => {
    const last = path.at(-1);
    return last === 'scale' || last === 'bias'
      ? 'zeros'
      : { deviation: 1 / Math.sqrt(last === 'embeddings' ? vocabularySize : hiddenDim) };
  };

/** A Gemma of these sizes. */
export const gemma = (config: GemmaConfig): CausalModel<GemmaParams> => {
  const weights = gemmaWeights(config);
  const start = startOf(config);
  return Object.freeze<CausalModel<GemmaParams>>({
    name: 'GemmaBackbone',
    vocabularySize: config.vocabularySize,
    maxSequenceLength: config.maxSequenceLength ?? undefined,
    cache: { layers: config.numLayers, heads: config.numKeyValueHeads, headDim: config.headDim },
    weights,
    sites: sitesOf(config),
    init: (seed) => initWeights(weights, seed, start) as unknown as GemmaParams,
    apply: (params, inputs, context) => applyGemma(config, params, inputs, context),
    logits: (params, hidden, context) => gemmaLogits(config, params, hidden, context),
  });
};
