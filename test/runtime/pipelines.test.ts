import { describe, expect, it } from 'vitest';
import { createPipelines } from '../../src/runtime/webgpu/pipelines.ts';
import { testDevice } from '../support/device.ts';

const texts = (source: string) => ({ kernel: { kind: 'text', source }, label: 'kernel' }) as const;

const writing = (value: string) =>
  texts(`@group(0) @binding(0) var<storage, read_write> y: array<f32>;
  @compute @workgroup_size(1) fn main() { y[0] = ${value}; }`);

describe('pipelines', () => {
  it('are made side by side, once for each text, and are there afterwards', async () => {
    const { device } = await testDevice();
    const asked: string[] = [];
    const counted = new Proxy(device, {
      get: (target, name) => {
        if (/^createComputePipeline/.test(String(name))) asked.push(String(name));
        const value = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const pipelines = createPipelines(counted);
    const launches = [writing('1.0'), writing('2.0'), writing('1.0')];
    await pipelines.make(launches);
    await pipelines.make(launches);
    const [first, second, third] = launches.map(({ kernel, label }) => pipelines.of(kernel, label));
    expect(third).toBe(first);
    expect(second).not.toBe(first);
    expect(asked).toEqual(['createComputePipelineAsync', 'createComputePipelineAsync']);
  });

  it('have a process that ends meanwhile wait for them: it would crash, and not give its status', async () => {
    const { device } = await testDevice();
    let destroyed = 0;
    const counted = new Proxy(device, {
      get: (target, name) => {
        if (name === 'destroy') return () => destroyed++;
        const value = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const pipelines = createPipelines(counted);
    const before = process.listeners('exit');
    const both = Promise.all([pipelines.make([writing('4.0')]), pipelines.make([writing('5.0')])]);
    const added = process.listeners('exit').filter((listener) => !before.includes(listener));
    expect(added.length).toBe(1);
    added[0]!(0);
    expect(destroyed).toBe(2);
    await both;
    expect(process.listeners('exit')).toEqual(before);
  });

  it('are left out where a kernel is refused, and then it is said why', async () => {
    const gpu = await testDevice();
    const pipelines = createPipelines(gpu.device);
    const [wrong, right] = [writing('no number'), writing('3.0')];
    await pipelines.make([wrong, right]);
    await expect(gpu.guarded(() => pipelines.of(wrong.kernel, wrong.label))).rejects.toThrow(
      'Error while parsing WGSL',
    );
    const { shader } = await gpu.guarded(() => pipelines.of(right.kernel, right.label));
    expect(shader.storage.map(({ name }) => name)).toEqual(['y']);
    const unknown = { kernel: { kind: 'file', shader: 'nothing', constants: {} }, label: 'op' } as const;
    await pipelines.make([unknown]);
    expect(() => pipelines.of(unknown.kernel, unknown.label)).toThrow('op: expected the name of a shader, got nothing');
  });
});
