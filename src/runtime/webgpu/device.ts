import { leaf, leafStorage } from '../../ops/constant.ts';
import { type DType, deviceBytes, fileBytes, narrow, wordsOf } from '../../tensor/dtype.ts';
import type { KernelTraits } from '../../tensor/kernel.ts';
import type { HostData, NDArray } from '../../tensor/ndarray.ts';
import { widen } from '../../tensor/ndarray.ts';
import { count, type Shape } from '../../tensor/shape.ts';
import type { Holder, Storage } from '../../tensor/storage.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { DeviceError, type DeviceProblem } from './errors.ts';
import { MAP_READ, usage } from './flags.ts';
import { patiently } from './patience.ts';
import { createPipelines, type Pipelines } from './pipelines.ts';
import { createPool, type MemoryReport, type Pool } from './pool.ts';

/** A buffer that a tensor's values lie in. */
interface Resident {
  readonly buffer: GPUBuffer;
}

/** A device that evaluates expressions, with everything it keeps between evaluations. */
export interface WebGPU {
  readonly device: GPUDevice;
  readonly traits: KernelTraits & { readonly maxBufferBytes: number; readonly name: string };
  readonly pool: Pool;
  readonly pipelines: Pipelines;
  /** The buffer of a leaf's values; host values are copied to the device, and stay there while the leaf lives. */
  bufferOf(storage: Storage, dtype: DType, label: string): { readonly buffer: GPUBuffer; readonly borrowed: boolean };
  /** A buffer of one's own with host values in it. */
  hold(array: NDArray, label: string): GPUBuffer;
  /** Writes host values into a buffer that is large enough. */
  write(buffer: GPUBuffer, array: NDArray): void;
  /** A tensor around a buffer that this device filled; the buffer goes back when nobody holds the tensor any more. */
  resident(buffer: GPUBuffer, shape: Shape, dtype: DType): Tensor;
  /** Gives a resident tensor's buffer back at once, where the library knows that nobody else has it. */
  release(tensor: Tensor): void;
  /** Takes a resident tensor's buffer away from it: using the tensor again is an error. Unless moved, it is given back. */
  donate(tensor: Tensor, moved: boolean): void;
  /** Runs `work` and rejects with what the device complained of in the meantime. */
  guarded<A>(work: () => A): Promise<A>;
  /** Values of buffers, brought to the host. */
  read(
    items: readonly { readonly buffer: GPUBuffer; readonly shape: Shape; readonly dtype: DType }[],
  ): Promise<readonly NDArray[]>;
  memory(): MemoryReport;
}

const owners = new WeakMap<Holder, WebGPU>();

/** The device whose buffer a holder stands for. */
export const ownerOf = (holder: Holder): WebGPU | undefined => owners.get(holder);

/** Host values of this size or more stay on the device while their leaf lives: they are weights, not arguments. */
const KEPT_BYTES = 16384;

/** Staging buffers of this size or less are used again: those that tokens come by, step by step. */
const KEPT_STAGING_BYTES = 2 ** 16;
const LEAST_STAGING_BYTES = 256;
/** Free ones of each size, at most. */
const MOST_STAGING = 4;

/** Buffers by which values come to the host, in powers of two as far as they are kept. */
const createStaging = (device: GPUDevice) => {
  const free = new Map<number, GPUBuffer[]>();
  return {
    take: (bytes: number): GPUBuffer => {
      const size = bytes > KEPT_STAGING_BYTES ? bytes : 2 ** Math.ceil(Math.log2(Math.max(LEAST_STAGING_BYTES, bytes)));
      const known = free.get(size)?.pop();
      return known ?? device.createBuffer({ size, usage: usage.mapRead | usage.copyDestination, label: 'read' });
    },
    release: (buffer: GPUBuffer): void => {
      const { size } = buffer;
      const others = free.get(size) ?? [];
      if (size > KEPT_STAGING_BYTES || others.length >= MOST_STAGING || buffer.mapState !== 'unmapped') {
        buffer.destroy();
        return;
      }
      others.push(buffer);
      free.set(size, others);
    },
  };
};

/** Host values as they lie on the device: halves packed, bools as words; padded to whole words. */
const deviceImage = ({ data, dtype }: NDArray): Uint8Array => {
  if (dtype === 'bool') {
    const words = Uint32Array.from(data, (value) => (value === 0 ? 0 : 1));
    return new Uint8Array(words.buffer);
  }
  const exact: HostData = data instanceof Float64Array ? Float32Array.from(data) : data;
  const bytes = new Uint8Array(exact.buffer, exact.byteOffset, exact.byteLength);
  if (bytes.byteLength % 4 === 0) return bytes;
  const padded = new Uint8Array(Math.ceil(bytes.byteLength / 4) * 4);
  padded.set(bytes);
  return padded;
};

/** Bytes of host values on the device. */
const imageBytes = ({ shape, dtype }: NDArray): number => Math.ceil((count(shape) * deviceBytes(dtype)) / 4) * 4;

/** Bytes from a device as host values. */
const hostImage = (bytes: ArrayBuffer, shape: Shape, dtype: DType): NDArray => {
  const length = count(shape);
  switch (dtype) {
    case 'float32':
      return { data: new Float32Array(bytes, 0, length), shape, dtype };
    case 'int32':
      return { data: new Int32Array(bytes, 0, length), shape, dtype };
    case 'bool':
      return { data: Uint8Array.from(new Uint32Array(bytes, 0, length)), shape, dtype };
    default:
      return { data: widen({ data: new Uint16Array(bytes, 0, length), shape, dtype }), shape, dtype };
  }
};

const opIn = (message: string): string | undefined => /"([^"]+)"/.exec(message)?.[1];

/** Wraps an open device. */
export const createWebGPU = (device: GPUDevice, traits: WebGPU['traits']): WebGPU => {
  const pool = createPool(device, traits.maxBufferBytes);
  const returned = new FinalizationRegistry<GPUBuffer>((buffer) => pool.release(buffer));
  const holders = new WeakMap<Holder, Resident>();
  const kept = new WeakMap<object, GPUBuffer>();
  let lost: DeviceError | undefined;
  device.lost.then(({ message, reason }) => {
    lost = new DeviceError(
      'lost',
      `device: expected it to stay, but it was lost (${reason}): ${message}; open it again and load the model anew`,
    );
  });

  const guarded = async <A>(work: () => A): Promise<A> => {
    if (lost !== undefined) throw lost;
    const scopes = ['internal', 'out-of-memory', 'validation'] as const;
    for (const scope of scopes) device.pushErrorScope(scope);
    let result: A;
    let complaints: Promise<readonly (readonly [DeviceProblem, GPUError | null])[]>;
    try {
      result = work();
    } finally {
      complaints = Promise.all(
        [...scopes].reverse().map(async (scope) => [scope, await device.popErrorScope()] as const),
      );
    }
    for (const [problem, error] of await patiently(complaints))
      if (error !== null) {
        const op = opIn(error.message);
        throw new DeviceError(problem, `${op ?? 'evaluate'}: the device reports ${problem}: ${error.message}`, op);
      }
    if (lost !== undefined) throw lost;
    return result;
  };

  const staging = createStaging(device);
  const read: WebGPU['read'] = async (items) => {
    const sizes = items.map(({ shape, dtype }) => Math.ceil((count(shape) * deviceBytes(dtype)) / 4) * 4);
    const targets = await guarded(() => {
      const encoder = device.createCommandEncoder({ label: 'read' });
      const buffers = items.map(({ buffer }, i) => {
        const target = staging.take(sizes[i]!);
        if (sizes[i]! > 0) encoder.copyBufferToBuffer(buffer, 0, target, 0, sizes[i]!);
        return target;
      });
      device.queue.submit([encoder.finish()]);
      return buffers;
    });
    try {
      return await Promise.all(
        targets.map(async (buffer, i) => {
          const { shape, dtype } = items[i]!;
          await patiently(buffer.mapAsync(MAP_READ), 'work').catch((cause: unknown) => {
            throw lost ?? new DeviceError('internal', `read: the device could not give values back: ${String(cause)}`);
          });
          const array = hostImage(buffer.getMappedRange(0, sizes[i]!).slice(0), shape, dtype);
          buffer.unmap();
          return array;
        }),
      );
    } finally {
      for (const buffer of targets) staging.release(buffer);
    }
  };

  const self: WebGPU = {
    device,
    traits,
    pool,
    pipelines: createPipelines(device),
    bufferOf: (storage, _dtype, label) => {
      if (storage.kind === 'resident') {
        const holder = holders.get(storage.holder);
        if (holder === undefined)
          throw new DeviceError(
            'validation',
            `${label}: expected values that this device holds, got a tensor that was donated or belongs to another device; use what the compiled function returned, or read the tensor and pass its values`,
            label,
          );
        return { buffer: holder.buffer, borrowed: true };
      }
      const known = kept.get(storage);
      if (known !== undefined) return { buffer: known, borrowed: true };
      const buffer = self.hold(storage.array, label);
      if (imageBytes(storage.array) < KEPT_BYTES) return { buffer, borrowed: false };
      kept.set(storage, buffer);
      returned.register(storage, buffer, storage);
      return { buffer, borrowed: true };
    },
    hold: (array, label) => {
      const buffer = pool.take(imageBytes(array), label);
      self.write(buffer, array);
      return buffer;
    },
    write: (buffer, array) => {
      const image = deviceImage(array);
      for (let start = 0; start < image.byteLength; start += UPLOAD_BYTES)
        device.queue.writeBuffer(
          buffer,
          start,
          image as Uint8Array<ArrayBuffer>,
          start,
          Math.min(UPLOAD_BYTES, image.byteLength - start),
        );
    },
    resident: (buffer, shape, dtype) => {
      const holder: Holder = Object.freeze({
        read: async () => {
          const { buffer: own } = self.bufferOf({ kind: 'resident', holder }, dtype, 'read');
          return (await read([{ buffer: own, shape, dtype }]))[0]!;
        },
      });
      holders.set(holder, { buffer });
      owners.set(holder, self);
      returned.register(holder, buffer, holder);
      return leaf({ kind: 'resident', holder }, shape, dtype);
    },
    release: (tensor) => self.donate(tensor, false),
    donate: (tensor, moved) => {
      const storage = leafStorage(tensor);
      if (storage?.kind !== 'resident') return;
      const holder = holders.get(storage.holder);
      if (holder === undefined) return;
      holders.delete(storage.holder);
      returned.unregister(storage.holder);
      if (!moved) pool.release(holder.buffer);
    },
    guarded,
    read,
    memory: pool.report,
  };
  return self;
};

/** Bytes that go to the device at a time. */
export const UPLOAD_BYTES = 4 * 2 ** 20;

/** Where values of a tensor come from, piece by piece: bytes `start` to `end - 1`, as they stand in a file. */
export interface ByteSource {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Halves that the float32 numbers of the file are rounded to on their way. */
  readonly storedAs?: 'float16' | 'bfloat16' | undefined;
  /** What it gives may be overwritten by the call after the next. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/**
 * A tensor on the device whose bytes are read in pieces: host memory holds two of them, one that goes to the device and one
 * that is being read.
 */
export const upload = async (
  gpu: WebGPU,
  label: string,
  { shape, dtype: given, storedAs, read }: ByteSource,
): Promise<Tensor> => {
  const dtype = storedAs ?? given;
  const bytes = count(shape) * fileBytes(given);
  const buffer = await gpu.guarded(() => gpu.pool.take(Math.max(4, count(shape) * deviceBytes(dtype)), label));
  const readFrom = (start: number): Promise<Uint8Array> | undefined =>
    start < bytes ? read(start, Math.min(bytes, start + UPLOAD_BYTES)) : undefined;
  const halves = storedAs === undefined ? undefined : new Uint16Array(Math.min(bytes, UPLOAD_BYTES) / 4);
  /** A piece as it is stored. */
  const stored = (piece: Uint8Array): Uint8Array | Uint16Array => {
    if (storedAs === undefined || halves === undefined) return piece;
    narrow(wordsOf(piece), storedAs, halves);
    return halves.subarray(0, piece.length / 4);
  };
  let next = readFrom(0);
  try {
    for (let start = 0; start < bytes; start += UPLOAD_BYTES) {
      const piece = (await next)!;
      // The next piece is read while this one is rounded and copied.
      next = readFrom(start + UPLOAD_BYTES);
      const data = stored(piece);
      const image = deviceImage({ data, shape: [data.length], dtype: dtype === 'bool' ? 'bool' : 'int32' });
      const at = (start / fileBytes(given)) * deviceBytes(dtype);
      gpu.device.queue.writeBuffer(buffer, at, image as Uint8Array<ArrayBuffer>);
    }
    return gpu.resident(buffer, shape, dtype);
  } catch (cause) {
    gpu.pool.release(buffer);
    await next?.catch(() => undefined);
    throw cause;
  }
};
