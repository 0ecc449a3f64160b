import type { HostTensor, Op } from '../tensor/tensor.ts';
import { type AttentionGradient, alignedSize, noKeys } from './attentionGradientAttributes.ts';

/** Where a row's elements start in `[batch, length, heads, size]`. */
const start = ([, length, heads, size]: readonly number[], b: number, i: number, h: number): number =>
  ((b * length! + i) * heads! + h) * size!;

const dot = (a: HostTensor['data'], from: number, b: HostTensor['data'], to: number, size: number): number => {
  let sum = 0;
  for (let d = 0; d < size; d++) sum += a[from + d]! * b[to + d]!;
  return sum;
};

/** A query that may attend to a key: its score, the slope of the soft cap there, and how the weight changes the result. */
interface Pair {
  readonly j: number;
  readonly score: number;
  readonly bend: number;
  readonly change: number;
}

/** For each batch row, query and head the keys that it attends to. */
const eachQuery = (
  [query, key, value, dy]: readonly [HostTensor, HostTensor, HostTensor, HostTensor],
  keyMask: HostTensor | undefined,
  { scale, causal, softCap, window }: AttentionGradient,
  visit: (b: number, i: number, h: number, kvHead: number, pairs: readonly Pair[]) => void,
): void => {
  const [batches, queries, heads, dim] = query.shape as readonly [number, number, number, number];
  const [, keys, kvHeads] = key.shape as readonly [number, number, number, number];
  const valueDim = value.shape[3]!;
  for (let b = 0; b < batches; b++)
    for (let i = 0; i < queries; i++)
      for (let h = 0; h < heads; h++) {
        const kvHead = Math.floor(h / (heads / kvHeads));
        const pairs: Pair[] = [];
        const first = window === undefined ? 0 : Math.max(0, i - window + 1);
        for (let j = first; j < (causal ? Math.min(keys, i + 1) : keys); j++) {
          if (keyMask?.data[b * keys + j] === 0) continue;
          const raw =
            scale * dot(query.data, start(query.shape, b, i, h), key.data, start(key.shape, b, j, kvHead), dim);
          const t = softCap === undefined ? 0 : Math.tanh(raw / softCap);
          pairs.push({
            j,
            score: softCap === undefined ? raw : softCap * t,
            bend: 1 - t * t,
            change: dot(dy.data, start(dy.shape, b, i, h), value.data, start(value.shape, b, j, kvHead), valueDim),
          });
        }
        visit(b, i, h, kvHead, pairs);
      }
};

/** The gradient for queries, and two statistics of each row of scores, in double precision. */
export const queryGradientReference: Op<AttentionGradient>['reference'] = (inputs, attributes, [size]) => {
  const [query, key, value, y, dy, keyMask] = inputs as readonly [
    HostTensor,
    HostTensor,
    HostTensor,
    HostTensor,
    HostTensor,
    HostTensor?,
  ];
  const [, , , dim] = query.shape as readonly [number, number, number, number];
  const statistics = alignedSize(query.data.length);
  const packed = new Float64Array(size!);
  eachQuery([query, key, value, dy], keyMask, attributes, (b, i, h, kvHead, pairs) => {
    const at = start(query.shape, b, i, h);
    const row = at / dim;
    const delta = dot(y.data, start(y.shape, b, i, h), dy.data, start(dy.shape, b, i, h), dy.shape[3]!);
    const peak = pairs.reduce((most, { score }) => Math.max(most, score), Number.NEGATIVE_INFINITY);
    const total = pairs.reduce((sum, { score }) => sum + Math.exp(score - peak), 0);
    packed[statistics + 2 * row] = pairs.length === 0 ? noKeys : peak + Math.log(total);
    packed[statistics + 2 * row + 1] = delta;
    for (const { j, score, bend, change } of pairs) {
      const ds = attributes.scale * (Math.exp(score - peak) / total) * (change - delta) * bend;
      const from = start(key.shape, b, j, kvHead);
      for (let d = 0; d < dim; d++) packed[at + d]! += ds * key.data[from + d]!;
    }
  });
  return packed;
};

/** The gradients for keys and values in double precision. */
export const keyValueGradientReference: Op<AttentionGradient>['reference'] = (inputs, attributes, [size]) => {
  const [query, key, value, dy, statistics, keyMask] = inputs as readonly [
    HostTensor,
    HostTensor,
    HostTensor,
    HostTensor,
    HostTensor,
    HostTensor?,
  ];
  const [, , , dim] = query.shape as readonly [number, number, number, number];
  const valueDim = value.shape[3]!;
  const values = alignedSize(key.data.length);
  const packed = new Float64Array(size!);
  eachQuery([query, key, value, dy], keyMask, attributes, (b, i, h, kvHead, pairs) => {
    const queryAt = start(query.shape, b, i, h);
    const dyAt = start(dy.shape, b, i, h);
    const row = queryAt / dim;
    for (const { j, score, bend, change } of pairs) {
      const p = Math.exp(score - statistics.data[2 * row]!);
      const ds = attributes.scale * p * (change - statistics.data[2 * row + 1]!) * bend;
      const keyAt = start(key.shape, b, j, kvHead);
      for (let d = 0; d < dim; d++) packed[keyAt + d]! += ds * query.data[queryAt + d]!;
      const valueAt = values + start(value.shape, b, j, kvHead);
      for (let d = 0; d < valueDim; d++) packed[valueAt + d]! += p * dy.data[dyAt + d]!;
    }
  });
  return packed;
};
