import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { falconWeights } from '../../src/models/falcon/weightNames.ts';
import { formatPath } from '../../src/models/weightEntry.ts';
import { tensor } from '../../src/ops/constant.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import { FalconCausalLM } from '../../src/tasks/falcon.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { paths } from '../../src/tensor/tree.ts';
import { getOptimizer, type OptimizerConfig, SparseCategoricalCrossentropy } from '../../src/training/index.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';
import { temporaryFolder } from '../weights/helpers.ts';

const folder = await temporaryFolder();

/** The bound that parity is held to. */
const tolerance = { atol: 1e-4 };

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

const load = async (preset: string, device: Device) =>
  FalconCausalLM.fromPreset(presetPath(preset), { device, preprocessor: null });

const recorded = (values: RecordedFloats) => ({
  data: floats(values),
  shape: values.shape,
  dtype: 'float32' as const,
});

interface Example {
  readonly tokenIds: number[][];
  readonly paddingMask: boolean[][];
  readonly y: number[][];
  readonly sampleWeight: number[][];
}

const lossOf = (lm: FalconCausalLM, { tokenIds, paddingMask, y, sampleWeight }: Example): Tensor =>
  SparseCategoricalCrossentropy({ fromLogits: true }).call(
    tensor(y, { dtype: 'int32' }),
    lm.apply({ tokenIds, paddingMask }),
    tensor(sampleWeight),
  );

const training = fixture<
  Example & {
    readonly preset: string;
    readonly loss: number;
    readonly gradients: Record<string, RecordedFloats>;
    readonly transformers: readonly {
      readonly preset: string;
      readonly loss: number;
      readonly gradients: Record<string, RecordedFloats>;
    }[];
    readonly runs: readonly { readonly optimizer: OptimizerConfig; readonly history: Record<string, number[]> }[];
  }
>('falcon/training');

describe.each(devices)('training a Falcon on %s', (_, open) => {
  /** Gradients of every parameter against recorded ones: 1e-4 of the largest of all. */
  const expectGradients = async (
    lm: FalconCausalLM,
    loss: number,
    expectedOf: (path: string) => ArrayLike<number>,
  ): Promise<void> => {
    const named = paths(lm.params);
    const own = lossOf(lm, training);
    const slopes = gradients(
      own,
      named.map(([, param]) => param),
    );
    const [value, ...actual] = await (await open()).evaluate([own, ...slopes]);
    expect(Math.abs(value!.data[0]! - loss)).toBeLessThan(1e-5);
    const expected = named.map(([path]) => Array.from(expectedOf(path)));
    const largest = Math.max(...expected.flat().map(Math.abs));
    for (const [i, [path]] of named.entries())
      for (const [j, x] of expected[i]!.entries())
        expect(Math.abs(actual[i]!.data[j]! - x), `${path}[${j}]`).toBeLessThan(1e-4 * largest);
  };

  it('gives KerasHub’s gradients of every parameter', async () => {
    const lm = await load(training.preset, await open());
    expect(
      paths(lm.params)
        .map(([path]) => path)
        .sort(),
    ).toEqual(Object.keys(training.gradients).sort());
    await expectGradients(lm, training.loss, (path) => floats(training.gradients[path]!));
  });

  it.each(training.transformers)('gives transformers’ gradients of every parameter of $preset', async (one) => {
    const lm = await load(one.preset, await open());
    const { entries } = falconWeights(lm.backbone.config);
    // transformers' gradient of a stored tensor, as the parameter that is a part of it.
    const parts = await referenceDevice.evaluate(
      entries.map(({ shape, sources: { transformers: source } }) => {
        const { split, slice, order } = source.part;
        const name = [source.name, `transformer.${source.name}`].find((each) => each in one.gradients)!;
        const stored = tensor(floats(one.gradients[name]!), { shape: source.shape });
        const apart = split === undefined ? stored : reshape(stored, split);
        const taken = slice === undefined ? apart : sliceAxis(apart, slice.axis, slice.start, slice.end);
        return reshape(order === undefined ? taken : transpose(taken, order), shape);
      }),
    );
    const expected = new Map(entries.map(({ path }, i) => [formatPath(path), parts[i]!.data]));
    await expectGradients(lm, one.loss, (path) => expected.get(path)!);
  });

  it('S38 S103: takes KerasHub’s five steps of SGD and of Adam', async () => {
    const lm = await load(training.preset, await open());
    const { tokenIds, paddingMask, y, sampleWeight } = training;
    for (const { optimizer, history } of training.runs) {
      const fitted = await lm
        .compile({ optimizer: getOptimizer(optimizer) })
        .fit({ tokenIds, paddingMask }, { y, sampleWeight, batchSize: 3, epochs: 5, shuffle: false });
      for (const [i, loss] of history.loss!.entries())
        expect(Math.abs(fitted.history.loss![i]! - loss), `${optimizer.name}, step ${i}`).toBeLessThan(1e-4);
    }
  });
});

const lora = fixture<
  Example & {
    readonly preset: string;
    readonly rank: number;
    readonly layers: string[];
    readonly loraLayers: number[];
    readonly trainable: Record<string, number[]>;
    readonly logits: RecordedFloats;
    readonly runs: readonly {
      readonly optimizer: OptimizerConfig;
      readonly loss: number[];
      readonly trained: Record<string, RecordedFloats>;
    }[];
  }
>('falcon/lora');
const loraFile = fileURLToPath(new URL('../fixtures/falcon/lora.lora.h5', import.meta.url));

describe.each(devices)('LoRA of a Falcon on %s', (_, open) => {
  it('S108, S109, S110: has KerasHub’s layers and trainable parameters', async () => {
    const { backbone } = await load(lora.preset, await open());
    const enabled = backbone.enableLora({ rank: lora.rank });
    expect(backbone.model.weights.layers.map(({ name }) => name)).toEqual(lora.layers);
    expect(enabled.lora?.layers.map(({ index }) => index)).toEqual(lora.loraLayers);
    const shapes = new Map(paths(enabled.params).map(([path, { shape }]) => [path, shape]));
    expect([...enabled.trainable].sort()).toEqual(Object.keys(lora.trainable).sort());
    for (const [path, shape] of Object.entries(lora.trainable)) expect(shapes.get(path)).toEqual(shape);
  });

  it('S108 S111: computes, merges and trains as KerasHub does from its own file', async () => {
    const device = await open();
    const lm = await load(lora.preset, device);
    const own = lm.withBackbone(await lm.backbone.loadLoraWeights(loraFile));
    const { tokenIds, paddingMask, y, sampleWeight } = lora;
    const values = await device.evaluate([
      own.apply({ tokenIds, paddingMask }),
      own.mergeLora().apply({ tokenIds, paddingMask }),
    ]);
    for (const logits of values) expectClose(logits, recorded(lora.logits), tolerance);
    for (const { optimizer, loss, trained } of lora.runs) {
      const { task, history } = await own
        .compile({ optimizer: getOptimizer(optimizer) })
        .fit({ tokenIds, paddingMask }, { y, sampleWeight, batchSize: 3, epochs: 3, shuffle: false });
      for (const [i, value] of loss.entries()) expect(Math.abs(history.loss![i]! - value)).toBeLessThan(1e-4);
      const params = new Map(paths(task.params));
      const names = Object.keys(trained);
      const after = await device.evaluate(names.map((path) => params.get(path)!));
      for (const [i, path] of names.entries()) expectClose(after[i]!, recorded(trained[path]!), tolerance);
    }
    const path = join(folder, 'own.lora.h5');
    await own.backbone.saveLoraWeights(path);
    const again = lm.withBackbone(await lm.backbone.loadLoraWeights(path));
    const [logits] = await device.evaluate([again.apply({ tokenIds, paddingMask })]);
    expect(logits!.data).toEqual(values[0]!.data);
  });

  it('reaches every dense layer that is named, the output among them', async () => {
    const device = await open();
    const lm = await load('transformers/falcon_grouped_float32', device);
    const targetLayerNames = [
      'query_dense',
      'key_dense',
      'value_dense',
      'output_dense',
      'dense_h_to_4h',
      'dense_4h_to_h',
    ];
    const own = lm.enableLora({ rank: 2, targetLayerNames });
    const { tokenIds, paddingMask } = lora;
    const { task } = await own
      .compile({ optimizer: getOptimizer({ name: 'sgd', learningRate: 0.5 }) })
      .fit({ tokenIds, paddingMask }, { y: lora.y, batchSize: 3, epochs: 2, shuffle: false });
    const [before, after, merged] = await device.evaluate([
      lm.apply({ tokenIds }),
      task.apply({ tokenIds }),
      task.mergeLora().apply({ tokenIds }),
    ]);
    expect(Math.max(...after!.data.map((x, i) => Math.abs(x - before!.data[i]!)))).toBeGreaterThan(1e-2);
    expectClose(merged!, after!, tolerance);
  });
});
