/**
 * Kernels that `purelm tune` found to be faster than the usual ones, by kind of adapter and class of shapes. Adapters that
 * are named here are not measured unless somebody asks for it. Written by `scripts/tuned.mjs`.
 */
export const tunedKernels: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'mesa software 8': {},
  'google swiftshader 4': {},
};
