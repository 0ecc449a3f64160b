import { reshapeLayout } from '../../ops/reshape.ts';
import { type ShaderName, shaderSources } from '../../shaders/sources.ts';
import type { KernelTraits, Layout } from '../../tensor/kernel.ts';
import { count, type Shape } from '../../tensor/shape.ts';
import type { GeneratedLaunch } from './chainForm.ts';
import type { PlanBinding, Step } from './planForm.ts';
import { parseShader } from './shader.ts';

/** What a step binds under a name that its shader has. */
export const bound = ({ bindings }: Step, name: string): PlanBinding =>
  bindings.find((binding) => binding.name === name)!;

/** Whether a step launches a hand-written shader. */
export const isFile = ({ kernel }: Step, shader: string): boolean => kernel.kind === 'file' && kernel.shader === shader;

/** The value of a shader's override; 0 if the step leaves it out. */
export const constantOf = ({ kernel }: Step, name: string): number =>
  kernel.kind === 'file' ? (kernel.constants[name] ?? 0) : 0;

/** A number of workgroups as a grid. */
export const gridOf = (workgroups: number, { maxWorkgroupsPerDimension }: KernelTraits): Step['workgroups'] => {
  const x = Math.min(workgroups, maxWorkgroupsPerDimension);
  return [x, Math.ceil(workgroups / x), 1];
};

/** The step of a generated kernel that reads and writes some buffers of a plan. */
export const generatedStep = (
  label: string,
  { source, uniforms, buffers, workgroups }: GeneratedLaunch,
  inputs: readonly number[],
  targets: readonly number[],
  traits: KernelTraits,
): Step => ({
  label,
  kernel: { kind: 'text', source },
  uniforms,
  bindings: Object.entries(buffers).map(([name, { of, index, ...range }]) => ({
    name,
    buffer: of === 'output' ? targets[index]! : inputs[index]!,
    ...range,
  })),
  workgroups: gridOf(workgroups, traits),
});

/** The variables that a shader may write. */
const writableOf = ({ kernel, label }: Step): ReadonlySet<string> => {
  const text = kernel.kind === 'text' ? kernel.source : shaderSources[kernel.shader as ShaderName];
  const { storage } = parseShader(kernel.kind === 'text' ? label : kernel.shader, text);
  return new Set(storage.filter(({ writable }) => writable).map(({ name }) => name));
};

/** The buffers that a step reads, and those that it may write. */
interface Touched {
  readonly reads: ReadonlySet<number>;
  readonly writes: ReadonlySet<number>;
}

const touched = new WeakMap<Step, Touched>();

/** The buffers that a step reads, and those that it may write. */
export const touchedBy = (step: Step): Touched => {
  const known = touched.get(step);
  if (known !== undefined) return known;
  const names = writableOf(step);
  const buffers = (isWritten: boolean) =>
    new Set(step.bindings.filter(({ name }) => names.has(name) === isWritten).map(({ buffer }) => buffer));
  const own = { reads: buffers(false), writes: buffers(true) };
  touched.set(step, own);
  return own;
};

/** Whether two steps must run one after the other: one of them writes what the other touches. */
export const conflict = (a: Step, b: Step): boolean => {
  const [first, second] = [touchedBy(a), touchedBy(b)];
  return (
    [...first.writes].some((buffer) => second.reads.has(buffer) || second.writes.has(buffer)) ||
    [...second.writes].some((buffer) => first.reads.has(buffer))
  );
};

/**
 * Steps in which one that waits is done with a later one, as one step. It waits as long as nothing between touches what it writes
 * or writes what it reads; of several, the last one waits.
 *
 * @param waits - Whether a step may wait.
 * @param join - The step that does what both do, if there is one.
 */
export const joinLater = (
  steps: readonly Step[],
  waits: (step: Step) => boolean,
  join: (first: Step, next: Step) => Step | undefined,
): readonly Step[] => {
  const result: Step[] = [];
  /** The place in the result of the one that waits. */
  let waiting: number | undefined;
  for (const step of steps) {
    const first = waiting === undefined ? undefined : result[waiting];
    const joined = first && join(first, step);
    if (joined !== undefined) {
      result.splice(waiting!, 1);
      result.push(joined);
      waiting = undefined;
      continue;
    }
    result.push(step);
    if (waits(step)) waiting = result.length - 1;
    else if (first !== undefined && conflict(first, step)) waiting = undefined;
  }
  return result;
};

/** How many steps touch each buffer. */
export const usesOf = (steps: readonly Step[]): ReadonlyMap<number, number> => {
  const uses = new Map<number, number>();
  for (const { bindings } of steps)
    for (const buffer of new Set(bindings.map((binding) => binding.buffer)))
      uses.set(buffer, (uses.get(buffer) ?? 0) + 1);
  return uses;
};

/** One of the updates that a launch of `sliceUpdate` or `sliceUpdatePair` does. */
export interface Update {
  readonly update: PlanBinding;
  readonly x: PlanBinding;
  /** How it walks through its elements, in the update as it is bound and in x, whose box begins there. */
  readonly from: Layout;
  readonly to: Layout;
}

/** What a launch of updates does. */
export const updatesOf = (step: Step): readonly Update[] => {
  const { uniforms } = step;
  const [size1, size2, size3] = [uniforms.size1!, uniforms.size2!, uniforms.size3!];
  const shape = [uniforms.count! / size1 / size2 / size3, size1, size2, size3];
  const walk = (name: string, offset: number): Layout => ({
    shape,
    strides: [0, 1, 2, 3].map((axis) => uniforms[`${name}${axis}`] ?? 1),
    offset,
  });
  const to = walk('to', uniforms.base!);
  const own = { update: bound(step, 'update'), x: bound(step, 'x'), from: walk('from', uniforms.offset!), to };
  if (!isFile(step, 'sliceUpdatePair')) return isFile(step, 'sliceUpdate') ? [own] : [];
  const from = walk('otherFrom', uniforms.otherOffset!);
  return [own, { update: bound(step, 'otherUpdate'), x: bound(step, 'otherX'), from, to }];
};

/** A walk over as many elements in another shape, if strides can say it. */
export const walkedAs = (layout: Layout, shape: Shape): Layout | undefined =>
  count(layout.shape) === count(shape) ? reshapeLayout(layout, { to: shape }, shape) : undefined;
