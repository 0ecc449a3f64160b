import { describe, expect, it, vi } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { tensor } from '../../src/ops/constant.ts';
import { exp } from '../../src/ops/exp.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { zeros } from '../../src/ops/zeros.ts';
import { type Device, read, referenceDevice } from '../../src/runtime/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { testDevice, unusedTestDevice, webgpuTestDevice } from '../support/device.ts';

const devices: readonly (readonly [string, () => Promise<Device>])[] = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
];

const values = async (device: Device, tensor: Tensor): Promise<number[]> =>
  Array.from((await device.evaluate([tensor]))[0]!.data);

describe.each(devices)('compile on %s', (_name, open) => {
  it('replays for equal shapes and gives what a fresh evaluation gives', async () => {
    const device = await open();
    let traces = 0;
    const f = device.compile((x: Tensor, y: Tensor) => {
      traces++;
      return exp(add(multiply(x, 0.5), y));
    });
    for (const scale of [1, 2, 3]) {
      const x = tensor([scale, -scale]);
      const y = tensor([[1], [0]]);
      const fresh = await values(device, exp(add(multiply(x, 0.5), y)));
      expect(await values(device, await f.run(x, y))).toEqual(fresh);
    }
    if (device.kind === 'webgpu') expect(traces).toBe(1);
    await f.run(tensor([1, 2, 3]), tensor([0]));
    if (device.kind === 'webgpu') expect(traces).toBe(2);
  });

  it('updates donated state in place, many steps at once, and refuses it afterwards', async () => {
    const device = await open();
    // Two buffers change places at every step.
    const step = device.compile((s: { readonly a: Tensor; readonly b: Tensor }) => ({ a: s.b, b: add(s.a, s.b) }), {
      donate: [0],
    });
    const [a, b] = await device.realize([tensor([0, 1]), tensor([1, 1])]);
    const first = { a: a!, b: b! };
    const later = await step.repeat(10, first);
    expect(await read(later, { device })).toMatchObject({
      a: { data: Float32Array.of(55, 89) },
      b: { data: Float32Array.of(89, 144) },
    });
    await expect(device.evaluate([add(first.a, 1)])).rejects.toThrow('donated');
    expect(await values(device, (await step.repeat(1, later)).a)).toEqual([89, 144]);
  });

  it('hands over one expression twice as two values', async () => {
    const device = await open();
    const f = device.compile(({ a, b }: { readonly a: Tensor; readonly b: Tensor }) => [add(a, 1), add(b, 2)], {
      donate: [0],
    });
    const none = zeros([2]);
    const results = await f.run({ a: none, b: none });
    expect(await Promise.all(results.map((result) => values(device, result)))).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  it('refuses to repeat a function whose result is not its argument', async () => {
    const device = await open();
    if (device.kind === 'reference') return;
    const f = device.compile((x: Tensor) => reshape(transpose(x), [-1]));
    await expect(f.repeat(2, tensor([[1, 2]]))).rejects.toThrow('repeat: expected');
  });
});

describe('memory of a WebGPU device', () => {
  it('is the same before and after evaluations, compiled runs and errors', async () => {
    const { gpu, device } = await unusedTestDevice();
    const x = tensor(new Float32Array(1000).fill(0.25));
    const f = device.compile((y: Tensor) => multiply(y, y));
    await device.evaluate([exp(x)]);
    const before = gpu.memory().liveBuffers;
    await device.evaluate([exp(x), add(x, 1)]);
    device.release([await f.run(x)]);
    f.release();
    expect(gpu.memory().liveBuffers).toBe(before);
  });

  it('says so when a tensor is larger than a buffer can be', async () => {
    const device = await webgpuTestDevice();
    const small = { ...(await testDevice()) };
    expect(device.webgpu?.traits.maxBufferBytes).toBeGreaterThan(2 ** 27);
    expect(() => small.pool.take(2 ** 50, 'matmul [1000000, 1000000]')).toThrow(
      'matmul [1000000, 1000000]: expected at most',
    );
  });
});

describe('compile on webgpu', () => {
  it('makes nothing on the device for another step, nor to read what it gave', async () => {
    const { device: gpu } = await testDevice();
    const device = await webgpuTestDevice();
    const step = device.compile((state: Tensor) => add(multiply(state, 2), 1), { donate: [0] });
    let [state] = await device.realize([tensor([0, 1, 2])]);
    const next = async (): Promise<number[]> => {
      state = await step.repeat(2, state!);
      return values(device, state);
    };
    await next();
    const made = (['createBuffer', 'createBindGroup', 'createComputePipeline'] as const).map((name) =>
      vi.spyOn(gpu, name),
    );
    expect(await next()).toEqual([15, 31, 47]);
    for (const spy of made) expect(spy).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });
});
