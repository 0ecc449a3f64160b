import type { DType } from '../../tensor/dtype.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Storage } from '../../tensor/storage.ts';
import type { Chain } from './chainForm.ts';

/** A buffer of a plan: memory that the plan needs for a while, or values that come from outside. */
export type PlanBuffer =
  | { readonly kind: 'temporary'; readonly bytes: number; readonly label: string }
  | { readonly kind: 'input'; readonly index: number; readonly bytes: number; readonly label: string }
  | {
      readonly kind: 'leaf';
      readonly storage: Storage;
      readonly bytes: number;
      readonly label: string;
      readonly dtype: DType;
    };

/** A buffer, or a part of it in bytes, under the name that a shader has for it. */
export interface PlanBinding {
  readonly name: string;
  readonly buffer: number;
  readonly start: number;
  readonly size: number;
  /** Bytes that are read, at most, where the kernel only picks from it. */
  readonly picked?: number;
}

/** One dispatch. */
export interface Step {
  /** The op whose result this is, for messages. */
  readonly label: string;
  readonly kernel:
    | { readonly kind: 'file'; readonly shader: string; readonly constants: Readonly<Record<string, number>> }
    | { readonly kind: 'text'; readonly source: string };
  readonly uniforms: Readonly<Record<string, number>>;
  readonly bindings: readonly PlanBinding[];
  readonly workgroups: readonly [number, number, number];
  /** What a generated kernel computes, if it is all that its chains are; the planner may join it with others. */
  readonly chains?: readonly Computed[];
}

/** A chain, and the buffers of a plan that it reads and writes. */
export interface Computed {
  readonly chain: Chain;
  readonly inputs: readonly number[];
  readonly targets: readonly number[];
}

/** An ordered list of launches over numbered buffers: everything about a computation but the memory itself. */
export interface Plan {
  readonly buffers: readonly PlanBuffer[];
  readonly steps: readonly Step[];
  /** For each output: the buffer whose first elements are its values. */
  readonly outputs: readonly { readonly buffer: number; readonly shape: Shape; readonly dtype: DType }[];
}
