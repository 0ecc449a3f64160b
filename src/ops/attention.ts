import * as E from 'fp-ts/lib/Either.js';
import { type DType, isFloat } from '../tensor/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../tensor/errors.ts';
import { formatShape, type Shape, sameShape } from '../tensor/shape.ts';
import { isTensor, type Tensor } from '../tensor/tensor.ts';
import { type Attention, type EmptyRows, optionalInputs } from './attentionAttributes.ts';
import { attentionLaunches } from './attentionLaunches.ts';
import { attentionReference } from './attentionReference.ts';
import { cast } from './cast.ts';
import { constant } from './constant.ts';
import { apply, defineOp } from './op.ts';

const dtypesOf = { position: 'int32', keyMask: 'bool', slopes: 'float32', keyPositions: 'float32' } as const;

const shapeProblem = (
  [query = [], key = [], value = [], ...rest]: readonly Shape[],
  attributes: Attention,
): string | undefined => {
  if (query.length !== 4 || key.length !== 4 || value.length !== 4)
    return `expected query, key and value of rank 4 ([batch, length, heads, dim]), got ${formatShape(query)}, ${formatShape(key)} and ${formatShape(value)}`;
  const [batch, queries, heads, dim] = query as readonly [number, number, number, number];
  const [, keys, kvHeads] = key as readonly [number, number, number, number];
  if (!sameShape(key.slice(0, 3), value.slice(0, 3)) || key[0] !== batch)
    return `expected query, key and value of one batch, and key and value of one length and number of heads, got ${formatShape(query)}, ${formatShape(key)} and ${formatShape(value)}`;
  if (key[3] !== dim) return `expected heads of query and key of one size, got ${dim} and ${key[3]}`;
  if (keys === 0 || dim === 0)
    return `expected at least one key and heads of one element or more, got ${formatShape(key)}`;
  if (kvHeads === 0 || heads % kvHeads! !== 0)
    return `expected a number of query heads that is a multiple of the ${kvHeads} key heads, got ${heads}`;
  const expected = { position: [], keyMask: [batch, keys], slopes: [heads], keyPositions: [batch, keys] };
  const names = optionalInputs.filter((name) => attributes[name]);
  const wrong = names.findIndex((name, i) => !sameShape(rest[i] ?? [], expected[name]));
  if (wrong !== -1)
    return `expected ${names[wrong]} of shape ${formatShape(expected[names[wrong]!])}, got ${formatShape(rest[wrong] ?? [])}`;
  if (attributes.causal && !attributes.position && queries !== keys)
    return `expected position with causal attention of ${queries} queries to ${keys} keys, got none; pass the place of the first query among the keys`;
  return undefined;
};

const dtypeProblem = (dtypes: readonly DType[], attributes: Attention): string | undefined => {
  if (dtypes.slice(0, 3).some((dtype) => dtype !== 'float32'))
    return `expected query, key and value of floats, got ${dtypes.slice(0, 3).join(', ')}; use cast to convert`;
  const names = optionalInputs.filter((name) => attributes[name]);
  const wrong = names.findIndex((name, i) => dtypes[3 + i] !== dtypesOf[name]);
  return wrong === -1
    ? undefined
    : `expected ${names[wrong]} of ${dtypesOf[names[wrong]!]}, got ${dtypes[3 + wrong]}; use cast to convert`;
};

const attentionOp = defineOp<Attention>({
  name: 'attention',

  shape: (inputs, attributes) => {
    const problem = shapeProblem(inputs, attributes);
    return problem === undefined
      ? E.right([...inputs[0]!.slice(0, 3), inputs[2]![3]!])
      : E.left(new ShapeError(`attention: ${problem}`));
  },

  dtype: (dtypes, attributes) => {
    const problem = dtypeProblem(dtypes, attributes);
    return problem === undefined ? E.right('float32') : E.left(new DTypeError(`attention: ${problem}`));
  },

  reference: attentionReference,

  kernel: { kind: 'shader', strided: [true, true, true], launches: attentionLaunches },
});

/** Options of `attention`. */
export interface AttentionOptions {
  /** Factor of the dot products. Default: `1 / sqrt(dim)`. */
  readonly scale?: number;
  /** Whether query `i` attends only to keys up to `position + i`. Default: false. */
  readonly causal?: boolean;
  /**
   * Place of the first query among the keys, int32 of shape `[]`, 0 or more. Keys beyond `position + queries - 1` are
   * not read. Default: 0, where there are as many queries as keys; else causal attention asks for it.
   */
  readonly position?: Tensor | number;
  /** bool, `[batch, keys]`: false hides a key from all queries. */
  readonly keyMask?: Tensor;
  /** What becomes of queries whose keys are all hidden. Default: 'zero'. */
  readonly emptyRows?: EmptyRows;
  /** Bends scores before masks and `slopes` apply: `softCap * tanh(score / softCap)`. */
  readonly softCap?: number;
  /** With `causal`: query `i` attends only to the last `window` keys it may attend to, itself among them. */
  readonly window?: number;
  /** ALiBi, `[heads]`: `slopes[h] * place` is added to scores, where the place of key `j` is `j` or `keyPositions[b, j]`. */
  readonly slopes?: Tensor;
  /** With `slopes`: places of the keys, floats of `[batch, keys]`. */
  readonly keyPositions?: Tensor;
}

const asFloat32 = (x: Tensor): Tensor => (isFloat(x.dtype) ? cast(x, 'float32') : x);

const positive = (name: string, value: number | undefined, whole: boolean): void => {
  if (value !== undefined && !(value > 0 && Number.isFinite(value) && (!whole || Number.isInteger(value))))
    throw new ArgumentError(
      `attention: expected ${name} to be ${whole ? 'a whole' : 'a'} number above 0, got ${value}`,
    );
};

/**
 * Scaled dot-product attention in one kernel:
 * `y[b, i, h] = sum_j softmax_j(scale * query[b, i, h] . key[b, j, g]) * value[b, j, g]` with `g = floor(h / (heads / kvHeads))`,
 * over the keys `j` that query `i` may attend to.
 *
 * @param query - `[batch, queries, heads, dim]`, floats.
 * @param key - `[batch, keys, kvHeads, dim]`, floats; `heads` is a multiple of `kvHeads`.
 * @param value - `[batch, keys, kvHeads, valueDim]`, floats.
 * @returns `[batch, queries, heads, valueDim]`, float32.
 * @throws {ShapeError} If shapes do not fit.
 * @throws {DTypeError} If `query`, `key` or `value` hold no floats, or an option has another dtype.
 * @throws {ArgumentError} If `window`, `position`, `keyPositions` come without what they need, or a number is out of range.
 * @see Vaswani et al. 2017, section 3.2; keras.ops.dot_product_attention; keras_hub.layers.CachedMultiHeadAttention
 */
export const attention = (query: Tensor, key: Tensor, value: Tensor, options: AttentionOptions = {}): Tensor => {
  const { causal = false, emptyRows = 'zero', softCap, window, keyMask, slopes, keyPositions } = options;
  const scale = options.scale ?? 1 / Math.sqrt(Math.max(1, query.shape.at(-1) ?? 1));
  if (!Number.isFinite(scale)) throw new ArgumentError(`attention: expected scale to be finite, got ${scale}`);
  positive('softCap', softCap, false);
  positive('window', window, true);
  if (!causal && (window !== undefined || options.position !== undefined))
    throw new ArgumentError('attention: expected causal with position or window, got causal: false');
  if (keyPositions !== undefined && slopes === undefined)
    throw new ArgumentError('attention: expected slopes with keyPositions, got none');
  if (typeof options.position === 'number' && !(Number.isInteger(options.position) && options.position >= 0))
    throw new ArgumentError(`attention: expected position to be a whole number of 0 or more, got ${options.position}`);
  // A first query at place 0 needs no tensor to say so, if there are as many keys as queries.
  const origin = options.position === 0 && query.shape[1] === key.shape[1] ? undefined : options.position;
  const position = origin === undefined || isTensor(origin) ? origin : constant(origin, { dtype: 'int32' });
  const optional = [
    position,
    keyMask,
    slopes === undefined ? undefined : asFloat32(slopes),
    keyPositions === undefined ? undefined : asFloat32(keyPositions),
  ];
  return apply(attentionOp, [asFloat32(query), asFloat32(key), asFloat32(value), ...optional.filter(isTensor)], {
    scale,
    causal,
    emptyRows,
    softCap,
    window,
    position: position !== undefined,
    keyMask: keyMask !== undefined,
    slopes: slopes !== undefined,
    keyPositions: keyPositions !== undefined,
  });
};
