import { leaf, leafStorage } from '../ops/constant.ts';
import { fileBytes, narrow, wordsOf } from '../tensor/dtype.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import { count } from '../tensor/shape.ts';
import type { Storage } from '../tensor/storage.ts';
import { isTensor, type Tensor, topological } from '../tensor/tensor.ts';
import { leaves, type Tree, withLeaves } from '../tensor/tree.ts';
import { evaluateReferenceAsync } from './reference/evaluate.ts';
import { tunedWebGPU } from './tuning.ts';
import { findAdapter, openDevice } from './webgpu/adapter.ts';
import { type Compiled, type CompileOptions, compile as compileForWebGPU } from './webgpu/compile.ts';
import { type ByteSource, ownerOf, upload as uploadToWebGPU, type WebGPU } from './webgpu/device.ts';
import { evaluate as evaluateOnWebGPU, realize as realizeOnWebGPU } from './webgpu/execute.ts';

/** What gives expressions their numbers. */
export interface Device {
  /** Which interpreter. */
  readonly kind: 'webgpu' | 'reference';
  /** The adapter's name, or that of the interpreter. */
  readonly name: string;
  /** Why this device and no other, in one line. */
  readonly reason: string;
  /** Values of expressions, on the host. What the device holds already may be donated as soon as this has been called. */
  evaluate(outputs: readonly Tensor[]): Promise<readonly NDArray[]>;
  /** Expressions with their values computed and kept where the device has them. */
  realize(outputs: readonly Tensor[]): Promise<readonly Tensor[]>;
  /** A function traced once for each set of shapes and replayed after that. */
  compile<Arguments extends readonly Tree[], Result extends Tree>(
    f: (...args: Arguments) => Result,
    options?: CompileOptions,
  ): Compiled<Arguments, Result>;
  /** A tensor whose bytes are read piece by piece. */
  upload(label: string, source: ByteSource): Promise<Tensor>;
  /** Gives the memory of realized tensors back before the garbage collector would. */
  release(tensors: readonly Tensor[]): void;
  /** The WebGPU device below, if there is one. */
  readonly webgpu: WebGPU | undefined;
}

const spent = new WeakSet<Storage>();

const refuseSpent = (outputs: readonly Tensor[]): void => {
  for (const tensor of topological(outputs)) {
    const storage = leafStorage(tensor);
    if (storage !== undefined && spent.has(storage))
      throw new ArgumentError(
        'evaluate: expected values that are still held, got a tensor that was donated; use what the compiled function returned',
      );
  }
};

const compileForReference = <Arguments extends readonly Tree[], Result extends Tree>(
  f: (...args: Arguments) => Result,
  { donate = [] }: CompileOptions = {},
): Compiled<Arguments, Result> => {
  const run = async (...args: Arguments): Promise<Result> => {
    const result = f(...args);
    const values = await referenceDevice.realize(leaves(result));
    for (const [at, arg] of args.entries())
      if (donate.includes(at))
        for (const tensor of leaves(arg)) {
          const storage = leafStorage(tensor);
          if (storage !== undefined) spent.add(storage);
        }
    return withLeaves(result, values);
  };
  return {
    run,
    repeat: async (times, ...args) => {
      // What stays the same is computed once, and not again each time.
      const [first, ...rest] = args;
      const held = withLeaves(rest, await referenceDevice.realize(leaves(rest)));
      let current = [first, ...held] as unknown as Arguments;
      for (let time = 1; time < times; time++) current = [await run(...current), ...held] as unknown as Arguments;
      return run(...current);
    },
    release: () => {},
  };
};

/** The plain-TypeScript interpreter as a device. */
export const referenceDevice: Device = Object.freeze<Device>({
  kind: 'reference',
  name: 'reference interpreter',
  reason: 'plain TypeScript, in double precision',
  evaluate: async (outputs) => {
    refuseSpent(outputs);
    return evaluateReferenceAsync(outputs);
  },
  realize: async (outputs) => {
    refuseSpent(outputs);
    const values = await evaluateReferenceAsync(outputs);
    return values.map((array) => leaf({ kind: 'host', array }, array.shape, array.dtype));
  },
  compile: compileForReference,
  upload: async (_label, { shape, dtype, storedAs, read }) => {
    const words = dtype === 'float16' || dtype === 'bfloat16' ? Uint16Array : undefined;
    const bytes = count(shape) * fileBytes(dtype);
    const whole = new Uint8Array(bytes);
    const piece = 2 ** 24;
    for (let start = 0; start < bytes; start += piece)
      whole.set(await read(start, Math.min(bytes, start + piece)), start);
    if (storedAs !== undefined) {
      const data = new Uint16Array(count(shape));
      narrow(wordsOf(whole), storedAs, data);
      return leaf({ kind: 'host', array: { data, shape, dtype: storedAs } }, shape, storedAs);
    }
    const data =
      words !== undefined
        ? new words(whole.buffer)
        : dtype === 'bool'
          ? whole
          : dtype === 'int32'
            ? new Int32Array(whole.buffer)
            : new Float32Array(whole.buffer);
    return leaf({ kind: 'host', array: { data, shape, dtype } }, shape, dtype);
  },
  release: () => {},
  webgpu: undefined,
});

const devices = new WeakMap<WebGPU, Device>();

/** A WebGPU device as a device. */
export const webgpuDevice = (gpu: WebGPU, reason: string): Device => {
  const known = devices.get(gpu);
  if (known !== undefined) return known;
  const device: Device = Object.freeze<Device>({
    kind: 'webgpu',
    name: gpu.traits.name,
    reason,
    evaluate: (outputs) => evaluateOnWebGPU(gpu, outputs),
    realize: (outputs) => realizeOnWebGPU(gpu, outputs),
    compile: (f, options) => compileForWebGPU(gpu, f, options),
    upload: (label, source) => uploadToWebGPU(gpu, label, source),
    release: (tensors) => {
      for (const tensor of tensors) gpu.release(tensor);
    },
    webgpu: gpu,
  });
  devices.set(gpu, device);
  return device;
};

/** Which device is asked for; `auto` takes WebGPU where there is an adapter. */
export type DeviceChoice = 'auto' | 'webgpu' | 'reference';

const openWebGPU = async (): Promise<Device | string> => {
  const found = await findAdapter();
  if (found.kind === 'missing') return found.reason;
  const { device, traits } = await openDevice(found);
  const kind = traits.isSoftware ? 'a software adapter' : 'an adapter';
  return webgpuDevice(
    tunedWebGPU(device, traits),
    `${kind} that ${found.source === 'dawn' ? 'Dawn' : 'the browser'} offers`,
  );
};

let webgpu: Promise<Device | string> | undefined;

const environmentChoice = (): DeviceChoice => {
  const choice = typeof process === 'undefined' ? undefined : process.env['PURELM_DEVICE'];
  if (choice === undefined || choice === '') return 'auto';
  if (choice === 'webgpu' || choice === 'reference' || choice === 'auto') return choice;
  throw new ArgumentError(`PURELM_DEVICE: expected webgpu, reference or auto, got ${choice}`);
};

/**
 * The device to run on. The environment variable PURELM_DEVICE decides where nothing else does. Falling back to the
 * reference interpreter is said on the console, once.
 *
 * @throws {ArgumentError} If WebGPU is asked for and there is no adapter.
 */
export const getDevice = async (choice: DeviceChoice = environmentChoice()): Promise<Device> => {
  if (choice === 'reference') return referenceDevice;
  const isFirst = webgpu === undefined;
  webgpu ??= openWebGPU();
  const opened = await webgpu;
  if (typeof opened !== 'string') return opened;
  if (choice === 'webgpu')
    throw new ArgumentError(
      `device: expected a WebGPU adapter, got none (${opened}); use 'reference' or install a driver`,
    );
  if (isFirst) console.warn(`purelm: no WebGPU adapter (${opened}); running on the reference interpreter`);
  return referenceDevice;
};

/** The device that already holds some of the values that expressions depend on. */
export const holderOf = (outputs: readonly Tensor[]): Device | undefined => {
  for (const tensor of topological(outputs)) {
    const storage = leafStorage(tensor);
    if (storage?.kind === 'resident') {
      const owner = ownerOf(storage.holder);
      if (owner !== undefined) return devices.get(owner);
    }
  }
  return undefined;
};

/** What `read` gives for a tree of tensors: the same tree with arrays in their place. */
export type Values<T> = T extends Tensor ? NDArray : { readonly [K in keyof T]: Values<T[K]> };

/** Options of `read`. */
export interface ReadOptions {
  /** Default: the device that holds values of the expression, else the default device. */
  readonly device?: Device;
}

const fill = (tree: Tree, next: () => NDArray): unknown =>
  isTensor(tree)
    ? next()
    : Array.isArray(tree)
      ? (tree as readonly Tree[]).map((branch) => fill(branch, next))
      : Object.fromEntries(Object.entries(tree).map(([key, branch]) => [key, fill(branch as Tree, next)]));

const readTree = async (tree: Tree, { device }: ReadOptions): Promise<unknown> => {
  const outputs = leaves(tree);
  const values = await (device ?? holderOf(outputs) ?? (await getDevice())).evaluate(outputs);
  let next = 0;
  return fill(tree, () => values[next++]!);
};

/**
 * The values of an expression, or of a tree of them, in one evaluation that shares what they share.
 *
 * @returns `{ data, shape, dtype }` for each tensor.
 */
export const read = <T extends Tree>(tree: T, options: ReadOptions = {}): Promise<Values<T>> =>
  readTree(tree, options) as Promise<Values<T>>;
