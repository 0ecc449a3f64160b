import { broadcastTo } from '../ops/broadcastTo.ts';
import { constant } from '../ops/constant.ts';
import { multiply } from '../ops/multiply.ts';
import { foldIn, key, normal } from '../ops/random.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import type { ParamPath, WeightTable } from './weightEntry.ts';

/** How a parameter starts. */
export type Start = 'zeros' | 'ones' | { readonly deviation: number };

type Branch = Map<string | number, Branch | Tensor>;

/** A tree of tensors from places and tensors: numbered steps become lists. */
export const treeOf = (entries: readonly (readonly [ParamPath, Tensor])[]): Tree => {
  const root: Branch = new Map();
  for (const [path, tensor] of entries) {
    let branch = root;
    for (const step of path.slice(0, -1)) {
      let next = branch.get(step);
      if (!(next instanceof Map)) {
        next = new Map();
        branch.set(step, next);
      }
      branch = next;
    }
    branch.set(path.at(-1)!, tensor);
  }
  const plain = (branch: Branch): Tree => {
    const values = [...branch].map(([step, value]) => [step, value instanceof Map ? plain(value) : value] as const);
    return typeof values[0]?.[0] === 'number' ? values.map(([, value]) => value) : Object.fromEntries(values);
  };
  return plain(root);
};

/** Random parameters of a table from a seed: each has a key of its own, so none depends on the others' sizes. */
export const initWeights = ({ entries }: WeightTable, seed: number, start: (path: ParamPath) => Start): Tree => {
  const root = key(seed);
  return treeOf(
    entries.map(({ path, shape }, i) => {
      const how = start(path);
      return [
        path,
        how === 'zeros' || how === 'ones'
          ? broadcastTo(constant(how === 'ones' ? 1 : 0), shape)
          : multiply(normal(foldIn(root, i), shape), how.deviation),
      ] as const;
    }),
  );
};
