import * as E from 'fp-ts/lib/Either.js';
import type { DType } from '../tensor/dtype.ts';
import { node, type Op, type Tensor } from '../tensor/tensor.ts';

/** Declares an op: one record with shape rule, reference, gradient and kernel. Bundlers leave out those that nobody uses. */
/* @__NO_SIDE_EFFECTS__ */ export const defineOp = <A extends object>(op: Op<A>): Op<A> => Object.freeze(op);

const orThrow = <Problem extends Error, A>(result: E.Either<Problem, A>): A => {
  if (E.isLeft(result)) throw result.left;
  return result.right;
};

/**
 * An op applied to tensors: a new node, nothing computed.
 *
 * @throws {ShapeError} If the op's shape rule refuses the inputs.
 * @throws {DTypeError} If the op does not take the inputs' dtypes.
 */
export const apply = <A extends object>(op: Op<A>, inputs: readonly Tensor[], attributes: A): Tensor => {
  const types: readonly DType[] = inputs.map((input) => input.dtype);
  const dtype = op.dtype === undefined ? 'float32' : orThrow(op.dtype(types, attributes));
  const shape = orThrow(
    op.shape(
      inputs.map((input) => input.shape),
      attributes,
      types,
    ),
  );
  return node(op, inputs, attributes, shape, dtype);
};
