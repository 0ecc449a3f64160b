import type { KernelTraits } from '../../src/tensor/kernel.ts';

/** What lavapipe offers, for plans that no device runs. */
export const software: KernelTraits = {
  isSoftware: true,
  maxBindingBytes: 2 ** 27,
  offsetAlignment: 256,
  maxWorkgroupsPerDimension: 65535,
  maxInvocations: 1024,
  workgroupBytes: 32768,
  maxStorageBuffers: 16,
  f16: true,
  subgroups: 8,
};
