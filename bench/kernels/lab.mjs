// @ts-check
// A device to time kernels on, and the two things to do with it.
import { readdirSync, readFileSync } from 'node:fs';

/**
 * @param {(path: string) => Promise<typeof import('../../src/internals.ts')>} load - Modules of the build.
 * @param {{ readonly traits: string, readonly wall: boolean }} options - Traits to pretend, as JSON; whether to read the clock.
 */
export const openLab = async (load, { traits: pretended, wall }) => {
  const { createWebGPU, findAdapter, openDevice, patiently, submit } = await load('internals.js');
  const found = await findAdapter();
  if (found.kind === 'missing') throw new Error(found.reason);
  const { device, traits } = await openDevice(found);
  const gpu = createWebGPU(device, { ...traits, ...JSON.parse(pretended) });

  /** Milliseconds that the driver's threads spent on processors, or that have passed. */
  const spent = () => {
    if (wall || process.platform !== 'linux') return performance.now();
    let nanoseconds = 0;
    for (const thread of readdirSync('/proc/self/task'))
      if (Number(thread) !== process.pid)
        try {
          nanoseconds += Number(readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
        } catch {
          // A thread that has ended since.
        }
    return nanoseconds / 1e6;
  };

  const run = async (
    /** @type {import('../../src/runtime/webgpu/execute.ts').Prepared} */ prepared,
    /** @type {number} */ times,
  ) => {
    submit(gpu, prepared, times);
    await patiently(device.queue.onSubmittedWorkDone());
  };

  return { gpu, spent, run };
};
