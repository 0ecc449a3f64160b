import { isTensor, type Tensor } from './tensor.ts';

/** Tensors in lists and records, as deep as one likes: parameters, states, results. */
export type Tree = Tensor | readonly Tree[] | { readonly [key: string]: Tree };

const isList = (tree: Tree): tree is readonly Tree[] => Array.isArray(tree);

/** The tensors of a tree, in the order of its lists and of its records' keys. */
export const leaves = (tree: Tree): readonly Tensor[] =>
  isTensor(tree) ? [tree] : (isList(tree) ? tree : Object.values(tree)).flatMap(leaves);

/** A tree of the same form with what `f` makes of each tensor. */
export const mapTree = (tree: Tree, f: (tensor: Tensor) => Tensor): Tree =>
  isTensor(tree)
    ? f(tree)
    : isList(tree)
      ? tree.map((branch) => mapTree(branch, f))
      : Object.fromEntries(Object.entries(tree).map(([key, branch]) => [key, mapTree(branch, f)]));

/** A tree of the same form with the tensors of a list, in the order of `leaves`. */
export const withLeaves = <T extends Tree>(tree: T, tensors: readonly Tensor[]): T => {
  let next = 0;
  return mapTree(tree, () => tensors[next++]!) as T;
};

/**
 * The tensors of a tree with their paths, such as `transformerLayers[0].selfAttention.query.kernel`.
 *
 * @param prefix - The path of the tree itself. Default: none.
 */
export const paths = (tree: Tree, prefix = ''): readonly (readonly [string, Tensor])[] =>
  isTensor(tree)
    ? [[prefix, tree]]
    : isList(tree)
      ? tree.flatMap((branch, i) => paths(branch, `${prefix}[${i}]`))
      : Object.entries(tree).flatMap(([key, branch]) => paths(branch, prefix === '' ? key : `${prefix}.${key}`));

/** What two trees must share for one plan to serve both: form, shapes and dtypes. */
export const signature = (tree: Tree): string =>
  paths(tree)
    .map(([path, { shape, dtype }]) => `${path}:${dtype}[${shape.join()}]`)
    .join(' ');
