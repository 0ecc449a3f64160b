/**
 * Finds a WebGPU adapter and opens devices on it: a browser's own, or Dawn's through the package `webgpu` in Node.
 */

import { DeviceError } from './errors.ts';

/** What a device offers. The planner and the kernels read limits here and nowhere else. */
export interface DeviceTraits {
  /** A name for people: the device's own, else its driver's. */
  readonly name: string;
  /** As WebGPU gives it, such as `nvidia` or `mesa`; may be empty. */
  readonly vendor: string;
  /** As WebGPU gives it, such as `hopper` or `swiftshader`; may be empty. */
  readonly architecture: string;
  /** The driver's own words; may be empty. */
  readonly description: string;
  /** Whether the processor does the work: lavapipe, SwiftShader, WARP. */
  readonly isSoftware: boolean;
  /** The largest range that one storage binding covers, in bytes. */
  readonly maxBindingBytes: number;
  /** The largest buffer, in bytes. */
  readonly maxBufferBytes: number;
  /** What the start of a bound range must be a multiple of, in bytes; serves storage and uniform bindings. */
  readonly offsetAlignment: number;
  /** The largest grid along x, y or z, in workgroups. */
  readonly maxWorkgroupsPerDimension: number;
  /** The most invocations in one workgroup. */
  readonly maxInvocations: number;
  /** The largest workgroup along x, in invocations. */
  readonly maxWorkgroupSizeX: number;
  /** The memory that one workgroup shares, in bytes. */
  readonly workgroupBytes: number;
  /** The most storage bindings in one kernel. */
  readonly maxStorageBuffers: number;
  /** Whether kernels may use `f16`. */
  readonly f16: boolean;
  /** Invocations in a subgroup; nothing if kernels may not use subgroups or the size varies. */
  readonly subgroups: number | undefined;
  /** Whether a pass can be timed on the device. */
  readonly timestamps: boolean;
}

/** An adapter from which one device can be opened. */
export interface AdapterFound {
  readonly kind: 'found';
  readonly adapter: GPUAdapter;
  readonly traits: DeviceTraits;
  /** Where WebGPU comes from: the browser, or Dawn in Node. */
  readonly source: 'browser' | 'dawn';
}

/** No adapter, and why. */
export interface AdapterMissing {
  readonly kind: 'missing';
  readonly reason: string;
}

/** An open device. */
export interface OpenDevice {
  readonly device: GPUDevice;
  readonly traits: DeviceTraits;
  /** Frees the device and all its buffers. Nobody has to call it: a device left open does not keep Node running. */
  readonly close: () => void;
}

interface Platform {
  readonly gpu: GPU;
  readonly source: 'browser' | 'dawn';
}

const OPTIONAL_FEATURES: readonly GPUFeatureName[] = ['shader-f16', 'subgroups', 'timestamp-query'];

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|\bsoftware\b|\bwarp\b|basic render/i;

const browserGpu = (): GPU | undefined => (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;

const DISABLED = 'disable-dawn-features=';

/** What the environment asks for, and timestamps as the device takes them: Dawn rounds them, as browsers have to. */
const dawnFlags = (): readonly string[] => {
  const asked = typeof process === 'undefined' ? '' : (process.env.PURELM_DAWN_FLAGS ?? '');
  const given = asked.split(' ').filter((flag) => flag !== '');
  // Of several such lists Dawn takes the last.
  const disabled = given.filter((flag) => flag.startsWith(DISABLED)).map((flag) => flag.slice(DISABLED.length));
  return [...given, `${DISABLED}${[...disabled, 'timestamp_quantization'].join()}`];
};

/**
 * Starts Dawn. Its instance has to outlive every device: Dawn crashes when the garbage collector takes the instance
 * first. So it is kept for the life of the process, in `platform`; it sleeps while nothing is pending, and since
 * version 0.6 it does not keep Node from ending.
 */
const startDawn = async (): Promise<Platform> => {
  // A name that bundlers for browsers cannot follow: the package is for Node alone.
  const name = 'webgpu';
  const { create } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as typeof import('webgpu');
  return { gpu: create([...dawnFlags()]), source: 'dawn' };
};

const startPlatform = async (): Promise<Platform> => {
  const gpu = browserGpu();
  return gpu === undefined ? startDawn() : { gpu, source: 'browser' };
};

let platform: Promise<Platform> | undefined;

const sharedPlatform = (): Promise<Platform> => {
  platform ??= startPlatform();
  return platform;
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** `WebGPU`'s record of an adapter or device as the traits that a device opened from it will have. */
const traitsOf = ({ info, limits, features }: GPUAdapter): DeviceTraits => {
  const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = info;
  const named = [description, device, `${vendor} ${architecture}`].map((text) => text.trim());
  const fixed = features.has('subgroups') && subgroupMinSize === subgroupMaxSize && (subgroupMinSize ?? 0) > 0;
  return {
    name: named.find((text) => text !== '') ?? 'unnamed adapter',
    vendor,
    architecture,
    description,
    isSoftware: info.isFallbackAdapter === true || SOFTWARE.test([...named, architecture].join(' ')),
    maxBindingBytes: limits.maxStorageBufferBindingSize,
    maxBufferBytes: limits.maxBufferSize,
    offsetAlignment: Math.max(limits.minStorageBufferOffsetAlignment, limits.minUniformBufferOffsetAlignment),
    maxWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
    maxInvocations: limits.maxComputeInvocationsPerWorkgroup,
    maxWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    maxStorageBuffers: limits.maxStorageBuffersPerShaderStage,
    f16: features.has('shader-f16'),
    subgroups: fixed ? subgroupMinSize : undefined,
    timestamps: features.has('timestamp-query'),
  };
};

/** Every limit of the adapter, to be asked for in full. */
const allLimits = (limits: GPUSupportedLimits): Record<string, number> => {
  const wanted: Record<string, number> = {};
  // The limits are getters of the prototype, which `Object.entries` would not see.
  for (const name in limits) {
    const value: unknown = limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') wanted[name] = value;
  }
  return wanted;
};

/**
 * Finds the adapter to use: `navigator.gpu`'s where there is one, else Dawn's. Never rejects.
 *
 * In Node, the environment variable `PURELM_DAWN_FLAGS` gives Dawn options, separated by spaces, such as
 * `enable-dawn-features=dump_shaders`; they count from the first call in a process.
 *
 * @returns The adapter with its traits, or the reason why there is none. One adapter opens one device.
 */
export const findAdapter = async (): Promise<AdapterFound | AdapterMissing> => {
  try {
    const { gpu, source } = await sharedPlatform();
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter === null) {
      const reason =
        source === 'dawn'
          ? 'Dawn finds no adapter; `purelm setup` looks for a driver'
          : 'the browser offers no adapter';
      return { kind: 'missing', reason };
    }
    return { kind: 'found', adapter, traits: traitsOf(adapter), source };
  } catch (error) {
    return { kind: 'missing', reason: `WebGPU cannot be started: ${messageOf(error)}` };
  }
};

/**
 * Opens a device with all that the adapter has: every limit at its best, and f16, subgroups and timestamps if offered.
 *
 * @param found - What `findAdapter` gave; used up by this call.
 * @throws {DeviceError} If the adapter refuses, for instance because it was used before.
 */
export const openDevice = async ({ adapter, traits }: AdapterFound): Promise<OpenDevice> => {
  try {
    const device = await adapter.requestDevice({
      label: 'purelm',
      requiredFeatures: OPTIONAL_FEATURES.filter((feature) => adapter.features.has(feature)),
      requiredLimits: allLimits(adapter.limits),
    });
    return { device, traits, close: () => device.destroy() };
  } catch (error) {
    throw new DeviceError('internal', `openDevice: the adapter ${traits.name} gives no device: ${messageOf(error)}`);
  }
};
