import { ArgumentError } from '../../tensor/errors.ts';
import { costOf } from './cost.ts';
import type { WebGPU } from './device.ts';
import { MAP_READ, usage } from './flags.ts';
import { patiently } from './patience.ts';
import type { Step } from './planForm.ts';

/** How long one launch of a kernel took on the device. */
export interface LaunchTime {
  /** The op whose value it computes, with its shape. */
  readonly op: string;
  /** File name of the shader without `.wgsl`; `chain` for kernels generated for elementwise ops and copies. */
  readonly kernel: string;
  /** The grid along x, y and z. */
  readonly workgroups: readonly [number, number, number];
  /** From the beginning of the launch's pass to its end, in milliseconds. */
  readonly ms: number;
  /**
   * Additions and multiplications that the value asks for: of products, and of attention where the number of keys is known
   * beforehand (that of a cache is not). Undefined for other kernels.
   */
  readonly flops: number | undefined;
  /** Bytes that it has to read and write, each once; at most those of the ranges that it binds. */
  readonly bytes: number;
}

/** What work gave, and every launch that it came to, in order. */
export interface Profiled<A> {
  /** What the work's promise resolved to. */
  readonly value: A;
  /** Its launches, in the order in which they were submitted. */
  readonly launches: readonly LaunchTime[];
}

/** What `profile` needs of a device. */
export interface Profilable {
  /** For messages. */
  readonly name: string;
  /** The WebGPU device below, if there is one. */
  readonly webgpu: WebGPU | undefined;
}

/** A dispatch that is ready to be encoded. */
export interface Dispatch {
  readonly step: Step;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
}

/** Times launches while there is one. */
export interface Recorder {
  /** Encodes dispatches in passes of their own, each between two timestamps. */
  encode(encoder: GPUCommandEncoder, dispatches: readonly Dispatch[]): void;
  /** To be called when what was encoded has been submitted. */
  submitted(): void;
}

/** Devices that are being profiled. */
const recorders = new WeakMap<GPUDevice, Recorder>();

/** The recorder of a device that is being profiled. */
export const recorderOf = (device: GPUDevice): Recorder | undefined => recorders.get(device);

/** WebGPU's limit on the queries of one set. */
const MOST_QUERIES = 4096;
const STAMP_BYTES = 8;

/** Some dispatches whose stamps lie in one query set. */
interface Batch {
  readonly dispatches: readonly Dispatch[];
  readonly querySet: GPUQuerySet;
  readonly resolved: GPUBuffer;
  readonly stamps: GPUBuffer;
}

const kernelOf = ({ kernel }: Step): string => (kernel.kind === 'file' ? kernel.shader : 'chain');

const timesOf = ({ dispatches }: Batch, stamps: BigUint64Array): readonly LaunchTime[] =>
  dispatches.map(({ step }, i) => ({
    op: step.label,
    kernel: kernelOf(step),
    workgroups: step.workgroups,
    // The standard lets a device's clock be set back.
    ms: Math.max(0, Number(stamps[2 * i + 1]! - stamps[2 * i]!) / 1e6),
    ...costOf(step),
  }));

const createRecorder = (device: GPUDevice): Recorder & { readonly launches: () => Promise<readonly LaunchTime[]> } => {
  const times: Promise<readonly LaunchTime[]>[] = [];
  let encoded: Batch[] = [];

  const encodeBatch = (encoder: GPUCommandEncoder, dispatches: readonly Dispatch[]): void => {
    const count = 2 * dispatches.length;
    const size = count * STAMP_BYTES;
    const label = 'profile';
    const querySet = device.createQuerySet({ type: 'timestamp', count, label });
    const resolved = device.createBuffer({ size, usage: usage.queryResolve | usage.copySource, label });
    const stamps = device.createBuffer({ size, usage: usage.mapRead | usage.copyDestination, label });
    for (const [i, { step, pipeline, bindGroup }] of dispatches.entries()) {
      const pass = encoder.beginComputePass({
        label: step.label,
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
      });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...step.workgroups);
      pass.end();
    }
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, stamps, 0, size);
    encoded.push({ dispatches, querySet, resolved, stamps });
  };

  const readBatch = async (batch: Batch): Promise<readonly LaunchTime[]> => {
    const { querySet, resolved, stamps } = batch;
    try {
      await patiently(stamps.mapAsync(MAP_READ), 'work');
      return timesOf(batch, new BigUint64Array(stamps.getMappedRange()));
    } finally {
      querySet.destroy();
      resolved.destroy();
      stamps.destroy();
    }
  };

  return {
    encode: (encoder, dispatches) => {
      for (let start = 0; start < dispatches.length; start += MOST_QUERIES / 2)
        encodeBatch(encoder, dispatches.slice(start, start + MOST_QUERIES / 2));
    },
    submitted: () => {
      for (const batch of encoded) {
        const read = readBatch(batch);
        // A device that is lost meanwhile rejects the work itself, which says why.
        read.catch(() => undefined);
        times.push(read);
      }
      encoded = [];
    },
    launches: async () => (await Promise.all(times)).flat(),
  };
};

/**
 * The WebGPU device of one that can be profiled.
 *
 * @throws {ArgumentError} If it is none, or has no timestamps.
 */
export const profilable = ({ name, webgpu }: Profilable): WebGPU => {
  if (webgpu?.device.features.has('timestamp-query') !== true)
    throw new ArgumentError(
      `profile: expected a device that takes timestamps, got ${name}, which has ${webgpu === undefined ? 'no launches' : 'no timestamp-query'}; time the whole by the clock`,
    );
  return webgpu;
};

/**
 * Does work and times every launch that the device runs meanwhile, by timestamps on the device. Launches run one after the
 * other then, each in a pass of its own, so that the whole takes longer than it does otherwise; values are the same.
 *
 * What compiles a kernel on its first launch, as software adapters do, counts that in: do the work once before.
 *
 * @example
 * ```ts
 * const { value, launches } = await profile(device, () => lm.generate('The old fox'));
 * const slowest = [...launches].sort((a, b) => b.ms - a.ms)[0];
 * ```
 *
 * @param device - A WebGPU device of the library.
 * @param work - What is to be timed, up to its promise. Other work on the device at the time is timed too.
 * @throws {ArgumentError} By rejection, if the device is no WebGPU device, has no timestamps, or is being profiled already.
 */
export const profile = async <A>(device: Profilable, work: () => Promise<A>): Promise<Profiled<A>> => {
  const { name } = device;
  const { device: own } = profilable(device);
  if (recorders.has(own))
    throw new ArgumentError(
      `profile: expected one profile of a device at a time, got another of ${name}; await the first`,
    );
  const recorder = createRecorder(own);
  recorders.set(own, recorder);
  try {
    const value = await work();
    return { value, launches: await recorder.launches() };
  } finally {
    recorders.delete(own);
  }
};
