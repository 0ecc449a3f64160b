import { pipe } from 'fp-ts/lib/function.js';
import type { KeyValue } from '../../layers/cache.ts';
import { dense } from '../../layers/dense.ts';
import { layerNorm } from '../../layers/layerNorm.ts';
import { causalSelfAttention, type SelfAttentionOptions } from '../../layers/selfAttention.ts';
import { add } from '../../ops/add.ts';
import { gelu } from '../../ops/gelu.ts';
import { geluApproximate } from '../../ops/geluApproximate.ts';
import { relu } from '../../ops/relu.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { GPT2Config } from './config.ts';
import type { GPT2LayerParams } from './params.ts';

const activations = { geluApproximate, gelu, relu } as const;

/**
 * One GPT-2 decoder layer, pre-norm: `h = x + attention(norm(x))`, then `y = h + mlp(norm(h))`.
 *
 * @returns `x [batch, length, hiddenDim]` to the same shape, and this layer's keys and values.
 * @see Radford et al. 2019, section 2.3; keras_hub.layers.TransformerDecoder
 */
export const decoderLayer =
  (
    params: GPT2LayerParams,
    { activation, layerNormEpsilon: epsilon }: Pick<GPT2Config, 'activation' | 'layerNormEpsilon'>,
    options: SelfAttentionOptions,
  ) =>
  (x: Tensor): { readonly y: Tensor; readonly present: KeyValue } => {
    const { attended, present } = pipe(
      x,
      layerNorm(params.selfAttentionLayerNorm, { epsilon }),
      causalSelfAttention(params.selfAttention, options),
    );
    const h = add(x, attended);
    const fed = pipe(
      h,
      layerNorm(params.feedforwardLayerNorm, { epsilon }),
      dense(params.feedforwardIntermediateDense),
      activations[activation],
      dense(params.feedforwardOutputDense),
    );
    return { y: add(h, fed), present };
  };
