/**
 * Waiting for a device in Node. Dawn asks the driver anew in every turn of the event loop while a promise of its own is
 * pending, and so keeps one processor busy: with a software driver, that processor is taken from the shaders.
 */

const LONGEST_NAP_MS = 4;
const SHORTEST_NAP_MS = 0.02;

/** Promises now waited for, in this process: one loop naps for all of them. */
let waiting = 0;
let napping = false;
/** When the present wait began: with the first of them, or as the last one ended. */
let began = 0;
/** How long the last wait took: the next is likely to be like it, as tokens are, and looks before that are for nothing. */
let usual = 0;

const bell = typeof SharedArrayBuffer === 'undefined' ? undefined : new Int32Array(new SharedArrayBuffer(4));

/** Half of the way to the moment when the wait ended last time; or, past that, half as long as it is overdue. */
const nextNap = (): number =>
  Math.min(LONGEST_NAP_MS, Math.max(SHORTEST_NAP_MS, Math.abs(began + usual - performance.now()) / 2));

const nap = (): void => {
  if (bell === undefined || waiting === 0) {
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
 * @param pending - What `mapAsync` or `onSubmittedWorkDone` gave.
 */
export const patiently = async <A>(pending: Promise<A>): Promise<A> => {
  if (!canNap()) return pending;
  if (waiting === 0) began = performance.now();
  waiting += 1;
  if (!napping) {
    napping = true;
    setImmediate(nap);
  }
  try {
    return await pending;
  } finally {
    waiting -= 1;
    const now = performance.now();
    usual = now - began;
    began = now;
  }
};
