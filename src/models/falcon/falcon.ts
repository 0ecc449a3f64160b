import type { KeyValue } from '../../layers/cache.ts';
import { dropouts } from '../../layers/dropout.ts';
import { embed, unembed } from '../../layers/embedding.ts';
import { checkIntercept, noTap, tapOf } from '../../layers/intercept.ts';
import { layerNorm } from '../../layers/layerNorm.ts';
import { rotary } from '../../layers/rotary.ts';
import type { SelfAttentionOptions } from '../../layers/selfAttention.ts';
import { decoderSites, rotarySites, type SiteInfo, sitesWith } from '../../layers/sites.ts';
import { cast } from '../../ops/cast.ts';
import { tensor } from '../../ops/constant.ts';
import { cumsum } from '../../ops/cumsum.ts';
import { matmul } from '../../ops/matmul.ts';
import { multiply } from '../../ops/multiply.ts';
import { asFloat32 } from '../../ops/rows.ts';
import { subtract } from '../../ops/subtract.ts';
import { bfloat16Bits, bfloat16FromBits } from '../../tensor/dtype.ts';
import { ShapeError } from '../../tensor/errors.ts';
import { formatShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { CausalContext, CausalInputs, CausalModel, CausalOutputs } from '../causalModel.ts';
import { initWeights } from '../init.ts';
import type { ParamPath } from '../weightEntry.ts';
import type { FalconConfig } from './config.ts';
import { falconDecoderLayer } from './decoderLayer.ts';
import type { FalconParams } from './params.ts';
import { falconWeights } from './weightNames.ts';

/** The sites of a Falcon: no position table, no middle of parallel layers, no second norm where there is but one. */
const sitesOf = ({ numLayers, parallelAttention, numParallelNorms, positions }: FalconConfig): readonly SiteInfo[] =>
  decoderSites(
    numLayers,
    sitesWith(positions === 'rotary' ? rotarySites : [], [
      'positionEmbedding',
      ...(parallelAttention ? (['residualMid'] as const) : []),
      ...(parallelAttention && numParallelNorms === 1
        ? (['mlpNormScale', 'mlpNormalized', 'mlpNormOut'] as const)
        : []),
    ]),
  );

/**
 * ALiBi's slopes: `r, r^2, …` with `r = 2^(-8 / heads)` where the number of heads is a power of two; else those of the next
 * lower power of two, and then every second one of the next higher.
 *
 * @param heads - How many heads, from 1.
 * @see Press et al. 2022, section 3; keras_hub.layers.AlibiBias
 */
export const alibiSlopes = (heads: number): readonly number[] => {
  const lower = 2 ** Math.floor(Math.log2(heads));
  const geometric = (n: number): readonly number[] => Array.from({ length: n }, (_, i) => 2 ** ((-8 * (i + 1)) / n));
  if (lower === heads) return geometric(heads);
  return [...geometric(lower), ...geometric(2 * lower).filter((_, i) => i % 2 === 0)].slice(0, heads);
};

/** Places of keys that count real tokens alone, 0 at padding: `[batch, length]` float32. */
const realPlaces = (paddingMask: Tensor): Tensor => {
  const isReal = cast(paddingMask, 'float32');
  return multiply(subtract(cumsum(isReal), 1), isReal);
};

/** How attention knows places: what turns queries and keys, or what ALiBi adds to scores. */
const placing = (
  { positions, ropeMaxWavelength, hiddenDim, numAttentionHeads }: FalconConfig,
  { tokenIds, paddingMask }: CausalInputs,
  position: Tensor | undefined,
): Pick<SelfAttentionOptions, 'rotate' | 'scoring'> => {
  const headDim = hiddenDim / numAttentionHeads;
  if (positions === 'rotary')
    return { rotate: rotary({ length: tokenIds.shape[1]!, headDim, base: ropeMaxWavelength, position }) };
  const isRounded = positions === 'alibiBfloat16';
  const slopes = alibiSlopes(numAttentionHeads);
  return {
    scoring: {
      slopes: tensor(isRounded ? slopes.map((slope) => bfloat16FromBits(bfloat16Bits(slope))) : slopes),
      slopesDtype: isRounded ? 'bfloat16' : 'float32',
      // Scores are divided by sqrt(headDim) after ALiBi is added.
      slopesScale: 1 / Math.sqrt(headDim),
      ...(paddingMask === undefined ? {} : { keyPositions: realPlaces(paddingMask) }),
    },
  };
};

/**
 * The forward pass: token embeddings, decoder layers, a final norm. Generation, scoring and training all go through it.
 *
 * @throws {ShapeError} If `tokenIds` is not `[batch, length]`.
 * @throws {ArgumentError} If the intercept is for a site that is not there.
 * @see Almazrouei et al. 2023; keras_hub.models.FalconBackbone; transformers.FalconModel
 */
export const applyFalcon = (
  config: FalconConfig,
  params: FalconParams,
  inputs: CausalInputs,
  { cache, intercept, dropout }: CausalContext = {},
): CausalOutputs => {
  const { tokenIds, paddingMask } = inputs;
  if (tokenIds.shape.length !== 2)
    throw new ShapeError(`Falcon: expected tokenIds of shape [batch, length], got ${formatShape(tokenIds.shape)}`);
  if (intercept !== undefined) checkIntercept('FalconBackbone', intercept, sitesOf(config));
  const { attentionDropoutRate, feedforwardDropoutRate, layerNormEpsilon: epsilon } = config;
  const watching = tapOf(intercept, undefined, cache?.position);
  const tap = watching ?? noTap;
  // Each layer has three places; transformers drops nothing from the pattern of rotary attention.
  const rates = [
    config.positions === 'rotary' ? 0 : attentionDropoutRate,
    attentionDropoutRate,
    feedforwardDropoutRate,
  ];
  const drop =
    dropout && ((place: number) => dropouts({ key: dropout.key, rate: dropout.rate ?? rates[place % 3]! })?.(place));
  const placed = placing(config, inputs, cache?.position);

  let x = tap('embeddings')(asFloat32(tap('tokenEmbedding')(embed(params.tokenEmbedding)(tokenIds))));
  const presents: KeyValue[] = [];
  for (const [i, layer] of params.transformerLayers.entries()) {
    const past = cache === undefined ? undefined : { keyValue: cache.layers[i]!, position: cache.position };
    const { y, present } = falconDecoderLayer(layer, config, {
      ...placed,
      paddingMask,
      past,
      // transformers adds so low a number to hidden scores that nothing of ALiBi and the dots is left of them.
      emptyRows: config.positions === 'alibiBfloat16' ? 'uniform' : 'zero',
      tap: tapOf(intercept, i, cache?.position),
      drop: drop && ((place) => drop(3 * i + place)),
    })(x);
    x = y;
    presents.push(present);
  }
  const watched = watching && { tap: watching, as: 'final' as const };
  return { hidden: tap('finalNormOut')(layerNorm(params.finalLayernorm, { epsilon, watched })(x)), presents };
};

/**
 * Logits of hidden states: `h E^T` with the token table, or `h R` with the output table of a model that has its own;
 * `[batch, length, hiddenDim]` to `[batch, length, vocabularySize]`. An `intercept` sees them; with a `cache`, the first
 * place is the cache's position.
 */
export const falconLogits = (
  { tokenEmbedding }: FalconParams,
  hidden: Tensor,
  { cache, intercept }: Pick<CausalContext, 'cache' | 'intercept'> = {},
): Tensor => {
  const { reverseEmbeddings } = tokenEmbedding;
  const logits = reverseEmbeddings === undefined ? unembed(tokenEmbedding)(hidden) : matmul(hidden, reverseEmbeddings);
  return (tapOf(intercept, undefined, cache?.position) ?? noTap)('logits')(logits);
};

/** How each parameter starts: norms at 1 and 0, biases at 0, everything else normal with deviation 0.02. */
const start = (path: ParamPath): 'zeros' | 'ones' | { readonly deviation: number } => {
  const last = path.at(-1);
  return last === 'gamma' ? 'ones' : last === 'beta' || last === 'bias' ? 'zeros' : { deviation: 0.02 };
};

/** A Falcon of these sizes. */
export const falcon = (config: FalconConfig): CausalModel<FalconParams> => {
  const weights = falconWeights(config);
  return Object.freeze<CausalModel<FalconParams>>({
    name: 'FalconBackbone',
    vocabularySize: config.vocabularySize,
    // ALiBi and rotary positions have no table that could end.
    maxSequenceLength: undefined,
    cache: {
      layers: config.numLayers,
      heads: config.numKeyValueHeads,
      headDim: config.hiddenDim / config.numAttentionHeads,
    },
    weights,
    sites: sitesOf(config),
    init: (seed) => initWeights(weights, seed, start) as unknown as FalconParams,
    apply: (params, inputs, context) => applyFalcon(config, params, inputs, context),
    logits: falconLogits,
  });
};
