import type { KernelChoice, KernelTraits, LaunchContext } from '../tensor/kernel.ts';
import { chosen, corner, rowsCorner } from './choice.ts';
import { powerOfTwo, type RowKernel, type RowsOf, rowKernels, rowsOf } from './rows.ts';

/** The class of shapes of rows, as powers of two. */
const rowClass = (name: string, { rows, columns }: RowsOf): string =>
  `${name} ${Math.min(1024, powerOfTwo(rows))} ${powerOfTwo(columns)}`;

/** The kernel for rows that was measured to be the fastest, or the usual one. */
export const chosenRowKernel = (name: string, of: RowsOf, traits: KernelTraits): RowKernel =>
  chosen(rowKernels(name, of.columns, traits), rowClass(name, of), traits);

/** Rows of a sample. */
const SAMPLE_ROWS = 3;

/** What there is to choose where each row of the value depends on a row of the first input, and on all of the others. */
export const rowChoice =
  <A>(name: string) =>
  ({ inputs, output, attributes, traits }: LaunchContext<A>): KernelChoice<A> | undefined => {
    const { shape } = inputs[0]!;
    const of = rowsOf(shape);
    if (of.rows * of.columns === 0) return undefined;
    return {
      shapes: rowClass(name, of),
      names: rowKernels(name, of.columns, traits).map((kernel) => kernel.name),
      samples: [false, true].map((isLast) => ({
        inputs: [
          rowsCorner(shape, SAMPLE_ROWS, of.columns, isLast),
          ...inputs.slice(1).map((other) => corner(other.shape, other.shape, false)),
        ],
        output: rowsCorner(output.shape, SAMPLE_ROWS, of.columns, isLast),
        attributes,
      })),
    };
  };
