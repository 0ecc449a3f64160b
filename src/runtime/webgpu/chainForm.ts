import { type DType, isFloat } from '../../tensor/dtype.ts';
import type { Layout } from '../../tensor/kernel.ts';
import type { Shape } from '../../tensor/shape.ts';

/** How a value stands in a register of a generated kernel. */
export type Register = 'f32' | 'i32' | 'bool';

/** The register type that values of a dtype are widened to. */
export const registerOf = (dtype: DType): Register => (isFloat(dtype) ? 'f32' : dtype === 'int32' ? 'i32' : 'bool');

/**
 * A value in a chain: loaded from a buffer, from where an earlier value says, a number, an expression of an index, or an
 * expression of earlier values.
 */
export type ChainValue =
  | { readonly kind: 'load'; readonly buffer: number; readonly dtype: DType; readonly layout: Layout }
  | {
      readonly kind: 'gather';
      readonly buffer: number;
      readonly dtype: DType;
      /** The dtype of what it is picked from. */
      readonly from: DType;
      /** Where the elements would be, were the index 0. */
      readonly layout: Layout;
      /** The value that says how many steps further on; held within the size. */
      readonly index: number;
      readonly size: number;
      readonly step: number;
    }
  | { readonly kind: 'scalar'; readonly dtype: DType; readonly value: number }
  | { readonly kind: 'index'; readonly layout: Layout; readonly wgsl: (index: string) => string; readonly dtype: DType }
  | {
      readonly kind: 'apply';
      readonly operands: readonly number[];
      readonly wgsl: (operands: readonly string[]) => string;
      readonly functions: string | undefined;
      readonly dtype: DType;
    };

/** Values that lie in an order of their own. */
export type Placed = Extract<ChainValue, { kind: 'load' | 'gather' | 'index' }>;

/** Whether a value lies in an order of its own. */
export const isPlaced = (value: ChainValue): value is Placed => 'layout' in value;

/** A box of another tensor, where a chain writes its result. */
export interface Into {
  /** Of the box in that tensor, over the chain's shape. */
  readonly layout: Layout;
  /** Elements of that tensor. */
  readonly elements: number;
  /** What moves the box: by `clamp(start, 0, limit) * step` elements, with the int32 in one of the chain's buffers. */
  readonly start: { readonly buffer: number; readonly limit: number; readonly step: number } | undefined;
}

/** A chain of elementwise ops: values in order, the last one is the result. Layouts are over the result's shape. */
export interface Chain {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly values: readonly ChainValue[];
  /** Values on the way that are stored too, by their place: outputs 1, 2, …; the result is output 0. None is a half. */
  readonly extras?: readonly number[];
  /** Those of the values on the way that are one number for the whole of a larger chain. */
  readonly ones?: ReadonlySet<number>;
  /** Buffers that an output takes over: the chain's buffer to the output that is written over it, element for element. */
  readonly inPlace?: ReadonlyMap<number, number>;
  /** Where the result goes, if not into a buffer of its own; then it is no half, and there are no extras. */
  readonly into?: Into;
}

/** Those of a chain's values that some of its results depend on. */
export const neededFor = (values: readonly ChainValue[], results: readonly number[]): ReadonlySet<number> => {
  const needed = new Set(results);
  for (let v = values.length - 1; v >= 0; v--) {
    const value = values[v]!;
    if (!needed.has(v)) continue;
    if (value.kind === 'apply') for (const operand of value.operands) needed.add(operand);
    else if (value.kind === 'gather') needed.add(value.index);
  }
  return needed;
};

/** What a storage variable is bound to: which of the chain's buffers or outputs, and the bytes of it. */
export interface GeneratedBinding {
  readonly of: 'buffer' | 'output';
  readonly index: number;
  readonly start: number;
  readonly size: number;
  /** Bytes that are read, at most, where the chain only picks from it. */
  readonly picked?: number;
}

/** A generated kernel for (part of) a chain: WGSL text that depends on the chain's form alone, and its numbers. */
export interface GeneratedLaunch {
  readonly source: string;
  readonly uniforms: Readonly<Record<string, number>>;
  /** By name of the storage variable. */
  readonly buffers: Readonly<Record<string, GeneratedBinding>>;
  readonly workgroups: number;
}
