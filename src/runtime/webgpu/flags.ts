/** WebGPU's flag bits that the runtime uses: the standard fixes their values, and Node does not have them as globals. */

/** `GPUBufferUsage`: what a buffer may be used for. */
export const usage = {
  mapRead: 1,
  copySource: 4,
  copyDestination: 8,
  uniform: 64,
  storage: 128,
  queryResolve: 512,
} as const;

/** `GPUMapMode.READ`. */
export const MAP_READ = 1;

/** `GPUShaderStage.COMPUTE`. */
export const COMPUTE_STAGE = 4;
