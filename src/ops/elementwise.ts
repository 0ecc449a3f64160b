import * as E from 'fp-ts/lib/Either.js';
import { type DType, isFloat } from '../tensor/dtype.ts';
import { DTypeError } from '../tensor/errors.ts';
import { broadcastShapes, count, type Shape } from '../tensor/shape.ts';
import type { HostTensor, Op, Tensor } from '../tensor/tensor.ts';
import { constant } from './constant.ts';
import { apply, defineOp } from './op.ts';

/** What ops take where a tensor is asked for: a tensor, or a number, which becomes a scalar of the other's dtype. */
export type TensorLike = Tensor | number;

/** The dtype of a result, or why the operands' do not fit. */
export type DTypeRule = (op: string, inputs: readonly DType[]) => E.Either<DTypeError, DType>;

const refused = (op: string, expected: string, inputs: readonly DType[], wayOut: string) =>
  E.left(new DTypeError(`${op}: expected ${expected}, got ${inputs.join(', ')}; ${wayOut}`));

/** Floats of any width in, float32 out. */
export const floats: DTypeRule = (op, inputs) =>
  inputs.every(isFloat) ? E.right('float32') : refused(op, 'floats', inputs, 'use cast to convert');

/** Floats in, float32 out; or all int32 in, int32 out. */
export const numbers: DTypeRule = (op, inputs) =>
  inputs.every(isFloat)
    ? E.right('float32')
    : inputs.every((dtype) => dtype === 'int32')
      ? E.right('int32')
      : refused(op, 'all floats or all int32', inputs, 'use cast to convert');

/** All of one kind in (floats, int32 or bool), bool out. */
export const comparison: DTypeRule = (op, inputs) =>
  inputs.every(isFloat) || inputs.every((dtype) => dtype === inputs[0])
    ? E.right('bool')
    : refused(op, 'operands of one kind', inputs, 'use cast to convert');

/** bool in, bool out. */
export const logical: DTypeRule = (op, inputs) =>
  inputs.every((dtype) => dtype === 'bool') ? E.right('bool') : refused(op, 'bool', inputs, 'compare with notEqual');

/** int32 in, int32 out. */
export const integers: DTypeRule = (op, inputs) =>
  inputs.every((dtype) => dtype === 'int32') ? E.right('int32') : refused(op, 'int32', inputs, 'use cast to convert');

/** An array to hold values of a dtype while the reference computes: floats in double precision. */
export const hostArray = (dtype: DType, length: number): Float64Array | Int32Array | Uint8Array =>
  isFloat(dtype) ? new Float64Array(length) : dtype === 'int32' ? new Int32Array(length) : new Uint8Array(length);

/** For each element of `shape`, row-major, the place of the element of `from` that broadcasts to it. */
export const broadcastPlaces = (from: Shape, shape: Shape): Int32Array | undefined => {
  const total = count(shape);
  if (count(from) === total) return undefined;
  const places = new Int32Array(total);
  let inner = 1;
  let step = 1;
  // Axis by axis from the last: the block that is known so far repeats, shifted by the axis' step or not at all.
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    const own = from[from.length - shape.length + axis] ?? 1;
    for (let i = 1; i < size; i++)
      for (let j = 0; j < inner; j++) places[i * inner + j] = places[j]! + (own === 1 ? 0 : i * step);
    if (own !== 1) step *= own;
    inner *= size;
  }
  return places;
};

/** What tells one elementwise op from another. */
export interface Elementwise<A> {
  readonly name: string;
  readonly dtype: (op: string, inputs: readonly DType[], attributes: A) => E.Either<DTypeError, DType>;
  /** The value of one element in double precision; bools are 0 and 1. */
  readonly value: (a: number, b: number, c: number, attributes: A) => number;
  /** The value where the result is int32, if doubles would not give its low 32 bits. */
  readonly integerValue?: (a: number, b: number, c: number, attributes: A) => number;
  readonly wgsl: (operands: readonly string[], attributes: A) => string;
  readonly functions?: string;
  readonly vjp?: NonNullable<Op<A>['vjp']>;
}

/** Declares an op of one, two or three operands that works element by element, broadcasting by NumPy's rule. */
/* @__NO_SIDE_EFFECTS__ */ export const defineElementwise = <A extends object = object>(rule: Elementwise<A>): Op<A> =>
  defineOp<A>({
    name: rule.name,
    shape: (inputs) =>
      inputs
        .slice(1)
        .reduce<ReturnType<typeof broadcastShapes>>(
          (shape, next) => (E.isLeft(shape) ? shape : broadcastShapes(rule.name, shape.right, next)),
          E.right(inputs[0] ?? []),
        ),
    dtype: (inputs, attributes) => rule.dtype(rule.name, inputs, attributes),
    reference: (inputs: readonly HostTensor[], attributes, shape) => {
      const dtype = rule.dtype(
        rule.name,
        inputs.map((input) => input.dtype),
        attributes,
      );
      const y = hostArray(E.isRight(dtype) ? dtype.right : 'float32', count(shape));
      const value = y instanceof Int32Array ? (rule.integerValue ?? rule.value) : rule.value;
      const [a, b, c] = inputs.map(({ data }) => data);
      const [p, q, r] = inputs.map((input) => broadcastPlaces(input.shape, shape));
      for (let i = 0; i < y.length; i++)
        y[i] = value(
          a![p === undefined ? i : p[i]!]!,
          b === undefined ? 0 : b[q === undefined ? i : q[i]!]!,
          c === undefined ? 0 : c[r === undefined ? i : r[i]!]!,
          attributes,
        );
      return y;
    },
    ...(rule.vjp === undefined ? {} : { vjp: rule.vjp }),
    kernel: {
      kind: 'elementwise',
      wgsl: rule.wgsl,
      ...(rule.functions === undefined ? {} : { functions: rule.functions }),
    },
  });

/** Numbers among the operands become scalars of the dtype that the first tensor among them has. */
export const operands = (...values: readonly TensorLike[]): readonly Tensor[] => {
  const model = values.find((value) => typeof value !== 'number');
  const dtype = model === undefined || isFloat(model.dtype) ? 'float32' : model.dtype;
  return values.map((value) => (typeof value === 'number' ? constant(value, { dtype }) : value));
};

/** Applies an elementwise op without attributes to tensors and numbers. */
export const applyElementwise = (op: Op<object>, ...values: readonly TensorLike[]): Tensor =>
  apply(op, operands(...values), {});
