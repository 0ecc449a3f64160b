import { bfloat16Bits, bfloat16FromBits } from '../tensor/dtype.ts';
import type { Op } from '../tensor/tensor.ts';
import { type Attention, inputPlaces } from './attentionAttributes.ts';

/** Attention in double precision, row by row: only keys that a query may attend to are looked at. */
export const attentionReference: Op<Attention>['reference'] = (inputs, attributes, shape) => {
  const [query, key, value] = inputs;
  const places = inputPlaces(attributes);
  const optional = (place: number | undefined) => (place === undefined ? undefined : inputs[place]!.data);
  const keyMask = optional(places.keyMask);
  const slopes = optional(places.slopes);
  const keyPositions = optional(places.keyPositions);
  const keyRows = optional(places.keyRows);
  const rowOf = (b: number, j: number): number => keyRows?.[b * keys + j] ?? b;
  const start = Math.max(0, optional(places.position)?.[0] ?? 0);
  const { scale, causal, emptyRows, softCap, window, slopesScale, slopesDtype } = attributes;
  const rounded = (x: number): number => (slopesDtype === 'bfloat16' ? bfloat16FromBits(bfloat16Bits(x)) : x);
  const [batches, queries, heads, valueDim] = shape as readonly [number, number, number, number];
  const [, keys, kvHeads, dim] = key!.shape as readonly [number, number, number, number];
  const group = heads / kvHeads;
  const y = new Float64Array(batches * queries * heads * valueDim);
  const scores = new Float64Array(keys);
  for (let b = 0; b < batches; b++)
    for (let i = 0; i < queries; i++) {
      const end = causal ? Math.min(keys, start + i + 1) : keys;
      const first = window === undefined ? 0 : Math.max(0, start + i - window + 1);
      const seen: number[] = [];
      for (let j = first; j < end; j++) if (keyMask === undefined || keyMask[b * keys + j] !== 0) seen.push(j);
      for (let h = 0; h < heads; h++) {
        const kvHead = Math.floor(h / group);
        const row = ((b * queries + i) * heads + h) * valueDim;
        const q = ((b * queries + i) * heads + h) * dim;
        let peak = Number.NEGATIVE_INFINITY;
        for (const j of seen) {
          const k = ((rowOf(b, j) * keys + j) * kvHeads + kvHead) * dim;
          let score = 0;
          for (let d = 0; d < dim; d++) score += query!.data[q + d]! * key!.data[k + d]!;
          score *= scale;
          if (softCap !== undefined) score = softCap * Math.tanh(score / softCap);
          if (slopes !== undefined)
            score += slopesScale * rounded(slopes[h]! * rounded(keyPositions?.[b * keys + j] ?? j));
          scores[j] = score;
          peak = Math.max(peak, score);
        }
        const add = (j: number, weight: number) => {
          const v = ((rowOf(b, j) * keys + j) * kvHeads + kvHead) * valueDim;
          for (let d = 0; d < valueDim; d++) y[row + d]! += weight * value!.data[v + d]!;
        };
        let total = 0;
        for (const j of seen) total += Math.exp(scores[j]! - peak);
        for (const j of seen) add(j, Math.exp(scores[j]! - peak) / total);
        if (seen.length === 0 && emptyRows === 'uniform') for (let j = 0; j < keys; j++) add(j, 1 / keys);
      }
    }
  return y;
};
