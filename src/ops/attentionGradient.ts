import * as E from 'fp-ts/lib/Either.js';
import { count, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { add } from './add.ts';
import { type Attention, inputPlaces } from './attentionAttributes.ts';
import { attend, patternOf, scoresOf } from './attentionComposed.ts';
import { type AttentionGradient, alignedSize, noKeys } from './attentionGradientAttributes.ts';
import { keyValueGradientLaunches, queryGradientLaunches } from './attentionGradientLaunches.ts';
import { keyValueGradientReference, queryGradientReference } from './attentionGradientReference.ts';
import { cast } from './cast.ts';
import { floats } from './elementwise.ts';
import { gatherKeys } from './gatherKeys.ts';
import { greater } from './greater.ts';
import { multiply } from './multiply.ts';
import { apply, defineOp } from './op.ts';
import { formulaVjp } from './pullback.ts';
import { reshape } from './reshape.ts';
import { slice } from './slice.ts';
import { sum } from './sum.ts';

/** A part of a packed result: as many elements as `shape` has, from `offset` on. */
const unpack = (packed: Tensor, offset: number, shape: Shape): Tensor =>
  reshape(slice(packed, [offset], [count(shape)]), shape);

/** Attention as the gradients' kernels see it: queries without keys get zeros. */
const asAttention = (attributes: AttentionGradient): Attention => ({
  ...attributes,
  emptyRows: 'zero',
  position: false,
  slopes: false,
  keyPositions: false,
  keyRows: false,
  slopesScale: 1,
  slopesDtype: 'float32',
});

/** Attention written in other ops. */
const composed = (
  [query, key, value]: readonly Tensor[],
  optional: readonly Tensor[],
  attributes: Attention,
): Tensor => {
  const at = inputPlaces(attributes).keyRows;
  const own = (x: Tensor): Tensor => (at === undefined ? x : gatherKeys(x, optional[at - 3]!));
  return attend(patternOf(scoresOf(query!, own(key!), optional, attributes), attributes), own(value!));
};

/** Gradients for query, key and value written in other ops; so is everything that they depend on. */
const composedGradients = (
  inputs: readonly Tensor[],
  optional: readonly Tensor[],
  attributes: Attention,
  dy: Tensor,
): readonly Tensor[] =>
  formulaVjp('attention', (own) => [composed(own, optional, attributes)], inputs, [dy]).map((dx) => dx!);

/** `[query's gradient, statistics]`, flat: inputs are query, key, value, y, dy and perhaps a key mask. */
const queryGradientOp = defineOp<AttentionGradient>({
  name: 'attentionQueryGradient',
  shape: ([query = []]) => E.right([alignedSize(count(query)) + 2 * count(query.slice(0, 3))]),
  dtype: (dtypes) => floats('attentionQueryGradient', dtypes.slice(0, 5)),
  reference: queryGradientReference,
  // As a function of query, key, value and dy, in whose terms y and the statistics can be written: they have no share.
  vjp: ({ inputs: [query, key, value, , dy, ...mask], attributes }, packed) => {
    const formula = ([q, k, v, z]: readonly Tensor[]) =>
      composedGradients([q!, k!, v!], mask, asAttention(attributes), z!).slice(0, 1);
    const own = unpack(packed, 0, query!.shape);
    const [dq, dk, dv, dz] = formulaVjp('attention', formula, [query!, key!, value!, dy!], [own]);
    return [dq, dk, dv, undefined, dz];
  },
  kernel: { kind: 'shader', strided: [true, true, true, false, true], launches: queryGradientLaunches },
});

/** `[key's gradient, value's gradient]`, flat: inputs are query, key, value, dy, the statistics and perhaps a key mask. */
const keyValueGradientOp = defineOp<AttentionGradient>({
  name: 'attentionKeyValueGradient',
  shape: ([, key = [], value = []]) => E.right([alignedSize(count(key)) + count(value)]),
  dtype: (dtypes) => floats('attentionKeyValueGradient', dtypes.slice(0, 5)),
  reference: keyValueGradientReference,
  vjp: ({ inputs: [query, key, value, dy, , ...mask], attributes }, packed) => {
    const formula = ([q, k, v, z]: readonly Tensor[]) =>
      composedGradients([q!, k!, v!], mask, asAttention(attributes), z!).slice(1);
    const own = [unpack(packed, 0, key!.shape), unpack(packed, alignedSize(count(key!.shape)), value!.shape)];
    return formulaVjp('attention', formula, [query!, key!, value!, dy!], own);
  },
  kernel: { kind: 'shader', strided: [true, true, true, true, true], launches: keyValueGradientLaunches },
});

/**
 * Cotangents of attention's inputs. With a position or slopes they are written in other ops; else one kernel makes the
 * gradient for queries, and one those for keys and values, each from the scores computed anew: nothing of the size of the
 * scores lies in memory.
 *
 * @see Dao et al. 2022, appendix B.2; Dao 2023, section 3.1.2
 */
export const attentionVjp = (
  inputs: readonly Tensor[],
  y: Tensor,
  attributes: Attention,
  dy: Tensor,
): readonly (Tensor | undefined)[] => {
  const [query, key, value, ...optional] = inputs as readonly [Tensor, Tensor, Tensor, ...Tensor[]];
  const { scale, causal, softCap, window, keyMask, emptyRows } = attributes;
  if (attributes.position || attributes.slopes || attributes.keyRows) {
    const at = inputPlaces(attributes).slopes;
    const slopes = at === undefined ? [] : [inputs[at]!];
    const formula = ([q, k, v, own]: readonly Tensor[]) => [
      composed(
        [q!, k!, v!],
        optional.map((each, i) => (i + 3 === at ? own! : each)),
        attributes,
      ),
    ];
    const [dq, dk, dv, dslopes] = formulaVjp('attention', formula, [query, key, value, ...slopes], [dy]);
    return [dq, dk, dv, ...optional.map((_, i) => (i + 3 === at ? dslopes : undefined))];
  }
  const own: AttentionGradient = { scale, causal, softCap, window, keyMask };
  const packedQuery = apply(queryGradientOp, [query, key, value, y, dy, ...optional], own);
  const rows = query.shape.slice(0, 3);
  const statistics = unpack(packedQuery, alignedSize(count(query.shape)), [...rows, 2]);
  const packedKeyValue = apply(keyValueGradientOp, [query, key, value, dy, statistics, ...optional], own);
  const dvalue = unpack(packedKeyValue, alignedSize(count(key.shape)), value.shape);
  const canBeEmpty = emptyRows === 'uniform' && (keyMask || window !== undefined);
  return [
    unpack(packedQuery, 0, query.shape),
    unpack(packedKeyValue, 0, key.shape),
    canBeEmpty ? add(dvalue, emptyRowsShare(dy, slice(statistics, [0, 0, 0, 0], [...rows, 1]), key.shape)) : dvalue,
  ];
};

/** What each value gets from queries that attend to no key, and so to all values alike: `[batch, 1, kvHeads, valueDim]`. */
const emptyRowsShare = (dy: Tensor, logSums: Tensor, [, keys, kvHeads]: Shape): Tensor => {
  const [batch, queries, heads, valueDim] = dy.shape as readonly [number, number, number, number];
  const isEmpty = cast(greater(logSums, noKeys / 2), 'float32');
  const grouped = reshape(multiply(dy, isEmpty), [batch, queries, kvHeads!, heads / kvHeads!, valueDim]);
  return multiply(reshape(sum(grouped, { axis: [1, 3] }), [batch, 1, kvHeads!, valueDim]), 1 / keys!);
};
