import { ArgumentError } from '../tensor/errors.ts';
import { type TuningFile, tuningFile } from './tuningFile.ts';
import type { DeviceTraits } from './webgpu/adapter.ts';
import { createWebGPU, type WebGPU } from './webgpu/device.ts';
import type { Profilable } from './webgpu/profile.ts';
import { createTuner, type Measured, tuneWith } from './webgpu/tune.ts';
import { adapterKind, shippedTuning } from './webgpu/tuningTable.ts';

/** What measuring may take unasked, in milliseconds: what it leaves is measured by the next process. */
const BUDGET = { perClass: 200, total: 2000 };

/** Whether kernels are measured when their shapes are first met, as the environment variable PURELM_TUNE says. */
const environmentChoice = (): boolean | undefined => {
  const choice = typeof process === 'undefined' ? undefined : process.env.PURELM_TUNE;
  if (choice === undefined || choice === '') return undefined;
  if (choice === 'on' || choice === 'off') return choice === 'on';
  throw new ArgumentError(`PURELM_TUNE: expected on or off, got ${choice}`);
};

/** What is known of a device's kernels, and where it is remembered. */
interface Known {
  readonly kernels: Map<string, string>;
  readonly file: TuningFile | undefined;
  /** The kind of the adapter, as the table that ships has it. */
  readonly adapter: string;
}

const known = new WeakMap<WebGPU, Known>();

const remember = (file: TuningFile | undefined, { shapes, chosen }: Measured): void =>
  file?.add(new Map([[shapes, chosen]]));

/** As `remember`; who has not asked for it is not told that it is not possible. */
const tryToRemember = (file: TuningFile | undefined, measured: Measured): void => {
  try {
    remember(file, measured);
  } catch {
    // The next process measures again.
  }
};

/**
 * A device with what is known of its kernels: by the table that ships, and by what was measured before on this machine. On
 * an adapter that the table does not know, kernels are measured when a compiled function first meets their shapes.
 *
 * @throws {ArgumentError} If PURELM_TUNE is neither on nor off.
 */
export const tunedWebGPU = (device: GPUDevice, traits: DeviceTraits): WebGPU => {
  const shipped = shippedTuning(traits);
  const file = tuningFile(traits);
  const kernels = new Map([...(shipped ?? []), ...(file?.read() ?? [])]);
  const gpu = createWebGPU(device, { ...traits, tuning: kernels });
  known.set(gpu, { kernels, file, adapter: adapterKind(traits) });
  if (environmentChoice() ?? shipped === undefined)
    tuneWith(
      gpu,
      createTuner(gpu, { kernels, budget: BUDGET, onMeasured: (measured) => tryToRemember(file, measured) }),
    );
  return gpu;
};

/** How `retune` measures. */
export interface RetuneOptions {
  /** Time for a class of shapes, in milliseconds. */
  readonly perClass: number;
  readonly onMeasured: (measured: Measured) => void;
}

/**
 * Has all kernels measured anew that compiled functions meet from now on.
 *
 * @returns The kind of the adapter, and the path of the file that remembers them; undefined where there are no files.
 * @throws {ArgumentError} If the device is none that `getDevice` opened.
 */
export const retune = (
  { name, webgpu }: Profilable,
  { perClass, onMeasured }: RetuneOptions,
): { readonly adapter: string; readonly path: string | undefined } => {
  const own = webgpu && known.get(webgpu);
  if (webgpu === undefined || own === undefined)
    throw new ArgumentError(`tune: expected a device whose kernels can be chosen, got ${name}; is there an adapter?`);
  const { kernels, file, adapter } = own;
  const told = (measured: Measured): void => {
    remember(file, measured);
    onMeasured(measured);
  };
  const budget = { perClass, total: Number.POSITIVE_INFINITY };
  tuneWith(webgpu, createTuner(webgpu, { kernels, budget, again: true, onMeasured: told }));
  return { adapter, path: file?.path };
};
