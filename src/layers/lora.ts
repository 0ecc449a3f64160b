import { add } from '../ops/add.ts';
import { matmul } from '../ops/matmul.ts';
import { multiply } from '../ops/multiply.ts';
import { key, uniform } from '../ops/random.ts';
import { reshape } from '../ops/reshape.ts';
import { subtract } from '../ops/subtract.ts';
import { count, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * What a kernel of any shape may have beside it: two narrow factors whose product is added to it, `kernel + a b`. Both
 * are there, or neither is.
 *
 * @see Hu et al. 2021; keras.layers.EinsumDense.enable_lora
 */
export type LoraParams = {
  /** The kernel's shape with `rank` in place of the last axis, float32. */
  readonly loraKernelA?: Tensor;
  /** `[rank, last axis of the kernel]`, float32: shared by all the kernel's other axes. */
  readonly loraKernelB?: Tensor;
};

/** The shapes of both factors of this `rank` for a kernel: all its axes but the last are inputs to `a`, the last is `b`'s. */
export const loraShapes = (kernel: Shape, rank: number): { readonly a: Shape; readonly b: Shape } => ({
  a: [...kernel.slice(0, -1), rank],
  b: [rank, kernel.at(-1)!],
});

/** The highest rank that a factorization of a kernel can have: that of the kernel as a matrix of two axes. */
export const mostLoraRank = (kernel: Shape): number => Math.min(count(kernel.slice(0, -1)), kernel.at(-1)!);

/**
 * How `a` starts: uniform in `[-limit, limit)` with `limit = sqrt(6 / fanIn)`, where `fanIn` is the product of all axes
 * but the last of the `shape`, as Keras counts it.
 *
 * @param seed - A key, `[2]` int32, or a whole number.
 * @see He et al. 2015; keras.initializers.HeUniform
 */
export const heUniform = (seed: Tensor | number, shape: Shape): Tensor => {
  const limit = Math.sqrt(6 / Math.max(1, count(shape.slice(0, -1))));
  return multiply(subtract(multiply(uniform(typeof seed === 'number' ? key(seed) : seed, shape), 2), 1), limit);
};

/**
 * The kernel that a layer has in effect, `kernel + scale * a b`, of the kernel's shape in float32; the kernel itself
 * where there is no LoRA.
 */
export const effectiveKernel = (kernel: Tensor, { loraKernelA: a, loraKernelB: b }: LoraParams, scale = 1): Tensor => {
  if (a === undefined || b === undefined) return kernel;
  const update = reshape(matmul(reshape(a, [count(a.shape.slice(0, -1)), a.shape.at(-1)!]), b), kernel.shape);
  return add(kernel, scale === 1 ? update : multiply(update, scale));
};

/**
 * What LoRA adds to `x kernel`: `(x a) b`. The product `a b`, as large as the kernel, is never formed, and neither is its
 * gradient. For GPT-2's query at rank 4 and 256 tokens that halves the time of a training step's products, and a cached
 * step of generation need not read and write the kernel again.
 *
 * @param x - `[..., inputs]`.
 * @param a - `[inputs, ...heads, rank]`; `heads` may be no axis or some.
 * @param b - `[rank, outputs]`.
 * @returns `[..., ...heads, outputs]`, float32.
 */
export const loraUpdate = (x: Tensor, a: Tensor, b: Tensor): Tensor => {
  const [inputs = 0, ...rest] = a.shape;
  const narrow = matmul(x, reshape(a, [inputs, count(rest)]));
  return matmul(rest.length === 1 ? narrow : reshape(narrow, [...x.shape.slice(0, -1), ...rest]), b);
};
