import { right } from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { tensor } from '../../src/ops/constant.ts';
import { exp } from '../../src/ops/exp.ts';
import { apply, defineOp } from '../../src/ops/op.ts';
import { webgpuDevice } from '../../src/runtime/device.ts';
import { findAdapter, openDevice } from '../../src/runtime/webgpu/adapter.ts';
import { createWebGPU } from '../../src/runtime/webgpu/device.ts';
import { DeviceError } from '../../src/runtime/webgpu/errors.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';

const open = async () => {
  const found = await findAdapter();
  if (found.kind === 'missing') throw new Error(found.reason);
  const { device, traits } = await openDevice(found);
  return createWebGPU(device, traits);
};

/** An op whose launch asks the device for what no device has. */
const wrong = (workgroups: number) =>
  defineOp<object>({
    name: 'wrongOp',
    shape: ([x = []]) => right(x),
    reference: ([x]) => x!.data,
    kernel: {
      kind: 'shader',
      launches: () => [
        {
          shader: 'softmax',
          constants: { WORKGROUP: 64, LOGARITHM: 0 },
          uniforms: { rows: 1, columns: 1 },
          buffers: { x: { of: 'input', index: 0 }, y: { of: 'output' } },
          workgroups: [workgroups, 1, 1],
        },
      ],
    },
  });

const failure = async (work: Promise<unknown>): Promise<DeviceError> => {
  try {
    await work;
  } catch (error) {
    expect(error).toBeInstanceOf(DeviceError);
    return error as DeviceError;
  }
  return expect.fail('expected a rejection');
};

describe('what a device complains of', () => {
  it('validation: the promise rejects, and nothing is held', async () => {
    const gpu = await open();
    const before = gpu.memory().liveBuffers;
    const { problem } = await failure(evaluate(gpu, [apply(wrong(1e6), [tensor([1, 2])], {})]));
    expect(problem).toBe('validation');
    expect(gpu.memory().liveBuffers).toBe(before);
    const [still] = await evaluate(gpu, [add(tensor([1, 2]), 1)]);
    expect([...still!.data]).toEqual([2, 3]);
  });

  it('a tensor larger than any buffer: out of memory, by the name of the op', async () => {
    const gpu = await open();
    const small = {
      ...gpu,
      pool: {
        ...gpu.pool,
        take: (bytes: number, label: string) => {
          if (bytes > 4096)
            throw new DeviceError('out-of-memory', `${label}: expected at most 4096 bytes, got ${bytes}`, label);
          return gpu.pool.take(bytes, label);
        },
      },
    };
    const before = gpu.memory().liveBuffers;
    const { problem, op } = await failure(evaluate(small, [exp(tensor(new Float32Array(3000)))]));
    expect(problem).toBe('out-of-memory');
    expect(op).toContain('[3000]');
    expect(gpu.memory().liveBuffers).toBe(before);
  });

  it('a lost device: every later call rejects and says what to do', async () => {
    const gpu = await open();
    const device = webgpuDevice(gpu, 'test');
    await device.evaluate([exp(tensor([1]))]);
    gpu.device.destroy();
    await gpu.device.lost;
    const { problem, message } = await failure(device.evaluate([exp(tensor([1]))]));
    expect(problem).toBe('lost');
    expect(message).toContain('open it again');
  });
});
