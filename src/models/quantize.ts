import { isQuantized, quantizedView } from '../ops/dequantize.ts';
import { reshape } from '../ops/reshape.ts';
import { transpose } from '../ops/transpose.ts';
import { isContiguous } from '../ops/view.ts';
import { count, type Shape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { paths, type Tree } from '../tensor/tree.ts';
import { formatPath, type WeightTable } from './weightEntry.ts';

/** How a matrix lies in a parameter: row by row, column by column, or its columns in groups, one a head. */
export type MatrixOrder = 'rows' | 'columns' | 'heads';

/** The matrix `[what is summed over, what comes out]` that a parameter is. */
export interface MatrixForm {
  readonly rows: number;
  readonly columns: number;
  readonly order: MatrixOrder;
}

/** The form of a kernel; `hiddenDim` is that of the attention layer whose kernel it is. */
const kernelForm = (path: string, shape: Shape, hiddenDim: number | undefined): MatrixForm | undefined => {
  const [first = 0, second = 0, third = 0] = shape;
  if (shape.length === 2) return { rows: first, columns: second, order: 'rows' };
  if (shape.length !== 3) return undefined;
  // From heads: [heads, headDim, hiddenDim].
  if (path.endsWith('.output.kernel')) return { rows: first * second, columns: third, order: 'rows' };
  // To heads, head by head: [heads, hiddenDim, headDim]; else [hiddenDim, heads, headDim].
  return second === hiddenDim && first !== hiddenDim
    ? { rows: second, columns: first * third, order: 'heads' }
    : { rows: first, columns: second * third, order: 'rows' };
};

/** The forms of those parameters that are matrices, kernels of dense layers and tables that embed, by their paths. */
export const matrixForms = (
  shapes: readonly (readonly [path: string, shape: Shape])[],
): ReadonlyMap<string, MatrixForm> => {
  const widths = new Map(
    shapes.flatMap(([path, shape]) =>
      path.endsWith('.output.kernel') && shape.length === 3
        ? [[path.slice(0, -'.output.kernel'.length), shape[2]!] as const]
        : [],
    ),
  );
  return new Map(
    shapes.flatMap(([path, shape]): readonly (readonly [string, MatrixForm])[] => {
      if (count(shape) === 0) return [];
      if (path.endsWith('.embeddings') && shape.length === 2)
        return [[path, { rows: shape[1]!, columns: shape[0]!, order: 'columns' }]];
      if (!path.endsWith('.kernel')) return [];
      const attention = path.slice(0, path.lastIndexOf('.', path.length - '.kernel'.length - 1));
      const form = kernelForm(path, shape, widths.get(attention));
      return form === undefined ? [] : [[path, form]];
    }),
  );
};

/** The forms of a table's matrices, by the paths of their parameters. */
export const tableForms = ({ entries }: WeightTable): ReadonlyMap<string, MatrixForm> =>
  matrixForms(entries.map(({ path, shape }) => [formatPath(path), shape]));

const reshaped = (x: Tensor, shape: Shape): Tensor => (sameShape(x.shape, shape) ? x : reshape(x, shape));

/** A parameter as the matrix that it is. */
export const matrixOf = (param: Tensor, { rows, columns, order }: MatrixForm): Tensor =>
  order === 'columns'
    ? transpose(param)
    : reshaped(order === 'heads' ? transpose(param, [1, 0, 2]) : param, [rows, columns]);

/** A matrix as the parameter of a shape that it is. */
export const paramOf = (matrix: Tensor, { rows, order }: MatrixForm, shape: Shape): Tensor => {
  if (order === 'columns') return transpose(matrix);
  if (order === 'rows') return reshaped(matrix, shape);
  const [heads = 0, , headDim = 0] = shape;
  return transpose(reshape(matrix, [rows, heads, headDim]), [1, 0, 2]);
};

/** How the matrix in few bits lies in a parameter that is one; undefined if it is none, or lies otherwise. */
export const quantizedOrder = (param: Tensor): MatrixOrder | undefined => {
  const view = quantizedView(param);
  if (view === undefined || view.layout.offset !== 0) return undefined;
  const { layout, format, rows } = view;
  const { shape, strides } = layout;
  const size = rows * format.columns;
  if (count(shape) !== size) return undefined;
  if (isContiguous(layout)) return 'rows';
  if (shape.length === 2 && isContiguous({ shape: [...shape].reverse(), strides: [...strides].reverse(), offset: 0 }))
    return 'columns';
  const [heads = 0, inputs = 0, headDim = 0] = shape;
  return shape.length === 3 &&
    inputs === rows &&
    strides[0] === headDim &&
    (inputs === 1 || strides[1] === heads * headDim) &&
    (headDim === 1 || strides[2] === 1)
    ? 'heads'
    : undefined;
};

/** A parameter that can be held in few bits, with the form of its matrix. */
export interface QuantizableParam {
  readonly path: string;
  readonly param: Tensor;
  readonly form: MatrixForm;
}

/**
 * The parameters that are worth holding in few bits: kernels of dense layers, and the table that embeds tokens. Tables of
 * positions, biases and norms are small; those that are held so already are left out.
 *
 * @see keras.Model.quantize
 */
export const quantizableParams = (params: Tree): readonly QuantizableParam[] => {
  const all = paths(params);
  const forms = matrixForms(all.map(([path, { shape }]) => [path, shape]));
  return all.flatMap(([path, param]): readonly QuantizableParam[] => {
    const form = forms.get(path);
    const isTable = path.endsWith('.embeddings') && !/(^|\.)tokenEmbedding\.embeddings$/.test(path);
    return form === undefined || isTable || isQuantized(param) ? [] : [{ path, param, form }];
  });
};
