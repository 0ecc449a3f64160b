import { isContiguous } from '../../ops/view.ts';
import type { KernelTraits } from '../../tensor/kernel.ts';
import { count, sameShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Epilogues } from './epilogues.ts';
import { type Graph, isHalfWidth, scalarOf, wholeBytes } from './graph.ts';

/** Ops in one generated kernel, at most: it bounds the text that a driver has to compile. */
export const CHAIN_LIMIT = 48;

/** Elements up to which a launch costs more than what it computes. */
const FEW_ELEMENTS = 2 ** 14;

const isOne = ({ shape }: Tensor): boolean => count(shape) === 1;
/** Whether a launch costs more than what it computes. */
export const isFew = ({ shape }: Pick<Tensor, 'shape'>): boolean => count(shape) > 0 && count(shape) <= FEW_ELEMENTS;

/** Nodes in groups, each of which one generated kernel computes in one pass. */
export interface Chains {
  /** The node that a chain is of, by each node that is computed in it. */
  readonly rootOf: ReadonlyMap<Tensor, Tensor>;
  /** Values of a chain, besides its root's, that others need too: they are stored by the way. */
  readonly extras: ReadonlyMap<Tensor, readonly Tensor[]>;
}

/**
 * A node whose first use is element for element is computed in that chain; so is what a chain of few elements broadcasts, if
 * it is one number or nobody else needs it, and what picks few elements. Chains over the same values become one, and
 * chains of one number part of another.
 */
export const formChains = (graph: Graph, { fused, absorbed }: Epilogues, traits: KernelTraits): Chains => {
  const { order, position, isOutput, inputsOf, consumers, seenOf, copied } = graph;
  const most = traits.maxStorageBuffers;
  const rootOf = new Map<Tensor, Tensor>();
  const chainSize = new Map<Tensor, number>();
  const chainBuffers = new Map<Tensor, Set<Tensor>>();
  // Values of a chain that others need too are stored by the way: outputs, and what is read only later.
  const extras = new Map<Tensor, Tensor[]>();
  const external = (input: Tensor): readonly Tensor[] => {
    const { root } = seenOf(input);
    return scalarOf(root) !== undefined || root.op.kernel.kind === 'index' ? [] : [root];
  };
  const isGather = ({ op: { kernel } }: Tensor): boolean => kernel.kind === 'shader' && kernel.gather !== undefined;
  /** Whether a chain can compute a node. */
  const isChained = (tensor: Tensor): boolean => {
    if (fused.has(tensor) || absorbed.has(tensor)) return false;
    if (tensor.op.kernel.kind === 'elementwise') return true;
    if (!isGather(tensor) || !isFew(tensor)) return false;
    const [source] = external(inputsOf(tensor)[0]!);
    return source !== undefined && wholeBytes(source.shape, source.dtype) <= traits.maxBindingBytes;
  };
  /** Whether a node picks elements of a value, wherever they are in it. */
  const picksFrom = (user: Tensor, value: Tensor): boolean =>
    isGather(user) && seenOf(inputsOf(user)[0]!).root === value;
  /** Whether a node needs of a value, for each of its elements, the one at the same place. */
  const isInStep = (user: Tensor, value: Tensor): boolean =>
    !picksFrom(user, value) && (isOne(value) || !isGather(user) || sameShape(user.shape, value.shape));
  /** Whether a node shows one number that lies elsewhere. */
  const isViewOfOne = (user: Tensor): boolean =>
    user.op.kernel.kind === 'view' && !copied.has(user) && isOne(seenOf(user).root);
  /** Who reads a value; where it is one number, also through views. */
  const usersOf = (tensor: Tensor): readonly Tensor[] =>
    (consumers.get(tensor) ?? []).flatMap((user) => (isViewOfOne(user) ? usersOf(user) : [user]));
  const isAskedFor = (tensor: Tensor): boolean =>
    isOutput.has(tensor) || (consumers.get(tensor) ?? []).some((user) => isViewOfOne(user) && isAskedFor(user));
  const runsAt = (node: Tensor): number => position.get(rootOf.get(node) ?? node)!;
  for (let i = order.length - 1; i >= 0; i--) {
    const tensor = order[i]!;
    if (!isChained(tensor)) continue;
    const own = inputsOf(tensor).flatMap(external);
    const users = usersOf(tensor);
    // The chain that needs the value first; who else needs it must come after that chain.
    const first = users.reduce<Tensor | undefined>(
      (least, user) => (least === undefined || runsAt(user) < runsAt(least) ? user : least),
      undefined,
    );
    const root = first && rootOf.get(first);
    const isOnly = !isAskedFor(tensor) && users.every((user) => rootOf.get(user) === root);
    const fits =
      root !== undefined &&
      (count(tensor.shape) === count(root.shape) || (isFew(root) && (isOnly || isOne(tensor)))) &&
      users.every((user) => rootOf.get(user) !== root || isInStep(user, tensor));
    if (fits && !isHalfWidth(tensor.dtype)) {
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

  const chainMembers = new Map<Tensor, Tensor[]>();
  for (const [tensor, root] of rootOf) {
    const list = chainMembers.get(root);
    if (list === undefined) chainMembers.set(root, [tensor]);
    else list.push(tensor);
  }
  /** Has one chain computed with another, which then stores these values besides its root's; false where that is too much. */
  const joinInto = (from: Tensor, to: Tensor, stored: Tensor[], buffers: Set<Tensor>): boolean => {
    const size = chainSize.get(from)! + chainSize.get(to)!;
    if (size > CHAIN_LIMIT || buffers.size + stored.length >= most) return false;
    const members = chainMembers.get(from)!;
    for (const tensor of members) rootOf.set(tensor, to);
    chainMembers.set(to, [...chainMembers.get(to)!, ...members]);
    chainMembers.delete(from);
    chainSize.set(to, size);
    chainBuffers.set(to, buffers);
    extras.delete(from);
    extras.set(to, stored);
    return true;
  };
  const buffersOf = (one: Tensor, other: Tensor): Set<Tensor> =>
    new Set([...chainBuffers.get(one)!, ...chainBuffers.get(other)!]);

  // Chains over the same values become one: what only later chains need is computed with the first of those.
  const rootsOver = new Map<Tensor, Tensor[]>();
  const roots = order.filter((tensor) => rootOf.get(tensor) === tensor && !isHalfWidth(tensor.dtype));
  for (const root of roots)
    for (const buffer of chainBuffers.get(root)!)
      if (sameShape(buffer.shape, root.shape)) {
        const list = rootsOver.get(buffer);
        if (list === undefined) rootsOver.set(buffer, [root]);
        else list.push(root);
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
    const runsAfter = (user: Tensor): boolean => runsAt(user) > position.get(next)!;
    if (!stored.every((tensor) => outside(tensor).every(runsAfter))) continue;
    if (chainMembers.get(next)!.some((member) => stored.some((tensor) => picksFrom(member, tensor)))) continue;
    const kept = stored.filter((tensor) => isOutput.has(tensor) || outside(tensor).length > 0);
    const others = (extras.get(next) ?? []).filter((tensor) => isOutput.has(tensor) || outside(tensor).length > 0);
    const buffers = buffersOf(root, next);
    for (const tensor of stored) buffers.delete(tensor);
    joinInto(root, next, [...others, ...kept], buffers);
  }

  // A chain of one number is computed with the last small one before it, once all is there that it reads.
  for (const [at, one] of order.entries()) {
    if (rootOf.get(one) !== one || !isOne(one) || isHalfWidth(one.dtype)) continue;
    const read = [...chainBuffers.get(one)!].filter(({ op }) => op.kernel.kind !== 'leaf');
    const ready = Math.max(-1, ...read.map(runsAt));
    for (let i = at - 1; i > ready; i--) {
      const root = order[i]!;
      if (rootOf.get(root) !== root || !isFew(root) || isHalfWidth(root.dtype)) continue;
      const stored = [...(extras.get(root) ?? []), one, ...(extras.get(one) ?? [])];
      if (joinInto(one, root, stored, buffersOf(one, root))) break;
    }
  }

  // For what only picks elements of what lies in order there are kernels.
  const liesInOrder = (input: Tensor): boolean => {
    const { root, layout } = seenOf(input);
    return root.op.kernel.kind !== 'index' && layout.offset === 0 && isContiguous(layout);
  };
  for (const [tensor, root] of rootOf)
    if (root === tensor && isGather(root) && chainSize.get(root) === 1 && inputsOf(root).every(liesInOrder))
      rootOf.delete(root);
  return { rootOf, extras };
};
