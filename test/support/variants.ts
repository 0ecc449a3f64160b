import { createWebGPU, type WebGPU } from '../../src/runtime/webgpu/device.ts';
import type { KernelTraits } from '../../src/tensor/kernel.ts';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees, type Tolerance } from './agree.ts';
import { testDevice } from './device.ts';

/** The device under test, made to choose kernels as a device with other traits would. */
const variant = async (traits: Partial<KernelTraits>): Promise<WebGPU> => {
  const own = await testDevice();
  return createWebGPU(own.device, { ...own.traits, ...traits });
};

let opened: Promise<readonly WebGPU[]> | undefined;

/**
 * The device as it is, and as if it were a GPU without subgroups: the second runs the kernels that meet in workgroup
 * memory, which a software adapter would not choose.
 */
const bothKinds = (): Promise<readonly WebGPU[]> => {
  opened ??= Promise.all([testDevice(), variant({ isSoftware: false, subgroups: undefined })]);
  return opened;
};

/** As `expectAgrees`, with the kernels for software adapters and with those for GPUs. */
export const expectAllAgree = async (
  expressions: Tensor | readonly Tensor[],
  tolerance: Tolerance = {},
): Promise<readonly NDArray[]> => {
  const [own, other] = await bothKinds();
  const values = await expectAgrees(expressions, tolerance, own!);
  await expectAgrees(expressions, tolerance, other!);
  return values;
};

/**
 * As `expectAgrees`, for more workgroups than a grid has in one dimension: the device's own kernels on 66,000 rows, and those for
 * GPUs, whose barriers take software adapters long, on a few rows and a grid that is narrower still.
 */
export const expectAgreesOnManyRows = async (
  expressions: (rows: number) => Tensor | readonly Tensor[],
  tolerance: Tolerance = {},
): Promise<void> => {
  await expectAgrees(expressions(66000), tolerance);
  const narrow = { isSoftware: false, subgroups: undefined, maxWorkgroupsPerDimension: 7 };
  for (const rows of [7, 8, 50]) await expectAgrees(expressions(rows), tolerance, await variant(narrow));
};

/** As `expectAgrees`, on devices that bind no more than `maxBindingBytes` at once, with both kinds of kernels. */
export const expectAgreesInParts = async (
  expressions: Tensor | readonly Tensor[],
  maxBindingBytes: number,
  tolerance: Tolerance = {},
): Promise<void> => {
  await expectAgrees(expressions, tolerance, await variant({ maxBindingBytes }));
  await expectAgrees(
    expressions,
    tolerance,
    await variant({ maxBindingBytes, isSoftware: false, subgroups: undefined }),
  );
};
