import { add } from '../ops/add.ts';
import { attention } from '../ops/attention.ts';
import { attend, attentionPattern, attentionScores } from '../ops/attentionComposed.ts';
import type { AttentionOptions } from '../ops/attentionOptions.ts';
import { matmul } from '../ops/matmul.ts';
import { sum } from '../ops/sum.ts';
import { transpose } from '../ops/transpose.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { extend, gathered, type KeyValue } from './cache.ts';
import { type FromHeadsParams, fromHeads, type HeadsParams, toHeads } from './dense.ts';
import { noTap, type Tap } from './intercept.ts';
import type { Site } from './sites.ts';

/** Projections of multi-head attention: to `query`, `key` and `value`, and from the mixed values to the `output`. */
export type SelfAttentionParams = {
  readonly query: HeadsParams;
  readonly key: HeadsParams;
  readonly value: HeadsParams;
  readonly output: FromHeadsParams;
};

/** How scores of attention are made: scale, soft cap, window, and what ALiBi adds. */
export type Scoring = Pick<
  AttentionOptions,
  'scale' | 'softCap' | 'window' | 'slopes' | 'keyPositions' | 'slopesScale' | 'slopesDtype'
>;

/** What self-attention depends on besides its parameters. */
export interface SelfAttentionOptions {
  /** False: every query sees every key. Default true. */
  readonly causal?: boolean | undefined;
  /** Keys that are real, `[batch, length]` bool; masks keys only. Default: all. */
  readonly paddingMask?: Tensor | undefined;
  /** Keys and values of earlier calls, and the place of the first new one. */
  readonly past?: { readonly keyValue: KeyValue; readonly position: Tensor } | undefined;
  /** What a query gets whose keys are all masked: nothing, or the mean of all values. */
  readonly emptyRows: 'zero' | 'uniform';
  /** Turns queries and keys by their places, between the sites `query` and `queryRotary`; the cache holds turned keys. */
  readonly rotate?: ((x: Tensor) => Tensor) | undefined;
  /** How scores are made, where not by `1 / sqrt(headDim)` alone: scale, soft cap, window, ALiBi. */
  readonly scoring?: Scoring | undefined;
  /** Whether kernels to heads are stored head by head: `[heads, hiddenDim, headDim]`. Default false. */
  readonly headsFirst?: boolean | undefined;
  /** Has an intercept see query, key, value (and, turned, query and key), scores, pattern, z and each head's output. */
  readonly tap?: Tap | undefined;
  /** Dropout of the pattern. */
  readonly dropPattern?: ((pattern: Tensor) => Tensor) | undefined;
}

/** Values mixed by the pattern: by one kernel, unless scores or pattern are replaced or dropped from. */
const mix = (
  query: Tensor,
  shared: KeyValue,
  options: AttentionOptions,
  tap: Tap | undefined,
  dropPattern: ((pattern: Tensor) => Tensor) | undefined,
): Tensor => {
  const { rows } = shared;
  const fused = () =>
    attention(query, shared.key, shared.value, rows === undefined ? options : { ...options, keyRows: rows });
  if (tap === undefined && dropPattern === undefined) return fused();
  const { key, value } = gathered(shared);
  const offeredScores = attentionScores(query, key, options);
  const scores = (tap ?? noTap)('scores')(offeredScores);
  const offered = attentionPattern(scores, options);
  const pattern = (tap ?? noTap)('pattern')(offered);
  if (dropPattern !== undefined) return attend(dropPattern(pattern), value);
  return scores === offeredScores && pattern === offered ? fused() : attend(pattern, value);
};

/** Heads projected back: at once, unless an intercept replaces what each of them adds. */
export const projectHeads = (z: Tensor, params: FromHeadsParams, tap: Tap | undefined): Tensor => {
  if (tap === undefined) return fromHeads(params)(z);
  const { kernel, bias, loraKernelA: a, loraKernelB: b } = params;
  const headsFirst = [0, 2, 1, 3];
  const whole = a === undefined || b === undefined ? kernel : add(kernel, matmul(a, b));
  // [batch, heads, length, headDim] times [heads, headDim, hiddenDim].
  const offered = transpose(matmul(transpose(z, headsFirst), whole), headsFirst);
  const perHead = tap('perHead')(offered);
  if (perHead === offered) return fromHeads(params)(z);
  const together = sum(perHead, { axis: 2 });
  return bias === undefined ? together : add(together, bias);
};

/**
 * Multi-head self-attention, causal unless the options say otherwise: `softmax(q k^T / sqrt(headDim) + mask) v`, projected
 * back.
 *
 * @returns `x [batch, length, hiddenDim]` to the same shape, and all keys and values, the new ones last.
 * @see Vaswani et al. 2017, section 3.2; keras_hub.layers.CachedMultiHeadAttention
 */
export const causalSelfAttention =
  (
    params: SelfAttentionParams,
    {
      causal = true,
      headsFirst,
      paddingMask,
      past,
      emptyRows,
      rotate,
      scoring,
      tap,
      dropPattern,
    }: SelfAttentionOptions,
  ) =>
  (x: Tensor): { readonly attended: Tensor; readonly present: KeyValue } => {
    const seen = tap ?? noTap;
    const heads = (name: 'query' | 'key' | 'value'): Tensor => seen(name)(toHeads(params[name], { headsFirst })(x));
    const [plainQuery, plainKey, value] = [heads('query'), heads('key'), heads('value')];
    const turned = (site: 'queryRotary' | 'keyRotary', own: Tensor): Tensor =>
      rotate === undefined ? own : seen(site)(rotate(own));
    const query = turned('queryRotary', plainQuery);
    const fresh: KeyValue = { key: turned('keyRotary', plainKey), value };
    const present = past === undefined ? fresh : extend(past.keyValue, past.position, fresh);
    const options: AttentionOptions = {
      ...scoring,
      causal,
      emptyRows,
      ...(past === undefined ? {} : { position: past.position }),
      ...(paddingMask === undefined ? {} : { keyMask: paddingMask }),
    };
    const z = seen('z')(mix(query, present, options, tap, dropPattern));
    return { attended: projectHeads(z, params.output, tap), present };
  };

/** The sites of cross-attention that stand for those of self-attention. */
const crossSites: Partial<Readonly<Record<Site, Site>>> = {
  query: 'crossQuery',
  scores: 'crossScores',
  pattern: 'crossPattern',
  z: 'crossZ',
  perHead: 'crossPerHead',
};

/**
 * Keys and values of what cross-attention reads, to be computed once a text: of the `encoded` places, by the projections
 * `key` and `value`.
 *
 * @returns `[batch, encoderLength, hiddenDim]` to keys and values `[batch, encoderLength, heads, headDim]`.
 */
export const crossKeyValue =
  ({ key, value }: Pick<SelfAttentionParams, 'key' | 'value'>, tap: Tap = noTap) =>
  (encoded: Tensor): KeyValue => ({
    key: tap('crossKey')(toHeads(key)(encoded)),
    value: tap('crossValue')(toHeads(value)(encoded)),
  });

/**
 * Multi-head attention to the places of an encoder: `softmax(q k^T / sqrt(headDim) + mask) v`, projected back.
 *
 * @param memory - What `crossKeyValue` gave.
 * @param options - `paddingMask` says which places of the encoder are real, `[batch, encoderLength]`; `emptyRows`, `tap` and
 *   `dropPattern` are as in self-attention.
 * @returns `x [batch, length, hiddenDim]` to the same shape.
 * @see Vaswani et al. 2017, section 3.2.3; keras_hub.layers.CachedMultiHeadAttention
 */
export const crossAttention =
  (
    params: SelfAttentionParams,
    memory: KeyValue,
    {
      paddingMask,
      emptyRows,
      tap,
      dropPattern,
    }: Pick<SelfAttentionOptions, 'paddingMask' | 'emptyRows' | 'tap' | 'dropPattern'>,
  ) =>
  (x: Tensor): Tensor => {
    const cross: Tap | undefined = tap && ((site) => tap(crossSites[site] ?? site));
    const options: AttentionOptions = { emptyRows, ...(paddingMask === undefined ? {} : { keyMask: paddingMask }) };
    const query = (cross ?? noTap)('query')(toHeads(params.query)(x));
    const z = (cross ?? noTap)('z')(mix(query, memory, options, cross, dropPattern));
    return projectHeads(z, params.output, cross);
  };
