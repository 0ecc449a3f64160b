import { add } from '../ops/add.ts';
import { matmul } from '../ops/matmul.ts';
import { reshape } from '../ops/reshape.ts';
import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Parameters of a dense layer. */
export type DenseParams = {
  /** `[inputs, outputs]`. */
  readonly kernel: Tensor;
  /** `[outputs]`. */
  readonly bias?: Tensor;
};

/**
 * `y = x kernel + bias` over the last axis.
 *
 * @returns `x [..., inputs]` to `[..., outputs]`, float32.
 * @see keras.layers.Dense
 */
export const dense =
  ({ kernel, bias }: DenseParams) =>
  (x: Tensor): Tensor => {
    const y = matmul(x, kernel);
    return bias === undefined ? y : add(y, bias);
  };

/** Parameters of a projection to heads: kernel `[hiddenDim, heads, headDim]`, bias `[heads, headDim]`. */
export type HeadsParams = {
  readonly kernel: Tensor;
  readonly bias?: Tensor;
};

/**
 * A dense layer whose outputs are heads.
 *
 * @returns `x [batch, length, hiddenDim]` to `[batch, length, heads, headDim]`, float32.
 * @see keras.layers.EinsumDense, "abc,cde->abde"
 */
export const toHeads =
  ({ kernel, bias }: HeadsParams) =>
  (x: Tensor): Tensor => {
    const [hiddenDim = 0, heads = 0, headDim = 0] = kernel.shape;
    const y = dense({
      kernel: reshape(kernel, [hiddenDim, heads * headDim]),
      ...(bias === undefined ? {} : { bias: reshape(bias, [heads * headDim]) }),
    })(x);
    return reshape(y, [...x.shape.slice(0, -1), heads, headDim]);
  };

/** Parameters of a projection from heads: kernel `[heads, headDim, hiddenDim]`, bias `[hiddenDim]`. */
export type FromHeadsParams = {
  readonly kernel: Tensor;
  readonly bias?: Tensor;
};

/**
 * A dense layer whose inputs are heads.
 *
 * @returns `x [batch, length, heads, headDim]` to `[batch, length, hiddenDim]`, float32.
 * @see keras.layers.EinsumDense, "abcd,cde->abe"
 */
export const fromHeads =
  ({ kernel, bias }: FromHeadsParams) =>
  (x: Tensor): Tensor => {
    const hiddenDim = kernel.shape.at(-1)!;
    const width = count(kernel.shape.slice(0, -1));
    return dense({ kernel: reshape(kernel, [width, hiddenDim]), ...(bias === undefined ? {} : { bias }) })(
      reshape(x, [...x.shape.slice(0, -2), width]),
    );
  };
