import { pipe } from 'fp-ts/lib/function.js';
import type { KeyValue } from '../../layers/cache.ts';
import { type DenseParams, dense, type FromHeadsParams } from '../../layers/dense.ts';
import { noTap } from '../../layers/intercept.ts';
import { layerNorm } from '../../layers/layerNorm.ts';
import { causalSelfAttention, type SelfAttentionOptions } from '../../layers/selfAttention.ts';
import { add } from '../../ops/add.ts';
import { reshape } from '../../ops/reshape.ts';
import { silu } from '../../ops/silu.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { activations as sharedActivations } from '../activations.ts';
import type { FalconConfig } from './config.ts';
import type { FalconLayerParams } from './params.ts';

const activations = { ...sharedActivations, silu };

/** What a decoder layer depends on besides its parameters. */
export interface FalconLayerOptions extends Omit<SelfAttentionOptions, 'dropPattern'> {
  /** Dropout at the layer's places: 0 the pattern, 1 what attention adds, 2 what the MLP adds. */
  readonly drop?: ((place: number) => ((x: Tensor) => Tensor) | undefined) | undefined;
}

/** `[hiddenDim, hiddenDim]` as heads: `[heads, headDim, hiddenDim]`. */
const fromHeadsOf = ({ kernel, loraKernelA, ...rest }: DenseParams, heads: number): FromHeadsParams => {
  const inHeads = (x: Tensor): Tensor => reshape(x, [heads, x.shape[0]! / heads, x.shape[1]!]);
  return {
    ...rest,
    kernel: inHeads(kernel),
    ...(loraKernelA === undefined ? {} : { loraKernelA: inHeads(loraKernelA) }),
  };
};

/**
 * One Falcon decoder layer, pre-norm. In sequence: `h = x + attention(norm(x))`, then `y = h + mlp(norm(h))`. In parallel:
 * `y = x + attention(norm(x)) + mlp(norm(x))`, of one norm or two.
 *
 * The `input` is the residual stream, `[batch, length, hiddenDim]`; of the `config`, a layer needs its kind, not its sizes.
 *
 * @returns The residual stream after the layer, of the same shape, and this layer's keys and values.
 * @see Almazrouei et al. 2023, section 3.4; keras_hub.models.FalconBackbone; transformers.FalconModel
 */
export const falconDecoderLayer =
  (
    params: FalconLayerParams,
    config: Pick<FalconConfig, 'activation' | 'blockLayerNormEpsilon' | 'numAttentionHeads' | 'parallelAttention'>,
    { drop, ...options }: FalconLayerOptions,
  ) =>
  (input: Tensor): { readonly y: Tensor; readonly present: KeyValue } => {
    const { activation, blockLayerNormEpsilon: epsilon, numAttentionHeads, parallelAttention } = config;
    const { tap = noTap } = options;
    const { queryDense: query, keyDense: key, valueDense: value, outputDense } = params.attention;
    const output = fromHeadsOf(outputDense, numAttentionHeads);
    const watched = (as: 'attention' | 'mlp') => (options.tap === undefined ? undefined : { tap: options.tap, as });
    const kept = (x: Tensor): Tensor => x;

    const x = tap('residualPre')(input);
    const normalized = pipe(
      x,
      layerNorm(params.inputLayernorm, { epsilon, watched: watched('attention') }),
      tap('attentionNormOut'),
    );
    const { attended, present } = causalSelfAttention(
      { query, key, value, output },
      { ...options, dropPattern: drop?.(0) },
    )(normalized);
    const added = tap('attentionOut')(attended);
    const mlp = (fed: Tensor): Tensor =>
      pipe(
        fed,
        dense(params.denseHTo4h),
        tap('mlpPre'),
        activations[activation],
        tap('mlpPost'),
        dense(params.dense4hToH),
        tap('mlpOut'),
      );
    const norm = (of: Tensor): Tensor => {
      const own = params.postAttentionLayernorm ?? params.mlpLayernorm;
      return own === undefined
        ? normalized
        : pipe(of, layerNorm(own, { epsilon, watched: watched('mlp') }), tap('mlpNormOut'));
    };
    if (parallelAttention) {
      const both = pipe(norm(x), mlp, (fed) => add(fed, added), drop?.(2) ?? kept);
      return { y: pipe(add(both, x), tap('residualPost')), present };
    }
    const h = pipe(added, drop?.(1) ?? kept, (sum) => add(x, sum), tap('residualMid'));
    const fed = pipe(norm(h), mlp, drop?.(2) ?? kept);
    return { y: pipe(add(h, fed), tap('residualPost')), present };
  };
