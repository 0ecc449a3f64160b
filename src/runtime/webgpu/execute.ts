import { leafStorage } from '../../ops/constant.ts';
import type { NDArray } from '../../tensor/ndarray.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { WebGPU } from './device.ts';
import { DeviceError } from './errors.ts';
import { usage } from './flags.ts';
import { assignMemory } from './memory.ts';
import type { Pipeline } from './pipelines.ts';
import { plan } from './plan.ts';
import type { Plan, PlanBuffer } from './planForm.ts';
import { type Dispatch, recorderOf } from './profile.ts';
import { packUniforms } from './shader.ts';

/** A plan with memory: it can be submitted again and again. */
export interface Prepared {
  /** What is dispatched, in order. */
  readonly dispatches: readonly Dispatch[];
  /** Buffers of the outputs, in order. */
  readonly outputs: readonly GPUBuffer[];
  /** Gives back all memory but that of the outputs. */
  release(): void;
}

/** Uniforms of a dispatch begin at a multiple of this many bytes. */
const UNIFORM_STEP = 256;

/**
 * Memory, pipelines and bind groups for a plan. To be called within `guarded`.
 *
 * @param inputs - A buffer for each of the plan's inputs.
 */
export const prepare = (gpu: WebGPU, made: Plan, inputs: readonly GPUBuffer[] = []): Prepared => {
  const { device, pool, pipelines } = gpu;
  const memory = assignMemory(made);
  const labels = new Map<number, string>();
  for (const [buffer, slot] of memory.slotOf) if (!labels.has(slot)) labels.set(slot, made.buffers[buffer]!.label);
  const owned: GPUBuffer[] = [];
  const kept = new Set<GPUBuffer>();
  const take = (bytes: number, label: string): GPUBuffer => {
    const buffer = pool.take(bytes, label);
    owned.push(buffer);
    return buffer;
  };
  try {
    const slots = memory.slots.map((bytes, slot) => take(bytes, labels.get(slot) ?? 'temporary'));
    const find = (buffer: PlanBuffer, i: number): GPUBuffer | undefined => {
      if (buffer.kind === 'temporary') return slots[memory.slotOf.get(i) ?? -1];
      if (buffer.kind === 'input') return inputs[buffer.index];
      const found = gpu.bufferOf(buffer.storage, buffer.dtype, buffer.label);
      if (!found.borrowed) owned.push(found.buffer);
      return found.buffer;
    };
    const buffers = made.buffers.map(find);
    for (const { buffer } of made.outputs) kept.add(buffers[buffer]!);

    const kernels = made.steps.map(({ kernel, label }) => pipelines.of(kernel, label));
    const spaceOf = ({ shader }: Pipeline): number =>
      shader.uniformBinding === undefined ? 0 : Math.ceil(shader.uniformBytes / UNIFORM_STEP) * UNIFORM_STEP;
    const space = kernels.reduce((sum, kernel) => sum + spaceOf(kernel), 0);
    const uniforms =
      space === 0
        ? undefined
        : device.createBuffer({ size: space, usage: usage.uniform | usage.copyDestination, label: 'uniforms' });
    const image = new DataView(new ArrayBuffer(space));
    let at = 0;
    const dispatches = made.steps.map((step, i): Dispatch => {
      const { pipeline, layout, shader } = kernels[i]!;
      const entries: GPUBindGroupEntry[] = shader.storage.map(({ binding, name }) => {
        const bound = step.bindings.find((candidate) => candidate.name === name);
        const buffer = bound === undefined ? undefined : buffers[bound.buffer];
        if (bound === undefined || buffer === undefined)
          throw new DeviceError(
            'validation',
            `${step.label}: expected a buffer for ${name}, got ${step.bindings.map((b) => b.name).join(', ')}`,
            step.label,
          );
        return { binding, resource: { buffer, offset: bound.start, size: bound.size } };
      });
      if (shader.uniformBinding !== undefined) {
        packUniforms(step.label, shader, step.uniforms, image, at);
        entries.push({
          binding: shader.uniformBinding,
          resource: { buffer: uniforms!, offset: at, size: shader.uniformBytes },
        });
        at += spaceOf(kernels[i]!);
      }
      return { step, pipeline, bindGroup: device.createBindGroup({ layout, entries, label: step.label }) };
    });
    if (uniforms !== undefined) device.queue.writeBuffer(uniforms, 0, image.buffer);
    return {
      dispatches,
      outputs: made.outputs.map(({ buffer }) => buffers[buffer]!),
      release: () => {
        uniforms?.destroy();
        for (const buffer of owned) if (!kept.has(buffer)) pool.release(buffer);
      },
    };
  } catch (cause) {
    for (const buffer of owned) pool.release(buffer);
    throw cause;
  }
};

/** Encodes dispatches into one pass. */
const encodeTogether = (encoder: GPUCommandEncoder, dispatches: readonly Dispatch[], times: number): void => {
  const pass = encoder.beginComputePass({ label: 'evaluate' });
  let last: GPUComputePipeline | undefined;
  for (let time = 0; time < times; time++)
    for (const { step, pipeline, bindGroup } of dispatches) {
      if (pipeline !== last) pass.setPipeline(pipeline);
      last = pipeline;
      pass.setBindGroup(0, bindGroup);
      const [x, y, z] = step.workgroups;
      pass.dispatchWorkgroups(x, y, z);
    }
  pass.end();
};

/** Submits a plan, `times` times one after the other, in one command buffer; in one pass, unless launches are timed. */
export const submit = ({ device }: WebGPU, { dispatches }: Prepared, times = 1): void => {
  const encoder = device.createCommandEncoder({ label: 'evaluate' });
  const recorder = recorderOf(device);
  if (recorder === undefined) encodeTogether(encoder, dispatches, times);
  else recorder.encode(encoder, Array.from({ length: times }, () => dispatches).flat());
  device.queue.submit([encoder.finish()]);
  recorder?.submitted();
};

/** Computes expressions and leaves their values on the device; values of the host are copied there without a kernel. */
export const realize = async (gpu: WebGPU, outputs: readonly Tensor[]): Promise<readonly Tensor[]> => {
  if (outputs.length === 0) return [];
  const arrays = outputs.map((tensor) => {
    const storage = leafStorage(tensor);
    return storage?.kind === 'host' ? storage.array : undefined;
  });
  const computed = outputs.filter((_, i) => arrays[i] === undefined);
  const made = computed.length === 0 ? undefined : plan(computed, { traits: gpu.traits });
  const taken: GPUBuffer[] = [];
  try {
    await gpu.guarded(() => {
      for (const [i, array] of arrays.entries())
        if (array !== undefined) taken.push(gpu.hold(array, outputs[i]!.op.name));
      if (made === undefined) return;
      const prepared = prepare(gpu, made);
      taken.push(...prepared.outputs);
      try {
        submit(gpu, prepared);
      } finally {
        prepared.release();
      }
    });
  } catch (cause) {
    for (const buffer of taken) gpu.pool.release(buffer);
    throw cause;
  }
  let [held, next] = [0, arrays.length - computed.length];
  return outputs.map(({ shape, dtype }, i) =>
    gpu.resident(taken[arrays[i] === undefined ? next++ : held++]!, shape, dtype),
  );
};

/** Values of expressions, computed on the device and brought to the host. */
export const evaluate = async (gpu: WebGPU, outputs: readonly Tensor[]): Promise<readonly NDArray[]> => {
  const isHere = (tensor: Tensor): boolean => leafStorage(tensor)?.kind === 'resident';
  const absent = outputs.filter((tensor) => !isHere(tensor));
  // What is here is copied before this function first waits, and may be donated as soon as it was called.
  const computed = absent.length === 0 ? [] : await realize(gpu, absent);
  let next = 0;
  const results = outputs.map((tensor) => (isHere(tensor) ? tensor : computed[next++]!));
  try {
    return await gpu.read(
      results.map((result, i) => ({
        buffer: gpu.bufferOf(leafStorage(result)!, result.dtype, outputs[i]!.op.name).buffer,
        shape: result.shape,
        dtype: result.dtype,
      })),
    );
  } finally {
    for (const result of computed) gpu.release(result);
  }
};
