import type { KeyValue } from '../../layers/cache.ts';
import { embed, positions, unembed } from '../../layers/embedding.ts';
import { identityIntercept, tap } from '../../layers/intercept.ts';
import { layerNorm } from '../../layers/layerNorm.ts';
import { add } from '../../ops/add.ts';
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

/**
 * The forward pass: token and position embeddings, decoder layers, a final norm. Generation, scoring and training all go
 * through it.
 *
 * @throws {ShapeError} If `tokenIds` is not `[batch, length]`, or longer than the position table.
 * @see Radford et al. 2019; keras_hub.models.GPT2Backbone
 */
export const applyGPT2 = (
  config: GPT2Config,
  params: GPT2Params,
  { tokenIds, paddingMask }: CausalInputs,
  { cache, intercept = identityIntercept }: CausalContext = {},
): CausalOutputs => {
  if (tokenIds.shape.length !== 2)
    throw new ShapeError(`GPT2: expected tokenIds of shape [batch, length], got ${formatShape(tokenIds.shape)}`);
  const embedded = add(
    embed(params.tokenEmbedding)(tokenIds),
    positions(params.positionEmbedding, tokenIds.shape[1]!, cache?.position),
  );
  let x = tap(intercept, embedded, -1);
  const presents: KeyValue[] = [];
  for (const [i, layer] of params.transformerLayers.entries()) {
    const past = cache === undefined ? undefined : { keyValue: cache.layers[i]!, position: cache.position };
    // KerasHub's attention gives fully masked rows nothing where it was built with dropout, else a plain mean.
    const { y, present } = decoderLayer(layer, config, {
      paddingMask,
      past,
      emptyRows: config.dropout > 0 ? 'zero' : 'uniform',
    })(x);
    x = tap(intercept, y, i);
    presents.push(present);
  }
  return { hidden: layerNorm(params.layerNorm, { epsilon: config.layerNormEpsilon })(x), presents };
};

/** Logits of hidden states: `h E^T` with the token table, `[..., hiddenDim]` to `[..., vocabularySize]`. */
export const gpt2Logits = (params: GPT2Params, hidden: Tensor): Tensor => unembed(params.tokenEmbedding)(hidden);

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
    init: (seed) => initWeights(weights, seed, start) as unknown as GPT2Params,
    apply: (params, inputs, context) => applyGPT2(config, params, inputs, context),
    logits: gpt2Logits,
  });
};
