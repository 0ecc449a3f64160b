import type { KernelTraits } from '../../tensor/kernel.ts';
import type { PlanBinding, Step } from './planForm.ts';
import { bound, constantOf, gridOf, isFile, joinLater, usesOf } from './steps.ts';

/** Whether a step is a product of one row by a kernel that can take another such product along, with nothing added to it. */
const isProduct = ({ kernel, uniforms: u }: Step): boolean =>
  kernel.kind === 'file' && 'factor' in u && u.workgroups === u.columnTiles && u.hasBias === 0 && !u.continues;

/** What is the same for a product and its factor. */
const formOf = (step: Step): string =>
  JSON.stringify([
    step.kernel,
    { ...step.uniforms, bOffset: 0, activation: 0, joins: 0 },
    step.bindings
      .filter(({ name }) => name === 'a' || name === 'gamma' || name === 'beta')
      .map(({ buffer, start, size }) => [buffer, start, size]),
  ]);

/** One binding of what two bind; undefined if the second does not lie behind the first in the same buffer. */
const across = (one: PlanBinding, other: PlanBinding, { maxBindingBytes }: KernelTraits): PlanBinding | undefined => {
  const size = Math.max(one.start + one.size, other.start + other.size) - one.start;
  return one.buffer === other.buffer && one.start <= other.start && size <= maxBindingBytes
    ? { ...one, size }
    : undefined;
};

/** What the kernels are told of where a factor's matrix lies, and how much of a row each workgroup computes then. */
interface Gating {
  readonly factor: number;
  readonly workgroups: number;
  readonly matrix: readonly (PlanBinding | undefined)[];
  readonly uniforms?: Readonly<Record<string, number>>;
}

/** Of a matrix of floats: both are parts of one, whose rows go on from column to factor. */
const gatingOfFloats = (own: Step, other: Step, traits: KernelTraits): Gating => {
  const { bOffset = 0, n = 0, each = 0 } = own.uniforms;
  const [b, c] = [bound(own, 'b'), bound(other, 'b')];
  const bytes = constantOf(own, 'FORMAT') === 0 ? 4 : 2;
  const factor = (c.start - b.start + (other.uniforms.bOffset! - bOffset) * bytes) / 16;
  const lanes = constantOf(own, 'SUBGROUP');
  const columns = isFile(own, 'matvec')
    ? (constantOf(own, 'LANES_X') / 2) * (16 / bytes)
    : lanes === 0
      ? constantOf(own, 'LANES_Y') / 2
      : (each / 2) * lanes;
  return {
    factor,
    workgroups: Math.ceil(n / columns),
    matrix: [across(b, c, traits)],
    ...(lanes > 0 && { uniforms: { each: each / 2 } }),
  };
};

/** Of a matrix in few bits: the strips of one come after those of the other. */
const gatingOfStrips = (own: Step, other: Step, traits: KernelTraits): Gating => {
  const { units = 0, blocks = 0 } = own.uniforms;
  const names = ['words', 'scales', 'zeros'] as const;
  const apart = (name: (typeof names)[number]): number => bound(other, name).start - bound(own, name).start;
  const strips = bound(own, 'scales').size / (256 * blocks);
  const factor = apart('scales') / (256 * blocks);
  const isEven = apart('zeros') === apart('scales') && apart('words') === (factor * bound(own, 'words').size) / strips;
  const lanes = isFile(own, 'quantizedMatvec') ? 8 : constantOf(own, 'SUBGROUP') / constantOf(own, 'PARTS');
  return {
    factor: isEven && lanes > 1 ? factor : -1,
    workgroups: Math.ceil(units / Math.floor(lanes / 2)),
    matrix: names.map((name) => across(bound(own, name), bound(other, name), traits)),
  };
};

/** The launch of a product with another one for factor, if the matrix of that comes after its own. */
const join = (other: Step, own: Step, traits: KernelTraits): Step | undefined => {
  const residual = bound(own, 'residual');
  const [y, a] = [bound(other, 'y'), bound(own, 'a')];
  if (own.uniforms.joins !== 2 || residual.buffer !== y.buffer || residual.start !== y.start) return undefined;
  if (own.kernel.kind !== 'file' || formOf(other) !== formOf(own)) return undefined;
  const gating = ('bOffset' in own.uniforms ? gatingOfFloats : gatingOfStrips)(own, other, traits);
  const { factor, workgroups, matrix, uniforms } = gating;
  if (factor <= 0 || !Number.isInteger(factor) || matrix.includes(undefined)) return undefined;
  return {
    ...own,
    kernel: { ...own.kernel, constants: { ...own.kernel.constants, GATED: 1 } },
    uniforms: { ...own.uniforms, ...uniforms, joins: 0, factor, workgroups, columnTiles: workgroups },
    bindings: own.bindings.map((binding) =>
      binding.name === 'residual'
        ? { ...a, name: 'residual' } // Nothing writes what it was, and the shader does not read it.
        : (matrix.find((wide) => wide!.name === binding.name) ?? binding),
    ),
    workgroups: gridOf(workgroups, traits),
  };
};

/**
 * Steps in which a row's product with a matrix that has another product of the row for factor is one launch with it, as where an
 * activated gate opens the neurons beside it: where the two matrices lie side by side, and nobody else needs the factor.
 *
 * @param kept - Buffers that are needed after the plan.
 */
export const joinGates = (steps: readonly Step[], kept: ReadonlySet<number>, traits: KernelTraits): readonly Step[] => {
  const uses = usesOf(steps);
  const isFactor = (step: Step): boolean => {
    if (!isProduct(step) || step.uniforms.joins !== 0 || step.uniforms.activation !== 0) return false;
    const { buffer } = bound(step, 'y');
    return uses.get(buffer) === 2 && !kept.has(buffer);
  };
  return joinLater(steps, isFactor, (other, own) => (isProduct(own) ? join(other, own, traits) : undefined));
};
