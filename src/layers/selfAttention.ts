import { attention } from '../ops/attention.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { extend, type KeyValue } from './cache.ts';
import { type FromHeadsParams, fromHeads, type HeadsParams, toHeads } from './dense.ts';

/** Projections of multi-head attention. */
export type SelfAttentionParams = {
  readonly query: HeadsParams;
  readonly key: HeadsParams;
  readonly value: HeadsParams;
  readonly output: FromHeadsParams;
};

/** What causal self-attention depends on besides its parameters. */
export interface SelfAttentionOptions {
  /** Keys that are real, `[batch, length]` bool; masks keys only. Default: all. */
  readonly paddingMask?: Tensor | undefined;
  /** Keys and values of earlier calls, and the place of the first new one. */
  readonly past?: { readonly keyValue: KeyValue; readonly position: Tensor } | undefined;
  /** What a query gets whose keys are all masked: nothing, or the mean of all values. */
  readonly emptyRows: 'zero' | 'uniform';
}

/**
 * Causal multi-head self-attention: `softmax(q k^T / sqrt(headDim) + mask) v`, projected back.
 *
 * @returns `x [batch, length, hiddenDim]` to the same shape, and all keys and values, the new ones last.
 * @see Vaswani et al. 2017, section 3.2; keras_hub.layers.CachedMultiHeadAttention
 */
export const causalSelfAttention =
  (params: SelfAttentionParams, { paddingMask, past, emptyRows }: SelfAttentionOptions) =>
  (x: Tensor): { readonly attended: Tensor; readonly present: KeyValue } => {
    const query = toHeads(params.query)(x);
    const fresh: KeyValue = { key: toHeads(params.key)(x), value: toHeads(params.value)(x) };
    const present = past === undefined ? fresh : extend(past.keyValue, past.position, fresh);
    const z = attention(query, present.key, present.value, {
      causal: true,
      emptyRows,
      ...(past === undefined ? {} : { position: past.position }),
      ...(paddingMask === undefined ? {} : { keyMask: paddingMask }),
    });
    return { attended: fromHeads(params.output)(z), present };
  };
