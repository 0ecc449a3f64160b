import type { DType } from '../tensor/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../tensor/errors.ts';
import { formatShape, type Shape, sameShape } from '../tensor/shape.ts';
import { isTensor, type Tensor } from '../tensor/tensor.ts';
import { type Attention, type EmptyRows, optionalInputs } from './attentionAttributes.ts';
import { constant } from './constant.ts';
import { asFloat32 } from './rows.ts';

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
  /**
   * In which row of `key` and `value` each key of a row is, from 0 to `batch - 1`, int32 of `[batch, keys]`: rows that
   * begin alike, as beams do, need not have copies of what they share. Default: each row has its own.
   */
  readonly keyRows?: Tensor;
  /** With `slopes`: factor of the products of slopes and places. Default: 1. */
  readonly slopesScale?: number;
  /** With `slopes`: what places, and then products of slopes and places, are rounded to. Default: 'float32', so not. */
  readonly slopesDtype?: 'float32' | 'bfloat16';
}

const dtypesOf = {
  position: 'int32',
  keyMask: 'bool',
  slopes: 'float32',
  keyPositions: 'float32',
  keyRows: 'int32',
} as const;

/** Why shapes of query, key, value and the optional inputs do not fit, if they do not. */
export const shapeProblem = (
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
  const expected = {
    position: [],
    keyMask: [batch, keys],
    slopes: [heads],
    keyPositions: [batch, keys],
    keyRows: [batch, keys],
  };
  const names = optionalInputs.filter((name) => attributes[name]);
  const wrong = names.findIndex((name, i) => !sameShape(rest[i] ?? [], expected[name]));
  if (wrong !== -1)
    return `expected ${names[wrong]} of shape ${formatShape(expected[names[wrong]!])}, got ${formatShape(rest[wrong] ?? [])}`;
  if (attributes.causal && !attributes.position && queries !== keys)
    return `expected position with causal attention of ${queries} queries to ${keys} keys, got none; pass the place of the first query among the keys`;
  return undefined;
};

/** Why dtypes of query, key, value and the optional inputs do not fit, if they do not. */
export const dtypeProblem = (dtypes: readonly DType[], attributes: Attention): string | undefined => {
  if (dtypes.slice(0, 3).some((dtype) => dtype !== 'float32'))
    return `expected query, key and value of floats, got ${dtypes.slice(0, 3).join(', ')}; use cast to convert`;
  const names = optionalInputs.filter((name) => attributes[name]);
  const wrong = names.findIndex((name, i) => dtypes[3 + i] !== dtypesOf[name]);
  return wrong === -1
    ? undefined
    : `expected ${names[wrong]} of ${dtypesOf[names[wrong]!]}, got ${dtypes[3 + wrong]}; use cast to convert`;
};

const positive = (op: string, name: string, value: number | undefined, whole: boolean): void => {
  if (value !== undefined && !(value > 0 && Number.isFinite(value) && (!whole || Number.isInteger(value))))
    throw new ArgumentError(`${op}: expected ${name} to be ${whole ? 'a whole' : 'a'} number above 0, got ${value}`);
};

/** Options as the op has them: attributes, and the inputs that follow query, key and value. */
export interface AttentionParts {
  readonly attributes: Attention;
  readonly optional: readonly Tensor[];
}

/**
 * Options as attributes and inputs.
 *
 * @throws {ArgumentError} If options lack what they need, or a number is out of range.
 */
export const attentionParts = (
  op: string,
  { dim, queries, keys }: { readonly dim: number; readonly queries: number; readonly keys: number },
  options: AttentionOptions,
): AttentionParts => {
  const { causal = false, emptyRows = 'zero', softCap, window, keyMask, slopes, keyPositions, keyRows } = options;
  const { slopesScale = 1, slopesDtype = 'float32' } = options;
  const scale = options.scale ?? 1 / Math.sqrt(Math.max(1, dim));
  if (!Number.isFinite(scale)) throw new ArgumentError(`${op}: expected scale to be finite, got ${scale}`);
  if (!Number.isFinite(slopesScale))
    throw new ArgumentError(`${op}: expected slopesScale to be finite, got ${slopesScale}`);
  if (slopesDtype !== 'float32' && slopesDtype !== 'bfloat16')
    throw new ArgumentError(`${op}: expected slopesDtype to be 'float32' or 'bfloat16', got ${String(slopesDtype)}`);
  positive(op, 'softCap', softCap, false);
  positive(op, 'window', window, true);
  if (!causal && (window !== undefined || options.position !== undefined))
    throw new ArgumentError(`${op}: expected causal with position or window, got causal: false`);
  if (keyPositions !== undefined && slopes === undefined)
    throw new ArgumentError(`${op}: expected slopes with keyPositions, got none`);
  if (typeof options.position === 'number' && !(Number.isInteger(options.position) && options.position >= 0))
    throw new ArgumentError(`${op}: expected position to be a whole number of 0 or more, got ${options.position}`);
  // A first query at place 0 needs no tensor to say so, if there are as many keys as queries.
  const origin = options.position === 0 && queries === keys ? undefined : options.position;
  const position = origin === undefined || isTensor(origin) ? origin : constant(origin, { dtype: 'int32' });
  const optional = [
    position,
    keyMask,
    slopes === undefined ? undefined : asFloat32(slopes),
    keyPositions === undefined ? undefined : asFloat32(keyPositions),
    keyRows,
  ];
  return {
    optional: optional.filter(isTensor),
    attributes: {
      scale,
      causal,
      emptyRows,
      softCap,
      window,
      position: position !== undefined,
      keyMask: keyMask !== undefined,
      slopes: slopes !== undefined,
      keyPositions: keyPositions !== undefined,
      keyRows: keyRows !== undefined,
      slopesScale,
      slopesDtype,
    },
  };
};

/**
 * Throws if query, key, value and what the options brought do not fit each other.
 *
 * @throws {ShapeError} If shapes do not fit.
 * @throws {DTypeError} If dtypes do not fit.
 */
export const expectAttention = (op: string, inputs: readonly Tensor[], attributes: Attention): void => {
  const shape = shapeProblem(
    inputs.map((input) => input.shape),
    attributes,
  );
  if (shape !== undefined) throw new ShapeError(`${op}: ${shape}`);
  const dtype = dtypeProblem(
    inputs.map((input) => input.dtype),
    attributes,
  );
  if (dtype !== undefined) throw new DTypeError(`${op}: ${dtype}`);
};
