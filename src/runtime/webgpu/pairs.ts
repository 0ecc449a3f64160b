import type { PlanBinding, Step } from './plan.ts';

const isUpdate = ({ kernel }: Step): boolean => kernel.kind === 'file' && kernel.shader === 'sliceUpdate';

const bound = ({ bindings }: Step, name: string): PlanBinding => bindings.find((binding) => binding.name === name)!;

/** How the updated box is read: what may differ in a pair. */
const reading = ['offset', 'from0', 'from1', 'from2', 'from3'] as const;

/** Whether two updates write boxes of one shape at one place, of two tensors of one shape. */
const areAlike = (a: Step, b: Step): boolean => {
  const form = ({ kernel, uniforms, workgroups }: Step) =>
    JSON.stringify([kernel, { ...uniforms, ...Object.fromEntries(reading.map((name) => [name, 0])) }, workgroups]);
  const place = (step: Step) => {
    const { start, size } = bound(step, 'x');
    return JSON.stringify([start, size]);
  };
  // Where the start is no tensor, what is bound for it is not read.
  const starts = (step: Step) =>
    step.kernel.kind === 'file' && step.kernel.constants.DYNAMIC ? bound(step, 'start').buffer : -1;
  return form(a) === form(b) && place(a) === place(b) && starts(a) === starts(b);
};

const join = (a: Step, b: Step): Step => ({
  ...b,
  kernel: { ...b.kernel, shader: 'sliceUpdatePair' } as Step['kernel'],
  uniforms: {
    ...a.uniforms,
    ...Object.fromEntries(reading.map((name) => [`other${name[0]!.toUpperCase()}${name.slice(1)}`, b.uniforms[name]!])),
  },
  bindings: [...a.bindings, { ...bound(b, 'update'), name: 'otherUpdate' }, { ...bound(b, 'x'), name: 'otherX' }],
});

/**
 * Steps in which two updates of the same place in two tensors are one launch, as of a layer's keys and values. The first waits
 * for the second, where nothing between them touches what it writes or writes what it reads.
 */
export const pairUpdates = (steps: readonly Step[]): readonly Step[] => {
  const result: Step[] = [];
  /** The place in the result of an update that waits for its like. */
  let waiting: number | undefined;
  for (const step of steps) {
    const first = waiting === undefined ? undefined : result[waiting]!;
    const own = first?.bindings.map(({ buffer }) => buffer) ?? [];
    const written = first === undefined ? -1 : bound(first, 'x').buffer;
    if (first !== undefined && isUpdate(step) && areAlike(first, step)) {
      const others = [bound(step, 'update').buffer, bound(step, 'x').buffer];
      if (!others.includes(written) && !own.includes(others[1]!)) {
        result.splice(waiting!, 1);
        result.push(join(first, step));
        waiting = undefined;
        continue;
      }
    }
    result.push(step);
    if (isUpdate(step)) waiting = result.length - 1;
    else if (step.bindings.some(({ buffer }) => own.includes(buffer))) waiting = undefined;
  }
  return result;
};
