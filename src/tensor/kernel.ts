import type { DType } from './dtype.ts';
import type { Shape } from './shape.ts';

/** Where the elements of a tensor lie in a buffer: element `i` of the index is at `offset + sum(i[a] * strides[a])`. */
export interface Layout {
  readonly shape: Shape;
  /** In elements; 0 along an axis that is broadcast. */
  readonly strides: readonly number[];
  /** In elements. */
  readonly offset: number;
}

/** A tensor as a kernel sees it: its layout in the buffer that will be bound, and its dtype. */
export interface Operand extends Layout {
  readonly dtype: DType;
}

/** What a device offers, as far as the choice of kernels depends on it. */
export interface KernelTraits {
  /** A driver that runs shaders on the CPU: barriers and shared memory cost more there than they save. */
  readonly isSoftware: boolean;
  /** Largest range of a buffer that one binding can cover, in bytes. */
  readonly maxBindingBytes: number;
  /** Bindings start at a multiple of this many bytes. */
  readonly offsetAlignment: number;
  readonly maxWorkgroupsPerDimension: number;
  /** Invocations in a workgroup, at most. */
  readonly maxInvocations: number;
  /** Workgroup memory, in bytes. */
  readonly workgroupBytes: number;
  /** Storage buffers in a shader, at most. */
  readonly maxStorageBuffers: number;
  readonly f16: boolean;
  /** Lanes of a subgroup, where the device has subgroups and they are all of one size. */
  readonly subgroups: number | undefined;
  /** Names of the kernels that were measured to be the fastest here, by class of shapes. */
  readonly tuning?: ReadonlyMap<string, string> | undefined;
}

/** A box out of a tensor: along each axis, `size` elements from `start` on. */
export interface Box {
  readonly start: readonly number[];
  readonly size: Shape;
}

/** Kernels that compute the same, of which a measurement may find another one faster than the usual one. */
export interface KernelChoice<A> {
  /** The shapes for which one measurement speaks, such as `matmul float32 nn 128 1024 4096`. */
  readonly shapes: string;
  /** Names of the kernels, that of the usual one first. */
  readonly names: readonly string[];
  /** Integer inputs, by place, that are one number throughout when they are made up; others are any bits. */
  readonly fixed?: ReadonlyMap<number, number>;
  /** Parts of the value, with all of the inputs (and the attributes) that they depend on: small enough for the reference. */
  readonly samples: readonly { readonly inputs: readonly Box[]; readonly output: Box; readonly attributes: A }[];
}

/** A part of a buffer, in bytes; `start` is a multiple of the device's offset alignment. */
export interface ByteRange {
  readonly start: number;
  readonly size: number;
}

/** What a launch binds: one of the op's inputs, its output, memory of its own, or a part that the planner fused in. */
export type Binding =
  | { readonly of: 'input'; readonly index: number; readonly range?: ByteRange }
  | { readonly of: 'output'; readonly range?: ByteRange }
  | { readonly of: 'scratch'; readonly index: number; readonly bytes: number; readonly range?: ByteRange }
  | { readonly of: 'bias' | 'residual' | 'gamma' | 'beta'; readonly range?: ByteRange };

/** One dispatch of a hand-written shader. */
export interface Launch {
  /** File name of the shader, without `.wgsl`. */
  readonly shader: string;
  /** Values of the shader's `override`s, by name. */
  readonly constants?: Readonly<Record<string, number>>;
  /** Values of the fields of the shader's `struct Uniforms`, by name; the shader says which are u32, i32 or f32. */
  readonly uniforms: Readonly<Record<string, number>>;
  /** What each storage variable of the shader is bound to, by name. */
  readonly buffers: Readonly<Record<string, Binding>>;
  /**
   * Workgroups: a grid, or a number that is spread over x and y (`x = min(n, 65535)`, `y = ceil(n / x)`), where the
   * shader leaves out the surplus.
   */
  readonly workgroups: number | readonly [number, number, number];
}

/** How a value joins another that is written: added, or as a factor. */
export type Join = 'add' | 'multiply';

/** What follows a kernel and is done as its result is written: `activation(y + bias)`, plus the residual or times it. */
export interface Epilogue {
  /** Added along the last axis: `[columns]`, side by side from an offset on, float32, float16 or bfloat16. */
  readonly bias?: Operand;
  readonly activation?: Activation;
  /** Of the output's shape, contiguous, float32. */
  readonly residual?: Operand;
  /** How the residual joins the result. Default `'add'`. */
  readonly join?: Join;
}

/** A norm over the last axis: `(x - mean) * factor * (offset + gamma) + beta`. */
export interface NormForm {
  /** Whether the mean is taken off, and the factor is of the variance; else it is of the mean square. */
  readonly isCentred: boolean;
  readonly epsilon: number;
  readonly offset: number;
}

/** A norm of the rows of the first input that is done as they are read. */
export interface RowNorm extends NormForm {
  /** `[columns]`, contiguous, float32, float16 or bfloat16; absent, the factor is 1. */
  readonly gamma?: Operand;
  /** The same; absent, 0. */
  readonly beta?: Operand;
}

/** Activations that a kernel can apply as it writes; the number is the value of its `ACTIVATION` override. */
export const activations = { none: 0, relu: 1, gelu: 2, geluApproximate: 3, silu: 4, tanh: 5 } as const;
/** How a residual joins, as the uniform `joins` says it. */
export const joins = { add: 1, multiply: 2 } as const satisfies Readonly<Record<Join, number>>;
/** The name of an activation that a kernel can apply. */
export type Activation = keyof typeof activations;

/** What a shader kernel knows when it says how it will be launched. */
export interface LaunchContext<A> {
  /** Inputs; those not declared strided are contiguous, row-major, with offset 0. */
  readonly inputs: readonly Operand[];
  /** The output: contiguous, row-major, offset 0. */
  readonly output: Operand;
  readonly attributes: A;
  readonly traits: KernelTraits;
  readonly epilogue: Epilogue;
  /** Of the rows of the first input, which is given as it is before that. */
  readonly norm?: RowNorm;
}

/** How values are picked out of a tensor: element `i` is at `source(i) + clamp(index(i), 0, size - 1) * step`. */
export interface Gather {
  /** Where the elements would be, were the index 0: over the shape of what is picked. */
  readonly source: Layout;
  /** Where each one's index is, over the same shape. */
  readonly index: Layout;
  readonly size: number;
  readonly step: number;
}

/** An op that a hand-written shader computes. */
export interface ShaderKernel<A> {
  readonly kind: 'shader';
  /** Which inputs are read through strides and an offset; the planner makes the others contiguous. */
  readonly strided?: readonly boolean[];
  /** An input whose buffer the output takes over; the planner copies it first when somebody else still needs it. */
  readonly inPlace?: number;
  /** What of `epilogue` the launches honour: all of it, or a residual that is added. Default: nothing. */
  readonly epilogue?: 'all' | 'residual';
  /** Of an op that is a norm of its first input: which, and at which places of the inputs its weights are, if they are there. */
  norm?(attributes: A): NormForm & { readonly gammaAt: number; readonly betaAt: number };
  /** Whether the launches honour `norm`, and are expected to take less time by that than one more launch does. */
  norms?(context: LaunchContext<A>): boolean;
  /** For an op that picks elements of its first input by its second: how, where the two lie so. */
  gather?(source: Layout, index: Layout): Gather;
  launches(context: LaunchContext<A>): readonly Launch[];
  /** The kernels among which `launches` chooses by `traits.tuning`; undefined where there is nothing to choose. */
  choice?(context: LaunchContext<A>): KernelChoice<A> | undefined;
}

/**
 * An op that works element by element. `wgsl` gives the expression of one element from those of its operands (f32, i32
 * or bool), from which the generator writes a kernel for a whole chain of such ops.
 */
export interface ElementwiseKernel<A> {
  readonly kind: 'elementwise';
  wgsl(operands: readonly string[], attributes: A): string;
  /** Module-scope WGSL functions that the expression calls. */
  readonly functions?: string;
}

/** A tensor whose element at flat index `i` is an expression of `i` (an i32) alone. */
export interface IndexKernel<A> {
  readonly kind: 'index';
  wgsl(index: string, attributes: A): string;
}

/** An op that only looks at its input's elements in another order: nothing runs. */
export interface ViewKernel<A> {
  readonly kind: 'view';
  /** The input's layout seen through the op; undefined when strides cannot say it and a copy is needed first. */
  view(input: Layout, attributes: A, shape: Shape): Layout | undefined;
}

/** Values that come from outside the expression. */
export interface LeafKernel {
  readonly kind: 'leaf';
}

/** How an op runs on WebGPU, as data for the planner. */
export type Kernel<A> = ShaderKernel<A> | ElementwiseKernel<A> | IndexKernel<A> | ViewKernel<A> | LeafKernel;
