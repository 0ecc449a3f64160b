import { pipe } from 'fp-ts/lib/function.js';
import { add } from '../ops/add.ts';
import { attend, attentionPattern, maskedScore } from '../ops/attentionComposed.ts';
import { tensor } from '../ops/constant.ts';
import { matmul } from '../ops/matmul.ts';
import { multiply } from '../ops/multiply.ts';
import { reshape } from '../ops/reshape.ts';
import { sliceAxis } from '../ops/slice.ts';
import { take } from '../ops/take.ts';
import { transpose } from '../ops/transpose.ts';
import { where } from '../ops/where.ts';
import { ShapeError } from '../tensor/errors.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type DenseParams, type HeadsParams, toHeads } from './dense.ts';
import { noTap, type Tap } from './intercept.ts';
import { projectHeads } from './selfAttention.ts';

/** How distances between places become buckets. */
export interface Buckets {
  /** As many buckets there are to each side; the table of positions has twice as many rows. */
  readonly bucketSize: number;
  /** The length at which buckets end. */
  readonly maxRelativePositions: number;
  /**
   * Whether the quotient of logarithms is multiplied before it is taken, as in KerasHub, or after, as in transformers:
   * rounded to float32, the two differ at some sizes at the very last distance.
   */
  readonly rounding: 'keras' | 'transformers';
}

const { fround } = Math;

/**
 * The bucket of a distance: near ones have each their own, those beyond half of `bucketSize` share them by their
 * logarithm. Every step is rounded to float32, as both libraries do, since a quotient of logarithms is rounded up.
 *
 * @param distance - Place of the query minus place of the key.
 * @see He et al. 2021, "DeBERTaV3"; Raffel et al. 2020, section 2.1
 */
export const bucketOf = (distance: number, { bucketSize, maxRelativePositions, rounding }: Buckets): number => {
  const middle = Math.floor(bucketSize / 2);
  const far = Math.abs(distance);
  if (far <= middle) return distance;
  const log = (x: number): number => fround(Math.log(fround(x)));
  const [own, last] = [log(far / middle), log((maxRelativePositions - 1) / middle)];
  const steps =
    rounding === 'keras' ? fround(fround(own * (middle - 1)) / last) : fround(fround(own / last) * (middle - 1));
  return Math.sign(distance) * (Math.ceil(steps) + middle);
};

/** The row of the table of positions for a distance, from 0 to `2 bucketSize - 1`. */
export const rowOf = (distance: number, buckets: Buckets): number => {
  const row = bucketOf(distance, buckets) + buckets.bucketSize;
  // No number is what a table gives that is shorter than half a bucket, beyond its end.
  return Math.max(0, Math.min(2 * buckets.bucketSize - 1, Number.isNaN(row) ? 0 : row));
};

/** What all layers know of the places of a text of some length: it depends on the length alone. */
export interface RelativePlaces {
  /** The rows that the length needs, `[rows, hiddenDim]`. */
  readonly rows: Tensor;
  /** Of those, the row for each distance from `1 - length` to `length - 1`, int32 `[2 length - 1]`. */
  readonly ascending: Tensor;
  /** The same from `length - 1` to `1 - length`. */
  readonly descending: Tensor;
}

/**
 * What all layers know of the places of a text.
 *
 * @param table - `[2 bucketSize, hiddenDim]`, normalized.
 * @param length - How many places the text has, 1 or more.
 * @throws {ShapeError} If there are none.
 */
export const relativePlaces = (table: Tensor, length: number, buckets: Buckets): RelativePlaces => {
  if (!(length >= 1)) throw new ShapeError(`relativePlaces: expected a length of 1 or more, got ${length}`);
  const all = Int32Array.from({ length: 2 * length - 1 }, (_, i) => rowOf(i - length + 1, buckets));
  // Not always in order: beyond the end of its buckets, a small table gives what it gives.
  const first = all.reduce((a, b) => Math.min(a, b));
  const end = all.reduce((a, b) => Math.max(a, b)) + 1;
  const ascending = all.map((row) => row - first);
  return {
    rows: sliceAxis(table, 0, first, end),
    ascending: tensor(ascending),
    descending: tensor(ascending.toReversed()),
  };
};

/**
 * The band of a matrix, by distances from the diagonal: `y[..., i, j] = x[..., i, j - i + length - 1]`. Rows of
 * `2 length - 1` that are read `2 length - 2` apart slip by one a row, so that it is a view.
 *
 * @param x - `[..., length, 2 length - 1]`.
 * @returns `[..., length, length]`.
 * @throws {ShapeError} If the last axis is not twice the one before it, less 1.
 * @see Huang et al. 2018, "Music Transformer", section 3.4.1
 */
export const skew = (x: Tensor): Tensor => {
  const [length = 0, distances = 0] = x.shape.slice(-2);
  if (x.shape.length < 2 || distances !== 2 * length - 1)
    throw new ShapeError(`skew: expected x of shape [..., length, 2 length - 1], got ${formatShape(x.shape)}`);
  if (length === 1) return x;
  const batch = x.shape.slice(0, -2);
  const flat = reshape(x, [...batch, length * distances]);
  const start = length - 1;
  const slipped = sliceAxis(flat, -1, start, start + length * (distances - 1));
  return sliceAxis(reshape(slipped, [...batch, length, distances - 1]), -1, 0, length);
};

/**
 * Projections of disentangled attention: `query` and `key` of contents and of relative places, `value` of contents; `output` has
 * its heads as one axis, `[hiddenDim, hiddenDim]`.
 */
export type DisentangledAttentionParams = {
  readonly query: HeadsParams;
  readonly key: HeadsParams;
  readonly value: HeadsParams;
  readonly output: DenseParams;
};

/** What disentangled attention depends on besides its parameters. */
export interface DisentangledAttentionOptions {
  /** What the layers share of a text's length. */
  readonly places: RelativePlaces;
  /** Which places are real, `[batch, length]` bool; masks keys only. Default: all. */
  readonly paddingMask?: Tensor | undefined;
  /** Has an intercept see query, key, value, scores, pattern, z and each head's output. */
  readonly tap?: Tap | undefined;
  /** Dropout of the pattern. */
  readonly dropPattern?: ((pattern: Tensor) => Tensor) | undefined;
  /** Dropout of the rows of positions. */
  readonly dropPlaces?: ((rows: Tensor) => Tensor) | undefined;
}

const kept = (x: Tensor): Tensor => x;

/** `[batch, length, heads, headDim]` by `[distances, heads, headDim]`: `[batch, heads, length, distances]`. */
const byDistance = (x: Tensor, places: Tensor): Tensor =>
  matmul(transpose(x, [0, 2, 1, 3]), transpose(places, [1, 2, 0]));

/** A kernel `[heads headDim, outputs]`, or its first factor, with an axis of heads. */
const splitHeads = (kernel: Tensor, heads: number): Tensor =>
  reshape(kernel, [heads, kernel.shape[0]! / heads, kernel.shape[1]!]);

/**
 * Self-attention to contents and to relative places: where `c` is the row for the distance of `i` and `j`, and `Q` and `K`
 * are the rows of places after the projections of queries and keys,
 *
 *     scores[i, j] = (q_i . k_j + q_i . K_c + k_j . Q_c) / sqrt(3 headDim)
 *
 * Products with all distances are taken, and their bands are views: at 8 x 128 tokens in 12 heads of 64, that adds a
 * twelfth to a layer's products.
 *
 * @returns `x [batch, length, hiddenDim]` to the same shape.
 * @see He et al. 2021, "DeBERTa", section 3.1; keras_hub.models.DebertaV3Backbone
 */
export const disentangledSelfAttention =
  (
    params: DisentangledAttentionParams,
    {
      places: { rows, ascending, descending },
      paddingMask,
      tap,
      dropPattern,
      dropPlaces,
    }: DisentangledAttentionOptions,
  ) =>
  (x: Tensor): Tensor => {
    const seen = tap ?? noTap;
    const [batch = 0, length = 0] = x.shape;
    const [, heads = 1, headDim = 1] = params.query.kernel.shape;
    const own = (name: 'query' | 'key' | 'value'): Tensor => seen(name)(toHeads(params[name])(x));
    const [query, key, value] = [own('query'), own('key'), own('value')];

    const dropped = (dropPlaces ?? kept)(reshape(rows, [1, ...rows.shape]));
    const placesBy = (name: 'query' | 'key'): Tensor =>
      reshape(toHeads(params[name])(dropped), [rows.shape[0]!, heads, headDim]);
    const contentToContent = matmul(transpose(query, [0, 2, 1, 3]), transpose(key, [0, 2, 3, 1]));
    const contentToPlace = skew(byDistance(query, take(placesBy('key'), descending)));
    // A row for each key: [batch, heads, keys, queries], the other way round.
    const placeToContent = transpose(skew(byDistance(key, take(placesBy('query'), ascending))), [0, 1, 3, 2]);

    const mask = paddingMask && reshape(paddingMask, [batch, 1, 1, length]);
    const scores = pipe(
      add(add(contentToContent, contentToPlace), placeToContent),
      (sum) => multiply(sum, 1 / Math.sqrt(3 * headDim)),
      (scaled) => (mask === undefined ? scaled : where(mask, scaled, maskedScore)),
      seen('scores'),
    );
    const pattern = pipe(
      // A query whose keys are all hidden gets nothing, whatever the dropout.
      attentionPattern(scores, { emptyRows: 'zero', ...(paddingMask === undefined ? {} : { keyMask: paddingMask }) }),
      seen('pattern'),
      dropPattern ?? kept,
    );
    const { kernel, bias, loraKernelA: a, loraKernelB: b } = params.output;
    return projectHeads(
      seen('z')(attend(pattern, value)),
      {
        kernel: splitHeads(kernel, heads),
        ...(bias === undefined ? {} : { bias }),
        ...(a === undefined || b === undefined ? {} : { loraKernelA: splitHeads(a, heads), loraKernelB: b }),
      },
      tap,
    );
  };
