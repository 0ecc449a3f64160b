import type { Box, KernelTraits } from '../tensor/kernel.ts';
import type { Shape } from '../tensor/shape.ts';

/** A kernel by its name. */
interface Named {
  readonly name: string;
}

/** Kernels in the order in which they are given, each once: the usual one may be one of the others. */
export const distinct = <A extends Named>(kernels: readonly A[]): readonly A[] =>
  kernels.filter(({ name }, i) => kernels.findIndex((other) => other.name === name) === i);

/** The kernel that was measured to be the fastest for a class of shapes, if it is among these; else the first, the usual. */
export const chosen = <A extends Named>(kernels: readonly A[], shapes: string, { tuning }: KernelTraits): A => {
  const name = tuning?.get(shapes);
  return kernels.find((kernel) => kernel.name === name) ?? kernels[0]!;
};

/** The box of at most so many elements along each axis at the beginning of a tensor, or at its end. */
export const corner = (shape: Shape, most: readonly number[], isLast: boolean): Box => {
  const size = shape.map((length, axis) => Math.min(length, most[axis]!));
  return { size, start: shape.map((length, axis) => (isLast ? length - size[axis]! : 0)) };
};

/** As `corner`, of the last two axes; of those before them one element. */
export const rowsCorner = (shape: Shape, rows: number, columns: number, isLast: boolean): Box =>
  corner(
    shape,
    shape.map((_, axis) => [columns, rows][shape.length - 1 - axis] ?? 1),
    isLast,
  );
