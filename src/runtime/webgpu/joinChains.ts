import type { KernelTraits } from '../../tensor/kernel.ts';
import { count } from '../../tensor/shape.ts';
import type { Chain, ChainValue } from './chainForm.ts';
import { CHAIN_LIMIT, isFew } from './chains.ts';
import { isPacked } from './chainText.ts';
import { generateTogether } from './elementwise.ts';
import type { Computed, PlanBuffer, Step } from './planForm.ts';
import {
  bound,
  conflict,
  constantOf,
  generatedStep,
  touchedBy,
  type Update,
  updatesOf,
  usesOf,
  walkedAs,
} from './steps.ts';

/** Ops in the text of a step. */
const opsOf = ({ chains = [] }: Step): number =>
  chains.reduce(
    (sum, { chain }) => sum + chain.values.filter(({ kind }) => kind === 'apply' || kind === 'gather').length,
    0,
  );

/** One launch of several chains of which none needs another; undefined where the device does not bind so much. */
const together = (label: string, all: readonly Computed[], traits: KernelTraits): Step | undefined => {
  const inputs: number[] = [];
  const chains = all.map(({ chain, inputs: own }): Chain => {
    const places = own.map((buffer) => {
      const known = inputs.indexOf(buffer);
      return known === -1 ? inputs.push(buffer) - 1 : known;
    });
    const values = chain.values.map(
      (value): ChainValue => ('buffer' in value ? { ...value, buffer: places[value.buffer]! } : value),
    );
    const start = chain.into?.start;
    return {
      ...chain,
      values,
      inPlace: new Map([...(chain.inPlace ?? [])].map(([buffer, output]) => [places[buffer]!, output])),
      ...(chain.into === undefined
        ? {}
        : { into: { ...chain.into, start: start && { ...start, buffer: places[start.buffer]! } } }),
    };
  });
  const targets = all.flatMap((computed) => computed.targets);
  const launch = generateTogether(chains, traits);
  return launch && { ...generatedStep(label, launch, inputs, targets, traits), chains: all };
};

/** The chain that does an update: a copy of words, or what computes the words that are written. */
const updating = (step: Step, { update, x, from, to }: Update, source?: Computed): Computed | undefined => {
  const chain = source?.chain ?? {
    shape: from.shape,
    dtype: 'int32',
    values: [{ kind: 'load', buffer: 0, dtype: 'int32', layout: { ...from, offset: from.offset + update.start / 4 } }],
  };
  const inputs = source?.inputs ?? [update.buffer];
  const layout = walkedAs(to, chain.shape);
  if (layout === undefined) return undefined;
  const isMoved = constantOf(step, 'DYNAMIC') === 1;
  if (isMoved && bound(step, 'start').start !== 0) return undefined;
  const { limit, step: stride, end } = step.uniforms;
  const start = isMoved ? { buffer: inputs.length, limit: limit!, step: stride! } : undefined;
  return {
    chain: { ...chain, into: { layout, elements: end!, start } },
    inputs: isMoved ? [...inputs, bound(step, 'start').buffer] : inputs,
    targets: [x.buffer],
  };
};

/**
 * Steps of which fewer are chains: those of one form that do not need each other are one launch, if they are small, and a chain
 * whose result is but written into a box of another tensor writes it there itself, with what else is written there by then.
 * A chain waits for the later ones, where nothing between touches what it writes or writes what it reads.
 *
 * @param kept - Buffers that are needed after the plan.
 */
export const joinChains = (
  steps: readonly Step[],
  buffers: readonly PlanBuffer[],
  kept: ReadonlySet<number>,
  traits: KernelTraits,
): readonly Step[] => {
  const uses = usesOf(steps);
  const formOf = new Map<Step, string>();
  const isSmall = ({ chains = [] }: Step): boolean =>
    chains.length > 0 && chains.every(({ chain }) => isFew(chain) && !isPacked(chain.dtype));

  /** The chain that computes nothing but what an update writes. */
  const sourceOf = ({ update, from }: Update, open: readonly Step[]) => {
    for (const step of open)
      for (const computed of step.chains!) {
        const { chain, targets } = computed;
        if (targets[0] !== update.buffer || targets.length > 1 || chain.into !== undefined || isPacked(chain.dtype))
          continue;
        const read = walkedAs(from, [count(chain.shape)]);
        const isAll = update.start === 0 && read?.offset === 0 && (read.strides[0] === 1 || read.shape[0] === 1);
        const isFree = uses.get(update.buffer) === 2 && !kept.has(update.buffer);
        if (isAll && isFree && buffers[update.buffer]!.kind === 'temporary') return { step, computed };
      }
    return undefined;
  };

  /** An update, with the chains that compute what it writes, as one launch; and the steps that it stands for. */
  const updated = (step: Step, open: readonly Step[]): readonly [Step, readonly Step[]] | undefined => {
    const updates = updatesOf(step);
    const found = updates.map((update) => sourceOf(update, open));
    const joined = [...new Set(found.flatMap((source) => (source === undefined ? [] : [source.step])))];
    const isWhole = updates.every(
      ({ x }) => x.start === 0 && step.uniforms.first === 0 && step.uniforms.end! * 4 > buffers[x.buffer]!.bytes - 16,
    );
    if (joined.length === 0 || !isWhole) return undefined;
    // What else these steps do must not need the update, nor be needed by it.
    const own = touchedBy(step);
    const taken = found.map((source) => source?.computed.targets[0]);
    for (const { reads, writes } of joined.map(touchedBy)) {
      if ([...own.writes].some((buffer) => reads.has(buffer) || writes.has(buffer))) return undefined;
      if ([...own.reads].some((buffer) => writes.has(buffer) && !taken.includes(buffer))) return undefined;
    }
    const rest = joined.flatMap(({ chains }) => chains!.filter(({ targets }) => !taken.includes(targets[0]!)));
    const writing = updates.map((update, i) => updating(step, update, found[i]?.computed));
    if (writing.includes(undefined)) return undefined;
    const one = together(step.label, [...rest, ...writing.map((computed) => computed!)], traits);
    return one && [one, joined];
  };

  /** A small chain with the first open one of its form. */
  const alike = (step: Step, open: readonly Step[]): readonly [Step, readonly Step[]] | undefined => {
    if (!isSmall(step) || step.kernel.kind !== 'text') return undefined;
    const form = step.kernel.source;
    for (const other of open) {
      if (formOf.get(other) !== form || conflict(other, step)) continue;
      if (opsOf(other) + opsOf(step) > CHAIN_LIMIT) continue;
      const one = together(step.label, [...other.chains!, ...step.chains!], traits);
      if (one === undefined) continue;
      formOf.set(one, form);
      return [one, [other]];
    }
    return undefined;
  };

  const result: Step[] = [];
  let open: readonly Step[] = [];
  for (const step of steps) {
    const [next, gone] = updated(step, open) ?? alike(step, open) ?? [step, []];
    for (const other of gone) result.splice(result.lastIndexOf(other), 1);
    result.push(next);
    open = open.filter((other) => !gone.includes(other) && !conflict(other, next));
    const isChain = next.chains?.every(({ chain }) => chain.into === undefined) === true;
    if (!isChain) continue;
    open = [...open, next];
    if (isSmall(next) && next === step && next.kernel.kind === 'text') formOf.set(next, next.kernel.source);
  }
  return result;
};
