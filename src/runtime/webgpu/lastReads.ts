import type { Tensor } from '../../tensor/tensor.ts';
import type { Epilogues } from './epilogues.ts';
import type { Graph } from './graph.ts';

/**
 * When each root's value is read for the last time, as a place in the order: an op may write over a buffer only when nobody reads
 * it later.
 *
 * @param norms - The norms that products do as they read their rows, by product.
 * @param chainOf - The node that a chain is of, by each node that is computed in it.
 */
export const lastReads = (
  { order, position, wanted, inputsOf, seenOf }: Graph,
  { fused }: Epilogues,
  norms: ReadonlyMap<Tensor, Tensor>,
  chainOf: ReadonlyMap<Tensor, Tensor>,
): ReadonlyMap<Tensor, number> => {
  const last = new Map<Tensor, number>();
  const note = (tensor: Tensor, at: number): void => {
    const { root } = seenOf(tensor);
    last.set(root, Math.max(last.get(root) ?? -1, at));
  };
  /** What is read for a node's value: for a row that is normed on the way, what the norm reads. */
  const readBy = (tensor: Tensor): readonly Tensor[] => {
    const norm = norms.get(tensor);
    return norm === undefined ? inputsOf(tensor) : [...inputsOf(norm), ...inputsOf(tensor).slice(1)];
  };
  for (const tensor of order) {
    const at = position.get(chainOf.get(tensor) ?? tensor)!;
    for (const input of readBy(tensor)) note(input, at);
  }
  // A fused kernel reads all its inputs when its last node is reached.
  for (const [end, { kernel, bias, residual }] of fused)
    for (const input of [...readBy(kernel), bias, residual]) if (input !== undefined) note(input, position.get(end)!);
  for (const output of wanted) note(output, Number.POSITIVE_INFINITY);
  return last;
};
