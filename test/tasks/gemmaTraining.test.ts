import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { sum } from '../../src/ops/sum.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import { GemmaBackbone, GemmaCausalLM } from '../../src/tasks/gemma.ts';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { paths } from '../../src/tensor/tree.ts';
import { getOptimizer, type OptimizerConfig, SparseCategoricalCrossentropy } from '../../src/training/index.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';
import { temporaryFolder } from '../weights/helpers.ts';

interface Tokens {
  readonly preset: string;
  readonly tokenIds: number[][];
  readonly paddingMask: boolean[][];
  readonly y: number[][];
  readonly sampleWeight: number[][];
}

interface Run {
  readonly optimizer: OptimizerConfig;
  readonly loss: number[];
}

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

const folder = await temporaryFolder();

/** A recorded preset without dropout, as the recordings were made. */
const taskOf = async (preset: string, device: Device): Promise<GemmaCausalLM> => {
  const { config, params } = await GemmaBackbone.fromPreset(presetPath(preset), { device });
  return GemmaCausalLM({ backbone: GemmaBackbone({ ...config, dropout: 0 }).withParams(params), preprocessor: null });
};

const recordedArray = (recorded: RecordedFloats): NDArray => ({
  data: floats(recorded),
  shape: recorded.shape,
  dtype: 'float32',
});

/** Parameters of a task, by path. */
const valuesOf = async (device: Device, { params }: GemmaCausalLM, names: readonly string[]) => {
  const all = new Map(paths(params));
  const values = await device.evaluate(names.map((name) => all.get(name)!));
  return new Map(names.map((name, i) => [name, values[i]!]));
};

describe.each(devices)('a Gemma on %s', (_, open) => {
  const { records } = fixture<{
    readonly records: readonly (Tokens & {
      readonly loss: number;
      readonly gradients: Readonly<Record<string, RecordedFloats>>;
      readonly runs: readonly (Run & { readonly after: Readonly<Record<string, RecordedFloats>> })[];
    })[];
  }>('gemma/fit');

  it.each(records)('S103: has KerasHub’s gradients of every parameter ($preset)', async (recorded) => {
    const device = await open();
    const lm = await taskOf(recorded.preset, device);
    const loss = SparseCategoricalCrossentropy({ fromLogits: true }).call(
      tensor(recorded.y, { dtype: 'int32' }),
      lm.apply({ tokenIds: recorded.tokenIds, paddingMask: recorded.paddingMask }),
      tensor(recorded.sampleWeight),
    );
    const named = paths(lm.params);
    expect(named.map(([path]) => path).sort()).toEqual(Object.keys(recorded.gradients).sort());
    const [value, ...slopes] = await device.evaluate([
      loss,
      ...gradients(
        loss,
        named.map(([, own]) => own),
      ),
    ]);
    expect(Math.abs(value!.data[0]! - recorded.loss)).toBeLessThan(1e-5);
    // 1e-4 of the largest entry of all gradients; sums in float32 differ in their order alone.
    const all = named.map(([path]) => recordedArray(recorded.gradients[path]!));
    const largest = Math.max(...all.map(({ data }) => Array.from(data).reduce((m, x) => Math.max(m, Math.abs(x)), 0)));
    for (const [i, expected] of all.entries()) expectClose(slopes[i]!, expected, { atol: 1e-4 * largest });
  });

  it.each(records)('S38 S103: takes five of KerasHub’s steps of SGD and of Adam ($preset)', async (recorded) => {
    const device = await open();
    const lm = await taskOf(recorded.preset, device);
    const { tokenIds, paddingMask, y, sampleWeight } = recorded;
    for (const { optimizer, loss, after } of recorded.runs) {
      const { task, history } = await lm
        .compile({ optimizer: getOptimizer(optimizer) })
        .fit({ tokenIds, paddingMask }, { y, sampleWeight, batchSize: 3, epochs: 5, shuffle: false });
      expect(history.loss!.length).toBe(5);
      for (const [i, value] of loss.entries()) expect(Math.abs(history.loss![i]! - value)).toBeLessThan(1e-4);
      const values = await valuesOf(device, task, Object.keys(after));
      for (const [path, expected] of Object.entries(after))
        expectClose(values.get(path)!, recordedArray(expected), { atol: 1e-4 });
    }
  });

  const lora = fixture<
    Tokens & {
      readonly rank: number;
      readonly layers: readonly string[];
      readonly loraLayers: readonly number[];
      readonly trainable: Readonly<Record<string, number[]>>;
      readonly logits: RecordedFloats;
      readonly runs: readonly (Run & { readonly trained: Readonly<Record<string, RecordedFloats>> })[];
    }
  >('gemma/lora');

  it('S108 S109 S111: has KerasHub’s LoRA: layers, shapes, file, logits and steps', async () => {
    const device = await open();
    const plain = await taskOf(lora.preset, device);
    expect(plain.backbone.model.weights.layers.map(({ name }) => name)).toEqual(lora.layers);
    const enabled = plain.backbone.enableLora({ rank: lora.rank });
    expect(enabled.lora?.layers.map(({ index }) => index)).toEqual(lora.loraLayers);
    expect([...enabled.trainable].sort()).toEqual(Object.keys(lora.trainable).sort());
    const shapes = new Map(paths(enabled.params).map(([path, { shape }]) => [path, shape]));
    for (const [path, shape] of Object.entries(lora.trainable)) expect(shapes.get(path)).toEqual(shape);

    const file = fileURLToPath(new URL('../fixtures/gemma/lora.lora.h5', import.meta.url));
    const backbone = await plain.backbone.loadLoraWeights(file);
    const lm = GemmaCausalLM({ backbone, preprocessor: null });
    const { tokenIds, paddingMask, y, sampleWeight } = lora;
    const inputs = { tokenIds, paddingMask };
    const copy = join(folder, `${device.kind}.lora.h5`);
    await backbone.saveLoraWeights(copy);
    const again = GemmaCausalLM({ backbone: await plain.backbone.loadLoraWeights(copy), preprocessor: null });
    const [own, merged, reloaded] = await device.evaluate([
      lm.apply(inputs),
      lm.mergeLora().apply(inputs),
      again.apply(inputs),
    ]);
    expectClose(own!, recordedArray(lora.logits), { atol: 1e-4 });
    expectClose(merged!, own!, { atol: 1e-5 });
    expect(reloaded!.data).toEqual(own!.data);

    for (const { optimizer, loss, trained } of lora.runs) {
      const { task, history } = await lm
        .compile({ optimizer: getOptimizer(optimizer) })
        .fit(inputs, { y, sampleWeight, batchSize: 3, epochs: 5, shuffle: false });
      for (const [i, value] of loss.entries()) expect(Math.abs(history.loss![i]! - value)).toBeLessThan(1e-4);
      const values = await valuesOf(device, task, Object.keys(trained));
      for (const [path, expected] of Object.entries(trained))
        expectClose(values.get(path)!, recordedArray(expected), { atol: 1e-4 });
    }
  });

  it('drops what its preset says while it trains, by the seed', async () => {
    const lm = await GemmaCausalLM.fromPreset(presetPath('keras/gemma_a_float32'), { device: await open() });
    expect(lm.backbone.config.dropout).toBe(0.1);
    const { tokenIds, paddingMask, y, sampleWeight } = records[0]!;
    const lossOf = async (task: GemmaCausalLM, seed: number): Promise<number> => {
      const { history } = await task.fit({ tokenIds, paddingMask }, { y, sampleWeight, batchSize: 3, seed });
      return history.loss![0]!;
    };
    const dropped = await lossOf(lm, 1);
    expect(await lossOf(lm, 1)).toBe(dropped);
    expect(await lossOf(lm, 2)).not.toBe(dropped);
    expect(Math.abs(dropped - records[0]!.loss)).toBeGreaterThan(1e-3);
  });

  const scores = fixture<{
    readonly records: readonly {
      readonly preset: string;
      readonly tokenIds: number[][];
      readonly paddingMask: number[][];
      readonly targetIds: number[][];
      readonly interceptOrder: readonly number[];
      readonly hiddenStates: readonly RecordedFloats[];
      readonly embeddingGradientOfSummedLoss: RecordedFloats;
      readonly loss: RecordedFloats;
      readonly logits: RecordedFloats;
      readonly interventions: readonly {
        readonly layer: number;
        readonly multiplyBy: number;
        readonly loss: RecordedFloats;
      }[];
    }[];
  }>('gemma/score').records;

  it.each(scores)('S76-S89: scores as KerasHub does, and as the page says at -1 ($preset)', async (recorded) => {
    const device = await open();
    const lm = await taskOf(recorded.preset, device);
    const { tokenIds, paddingMask, targetIds, interventions } = recorded;
    const request = { tokenIds, paddingMask, targetIds, scoringMode: 'loss' } as const;
    const seen: Tensor[] = [];
    const order: number[] = [];
    const watched = lm.score({
      ...request,
      layerInterceptFn: (x, index) => {
        order.push(index);
        seen.push(x);
        return x;
      },
    });
    const [gradient] = gradients(sum(watched), [seen[0]!]);
    const changed = interventions.map(({ layer, multiplyBy }) =>
      lm.score({ ...request, layerInterceptFn: (x, index) => (index === layer ? multiply(x, multiplyBy) : x) }),
    );
    const values = await device.evaluate([
      watched,
      lm.score({ tokenIds, paddingMask }),
      gradient!,
      ...seen,
      ...changed,
    ]);
    expect(order).toEqual(recorded.interceptOrder);
    const expected = [
      recorded.loss,
      recorded.logits,
      recorded.embeddingGradientOfSummedLoss,
      ...recorded.hiddenStates,
      ...interventions.map(({ loss }) => loss),
    ].map(recordedArray);
    for (const [i, array] of expected.entries()) {
      const largest = Array.from(array.data).reduce((m, x) => Math.max(m, Math.abs(x)), 1);
      expectClose(values[i]!, array, { atol: 1e-4 * largest });
    }
  });
});
