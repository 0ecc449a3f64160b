import { DeviceError } from './errors.ts';
import { usage } from './flags.ts';

/** What a device's memory is used for. */
export interface MemoryReport {
  /** Buffers that somebody holds. */
  readonly liveBuffers: number;
  readonly liveBytes: number;
  /** Released buffers that wait for their next use. */
  readonly pooledBuffers: number;
  readonly pooledBytes: number;
}

/** Buffers of a device: released ones are kept for the next taker of their size. */
export interface Pool {
  /** A storage buffer of at least `bytes`; its contents are whatever was there. */
  take(bytes: number, label: string): GPUBuffer;
  release(buffer: GPUBuffer): void;
  report(): MemoryReport;
  /** Destroys what is pooled. */
  trim(): void;
}

/** Bytes that are kept pooled, at most; above it, released buffers are destroyed. */
const POOL_LIMIT = 256 * 2 ** 20;

/** Sizes are rounded up so that nearly equal ones share: to 256 bytes, then to an eighth of a power of two. */
export const roundedSize = (bytes: number): number => {
  const small = Math.max(256, Math.ceil(bytes / 256) * 256);
  if (small <= 4096) return small;
  const step = 2 ** (Math.floor(Math.log2(small)) - 3);
  // Large buffers are not rounded: an eighth of a weight is too much to waste.
  return small >= 2 ** 24 ? small : Math.ceil(small / step) * step;
};

/** A pool over a device. */
export const createPool = (device: GPUDevice, maxBufferBytes: number): Pool => {
  const free = new Map<number, GPUBuffer[]>();
  const live = new Map<GPUBuffer, number>();
  let liveBytes = 0;
  let pooledBuffers = 0;
  let pooledBytes = 0;
  const trim = (): void => {
    for (const list of free.values()) for (const buffer of list) buffer.destroy();
    free.clear();
    pooledBuffers = 0;
    pooledBytes = 0;
  };
  return {
    take: (bytes, label) => {
      const size = roundedSize(bytes);
      if (size > maxBufferBytes)
        throw new DeviceError(
          'out-of-memory',
          `${label}: expected at most ${maxBufferBytes} bytes in one buffer, got ${bytes}; use a smaller batch or length`,
          label,
        );
      const pooled = free.get(size)?.pop();
      const buffer =
        pooled ??
        device.createBuffer({
          size,
          usage: usage.storage | usage.copySource | usage.copyDestination,
          label,
        });
      if (pooled !== undefined) {
        pooled.label = label;
        pooledBuffers--;
        pooledBytes -= size;
      }
      live.set(buffer, size);
      liveBytes += size;
      return buffer;
    },
    release: (buffer) => {
      const size = live.get(buffer);
      if (size === undefined) return;
      live.delete(buffer);
      liveBytes -= size;
      if (pooledBytes + size > POOL_LIMIT) {
        buffer.destroy();
        return;
      }
      const list = free.get(size);
      if (list === undefined) free.set(size, [buffer]);
      else list.push(buffer);
      pooledBuffers++;
      pooledBytes += size;
    },
    report: () => ({ liveBuffers: live.size, liveBytes, pooledBuffers, pooledBytes }),
    trim,
  };
};
