import * as E from 'fp-ts/lib/Either.js';
import { isFloat } from '../tensor/dtype.ts';
import { DTypeError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { defineElementwise, operands, type TensorLike } from './elementwise.ts';
import { apply } from './op.ts';

const whereOp = defineElementwise({
  name: 'where',
  dtype: (op, [condition, a, b]) =>
    condition !== 'bool'
      ? E.left(new DTypeError(`${op}: expected a bool condition, got ${condition}; compare with notEqual`))
      : isFloat(a!) && isFloat(b!)
        ? E.right('float32')
        : a === b
          ? E.right(a!)
          : E.left(new DTypeError(`${op}: expected both branches of one kind, got ${a} and ${b}; use cast to convert`)),
  value: (condition, a, b) => (condition === 0 ? b : a),
  wgsl: ([condition, a, b]) => `select(${b}, ${a}, ${condition})`,
  vjp: ({ inputs: [condition] }, dy) => [undefined, where(condition!, dy, 0), where(condition!, 0, dy)],
});

/**
 * `a` where the condition holds, `b` elsewhere; shapes broadcast.
 *
 * @param condition - bool.
 * @param a - Floats, int32 or bool; a number stands for a scalar.
 * @param b - Of the same kind.
 * @throws {ShapeError} If the shapes do not broadcast.
 * @see keras.ops.where
 */
export const where = (condition: Tensor, a: TensorLike, b: TensorLike): Tensor => {
  const [x, y] = operands(a, b);
  return apply(whereOp, [condition, x!, y!], {});
};
