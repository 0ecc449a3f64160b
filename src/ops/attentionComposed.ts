import { ShapeError } from '../tensor/errors.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { add } from './add.ts';
import { arange } from './arange.ts';
import { type Attention, inputPlaces } from './attentionAttributes.ts';
import { type AttentionOptions, attentionParts, expectAttention } from './attentionOptions.ts';
import { cast } from './cast.ts';
import { gatherKeys } from './gatherKeys.ts';
import { greater } from './greater.ts';
import { lessEqual } from './lessEqual.ts';
import { logicalAnd } from './logicalAnd.ts';
import { matmul } from './matmul.ts';
import { max } from './max.ts';
import { maximum } from './maximum.ts';
import { multiply } from './multiply.ts';
import { reshape } from './reshape.ts';
import { asFloat32 } from './rows.ts';
import { softmax } from './softmax.ts';
import { subtract } from './subtract.ts';
import { tanh } from './tanh.ts';
import { transpose } from './transpose.ts';
import { where } from './where.ts';

/** What a score is where a query may not attend to a key: so low that softmax leaves nothing of it. */
export const maskedScore = -1e9;

/** Heads first: `[batch, length, heads, dim]` to `[batch, heads, length, dim]`. */
const headsFirst = (x: Tensor): Tensor => transpose(x, [0, 2, 1, 3]);

/** Where queries may attend to keys, bool, broadcasting to `[batch, heads, queries, keys]`; undefined: everywhere. */
const allowed = (
  { causal, window }: Attention,
  queries: number,
  keys: number,
  position: Tensor | undefined,
  keyMask: Tensor | undefined,
): Tensor | undefined => {
  const own = keyMask === undefined ? undefined : reshape(keyMask, [keyMask.shape[0]!, 1, 1, keys]);
  if (!causal) return own;
  const places = reshape(arange(queries), [queries, 1]);
  const last = position === undefined ? places : add(places, maximum(position, 0));
  const ordered = lessEqual(arange(keys), last);
  // A window that reaches behind every key hides none.
  const near =
    window === undefined
      ? ordered
      : logicalAnd(ordered, greater(arange(keys), subtract(last, Math.min(window, 2 ** 30))));
  return own === undefined ? near : logicalAnd(near, own);
};

/** `attentionScores` from the inputs that the op `attention` has. */
export const scoresOf = (query: Tensor, key: Tensor, optional: readonly Tensor[], attributes: Attention): Tensor => {
  const [batch, queries, heads, dim] = query.shape as readonly [number, number, number, number];
  const [, keys, kvHeads] = key.shape as readonly [number, number, number, number];
  const places = inputPlaces(attributes);
  const at = (place: number | undefined) => (place === undefined ? undefined : optional[place - 3]);
  const [slopes, keyPositions] = [at(places.slopes), at(places.keyPositions)];
  // [batch, kvHeads, group, queries, dim] times [batch, kvHeads, 1, dim, keys]: a head reads the keys of its group.
  const dots = matmul(
    reshape(headsFirst(query), [batch, kvHeads, heads / kvHeads, queries, dim]),
    reshape(transpose(key, [0, 2, 3, 1]), [batch, kvHeads, 1, dim, keys]),
  );
  const scaled = multiply(reshape(dots, [batch, heads, queries, keys]), attributes.scale);
  const { softCap, slopesScale, slopesDtype } = attributes;
  // 'float32' leaves them as they are.
  const rounded = (x: Tensor): Tensor => cast(cast(x, slopesDtype), 'float32');
  const capped = softCap === undefined ? scaled : multiply(tanh(multiply(scaled, 1 / softCap)), softCap);
  const place = rounded(
    keyPositions === undefined ? cast(arange(keys), 'float32') : reshape(keyPositions, [batch, 1, 1, keys]),
  );
  const biased =
    slopes === undefined
      ? capped
      : add(capped, multiply(rounded(multiply(reshape(slopes, [heads, 1, 1]), place)), slopesScale));
  const mask = allowed(attributes, queries, keys, at(places.position), at(places.keyMask));
  return mask === undefined ? biased : where(mask, biased, maskedScore);
};

/** `attentionPattern` by what the op `attention` knows. */
export const patternOf = (scores: Tensor, { emptyRows, keyMask, window }: Attention): Tensor => {
  const pattern = softmax(scores);
  // Softmax of equal scores is what 'uniform' asks for. Without these masks, every query attends to some key.
  if (emptyRows === 'uniform' || !(keyMask || window !== undefined)) return pattern;
  return where(greater(max(scores, { axis: -1, keepDims: true }), maskedScore / 2), pattern, 0);
};

/**
 * Scores of attention as a tensor of their own: `scale * query . key`, then the soft cap, ALiBi's slopes, and
 * `maskedScore` where a query may not attend to a key.
 *
 * @param query - `[batch, queries, heads, dim]`, floats.
 * @param key - `[batch, keys, kvHeads, dim]`, floats; `heads` is a multiple of `kvHeads`.
 * @param options - As for `attention`.
 * @returns `[batch, heads, queries, keys]`, float32.
 * @throws {ShapeError} If shapes do not fit.
 * @throws {DTypeError} If `query` or `key` hold no floats, or an option has another dtype.
 * @throws {ArgumentError} If options lack what they need, or a number is out of range.
 */
export const attentionScores = (query: Tensor, key: Tensor, options: AttentionOptions = {}): Tensor => {
  const { keyRows, ...rest } = options;
  if (keyRows !== undefined) return attentionScores(query, gatherKeys(key, keyRows), rest);
  const sizes = { dim: query.shape.at(-1) ?? 1, queries: query.shape[1] ?? 0, keys: key.shape[1] ?? 0 };
  const { attributes, optional } = attentionParts('attentionScores', sizes, options);
  const [q, k] = [asFloat32(query), asFloat32(key)];
  expectAttention('attentionScores', [q, k, k, ...optional], attributes);
  return scoresOf(q, k, optional, attributes);
};

/**
 * The weights with which queries attend to keys: softmax of scores, with the options' rule for queries whose keys are all
 * hidden.
 *
 * @param scores - `[batch, heads, queries, keys]`, floats, `maskedScore` where hidden.
 * @param options - As for `attention`.
 * @returns Of the same shape, float32; rows sum to 1, or are zeros.
 */
export const attentionPattern = (scores: Tensor, options: AttentionOptions = {}): Tensor => {
  const sizes = { dim: 1, queries: scores.shape.at(-2) ?? 0, keys: scores.shape.at(-1) ?? 0 };
  return patternOf(scores, attentionParts('attentionPattern', sizes, options).attributes);
};

/**
 * Values weighed by a pattern: `y[b, i, h] = sum_j pattern[b, h, i, j] * value[b, j, g]`, `g` the key-value head of `h`.
 *
 * @param pattern - `[batch, heads, queries, keys]`, floats.
 * @param value - `[batch, keys, kvHeads, valueDim]`, floats; `heads` is a multiple of `kvHeads`.
 * @returns `[batch, queries, heads, valueDim]`, float32.
 * @throws {ShapeError} If shapes do not fit.
 */
export const attend = (pattern: Tensor, value: Tensor): Tensor => {
  const [batch, heads, queries, keys] = pattern.shape as readonly [number, number, number, number];
  const [, , kvHeads, valueDim] = value.shape as readonly [number, number, number, number];
  if (
    pattern.shape.length !== 4 ||
    value.shape.length !== 4 ||
    value.shape[0] !== batch ||
    value.shape[1] !== keys ||
    !(heads % kvHeads === 0)
  )
    throw new ShapeError(
      `attend: expected a pattern [batch, heads, queries, keys] and a value [batch, keys, kvHeads, valueDim], got ${formatShape(pattern.shape)} and ${formatShape(value.shape)}`,
    );
  const z = matmul(
    reshape(pattern, [batch, kvHeads, heads / kvHeads, queries, keys]),
    reshape(headsFirst(value), [batch, kvHeads, 1, keys, valueDim]),
  );
  return headsFirst(reshape(z, [batch, heads, queries, valueDim]));
};
