// @ts-check
// A device to time kernels on, and the two things to do with it.
import { readdirSync, readFileSync } from 'node:fs';

/**
 * @param {(path: string) => Promise<any>} load - Modules of the build.
 * @param {{ readonly traits: string, readonly wall: boolean }} options - Traits to pretend, as JSON; whether to read the clock.
 */
export const openLab = async (load, { traits: pretended, wall }) => {
  const { findAdapter, openDevice } = await load('runtime/webgpu/adapter.js');
  const { createWebGPU } = await load('runtime/webgpu/device.js');
  const { submit } = await load('runtime/webgpu/execute.js');
  const { patiently } = await load('runtime/webgpu/patience.js');
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
    /** @type {{ encode(pass: GPUComputePassEncoder): void }} */ prepared,
    /** @type {number} */ times,
  ) => {
    submit(gpu, (/** @type {GPUComputePassEncoder} */ pass) => {
      for (let i = 0; i < times; i++) prepared.encode(pass);
    });
    await patiently(device.queue.onSubmittedWorkDone());
  };

  return { gpu, spent, run };
};
