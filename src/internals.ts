/**
 * What the programs in `bench` and `scripts`, and those that tests start, use besides what the package exports. Not part of the package.
 */

export { timed } from './cli/timings.ts';
export { formulaVjp, pullback } from './ops/pullback.ts';
export { threefry2x32 } from './ops/threefry.ts';
export { referenceDevice } from './runtime/device.ts';
export { findAdapter, openDevice } from './runtime/webgpu/adapter.ts';
export { createWebGPU } from './runtime/webgpu/device.ts';
export { prepare, submit } from './runtime/webgpu/execute.ts';
export { patiently } from './runtime/webgpu/patience.ts';
export { plan } from './runtime/webgpu/plan.ts';
export { tunedKernels } from './runtime/webgpu/tunedKernels.ts';
export { writeCheckpoint } from './tasks/checkpoint.ts';
export { generateTokens } from './tasks/generation.ts';
export { heldParams } from './tasks/heldParams.ts';
export { saveKerasPreset } from './tasks/saveKerasPreset.ts';
export { bfloat16Bits } from './tensor/dtype.ts';
