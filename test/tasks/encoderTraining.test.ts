import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { ClassifierHeadParams } from '../../src/models/encoder/heads.ts';
import { formatPath, type WeightTable } from '../../src/models/weightEntry.ts';
import { tensor } from '../../src/ops/constant.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import type { EncoderBackbone } from '../../src/tasks/encoderBackbone.ts';
import type { MaskedLM } from '../../src/tasks/maskedLM.ts';
import type { TextClassifier } from '../../src/tasks/textClassifier.ts';
import { paths } from '../../src/tensor/tree.ts';
import { getOptimizer, type OptimizerConfig, SparseCategoricalCrossentropy } from '../../src/training/index.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { type EncoderCase, encoderCases } from '../families/encoderFamilies.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';

type Numbers = Readonly<Record<string, readonly number[]>>;
type Floats = Readonly<Record<string, RecordedFloats>>;

interface Inputs {
  readonly tokenIds: number[][];
  readonly segmentIds?: number[][];
  readonly paddingMask?: boolean[][];
  readonly maskPositions: number[][];
}

interface Batch {
  readonly preset: string;
  readonly inputs: Inputs;
  readonly y: number[] | number[][];
  readonly sampleWeight: number[] | number[][];
}

interface Training {
  readonly tasks: readonly (Batch & {
    readonly kind: 'masked_lm' | 'text_classifier';
    readonly loss: number;
    readonly gradients: Readonly<Record<'backbone' | 'head', Floats>>;
    readonly runs: readonly { readonly optimizer: OptimizerConfig; readonly history: Numbers }[];
    readonly learningRate: number;
  })[];
}

interface Adapted extends Batch {
  readonly rank: number;
  readonly layers: readonly string[];
  readonly loraLayers: readonly number[];
  readonly trainable: Readonly<Record<string, readonly number[]>>;
  readonly addedParams: number;
  readonly logits: RecordedFloats;
  readonly runs: readonly {
    readonly optimizer: OptimizerConfig;
    readonly loss: readonly number[];
    readonly trained: Floats;
  }[];
}

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

/** The width of a classifier's dense layer over the first place, if it has one. */
const hiddenDimOf = ({ pooledDense }: ClassifierHeadParams): { readonly hiddenDim?: number } =>
  pooledDense === undefined ? {} : { hiddenDim: pooledDense.kernel.shape[1]! };

/** A recorded task without dropout, as the recordings were made. */
const taskOf = async (
  encoder: EncoderCase,
  kind: Training['tasks'][number]['kind'],
  preset: string,
  device: Device,
): Promise<MaskedLM | TextClassifier> => {
  const path = presetPath(preset);
  const bare = ({ config, params }: EncoderBackbone): EncoderBackbone =>
    encoder.makeBackbone({ ...(config as object), dropout: 0 }).withParams(params);
  if (kind === 'masked_lm') {
    const { backbone, params } = await encoder.openMaskedLM(path, { device });
    return encoder.maskedLM({ backbone: bare(backbone), headParams: params.head });
  }
  const { backbone, params, activation, numClasses } = await encoder.openTextClassifier(path, { device });
  return encoder.textClassifier({
    backbone: bare(backbone),
    headParams: params.head,
    numClasses,
    activation,
    dropout: 0,
    ...hiddenDimOf(params.head),
  });
};

/** Recorded numbers by the paths of parameters, from the names of KerasHub's files. */
const byPath = (
  under: string,
  { entries }: WeightTable,
  recorded: Floats,
): readonly (readonly [string, Float32Array])[] => {
  expect(entries.map(({ sources }) => sources.keras.name).sort()).toEqual(Object.keys(recorded).sort());
  return entries.map(
    ({ path, sources }) => [`${under}.${formatPath(path)}`, floats(recorded[sources.keras.name]!)] as const,
  );
};

const expectNumbers = (actual: Numbers, expected: Numbers, tolerance: number): void => {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, values] of Object.entries(expected)) {
    expect(actual[name]!.length).toBe(values.length);
    for (const [i, value] of values.entries())
      expect(Math.abs(actual[name]![i]! - value), `${name}[${i}]: ${actual[name]![i]} for ${value}`).toBeLessThan(
        tolerance,
      );
  }
};

describe.each(encoderCases)('training of $name', (encoder) => {
  const { tasks } = fixture<Training>(`encoders/${encoder.name}_training`);
  const adapted = fixture<Adapted>(`encoders/${encoder.name}_lora`);

  describe.each(devices)('on %s', (_, open) => {
    it.each(tasks)('gives KerasHub’s gradients of every parameter of $kind', async ({ kind, ...recorded }) => {
      const device = await open();
      const task = await taskOf(encoder, kind, recorded.preset, device);
      const fromLogits = kind === 'masked_lm' || (task as TextClassifier).activation !== 'softmax';
      const loss = SparseCategoricalCrossentropy({ fromLogits }).call(
        tensor(recorded.y, { dtype: 'int32' }),
        (task as MaskedLM).apply(recorded.inputs),
        tensor(recorded.sampleWeight),
      );
      const { config, model } = task.backbone;
      const head =
        kind === 'masked_lm'
          ? encoder.maskedLMHead(config)
          : encoder.classifierHead(config, {
              numClasses: 5,
              dropout: 0,
              ...hiddenDimOf(task.params.head as ClassifierHeadParams),
            });
      const expected = new Map([
        ...byPath('backbone', model.weights, recorded.gradients.backbone),
        ...byPath('head', head.weights, recorded.gradients.head),
      ]);
      const named = paths(task.params);
      expect(named.map(([path]) => path).sort()).toEqual([...expected.keys()].sort());
      const [value, ...slopes] = await device.evaluate([
        loss,
        ...gradients(
          loss,
          named.map(([, own]) => own),
          // The pooler has no part in a masked LM.
          { unconnected: 'zeros' },
        ),
      ]);
      expect(Math.abs(value!.data[0]! - recorded.loss)).toBeLessThan(1e-5);
      // 1e-4 of the largest entry of all gradients; sums in float32 differ in their order alone.
      const largest = Math.max(
        ...[...expected.values()].map((own) => own.reduce((most, x) => Math.max(most, Math.abs(x)), 0)),
      );
      for (const [i, [path]] of named.entries())
        for (const [j, x] of expected.get(path)!.entries())
          expect(Math.abs(slopes[i]!.data[j]! - x), `${path}[${j}]`).toBeLessThan(1e-4 * largest);
    });

    it.each(tasks)('S105: takes KerasHub’s steps of SGD and of Adam in $kind', async ({ kind, ...recorded }) => {
      const task = await taskOf(encoder, kind, recorded.preset, await open());
      const { y, sampleWeight } = recorded;
      for (const { optimizer, history } of recorded.runs) {
        const fitted = await task
          .compile({ optimizer: getOptimizer(optimizer) })
          .fit(recorded.inputs, { y, sampleWeight, batchSize: 3, epochs: 5, shuffle: false });
        // Adam divides gradients of nearly zero by their size: noise moves the loss by about 1e-5.
        expectNumbers(fitted.history, history, 1e-4);
      }
    });

    it('S108: gives KerasHub’s logits for the same factors of LoRA, merged too, and takes its steps', async () => {
      const device = await open();
      const plain = (await taskOf(encoder, 'masked_lm', adapted.preset, device)) as MaskedLM;
      const { inputs, y, sampleWeight, logits, runs, rank, loraLayers } = adapted;
      const file = fileURLToPath(new URL(`../fixtures/encoders/${encoder.name}.lora.h5`, import.meta.url));
      const task = plain.withBackbone(
        loraLayers.length === 0 ? plain.backbone.enableLora({ rank }) : await plain.backbone.loadLoraWeights(file),
      );
      const values = await device.evaluate([task.apply(inputs), task.mergeLora().apply(inputs)]);
      for (const own of values)
        expectClose(own, { data: floats(logits), shape: logits.shape, dtype: 'float32' }, { atol: 1e-4 });

      const before = new Map(paths(task.params));
      for (const { optimizer, loss, trained } of runs) {
        const { task: after, history } = await task
          .compile({ optimizer: getOptimizer(optimizer) })
          .fit(inputs, { y, sampleWeight, batchSize: 3, epochs: 3, shuffle: false });
        for (const [i, value] of loss.entries()) expect(Math.abs(history.loss![i]! - value)).toBeLessThan(1e-4);
        for (const [path, own] of paths(after.params)) {
          if (path.startsWith('head.')) continue;
          const expected = trained[path.slice('backbone.'.length)];
          if (expected === undefined) {
            // Loaded once, and the same tensor since.
            expect(own, path).toBe(before.get(path));
            continue;
          }
          const [array] = await device.evaluate([own]);
          expectClose(array!, { data: floats(expected), shape: expected.shape, dtype: 'float32' }, { atol: 1e-4 });
        }
      }
    });
  });

  it('S109, S110: adapts the layers that KerasHub adapts', async () => {
    const plain = await taskOf(encoder, 'masked_lm', adapted.preset, referenceDevice);
    const { backbone } = plain.enableLora({ rank: adapted.rank });
    expect(backbone.model.weights.layers.map(({ name }) => name)).toEqual(adapted.layers);
    expect(backbone.lora?.layers.map(({ index }) => index)).toEqual(adapted.loraLayers);
    expect([...backbone.trainable].sort()).toEqual(Object.keys(adapted.trainable).sort());
    const shapes = new Map(paths(backbone.params).map(([path, { shape }]) => [path, shape]));
    for (const [path, shape] of Object.entries(adapted.trainable)) expect(shapes.get(path)).toEqual(shape);
    expect(backbone.countParams() - plain.backbone.countParams()).toBe(adapted.addedParams);
  });

  it.each(tasks)(
    'S34, S35: $kind trains by Adam with KerasHub’s learning rate where it is told nothing',
    async (recorded) => {
      const { inputs, y, learningRate } = recorded;
      const task = await taskOf(encoder, recorded.kind, recorded.preset, referenceDevice);
      const { task: after } = await task.fit(inputs, { y, batchSize: 3, shuffle: false });
      // Whatever its gradient, Adam moves a number by its rate at first.
      const [a, b] = await referenceDevice.evaluate(
        [task, after].map(
          ({ params }) => new Map(paths(params)).get('head.logits.bias') ?? new Map(paths(params)).get('head.bias')!,
        ),
      );
      const moved = Math.max(...[...a!.data].map((value, i) => Math.abs(value - b!.data[i]!)));
      expect(moved / learningRate).toBeCloseTo(1, 1);
    },
  );
});
