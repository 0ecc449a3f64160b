/**
 * Waiting for a device in Node. Dawn asks the driver anew in every turn of the event loop while a promise of its own is
 * pending, and so keeps one processor busy: with a software driver, that processor is taken from the shaders.
 */

const LONGEST_NAP_MS = 0.5;
const FIRST_NAP_MS = 0.02;

/** Promises now waited for, in this process: one loop naps for all of them. */
let waiting = 0;
let napping = false;

const bell = typeof SharedArrayBuffer === 'undefined' ? undefined : new Int32Array(new SharedArrayBuffer(4));

const nap = (ms: number): void => {
  if (bell === undefined || waiting === 0) {
    napping = false;
    return;
  }
  Atomics.wait(bell, 0, 0, ms);
  setImmediate(nap, Math.min(LONGEST_NAP_MS, ms * 1.5));
};

const canNap = (): boolean =>
  typeof process !== 'undefined' && process.versions?.node !== undefined && bell !== undefined;

/**
 * Awaits a promise of the device, and lets the thread nap between two looks, for at most half a millisecond at a time.
 * Elsewhere than in Node, it only awaits.
 *
 * @param pending - What `mapAsync` or `onSubmittedWorkDone` gave.
 */
export const patiently = async <A>(pending: Promise<A>): Promise<A> => {
  if (!canNap()) return pending;
  waiting += 1;
  if (!napping) {
    napping = true;
    setImmediate(nap, FIRST_NAP_MS);
  }
  try {
    return await pending;
  } finally {
    waiting -= 1;
  }
};
