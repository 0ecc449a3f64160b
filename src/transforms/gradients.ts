import { add } from '../ops/add.ts';
import { broadcastTo } from '../ops/broadcastTo.ts';
import { constant } from '../ops/constant.ts';
import { sumTo } from '../ops/sumTo.ts';
import { isFloat } from '../tensor/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../tensor/errors.ts';
import { formatShape, sameShape } from '../tensor/shape.ts';
import { type Tensor, topological } from '../tensor/tensor.ts';

/** Options of `gradients`. */
export interface GradientOptions {
  /** What an `x` gets that `y` does not depend on: an error (the default), or zeros. */
  readonly unconnected?: 'error' | 'zeros';
}

const describe = (tensor: Tensor): string => `${tensor.op.name} ${tensor.dtype} ${formatShape(tensor.shape)}`;

/**
 * Derivatives of a scalar with respect to nodes of its expression: parameters, inputs, or any value on the way, such as
 * an activation that an intercept caught. They are expressions too, so they can be differentiated again.
 *
 * Reverse mode: walks the expression once from `y` back, and adds up each node's cotangent over its uses.
 *
 * @param y - Scalar, float32.
 * @param xs - Float nodes that `y` is computed from.
 * @returns `dy / dx` for each `x`, of its shape, float32.
 * @throws {ShapeError} If `y` is not a scalar.
 * @throws {DTypeError} If `y` or an `x` is not float.
 * @throws {ArgumentError} If `y` does not depend on an `x` (unless `unconnected` is `'zeros'`), or does by way of an op
 *   that has no gradient.
 * @see Griewank and Walther 2008, chapter 3
 */
export const gradients = (
  y: Tensor,
  xs: readonly Tensor[],
  { unconnected = 'error' }: GradientOptions = {},
): readonly Tensor[] => {
  if (y.shape.length !== 0)
    throw new ShapeError(`gradients: expected a scalar y, got ${describe(y)}; reduce it first, with sum or mean`);
  if (!isFloat(y.dtype)) throw new DTypeError(`gradients: expected a float y, got ${describe(y)}`);
  for (const [i, x] of xs.entries())
    if (!isFloat(x.dtype))
      throw new DTypeError(
        `gradients: expected float xs, got ${describe(x)} at ${i}; whole numbers have no derivative`,
      );

  // Nodes between the xs and y; the others carry no cotangent.
  const order = topological([y]);
  const sources = new Set(xs);
  const between = new Set<Tensor>();
  for (const node of order)
    if (sources.has(node) || (isFloat(node.dtype) && node.inputs.some((input) => between.has(input))))
      between.add(node);

  const cotangents = new Map<Tensor, Tensor>();
  if (between.has(y)) cotangents.set(y, constant(1));
  for (let i = order.length - 1; i >= 0; i--) {
    const output = order[i]!;
    const dy = cotangents.get(output);
    if (dy === undefined || !output.inputs.some((input) => between.has(input))) continue;
    const { op, inputs, attributes } = output;
    if (op.vjp === undefined)
      throw new ArgumentError(
        `gradients: expected a path of ops that have gradients from xs to y, got ${describe(output)}; put stopGradient before it`,
      );
    for (const [at, dx] of op.vjp({ inputs, output, attributes }, dy).entries()) {
      const input = inputs[at]!;
      if (dx === undefined || !between.has(input)) continue;
      const own = sumTo(dx, input.shape);
      const known = cotangents.get(input);
      cotangents.set(input, known === undefined ? own : add(known, own));
    }
    // Cotangents of nodes that nobody asked for are not needed any more.
    if (!sources.has(output)) cotangents.delete(output);
  }

  return xs.map((x, i) => {
    const dx = cotangents.get(x);
    if (dx !== undefined) return sameShape(dx.shape, x.shape) ? dx : broadcastTo(dx, x.shape);
    if (unconnected === 'zeros') return broadcastTo(constant(0), x.shape);
    throw new ArgumentError(
      `gradients: expected y to depend on every x, got ${describe(x)} at ${i}, which it does not depend on (or only through stopGradient); pass unconnected: 'zeros' for zeros`,
    );
  });
};
