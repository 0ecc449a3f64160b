import { afterEach, describe, expect, it, vi } from 'vitest';
import { attention } from '../../src/ops/attention.ts';
import { tensor } from '../../src/ops/constant.ts';
import { dequantize } from '../../src/ops/dequantize.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { apply } from '../../src/ops/op.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import { compile } from '../../src/runtime/webgpu/compile.ts';
import type { WebGPU } from '../../src/runtime/webgpu/device.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import { profile } from '../../src/runtime/webgpu/profile.ts';
import { type Choosable, createTuner, type Measured, tuneWith } from '../../src/runtime/webgpu/tune.ts';
import type { LaunchContext, ShaderKernel } from '../../src/tensor/kernel.ts';
import type { Op, Tensor } from '../../src/tensor/tensor.ts';
import { expectClose } from '../support/agree.ts';
import { testDevice } from '../support/device.ts';
import { drawn, drawnIntegers } from '../support/draw.ts';
import { choiceOf, deviceWith } from '../support/tuning.ts';

const budget = { perClass: 10_000, total: 60_000 };
const x = drawn([9, 64]);
const w = drawn([64, 64], { seed: 2 });
const product = matmul(x, w);

afterEach(() => vi.restoreAllMocks());

/** A device of its own choices, and what is measured on it. */
const tunedDevice = async (): Promise<{
  readonly gpu: WebGPU;
  readonly kernels: Map<string, string>;
  readonly measured: Measured[];
  readonly met: Choosable;
}> => {
  const kernels = new Map<string, string>();
  const gpu = await deviceWith({ tuning: kernels });
  return { gpu, kernels, measured: [], met: choiceOf(product, gpu.traits) };
};

/** The matrix product with a second kernel, whose launches are those of the first as `alter` changes them. */
const withAnother = (alter: (launches: ReturnType<ShaderKernel<object>['launches']>) => typeof launches): Tensor => {
  const { op } = product;
  const own = op.kernel as ShaderKernel<object>;
  const launches = (context: LaunchContext<object>) => {
    const usual = own.launches({ ...context, traits: { ...context.traits, tuning: undefined } });
    return context.traits.tuning?.get('a class') === 'another' ? alter(usual) : usual;
  };
  const choice = (context: LaunchContext<object>) => {
    const known = own.choice?.(context);
    return known && { ...known, shapes: 'a class', names: ['usual', 'another'] };
  };
  const altered: Op<object> = { ...op, kernel: { ...own, launches, choice } };
  return apply(altered, [x, w], {});
};

describe('the tuner', () => {
  it('measures each kernel of a class once, and takes the fastest', async () => {
    const { gpu, kernels, measured, met } = await tunedDevice();
    const tuner = createTuner(gpu, { kernels, budget, onMeasured: (each) => measured.push(each) });
    const isChanged = await tuner.measure([met, met]);
    expect(measured).toHaveLength(1);
    const [{ shapes, kernels: tried, chosen }] = measured as [Measured];
    expect(shapes).toBe(met.choice.shapes);
    expect(met.choice.names.slice(0, tried.length)).toEqual(tried.map(({ name }) => name));
    for (const { ms } of tried) expect(ms).toBeGreaterThan(0);
    expect(kernels).toEqual(new Map([[shapes, chosen]]));
    expect(isChanged).toBe(chosen !== met.choice.names[0]);
    // What is not clearly faster is not taken.
    const own = tried.find(({ name }) => name === chosen)!.ms!;
    expect(chosen === tried[0]!.name || own < 0.95 * tried[0]!.ms!).toBe(true);
    expect(await tuner.measure([met])).toBe(false);
    expect(measured).toHaveLength(1);
    await createTuner(gpu, { kernels, budget, again: true, onMeasured: (each) => measured.push(each) }).measure([met]);
    expect(measured).toHaveLength(2);
  });

  it('measures nothing once its budget is spent, nor while somebody profiles the device', async () => {
    const { gpu, kernels, measured, met } = await tunedDevice();
    const onMeasured = (each: Measured): void => void measured.push(each);
    expect(await createTuner(gpu, { kernels, budget: { perClass: 9, total: 0 }, onMeasured }).measure([met])).toBe(
      false,
    );
    const tuner = createTuner(gpu, { kernels, budget, onMeasured });
    await profile({ name: 'the device', webgpu: gpu }, () => tuner.measure([met]));
    expect(measured).toEqual([]);
    await createTuner(gpu, { kernels, budget: { perClass: 0, total: 1000 }, onMeasured }).measure([met]);
    expect(measured.map(({ kernels: tried }) => tried.map(({ name }) => name))).toEqual([[met.choice.names[0]]]);
  });

  it('leaves out a kernel whose values are wrong, and says so once', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const { gpu, kernels, measured } = await tunedDevice();
    const onMeasured = (each: Measured): void => void measured.push(each);
    // One term less.
    const shorter = withAnother((launches) =>
      launches.map((launch) => ({ ...launch, uniforms: { ...launch.uniforms, k: launch.uniforms.k! - 1 } })),
    );
    await createTuner(gpu, { kernels, budget, onMeasured }).measure([choiceOf(shorter, gpu.traits)]);
    expect(measured[0]).toMatchObject({ chosen: 'usual', kernels: [{ name: 'usual' }, { name: 'another', ms: null }] });
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.lastCall?.[0]).toMatch(
      /^purelm: the kernel another is left out for a class on .*: its values are wrong$/,
    );
    // One that the device refuses.
    const refused = withAnother((launches) => launches.map((launch) => ({ ...launch, constants: { NO_SUCH: 1 } })));
    kernels.clear();
    await createTuner(gpu, { kernels, budget, onMeasured }).measure([choiceOf(refused, gpu.traits)]);
    expect(measured[1]).toMatchObject({ chosen: 'usual', kernels: [{ name: 'usual' }, { name: 'another', ms: null }] });
    expect(warn).toHaveBeenCalledTimes(2);
  });

  it('makes up a case of every op that has a choice', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const { gpu, kernels, measured } = await tunedDevice();
    const tuner = createTuner(gpu, { kernels, budget, onMeasured: (each) => measured.push(each) });
    const few = dequantize(
      { words: drawnIntegers([2, 40, 8], -9, 9), scales: drawn([2, 3, 64]), zeros: drawn([2, 3, 64]) },
      { bits: 4, columns: 70, block: 16 },
    );
    const heads = (queries: number, count: number): Tensor => drawn([1, queries, count, 8]);
    const cases = [
      matmul(drawn([2, 3, 16]), transpose(drawn([70, 16], { dtype: 'bfloat16' }))),
      matmul(drawn([3, 40]), few),
      attention(heads(3, 4), heads(9, 2), heads(9, 2), { causal: true, position: tensor(6, { dtype: 'int32' }) }),
    ];
    await tuner.measure(cases.map((each) => choiceOf(each, gpu.traits)));
    expect(measured.map(({ shapes }) => shapes)).toEqual([
      'matmul bfloat16 nt 8 16 128',
      'quantizedMatmul int4 4 64 128',
      'attention causal 8 16 2 8',
    ]);
    for (const { kernels: tried } of measured) for (const { ms } of tried) expect(ms).toBeGreaterThan(0);
    expect(warn).not.toHaveBeenCalled();
  });

  it('gives back the memory that it took', async () => {
    const { gpu, kernels, met } = await tunedDevice();
    const held = (await testDevice()).memory().liveBytes;
    await createTuner(gpu, { kernels, budget }).measure([met]);
    expect(gpu.memory().liveBytes).toBeLessThanOrEqual(held);
  });
});

describe('a compiled function', () => {
  it('has kernels measured when it first meets their shapes, and runs those that won', async () => {
    const { gpu, kernels, met } = await tunedDevice();
    const asked: string[][] = [];
    tuneWith(gpu, {
      measure: async (all) => {
        asked.push(all.map(({ choice }) => choice.shapes));
        kernels.set(met.choice.shapes, 'matmul 8x8x1');
        return true;
      },
    });
    const compiled = compile(gpu, (a: Tensor) => matmul(a, w));
    const { value, launches } = await profile({ name: 'the device', webgpu: gpu }, () => compiled.run(x));
    expect(launches.map(({ kernel }) => kernel)).toEqual(['matmul']);
    const [actual] = await evaluate(gpu, [value]);
    expectClose(actual!, evaluateReference([product])[0]!, { atol: 1e-5 });
    await compiled.run(x);
    expect(asked).toEqual([[met.choice.shapes]]);
  });
});
