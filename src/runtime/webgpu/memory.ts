import type { Plan } from './planForm.ts';

/** Memory for a plan's temporaries: which of a few slots each has, where those whose lives do not overlap share one. */
export interface Memory {
  /** Bytes of each slot. */
  readonly slots: readonly number[];
  /** Slot of each temporary buffer, by buffer. */
  readonly slotOf: ReadonlyMap<number, number>;
}

/** Assigns slots to temporaries by their lives. Outputs live to the end and share with nobody after them. */
export const assignMemory = ({ buffers, steps, outputs }: Plan): Memory => {
  const first = new Map<number, number>();
  const last = new Map<number, number>();
  for (const [i, { bindings }] of steps.entries())
    for (const { buffer } of bindings) {
      if (!first.has(buffer)) first.set(buffer, i);
      last.set(buffer, i);
    }
  const kept = new Set(outputs.map(({ buffer }) => buffer));
  const slots: number[] = [];
  const slotOf = new Map<number, number>();
  const free: number[] = [];
  const take = (buffer: number): void => {
    const { bytes } = buffers[buffer]!;
    // An output's memory outlives the plan, so it is neither shared nor larger than it must be.
    const fitting = kept.has(buffer)
      ? []
      : free.filter((slot) => slots[slot]! >= bytes && slots[slot]! <= 4 * bytes + 65536);
    const best = fitting.reduce<number | undefined>(
      (least, slot) => (least === undefined || slots[slot]! < slots[least]! ? slot : least),
      undefined,
    );
    if (best === undefined) slotOf.set(buffer, slots.push(bytes) - 1);
    else {
      free.splice(free.indexOf(best), 1);
      slotOf.set(buffer, best);
    }
  };
  for (const [i, { bindings }] of steps.entries()) {
    const here = new Set(bindings.map(({ buffer }) => buffer));
    for (const buffer of here) if (buffers[buffer]!.kind === 'temporary' && first.get(buffer) === i) take(buffer);
    for (const buffer of here)
      if (buffers[buffer]!.kind === 'temporary' && last.get(buffer) === i && !kept.has(buffer))
        free.push(slotOf.get(buffer)!);
  }
  // Outputs of no elements are written by no step.
  for (const buffer of kept) if (buffers[buffer]!.kind === 'temporary' && !slotOf.has(buffer)) take(buffer);
  return { slots, slotOf };
};
