import { isFloat } from '../tensor/dtype.ts';
import { ArgumentError } from '../tensor/errors.ts';
import { formatShape } from '../tensor/shape.ts';
import { type Tensor, topological } from '../tensor/tensor.ts';
import { identity } from './identity.ts';
import { addScattered } from './scatterAdd.ts';
import { sumTo } from './sumTo.ts';

/** A value, and what multiplies its change: a cotangent of its shape, or of one it broadcasts to. */
export interface Pulled {
  readonly y: Tensor;
  readonly dy: Tensor;
}

/**
 * Cotangents of `xs`, given those of what is computed from them: reverse mode, one walk back over the expression that
 * adds up each node's cotangent over its uses. An x that another x is computed from gets its share by way of that too.
 *
 * @param op - Whose name messages bear.
 * @returns For each x its cotangent; undefined if no y depends on it.
 * @throws {ArgumentError} If a y depends on an x by way of an op that has no gradient.
 * @see Griewank and Walther 2008, chapter 3
 */
export const pullback = (op: string, ys: readonly Pulled[], xs: readonly Tensor[]): readonly (Tensor | undefined)[] => {
  // Nodes between the xs and the ys; the others carry no cotangent.
  const order = topological(ys.map(({ y }) => y));
  const sources = new Set(xs);
  const between = new Set<Tensor>();
  for (const node of order)
    if (sources.has(node) || (isFloat(node.dtype) && node.inputs.some((input) => between.has(input))))
      between.add(node);

  const cotangents = new Map<Tensor, Tensor>();
  const contribute = (node: Tensor, dy: Tensor): void => {
    if (!between.has(node)) return;
    const own = sumTo(dy, node.shape);
    const known = cotangents.get(node);
    cotangents.set(node, known === undefined ? own : addScattered(known, own));
  };
  for (const { y, dy } of ys) contribute(y, dy);
  for (let i = order.length - 1; i >= 0; i--) {
    const output = order[i]!;
    const dy = cotangents.get(output);
    if (dy === undefined || !output.inputs.some((input) => between.has(input))) continue;
    const { inputs, attributes } = output;
    if (output.op.vjp === undefined)
      throw new ArgumentError(
        `${op}: expected a path of ops that have gradients from xs to y, got ${output.op.name} ${output.dtype} ${formatShape(output.shape)}; put stopGradient before it`,
      );
    for (const [at, dx] of output.op.vjp({ inputs, output, attributes }, dy).entries())
      if (dx !== undefined) contribute(inputs[at]!, dx);
    // Cotangents of nodes that nobody asked for are not needed any more.
    if (!sources.has(output)) cotangents.delete(output);
  }
  return xs.map((x) => cotangents.get(x));
};

/**
 * The gradient of an op that has a kernel of its own, from the formula that says in other ops what it computes: each input
 * counts as independent of the others, and so the result can be differentiated again.
 *
 * @param formula - The op's values, made of the inputs it is given.
 * @param dys - The cotangents of those values.
 */
export const formulaVjp = (
  op: string,
  formula: (inputs: readonly Tensor[]) => readonly Tensor[],
  inputs: readonly Tensor[],
  dys: readonly Tensor[],
): readonly (Tensor | undefined)[] => {
  const own = inputs.map(identity);
  const ys = formula(own);
  return pullback(
    op,
    dys.map((dy, i) => ({ y: ys[i]!, dy })),
    own,
  );
};
