import type { KeyValue } from '../../layers/cache.ts';
import { dropouts } from '../../layers/dropout.ts';
import { embed, positions, unembed } from '../../layers/embedding.ts';
import { checkIntercept, noTap, tapOf } from '../../layers/intercept.ts';
import { layerNorm } from '../../layers/layerNorm.ts';
import { decoderSites, type SiteInfo } from '../../layers/sites.ts';
import { add } from '../../ops/add.ts';
import { asFloat32 } from '../../ops/rows.ts';
import { ShapeError } from '../../tensor/errors.ts';
import { formatShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { CausalContext, CausalInputs, CausalModel, CausalOutputs } from '../causalModel.ts';
import { initWeights } from '../init.ts';
import type { ParamPath } from '../weightEntry.ts';
import type { GPT2Config } from './config.ts';
import { decoderLayer } from './decoderLayer.ts';
import type { GPT2Params } from './params.ts';
import { gpt2Weights } from './weightNames.ts';

/** The sites of a GPT-2 of that many layers. */
const sitesOf = ({ numLayers }: GPT2Config): readonly SiteInfo[] => decoderSites(numLayers);

/**
 * The forward pass: token and position embeddings, decoder layers, a final norm. Generation, scoring and training all go
 * through it.
 *
 * @throws {ShapeError} If `tokenIds` is not `[batch, length]`, or longer than the position table.
 * @throws {ArgumentError} If the intercept is for a site that is not there.
 * @see Radford et al. 2019; keras_hub.models.GPT2Backbone
 */
export const applyGPT2 = (
  config: GPT2Config,
  params: GPT2Params,
  { tokenIds, paddingMask }: CausalInputs,
  { cache, intercept, dropout }: CausalContext = {},
): CausalOutputs => {
  if (tokenIds.shape.length !== 2)
    throw new ShapeError(`GPT2: expected tokenIds of shape [batch, length], got ${formatShape(tokenIds.shape)}`);
  if (intercept !== undefined) checkIntercept('GPT2Backbone', intercept, sitesOf(config));
  const { layerNormEpsilon: epsilon } = config;
  const watching = tapOf(intercept, undefined, cache?.position);
  const tap = watching ?? noTap;
  // Place 0 is the embeddings'; each layer has three.
  const drop = dropouts(dropout && { key: dropout.key, rate: dropout.rate ?? config.dropout });

  const tokens = tap('tokenEmbedding')(embed(params.tokenEmbedding)(tokenIds));
  const places = tap('positionEmbedding')(
    asFloat32(positions(params.positionEmbedding, tokenIds.shape[1]!, cache?.position)),
  );
  let x = tap('embeddings')(add(tokens, places));
  if (drop !== undefined) x = drop(0)(x);
  const presents: KeyValue[] = [];
  for (const [i, layer] of params.transformerLayers.entries()) {
    const past = cache === undefined ? undefined : { keyValue: cache.layers[i]!, position: cache.position };
    // KerasHub's attention gives fully masked rows nothing where it was built with dropout, else a plain mean.
    const { y, present } = decoderLayer(layer, config, {
      paddingMask,
      past,
      emptyRows: config.dropout > 0 ? 'zero' : 'uniform',
      tap: tapOf(intercept, i, cache?.position),
      drop: drop && ((place) => drop(1 + 3 * i + place)),
    })(x);
    x = y;
    presents.push(present);
  }
  const watched = watching && { tap: watching, as: 'final' as const };
  return { hidden: tap('finalNormOut')(layerNorm(params.layerNorm, { epsilon, watched })(x)), presents };
};

/**
 * Logits of hidden states: `h E^T` with the token table, `[batch, length, hiddenDim]` to
 * `[batch, length, vocabularySize]`. An `intercept` sees them; with a `cache`, the first place is the cache's position.
 */
export const gpt2Logits = (
  params: GPT2Params,
  hidden: Tensor,
  { cache, intercept }: Pick<CausalContext, 'cache' | 'intercept'> = {},
): Tensor => (tapOf(intercept, undefined, cache?.position) ?? noTap)('logits')(unembed(params.tokenEmbedding)(hidden));

/** How each parameter starts: norms at 1 and 0, biases at 0, everything else normal with deviation 0.02. */
const start = (path: ParamPath): 'zeros' | 'ones' | { readonly deviation: number } => {
  const last = path.at(-1);
  return last === 'gamma' ? 'ones' : last === 'beta' || last === 'bias' ? 'zeros' : { deviation: 0.02 };
};

/** A GPT-2 of these sizes. */
export const gpt2 = (config: GPT2Config): CausalModel<GPT2Params> => {
  const weights = gpt2Weights(config);
  return Object.freeze<CausalModel<GPT2Params>>({
    name: 'GPT2Backbone',
    vocabularySize: config.vocabularySize,
    maxSequenceLength: config.maxSequenceLength,
    cache: { layers: config.numLayers, heads: config.numHeads, headDim: config.hiddenDim / config.numHeads },
    weights,
    sites: sitesOf(config),
    init: (seed) => initWeights(weights, seed, start) as unknown as GPT2Params,
    apply: (params, inputs, context) => applyGPT2(config, params, inputs, context),
    logits: gpt2Logits,
  });
};
