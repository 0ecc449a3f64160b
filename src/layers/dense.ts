import { add } from '../ops/add.ts';
import { isQuantized } from '../ops/dequantize.ts';
import { matmul } from '../ops/matmul.ts';
import { reshape } from '../ops/reshape.ts';
import { transpose } from '../ops/transpose.ts';
import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type LoraParams, loraUpdate } from './lora.ts';

/** Parameters of a dense layer. */
export type DenseParams = LoraParams & {
  /** `[inputs, outputs]`. */
  readonly kernel: Tensor;
  /** `[outputs]`. */
  readonly bias?: Tensor;
};

/**
 * `y = x kernel + bias` over the last axis; with LoRA, `x kernel + (x a) b + bias`.
 *
 * @returns `x [..., inputs]` to `[..., outputs]`, float32.
 * @see keras.layers.Dense
 */
export const dense =
  ({ kernel, bias, loraKernelA: a, loraKernelB: b }: DenseParams) =>
  (x: Tensor): Tensor => {
    const plain = matmul(x, kernel);
    const y = a === undefined || b === undefined ? plain : add(plain, loraUpdate(x, a, b));
    return bias === undefined ? y : add(y, bias);
  };

/**
 * Parameters of a projection to heads: kernel `[hiddenDim, heads, headDim]` or, head by head, `[heads, hiddenDim, headDim]`;
 * bias `[heads, headDim]`.
 */
export type HeadsParams = LoraParams & {
  readonly kernel: Tensor;
  readonly bias?: Tensor;
};

/** `x [..., hiddenDim]` by one kernel for all heads, to `[..., heads, headDim]`. */
const byPlace =
  ({ kernel, bias, loraKernelA: a, loraKernelB: b }: HeadsParams) =>
  (x: Tensor): Tensor => {
    const [hiddenDim = 0, heads = 0, headDim = 0] = kernel.shape;
    const y = dense({
      kernel: reshape(kernel, [hiddenDim, heads * headDim]),
      ...(bias === undefined ? {} : { bias: reshape(bias, [heads * headDim]) }),
    })(x);
    const split = reshape(y, [...x.shape.slice(0, -1), heads, headDim]);
    return a === undefined || b === undefined ? split : add(split, loraUpdate(x, a, b));
  };

/** `x [batch, length, hiddenDim]` by kernels that are stored head by head, to `[batch, length, heads, headDim]`. */
const byHead =
  ({ kernel, bias, loraKernelA: a, loraKernelB: b }: HeadsParams) =>
  (x: Tensor): Tensor => {
    const [batch = 0, length = 0, hiddenDim = 0] = x.shape;
    const [heads = 0, , headDim = 0] = kernel.shape;
    // One product a head for all tokens, [heads, tokens, headDim]: the kernel is read where it lies, and once.
    const tokens = reshape(x, [batch * length, hiddenDim]);
    const plain = matmul(tokens, kernel);
    const y = a === undefined || b === undefined ? plain : add(plain, matmul(matmul(tokens, a), b));
    const split = transpose(reshape(y, [heads, batch, length, headDim]), [1, 2, 0, 3]);
    return bias === undefined ? split : add(split, bias);
  };

/**
 * A dense layer whose outputs are heads.
 *
 * @param options - `headsFirst`: the kernel is stored head by head, `[heads, hiddenDim, headDim]`. Default false.
 * @returns `x [batch, length, hiddenDim]` to `[batch, length, heads, headDim]`, float32.
 * @see keras.layers.EinsumDense, "abc,cde->abde" and "btd,ndh->btnh"
 */
export const toHeads = (
  params: HeadsParams,
  { headsFirst = false }: { readonly headsFirst?: boolean | undefined } = {},
): ((x: Tensor) => Tensor) => {
  if (!headsFirst) return byPlace(params);
  // What lies in few bits lies as one matrix for all heads.
  const { kernel, ...rest } = params;
  return isQuantized(kernel) && params.loraKernelA === undefined
    ? byPlace({ kernel: transpose(kernel, [1, 0, 2]), ...rest })
    : byHead(params);
};

/** Parameters of a projection from heads: kernel `[heads, headDim, hiddenDim]`, bias `[hiddenDim]`. */
export type FromHeadsParams = LoraParams & {
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
  ({ kernel, loraKernelA: a, ...rest }: FromHeadsParams) =>
  (x: Tensor): Tensor => {
    const hiddenDim = kernel.shape.at(-1)!;
    const width = count(kernel.shape.slice(0, -1));
    return dense({
      ...rest,
      kernel: reshape(kernel, [width, hiddenDim]),
      ...(a === undefined ? {} : { loraKernelA: reshape(a, [width, a.shape.at(-1)!]) }),
    })(reshape(x, [...x.shape.slice(0, -2), width]));
  };
