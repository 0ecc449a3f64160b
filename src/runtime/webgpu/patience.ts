/**
 * Waiting for a device in Node. Dawn asks the driver anew in every turn of the event loop while a promise of its own is
 * pending, and so keeps one processor busy: with a software driver, that processor is taken from the shaders.
 */

const LONGEST_NAP_MS = 4;
const SHORTEST_NAP_MS = 0.02;

/** What is waited for: an answer that Dawn has or will have soon, or the end of the shaders' work. */
export type Awaited = 'answer' | 'work';

/** Waits of one kind, in this process. */
interface Waits {
  /** How many there are now. */
  count: number;
  /** When the present one began: with the first of them, or as the last one ended. */
  began: number;
}

const answers: Waits = { count: 0, began: 0 };
const works: Waits = { count: 0, began: 0 };
/** How long the last work took: the next is likely to be like it, as tokens are. */
let usual = 0;
/** One loop naps for all of them. */
let napping = false;

const bell = typeof SharedArrayBuffer === 'undefined' ? undefined : new Int32Array(new SharedArrayBuffer(4));

/** Half of the way to the moment when an answer, or else the work, is due; or, past that, half as long as it is overdue. */
const nextNap = (): number => {
  const due = answers.count > 0 ? answers.began : works.began + usual;
  return Math.min(LONGEST_NAP_MS, Math.max(SHORTEST_NAP_MS, Math.abs(due - performance.now()) / 2));
};

const nap = (): void => {
  if (bell === undefined || answers.count + works.count === 0) {
    napping = false;
    return;
  }
  Atomics.wait(bell, 0, 0, nextNap());
  setImmediate(nap);
};

const canNap = (): boolean =>
  typeof process !== 'undefined' && process.versions?.node !== undefined && bell !== undefined;

/**
 * Awaits a promise of the device, and lets the thread nap between two looks, for at most four milliseconds at a time.
 * Elsewhere than in Node, it only awaits.
 *
 * @param pending - What a method of the device gave.
 * @param awaited - `'work'` for `mapAsync` and `onSubmittedWorkDone`.
 */
export const patiently = async <A>(pending: Promise<A>, awaited: Awaited = 'answer'): Promise<A> => {
  if (!canNap()) return pending;
  const waits = awaited === 'work' ? works : answers;
  if (waits.count === 0) waits.began = performance.now();
  waits.count += 1;
  if (!napping) {
    napping = true;
    setImmediate(nap);
  }
  try {
    return await pending;
  } finally {
    waits.count -= 1;
    const now = performance.now();
    if (waits === works) usual = now - waits.began;
    waits.began = now;
  }
};
