import type * as E from 'fp-ts/lib/Either.js';
import type { DType } from './dtype.ts';
import type { DTypeError, ShapeError } from './errors.ts';
import type { Kernel } from './kernel.ts';
import type { HostData } from './ndarray.ts';
import type { Shape } from './shape.ts';

/**
 * What an op's reference reads: row-major values that one can do arithmetic on. Floats come as Float64Array (or, from a
 * leaf, Float32Array), int32 as Int32Array, bool as Uint8Array of 0 and 1.
 */
export interface HostTensor {
  readonly data: Float32Array | Float64Array | Int32Array | Uint8Array;
  readonly shape: Shape;
  readonly dtype: DType;
}

/**
 * An op, all of it: what it makes of shapes and dtypes, its value in double precision, its gradient, and its kernel.
 *
 * @typeParam A - The op's attributes: whatever besides tensors it depends on.
 */
export interface Op<A> {
  readonly name: string;
  /** The output's shape, or why the inputs do not fit. */
  shape(inputs: readonly Shape[], attributes: A, dtypes: readonly DType[]): E.Either<ShapeError | DTypeError, Shape>;
  /** The output's dtype, or why the inputs' do not fit. Left out, it is float32. */
  dtype?(inputs: readonly DType[], attributes: A): E.Either<DTypeError, DType>;
  /** The output's values, sums in double precision; floats as Float64Array. This is what the shader is judged against. */
  reference(inputs: readonly HostTensor[], attributes: A, shape: Shape): HostData;
  /** Cotangents of the inputs given the output's, as expressions; undefined for an input that has none. */
  vjp?(
    node: { readonly inputs: readonly Tensor[]; readonly output: Tensor; readonly attributes: A },
    dy: Tensor,
  ): readonly (Tensor | undefined)[];
  readonly kernel: Kernel<A>;
}

/**
 * An immutable node of an expression: an op, its inputs, the shape and dtype of its value. Making one computes nothing.
 */
export interface Tensor {
  /** Greater than that of every input. */
  readonly id: number;
  readonly op: Op<object>;
  readonly inputs: readonly Tensor[];
  /** What the op depends on besides its inputs, such as an axis. */
  readonly attributes: object;
  readonly shape: Shape;
  readonly dtype: DType;
}

let nodes = 0;

/** A node, without any check: ops make theirs through `apply`. */
export const node = <A extends object>(
  op: Op<A>,
  inputs: readonly Tensor[],
  attributes: A,
  shape: Shape,
  dtype: DType,
): Tensor => Object.freeze({ id: ++nodes, op, inputs, attributes, shape, dtype });

/** Whether a value is a tensor. */
export const isTensor = (value: unknown): value is Tensor =>
  typeof value === 'object' && value !== null && 'op' in value && 'inputs' in value && 'dtype' in value;

/** Every node that `outputs` depend on, inputs before those that use them. Iterative: depth costs no stack. */
export const topological = (outputs: readonly Tensor[]): readonly Tensor[] => {
  const seen = new Set<Tensor>();
  const order: Tensor[] = [];
  const stack: { readonly tensor: Tensor; next: number }[] = [];
  for (const output of outputs) {
    if (seen.has(output)) continue;
    seen.add(output);
    stack.push({ tensor: output, next: 0 });
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const input = top.tensor.inputs[top.next++];
      if (input === undefined) {
        order.push(top.tensor);
        stack.pop();
      } else if (!seen.has(input)) {
        seen.add(input);
        stack.push({ tensor: input, next: 0 });
      }
    }
  }
  return order;
};
