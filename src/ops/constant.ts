import * as E from 'fp-ts/lib/Either.js';
import { bfloat16Bits, type DType, float16Bits } from '../tensor/dtype.ts';
import { ArgumentError, ShapeError } from '../tensor/errors.ts';
import { type HostData, type NDArray, ndarray } from '../tensor/ndarray.ts';
import { formatShape, type Shape } from '../tensor/shape.ts';
import type { Storage } from '../tensor/storage.ts';
import { isTensor, node, type Tensor } from '../tensor/tensor.ts';
import { defineOp } from './op.ts';

/** Attributes of a leaf: its values, and where they are. */
export interface Leaf {
  readonly storage: Storage;
}

/** The op of values that are known. Interpreters read the storage; there is nothing to compute. */
export const leafOp = defineOp<Leaf>({
  name: 'constant',
  shape: () => E.right([]),
  reference: (_inputs, { storage }) => (storage.kind === 'host' ? storage.array.data : new Float64Array(0)),
  kernel: { kind: 'leaf' },
});

/** Attributes of a placeholder. */
export interface Placeholder {
  readonly name: string;
}

/** The op of values that a compiled function will be given. */
export const placeholderOp = defineOp<Placeholder>({
  name: 'placeholder',
  shape: () => E.right([]),
  reference: (_inputs, { name }) => {
    throw new ArgumentError(`placeholder ${name}: expected a value, got none; only compile gives placeholders values`);
  },
  kernel: { kind: 'leaf' },
});

/** A leaf around values that some storage holds; its shape and dtype are taken on trust. */
export const leaf = (storage: Storage, shape: Shape, dtype: DType): Tensor =>
  node(leafOp, [], { storage }, shape, dtype);

/** A tensor whose value a compiled function will be given. */
export const placeholder = (name: string, shape: Shape, dtype: DType): Tensor =>
  node(placeholderOp, [], { name }, shape, dtype);

/** Whether a tensor is a leaf, and its storage if so. */
export const leafStorage = (tensor: Tensor): Storage | undefined =>
  tensor.inputs.length === 0 && 'storage' in tensor.attributes ? (tensor.attributes as Leaf).storage : undefined;

/** Numbers as they are written: one, or lists of lists of them. */
export type Nested = number | boolean | readonly Nested[];

/** What becomes a tensor: nested lists, a typed array with a shape, an array with shape and dtype, or a tensor. */
export type TensorValues = Nested | HostData | NDArray | Tensor;

/** Options of `tensor`. */
export interface TensorOptions {
  /** Defaults: what the values say; int32 for lists of whole numbers is not guessed, they are float32. */
  readonly dtype?: DType;
  /** Needed with a flat typed array of more than one axis. */
  readonly shape?: Shape;
}

const isNDArray = (values: TensorValues): values is NDArray =>
  typeof values === 'object' && !Array.isArray(values) && !ArrayBuffer.isView(values) && 'data' in values;

/** The shape of nested lists; every list of a level must be equally long. */
const nestedShape = (values: Nested): number[] => {
  const shape: number[] = [];
  let level: Nested = values;
  while (Array.isArray(level)) {
    shape.push(level.length);
    if (level.length === 0) break;
    level = level[0] as Nested;
  }
  return shape;
};

const flatten = (values: Nested, shape: readonly number[], depth: number, into: number[]): void => {
  if (Array.isArray(values)) {
    if (values.length !== shape[depth])
      throw new ShapeError(
        `tensor: expected lists of ${shape[depth] ?? 0} at depth ${depth}, got one of ${values.length}; rows must be equally long`,
      );
    for (const value of values as readonly Nested[]) flatten(value, shape, depth + 1, into);
  } else {
    if (depth !== shape.length)
      throw new ShapeError(`tensor: expected lists ${shape.length} deep, got a number at depth ${depth}`);
    into.push(Number(values));
  }
};

/** Values converted to the form in which a dtype stands on the host. */
export const hostValues = (values: ArrayLike<number>, dtype: DType): HostData => {
  switch (dtype) {
    case 'float32':
      return values instanceof Float32Array ? values : Float32Array.from(values);
    case 'int32':
      return values instanceof Int32Array ? values : Int32Array.from(values);
    case 'bool':
      return Uint8Array.from(values, (value) => (value === 0 ? 0 : 1));
    case 'float16':
      return Uint16Array.from(values, float16Bits);
    case 'bfloat16':
      return Uint16Array.from(values, bfloat16Bits);
  }
};

/**
 * A tensor of known values.
 *
 * @param values - Nested lists, a typed array, `{ data, shape, dtype }`, or a tensor (given back as it is).
 * @param options - `dtype` (default: Int32Array is int32, booleans and Uint8Array are bool, all else float32) and
 *   `shape` for flat typed arrays.
 * @throws {ShapeError} If lists are ragged, or the shape asks for another number of elements.
 */
export const tensor = (values: TensorValues, options: TensorOptions = {}): Tensor => {
  if (typeof values === 'object' && isTensor(values)) return values;
  if (typeof values === 'object' && isNDArray(values)) {
    const { data, shape, dtype } = values;
    const array =
      options.dtype === undefined || options.dtype === dtype
        ? ndarray(data, options.shape ?? shape, dtype)
        : ndarray(hostValues(data, options.dtype), options.shape ?? shape, options.dtype);
    return leaf({ kind: 'host', array }, array.shape, array.dtype);
  }
  if (ArrayBuffer.isView(values)) {
    const data = values as HostData;
    const dtype =
      options.dtype ?? (data instanceof Int32Array ? 'int32' : data instanceof Uint8Array ? 'bool' : 'float32');
    const array = ndarray(hostValues(data, dtype), options.shape ?? [data.length], dtype);
    return leaf({ kind: 'host', array }, array.shape, dtype);
  }
  const nested = values as Nested;
  const shape = nestedShape(nested);
  const flat: number[] = [];
  flatten(nested, shape, 0, flat);
  let first: Nested = nested;
  while (Array.isArray(first)) first = (first as readonly Nested[])[0] ?? 0;
  const dtype = options.dtype ?? (typeof first === 'boolean' ? 'bool' : 'float32');
  if (options.shape !== undefined && options.shape.reduce((a, b) => a * b, 1) !== flat.length)
    throw new ShapeError(
      `tensor: expected values for shape ${formatShape(options.shape)}, got ${flat.length} of shape ${formatShape(shape)}`,
    );
  const array = ndarray(hostValues(flat, dtype), options.shape ?? shape, dtype);
  return leaf({ kind: 'host', array }, array.shape, dtype);
};

/** A scalar, or a tensor from nested lists: `tensor` by another name, as formulas read. */
export const constant = (values: Nested, options: TensorOptions = {}): Tensor => tensor(values, options);
