import type { Step } from './planForm.ts';
import { bound, constantOf, isFile, joinLater } from './steps.ts';

const isUpdate = (step: Step): boolean => isFile(step, 'sliceUpdate');

/** How the updated box is read: what may differ in a pair. */
const reading = ['offset', 'from0', 'from1', 'from2', 'from3'] as const;

/** Whether two updates write boxes of one shape at one place, of two tensors of one shape. */
const areAlike = (a: Step, b: Step): boolean => {
  const form = ({ kernel, uniforms, workgroups }: Step) =>
    JSON.stringify([kernel, { ...uniforms, ...Object.fromEntries(reading.map((name) => [name, 0])) }, workgroups]);
  const place = (step: Step) => {
    const [x, moved] = [bound(step, 'x'), bound(step, 'start')];
    // Where the start is no tensor, what is bound for it is not read.
    return JSON.stringify([x.start, x.size, constantOf(step, 'DYNAMIC') === 1 && [moved.buffer, moved.start]]);
  };
  return form(a) === form(b) && place(a) === place(b);
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

/** Steps in which two updates of the same place in two tensors are one launch, as of a layer's keys and values. */
export const pairUpdates = (steps: readonly Step[]): readonly Step[] =>
  joinLater(steps, isUpdate, (first, step) => {
    if (!isUpdate(step) || !areAlike(first, step)) return undefined;
    // A device does not bind one buffer for writing and for reading at once.
    const written = bound(first, 'x').buffer;
    const [update, x] = [bound(step, 'update').buffer, bound(step, 'x').buffer];
    const isApart = update !== written && x !== written && first.bindings.every(({ buffer }) => buffer !== x);
    return isApart ? join(first, step) : undefined;
  });
