import { isQuantized } from '../ops/dequantize.ts';
import { reshape } from '../ops/reshape.ts';
import { transpose } from '../ops/transpose.ts';
import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { paths, type Tree } from '../tensor/tree.ts';

/** A parameter that can be held in few bits, as the matrix `[what is summed over, what comes out]` that it is. */
export interface QuantizableParam {
  readonly path: string;
  readonly param: Tensor;
  /** The parameter as that matrix. */
  readonly matrix: Tensor;
  /** Such a matrix as the parameter. */
  readonly asParam: (matrix: Tensor) => Tensor;
}

const swapped = (x: Tensor): Tensor => transpose(x, [1, 0, 2]);

/** A kernel as a matrix, and a matrix as the kernel. */
const kernelForms = (
  path: string,
  kernel: Tensor,
  hiddenDim: number | undefined,
): Omit<QuantizableParam, 'path' | 'param'> => {
  const { shape } = kernel;
  if (shape.length !== 3) return { matrix: kernel, asParam: (matrix) => matrix };
  const [first = 0, second = 0, third = 0] = shape;
  // From heads: [heads, headDim, hiddenDim].
  if (path.endsWith('.output.kernel'))
    return { matrix: reshape(kernel, [first * second, third]), asParam: (matrix) => reshape(matrix, shape) };
  // To heads, head by head: [heads, hiddenDim, headDim]; else [hiddenDim, heads, headDim].
  if (second === hiddenDim && first !== hiddenDim)
    return {
      matrix: reshape(swapped(kernel), [second, first * third]),
      asParam: (matrix) => swapped(reshape(matrix, [second, first, third])),
    };
  return { matrix: reshape(kernel, [first, second * third]), asParam: (matrix) => reshape(matrix, shape) };
};

/**
 * The parameters that are worth holding in few bits: kernels of dense layers, and the table that embeds tokens. Tables of
 * positions, biases and norms are small; those that are held so already are left out.
 *
 * @see keras.Model.quantize
 */
export const quantizableParams = (params: Tree): readonly QuantizableParam[] => {
  const all = paths(params);
  const widths = new Map(
    all.flatMap(([path, { shape }]) =>
      path.endsWith('.output.kernel') && shape.length === 3
        ? [[path.slice(0, -'.output.kernel'.length), shape[2]!] as const]
        : [],
    ),
  );
  return all.flatMap(([path, param]): readonly QuantizableParam[] => {
    if (isQuantized(param) || count(param.shape) === 0) return [];
    if (/(^|\.)tokenEmbedding\.embeddings$/.test(path))
      return [{ path, param, matrix: transpose(param), asParam: transpose }];
    if (!path.endsWith('.kernel') || param.shape.length < 2) return [];
    const attention = path.slice(0, path.lastIndexOf('.', path.length - '.kernel'.length - 1));
    return [{ path, param, ...kernelForms(path, param, widths.get(attention)) }];
  });
};
