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

/** A step with a constant set, other uniforms, and the beginning of a buffer bound. */
const changed = (
  step: Step,
  constant: string,
  uniforms: Readonly<Record<string, number>>,
  name: string,
  size: number,
): Step =>
  step.kernel.kind === 'file'
    ? {
        ...step,
        kernel: { ...step.kernel, constants: { ...step.kernel.constants, [constant]: 1 } },
        uniforms: { ...step.uniforms, ...uniforms },
        bindings: step.bindings.map((binding) => (binding.name === name ? { ...binding, start: 0, size } : binding)),
      }
    : step;

/** Whether products are the parts of one with all columns, one after the other; of strips there is to be one part. */
const areWhole = (products: readonly Step[], columns: number): boolean => {
  let next = 0;
  for (const { uniforms: u } of products) {
    if ((u.firstColumn ?? u.biasOffset) !== next) return false;
    next += u.n!;
  }
  return next === columns;
};

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
    const products = steps.filter((other) => isFinder(other) && bound(other, 'y').buffer === buffer);
    const isAll = uses.get(buffer) === products.length + 1 && areWhole(products, step.uniforms.columns!);
    const columns = products.reduce((sum, { uniforms }) => sum + uniforms.workgroups!, 0);
    const size = PAIR_BYTES * columns;
    if (!isAll || kept.has(buffer) || start !== 0 || size > buffers[buffer]!.bytes) continue;
    let found = 0;
    for (const product of products) {
      const own = 'yOffset' in product.uniforms ? { yOffset: 2 * found } : {};
      instead.set(product, changed(product, 'BEST', own, 'y', size));
      found += product.uniforms.workgroups!;
    }
    instead.set(step, changed(step, 'PAIRS', { columns }, 'x', size));
  }
  return steps.map((step) => instead.get(step) ?? step);
};
