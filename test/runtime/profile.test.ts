import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { attention } from '../../src/ops/attention.ts';
import { tensor } from '../../src/ops/constant.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { key, normal } from '../../src/ops/random.ts';
import { take } from '../../src/ops/take.ts';
import { referenceDevice, webgpuDevice } from '../../src/runtime/device.ts';
import { costOf } from '../../src/runtime/webgpu/cost.ts';
import { createWebGPU } from '../../src/runtime/webgpu/device.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import { profile } from '../../src/runtime/webgpu/profile.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { testDevice, webgpuTestDevice } from '../support/device.ts';

const traits = {
  isSoftware: false,
  maxBindingBytes: 2 ** 27,
  offsetAlignment: 256,
  maxWorkgroupsPerDimension: 65535,
  maxInvocations: 256,
  workgroupBytes: 32768,
  maxStorageBuffers: 8,
  f16: false,
  subgroups: undefined,
};

const held = (shape: readonly number[]): Tensor =>
  tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape });

/** What the launches of an expression come to, by a plan for a GPU or for a CPU with subgroups. */
const costs = (y: Tensor, own: Partial<typeof traits> | { readonly subgroups: number } = {}) =>
  plan([y], { traits: { ...traits, ...own } }).steps.map(costOf);

const total = (values: readonly (number | undefined)[]): number => values.reduce<number>((a, b) => a + (b ?? 0), 0);

describe('costOf', () => {
  it('counts the multiplications and additions of products, whichever kernel computes them', () => {
    for (const own of [{}, { isSoftware: true, subgroups: 8 }])
      for (const [m, k, n] of [
        [1, 24, 40],
        [5, 7, 3],
        [300, 256, 512],
      ] as const) {
        const flops = costs(matmul(held([m, k]), held([k, n])), own).map((cost) => cost.flops);
        expect(total(flops)).toBe(2 * m * k * n);
      }
    expect(costs(matmul(held([3, 5, 7]), held([3, 7, 4])))[0]!.flops).toBe(2 * 3 * 5 * 7 * 4);
  });

  it('counts what a product reads and writes once, and what is absent not at all', () => {
    const [a, b] = [held([4, 16]), held([16, 8])];
    const bytes = 4 * (4 * 16 + 16 * 8 + 4 * 8);
    expect(costs(matmul(a, b))[0]!.bytes).toBe(bytes);
    expect(costs(add(matmul(a, b), held([8])))[0]!.bytes).toBe(bytes + 4 * 8);
    expect(costs(add(matmul(a, b), held([4, 8])))[0]!.bytes).toBe(bytes + 4 * 32);
  });

  it('counts the keys that queries see, and of a look-up the rows that are looked up', () => {
    const x = held([1, 6, 2, 8]);
    const seen = (causal: boolean) => costs(attention(x, x, x, { causal }))[0]!.flops;
    expect(seen(false)).toBe(2 * 2 * 6 * 6 * 16);
    expect(seen(true)).toBe(2 * 2 * 21 * 16);
    const rows = take(held([1000, 32]), tensor([1, 2, 3], { dtype: 'int32' }));
    expect(total(costs(rows).map(({ bytes }) => bytes))).toBe(3 * 4 + 2 * 3 * 32 * 4);
    expect(total(costs(add(rows, 1)).map(({ bytes }) => bytes))).toBe(3 * 4 + 2 * 3 * 32 * 4);
  });
});

describe('profile', () => {
  it('times each launch and changes no value', async () => {
    const device = await webgpuTestDevice();
    const [x] = await device.realize([normal(key(1), [4, 16])]);
    const step = device.compile((state: Tensor) => add(matmul(state, held([16, 16])), 1), { donate: [0] });
    const run = async (from: Tensor) => Array.from((await device.evaluate([await step.repeat(3, from)]))[0]!.data);
    const [again] = await device.realize([normal(key(1), [4, 16])]);
    const plain = await run(x!);
    const { value, launches } = await profile(device, () => run(again!));
    expect(value).toEqual(plain);
    const products = launches.filter(({ op }) => op === 'matmul [4, 16]');
    expect(products).toHaveLength(3);
    for (const { kernel, ms, flops, workgroups } of products) {
      expect(kernel).toMatch(/^matmul/);
      expect(ms).toBeGreaterThan(0);
      expect(flops).toBe(2 * 4 * 16 * 16);
      expect(workgroups.every((size) => size >= 1)).toBe(true);
    }
    expect(launches.some(({ kernel }) => kernel === 'chain')).toBe(true);
  });

  it('holds more launches than one query set', async () => {
    const device = await webgpuTestDevice();
    const step = device.compile((state: Tensor) => add(state, 1), { donate: [0] });
    const [start] = await device.realize([tensor([0, 1])]);
    const { value, launches } = await profile(device, () => step.repeat(2100, start!));
    expect(launches).toHaveLength(2100);
    expect(Array.from((await device.evaluate([value]))[0]!.data)).toEqual([2100, 2101]);
  });

  it('says which device cannot be profiled, and that one is profiled already', async () => {
    const nothing = async () => undefined;
    await expect(profile(referenceDevice, nothing)).rejects.toThrow('got reference interpreter, which has no launches');
    const { device, traits: own } = await testDevice();
    const without = new Proxy(device, {
      get: (target, name) => (name === 'features' ? new Set() : Reflect.get(target, name, target)),
    });
    const plain = { name: 'plain', webgpu: { ...createWebGPU(device, own), device: without } };
    await expect(profile(plain, nothing)).rejects.toThrow('got plain, which has no timestamp-query');
    const whole = webgpuDevice(await testDevice(), '');
    await expect(profile(whole, () => profile(whole, nothing))).rejects.toThrow('one profile of a device at a time');
    expect((await profile(whole, nothing)).launches).toEqual([]);
  });
});
