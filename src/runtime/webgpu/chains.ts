import { count, sameShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Epilogues } from './epilogues.ts';
import { type Graph, isHalfWidth, scalarOf } from './graph.ts';

/** Ops in one generated kernel, at most: it bounds the text that a driver has to compile. */
const CHAIN_LIMIT = 48;

/** Elements from which on it is worth while to compute several chains in one pass over what they read. */
const MERGED_ELEMENTS = 1024;

/** Elementwise nodes in groups, each of which one generated kernel computes in one pass. */
export interface Chains {
  /** The last node of each elementwise node's chain. */
  readonly rootOf: ReadonlyMap<Tensor, Tensor>;
  /** Values of a chain, besides its root's, that others need too: they are stored by the way. */
  readonly extras: ReadonlyMap<Tensor, readonly Tensor[]>;
  /** Whether a node is computed in a chain. */
  readonly isElementwise: (tensor: Tensor) => boolean;
}

/**
 * A node whose first use is element for element is computed in that chain. Chains over the same large values become one.
 *
 * @param most - Storage buffers that one kernel can bind.
 */
export const formChains = (graph: Graph, { fused, absorbed }: Epilogues, most: number): Chains => {
  const { order, position, isOutput, inputsOf, consumers, seenOf } = graph;
  const rootOf = new Map<Tensor, Tensor>();
  const chainSize = new Map<Tensor, number>();
  const chainBuffers = new Map<Tensor, Set<Tensor>>();
  // Values of a chain that others need too are stored by the way: outputs, and what is read only later.
  const extras = new Map<Tensor, Tensor[]>();
  const isElementwise = (tensor: Tensor): boolean =>
    tensor.op.kernel.kind === 'elementwise' && !fused.has(tensor) && !absorbed.has(tensor);
  const external = (input: Tensor): readonly Tensor[] => {
    const { root } = seenOf(input);
    return scalarOf(root) !== undefined || root.op.kernel.kind === 'index' ? [] : [root];
  };
  for (let i = order.length - 1; i >= 0; i--) {
    const tensor = order[i]!;
    if (!isElementwise(tensor)) continue;
    const own = inputsOf(tensor).flatMap(external);
    const users = consumers.get(tensor) ?? [];
    // The chain that needs the value first; who else needs it must come after that chain.
    const runsAt = (user: Tensor): number => position.get(rootOf.get(user) ?? user)!;
    const first = users.reduce<Tensor | undefined>(
      (least, user) => (least === undefined || runsAt(user) < runsAt(least) ? user : least),
      undefined,
    );
    const root = first !== undefined && isElementwise(first) ? rootOf.get(first) : undefined;
    if (root !== undefined && sameShape(tensor.shape, root.shape) && !isHalfWidth(tensor.dtype)) {
      const isOnly = !isOutput.has(tensor) && users.every((user) => rootOf.get(user) === root);
      const stored = extras.get(root) ?? [];
      const buffers = new Set(chainBuffers.get(root)!);
      buffers.delete(tensor);
      for (const buffer of own) buffers.add(buffer);
      const bound = buffers.size + stored.length + (isOnly ? 0 : 1);
      if (chainSize.get(root)! < CHAIN_LIMIT && bound < most && (isOnly || !isHalfWidth(root.dtype))) {
        rootOf.set(tensor, root);
        chainSize.set(root, chainSize.get(root)! + 1);
        chainBuffers.set(root, buffers);
        if (!isOnly) extras.set(root, [...stored, tensor]);
        continue;
      }
    }
    rootOf.set(tensor, tensor);
    chainSize.set(tensor, 1);
    chainBuffers.set(tensor, new Set(own));
  }

  // Chains over the same large values become one: what only later chains need is computed with the first of those.
  const rootsOver = new Map<Tensor, Tensor[]>();
  const isLarge = (root: Tensor): boolean => count(root.shape) >= MERGED_ELEMENTS && !isHalfWidth(root.dtype);
  const roots = order.filter((tensor) => rootOf.get(tensor) === tensor && isLarge(tensor));
  for (const root of roots)
    for (const buffer of chainBuffers.get(root)!)
      if (sameShape(buffer.shape, root.shape)) {
        const list = rootsOver.get(buffer);
        if (list === undefined) rootsOver.set(buffer, [root]);
        else list.push(root);
      }
  const chainMembers = new Map<Tensor, Tensor[]>();
  for (const [tensor, root] of rootOf) {
    const list = chainMembers.get(root);
    if (list === undefined) chainMembers.set(root, [tensor]);
    else list.push(tensor);
  }
  for (const root of roots) {
    const stored = [root, ...(extras.get(root) ?? [])];
    const shared = [...stored, ...[...chainBuffers.get(root)!].filter(({ shape }) => sameShape(shape, root.shape))];
    const at = position.get(root)!;
    const next = shared
      .flatMap((buffer) => rootsOver.get(buffer) ?? [])
      .map((candidate) => rootOf.get(candidate)!)
      .filter((candidate) => position.get(candidate)! > at && sameShape(candidate.shape, root.shape))
      .reduce<Tensor | undefined>(
        (least, candidate) =>
          least === undefined || position.get(candidate)! < position.get(least)! ? candidate : least,
        undefined,
      );
    if (next === undefined) continue;
    const isInside = (user: Tensor): boolean => rootOf.get(user) === root || rootOf.get(user) === next;
    const outside = (tensor: Tensor): readonly Tensor[] =>
      (consumers.get(tensor) ?? []).filter((user) => !isInside(user));
    const runsAfter = (user: Tensor): boolean => position.get(rootOf.get(user) ?? user)! > position.get(next)!;
    if (!stored.every((tensor) => outside(tensor).every(runsAfter))) continue;
    const kept = stored.filter((tensor) => isOutput.has(tensor) || outside(tensor).length > 0);
    const others = (extras.get(next) ?? []).filter((tensor) => isOutput.has(tensor) || outside(tensor).length > 0);
    const buffers = new Set([...chainBuffers.get(root)!, ...chainBuffers.get(next)!]);
    for (const tensor of stored) buffers.delete(tensor);
    const size = chainSize.get(root)! + chainSize.get(next)!;
    if (size > CHAIN_LIMIT || buffers.size + kept.length + others.length >= most) continue;
    const members = chainMembers.get(root)!;
    for (const tensor of members) rootOf.set(tensor, next);
    chainMembers.set(next, [...chainMembers.get(next)!, ...members]);
    chainMembers.delete(root);
    chainSize.set(next, size);
    chainBuffers.set(next, buffers);
    extras.delete(root);
    extras.set(next, [...others, ...kept]);
  }
  return { rootOf, extras, isElementwise };
};
