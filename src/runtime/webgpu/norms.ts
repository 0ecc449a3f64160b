import { contiguous } from '../../ops/view.ts';
import type { KernelTraits, Operand } from '../../tensor/kernel.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Graph } from './graph.ts';

/** How a kernel is given a value: through its layout, or in row-major order from the start of a buffer. */
export const operandFor = ({ seenOf }: Graph, tensor: Tensor, strided: boolean): Operand => {
  const { root, layout } = seenOf(tensor);
  const isSeen = strided && root.op.kernel.kind !== 'index';
  return { ...(isSeen ? layout : contiguous(tensor.shape)), dtype: tensor.dtype };
};

/** The norms that products do as they read their rows, by product; these norms have no launch of their own. */
export const foldNorms = (graph: Graph, traits: KernelTraits): ReadonlyMap<Tensor, Tensor> => {
  const { order, consumers, isOutput, inputsOf } = graph;
  const folded = new Map<Tensor, Tensor>();
  for (const norm of order) {
    if (norm.op.kernel.kind !== 'shader' || norm.op.kernel.norm === undefined) continue;
    const readers = consumers.get(norm) ?? [];
    const isFolded =
      readers.length > 0 &&
      !isOutput.has(norm) &&
      readers.every((reader) => {
        const { kernel } = reader.op;
        if (kernel.kind !== 'shader' || kernel.norms === undefined) return false;
        const inputs = inputsOf(reader);
        if (inputs.lastIndexOf(norm) !== 0) return false;
        return kernel.norms({
          inputs: inputs.map((input, i) => operandFor(graph, input, kernel.strided?.[i] === true)),
          output: { ...contiguous(reader.shape), dtype: reader.dtype },
          attributes: reader.attributes,
          traits,
          epilogue: {},
        });
      });
    if (isFolded) for (const reader of readers) folded.set(reader, norm);
  }
  return folded;
};

/** Which norm a node is, and its weights. */
export const normOf = ({ inputsOf }: Graph, norm: Tensor) => {
  const { kernel } = norm.op;
  if (kernel.kind !== 'shader' || kernel.norm === undefined) return undefined;
  const { gammaAt, betaAt, ...form } = kernel.norm(norm.attributes);
  const inputs = inputsOf(norm);
  return { form, gamma: inputs[gammaAt], beta: inputs[betaAt] };
};
