/**
 * Kernels that `purelm tune` found to be faster than the usual ones, by kind of adapter and class of shapes. Adapters that
 * are named here are not measured unless somebody asks for it. Written by `scripts/tuned.mjs`.
 */
export const tunedKernels: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'mesa software 8': {},
  'google swiftshader 4': {
    'quantizedMatmul int4 128 1024 1024': 'quantizedMatmulLanes 8',
    'quantizedMatmul int4 128 1024 4096': 'quantizedMatmulLanes 8',
  },
};
