import type { PlanBuffer, Step } from './planForm.ts';
import { bound, isFile, usesOf } from './steps.ts';

/** Kernels for a row's product with a table that can tell the largest of a workgroup's columns instead of writing all. */
const finders = ['matvecLanesTransposed', 'matvecTransposed', 'quantizedMatvecLanes', 'quantizedMatvec'];

/** Columns whose numbers are exact as floats. */
const MOST_COLUMNS = 2 ** 24;

/** Bytes of what a workgroup has found. */
const PAIR_BYTES = 8;

const isFinder = (step: Step): boolean => {
  const { uniforms: u } = step;
  return (
    finders.some((shader) => isFile(step, shader)) &&
    u.workgroups === u.columnTiles &&
    u.n! <= MOST_COLUMNS &&
    [u.hasBias, u.activation, u.joins, u.factor, u.continues ?? 0].every((value) => value === 0)
  );
};

/** A step with another value of a constant, and a part of a buffer bound. */
const changed = (step: Step, constant: string, name: string, size: number): Step =>
  step.kernel.kind === 'file'
    ? {
        ...step,
        kernel: { ...step.kernel, constants: { ...step.kernel.constants, [constant]: 1 } },
        bindings: step.bindings.map((binding) => (binding.name === name ? { ...binding, size } : binding)),
      }
    : step;

/**
 * Steps in which the arg-max of a row's product with a table reads what each of the product's workgroups found to be the largest,
 * where nobody else needs the product: as many launches, but of the logits only a few are written and read.
 *
 * @param kept - Buffers that are needed after the plan.
 */
export const findLargest = (
  steps: readonly Step[],
  buffers: readonly PlanBuffer[],
  kept: ReadonlySet<number>,
): readonly Step[] => {
  const uses = usesOf(steps);
  const instead = new Map<Step, Step>();
  for (const step of steps) {
    if (!(isFile(step, 'argmax') || isFile(step, 'argmaxSubgroup')) || step.uniforms.rows !== 1) continue;
    const { buffer, start } = bound(step, 'x');
    if (uses.get(buffer) !== 2 || kept.has(buffer) || start !== 0) continue;
    const product = steps.find((other) => isFinder(other) && bound(other, 'y').buffer === buffer);
    if (product === undefined || product.uniforms.n !== step.uniforms.columns) continue;
    const columns = product.uniforms.workgroups!;
    const size = PAIR_BYTES * columns;
    if (size > buffers[buffer]!.bytes) continue;
    instead.set(product, changed(product, 'BEST', 'y', size));
    instead.set(step, changed({ ...step, uniforms: { ...step.uniforms, columns } }, 'PAIRS', 'x', size));
  }
  return steps.map((step) => instead.get(step) ?? step);
};
