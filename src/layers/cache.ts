import { gatherKeys } from '../ops/gatherKeys.ts';
import { sliceUpdate } from '../ops/sliceUpdate.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** The `key` and the `value` of every place in one layer, each `[batch, length, heads, headDim]` float32. */
export type KeyValue = {
  readonly key: Tensor;
  readonly value: Tensor;
  /**
   * Where rows share what they have in common, as beams do: the row in which each place's key and value are,
   * `[batch, length]` int32. Left out, each row has its own.
   */
  readonly rows?: Tensor;
};

/** What earlier calls left of all layers, and how far it is filled. */
export interface Cache {
  /** Keys and values of each layer, `[batch, capacity, heads, headDim]`. */
  readonly layers: readonly KeyValue[];
  /** Place of the first new token, int32 scalar; what lies there and beyond is not read. */
  readonly position: Tensor;
}

/**
 * A layer's cache with new keys and values written from `position` on.
 *
 * @param position - Place of the first new one, int32 scalar.
 * @param fresh - What is written, `[batch, new, heads, headDim]`.
 */
export const extend = ({ key, value, rows }: KeyValue, position: Tensor, fresh: KeyValue): KeyValue => ({
  key: sliceUpdate(key, [0, position, 0, 0], fresh.key),
  value: sliceUpdate(value, [0, position, 0, 0], fresh.value),
  ...(rows === undefined ? {} : { rows }),
});

/** Keys and values with each place where its row has it: what rows share is read for each of them. */
export const gathered = ({ key, value, rows }: KeyValue): KeyValue =>
  rows === undefined ? { key, value } : { key: gatherKeys(key, rows), value: gatherKeys(value, rows) };
