import * as E from 'fp-ts/lib/Either.js';
import { add } from '../../ops/add.ts';
import { apply, defineOp } from '../../ops/op.ts';
import { sliceAxis } from '../../ops/slice.ts';
import { viewReference } from '../../ops/view.ts';
import type { Layout } from '../../tensor/kernel.ts';
import { type QuantizedFormat, STRIP } from '../../tensor/quantized.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Epilogues, type Fused, fuseEpilogues } from './epilogues.ts';
import { type Graph, graphOf, type Seen } from './graph.ts';

/** What a layout shows of a tensor that lies whole in a buffer. */
const windowOp = defineOp<Layout>({
  name: 'window',
  shape: (_, { shape }) => E.right(shape),
  dtype: ([x]) => E.right(x!),
  reference: viewReference((_, layout: Layout) => layout),
  kernel: { kind: 'view', view: (_, layout) => layout },
});

/** What a product depends on besides its rows, as it lies: the axis along which its neighbour's follows, and how far on. */
interface Part extends Seen {
  readonly axis: number;
  readonly advance: number;
}

/** A product whose result, with a bias at most, is what others read. */
interface Sibling {
  readonly product: Tensor;
  /** The product, or the sum of it and its bias. */
  readonly end: Tensor;
  /** The axis of the product along which others' follow, and how much of it is its own. */
  readonly axis: number;
  readonly size: number;
  /** The matrix, or what a quantized one is made of; then the bias, if there is one. */
  readonly parts: readonly Part[];
}

/** Whether all that read a value can read it wherever it lies. */
const isReadByStrides = (graph: Graph, value: Tensor): boolean =>
  !graph.isOutput.has(value) &&
  (graph.consumers.get(value) ?? []).every((reader) => {
    const { kernel } = reader.op;
    if (kernel.kind === 'view') return !graph.copied.has(reader) && isReadByStrides(graph, reader);
    if (kernel.kind === 'shader')
      return graph.inputsOf(reader).every((input, i) => input !== value || kernel.strided?.[i] === true);
    return kernel.kind === 'elementwise';
  });

const siblingOf = (
  graph: Graph,
  end: Tensor,
  { kernel: product, bias, activation, residual }: Fused,
): Sibling | undefined => {
  const isQuantized = product.op.name === 'quantizedMatmul';
  if (!isQuantized && product.op.name !== 'matmul') return undefined;
  if (activation !== undefined || residual !== undefined) return undefined;
  const [rows, ...held] = graph.inputsOf(product);
  // Heads that are stored one after the other are matrices of one batch.
  const isBatch = !isQuantized && held[0]!.shape.length === 3 && rows!.shape.length === 2 && bias === undefined;
  if (!isQuantized && !isBatch && held[0]!.shape.length !== 2) return undefined;
  const columns = product.shape.at(-1)!;
  // The words of whole strips are followed by others', and a row of a matrix by another row.
  if (isQuantized && columns % STRIP !== 0) return undefined;
  const axis = isQuantized || isBatch ? 0 : 1;
  const parts = [
    ...held.map((tensor): Part => {
      const seen = graph.seenOf(tensor);
      return { ...seen, axis, advance: seen.layout.strides[axis]! * tensor.shape[axis]! };
    }),
    ...(bias === undefined ? [] : [bias]).map((tensor): Part => {
      const seen = graph.seenOf(tensor);
      const last = tensor.shape.length - 1;
      return { ...seen, axis: last, advance: seen.layout.strides[last]! * columns };
    }),
  ];
  const isHeld = parts.every(({ root }) => root.op.kernel.kind === 'leaf');
  const along = isBatch ? 0 : product.shape.length - 1;
  return isHeld && isReadByStrides(graph, end)
    ? { product, end, axis: along, size: product.shape[along]!, parts }
    : undefined;
};

/** What is the same for all siblings. */
const familyOf = (graph: Graph, { product, parts }: Sibling): string => {
  const { bits, block } = product.attributes as Partial<QuantizedFormat>;
  const along = ({ root, layout: { shape, strides }, axis }: Part) => [
    root.id,
    shape.filter((_, i) => i !== axis),
    strides,
  ];
  return JSON.stringify([graph.inputsOf(product)[0]!.id, product.op.name, bits, block, parts.map(along)]);
};

const follows = (one: Sibling, next: Sibling): boolean =>
  one.parts.every(({ layout, advance }, i) => next.parts[i]!.layout.offset === layout.offset + advance);

/** Siblings one after the other as they lie in memory, two or more. */
const groups = (siblings: readonly Sibling[]): readonly (readonly Sibling[])[] => {
  const inOrder = [...siblings].sort((x, y) => x.parts[0]!.layout.offset - y.parts[0]!.layout.offset);
  const all: Sibling[][] = [];
  for (const sibling of inOrder) {
    const last = all.at(-1);
    if (last !== undefined && follows(last.at(-1)!, sibling)) last.push(sibling);
    else all.push([sibling]);
  }
  return all.filter(({ length }) => length > 1);
};

/** The product of rows with all matrices of a group, and their biases. */
const joined = (rows: Tensor, group: readonly Sibling[]): Tensor => {
  const { product, end, parts } = group[0]!;
  const wide = parts.map(({ root, layout, axis }, at) => {
    const size = group.reduce((sum, own) => sum + own.parts[at]!.layout.shape[axis]!, 0);
    const shape: Shape = layout.shape.map((length, i) => (i === axis ? size : length));
    return apply(windowOp, [root], { ...layout, shape });
  });
  const columns = group.reduce((sum, own) => sum + own.size, 0);
  const attributes = 'columns' in product.attributes ? { ...product.attributes, columns } : product.attributes;
  const whole = apply(product.op, [rows, ...wide.slice(0, product.inputs.length - 1)], attributes);
  return end === product ? whole : add(whole, wide.at(-1)!);
};

/**
 * A graph, with what its kernels do besides, in which products of the same rows with matrices that lie side by side are one product, of which each is a part: as of
 * the projections to query, key and value, where they are stored together.
 */
export const joinSiblings = (graph: Graph): { readonly graph: Graph; readonly epilogues: Epilogues } => {
  const epilogues = fuseEpilogues(graph);
  const { fused, absorbed } = epilogues;
  const families = new Map<string, Sibling[]>();
  for (const node of graph.order) {
    if (absorbed.has(node)) continue;
    const sibling = siblingOf(graph, node, fused.get(node) ?? { kernel: node });
    if (sibling === undefined) continue;
    const key = familyOf(graph, sibling);
    families.set(key, [...(families.get(key) ?? []), sibling]);
  }
  const groupOf = new Map<Tensor, { readonly group: readonly Sibling[]; readonly start: number }>();
  for (const group of [...families.values()].flatMap(groups)) {
    let start = 0;
    for (const { end, size } of group) {
      groupOf.set(end, { group, start });
      start += size;
    }
  }
  if (groupOf.size === 0) return { graph, epilogues };
  const wholes = new Map<readonly Sibling[], Tensor>();
  const rewritten = new Map<Tensor, Tensor>();
  for (const node of graph.order) {
    const inputs = graph.inputsOf(node).map((input) => rewritten.get(input)!);
    const own = groupOf.get(node);
    if (own === undefined) {
      const isSame = inputs.every((input, i) => input === node.inputs[i]);
      rewritten.set(node, isSame ? node : apply(node.op, inputs, node.attributes));
      continue;
    }
    const { group, start } = own;
    // Of the product's inputs only the rows are no leaves; they come before every member.
    const rows = rewritten.get(graph.inputsOf(group[0]!.product)[0]!)!;
    const whole = wholes.get(group) ?? joined(rows, group);
    wholes.set(group, whole);
    const { axis } = group[0]!;
    rewritten.set(node, sliceAxis(whole, axis, start, start + node.shape[axis]!));
  }
  const after = graphOf(graph.wanted.map((output) => rewritten.get(output)!));
  return { graph: after, epilogues: fuseEpilogues(after) };
};
