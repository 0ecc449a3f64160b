import { type Device, webgpuDevice } from '../../src/runtime/device.ts';
import { findAdapter, openDevice } from '../../src/runtime/webgpu/adapter.ts';
import { createWebGPU, type WebGPU } from '../../src/runtime/webgpu/device.ts';

const open = async (): Promise<WebGPU> => {
  const found = await findAdapter();
  if (found.kind === 'missing') throw new Error(`the WebGPU tests need an adapter: ${found.reason}`);
  const { device, traits } = await openDevice(found);
  return createWebGPU(device, traits);
};

let opened: Promise<WebGPU> | undefined;

/** The device under test, opened once a worker; there must be one. */
export const testDevice = (): Promise<WebGPU> => {
  opened ??= open();
  return opened;
};

/** The same as a device of the library. */
export const webgpuTestDevice = async (): Promise<Device> => webgpuDevice(await testDevice(), 'the tests ask for it');

/**
 * A device that nothing else has used, for tests that count its buffers: on the shared one, what earlier tests have left
 * is given back whenever the garbage collector finds it.
 */
export const unusedTestDevice = async (): Promise<{ readonly gpu: WebGPU; readonly device: Device }> => {
  const gpu = await open();
  return { gpu, device: webgpuDevice(gpu, 'the tests count its buffers') };
};
