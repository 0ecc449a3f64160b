import { describe, expect, it } from 'vitest';
import { tensor } from '../../src/ops/constant.ts';
import type { Device } from '../../src/runtime/device.ts';
import { referenceDevice } from '../../src/runtime/device.ts';
import { GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor } from '../../src/tasks/gpt2.ts';
import { paths } from '../../src/tensor/tree.ts';
import {
  getOptimizer,
  type OptimizerConfig,
  SparseCategoricalCrossentropy,
  SparseTopKCategoricalAccuracy,
} from '../../src/training/index.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';

interface Tokens {
  readonly tokenIds: number[][];
  readonly paddingMask: boolean[][];
  readonly y: number[][];
  readonly sampleWeight: number[][];
}

type Numbers = Readonly<Record<string, readonly number[]>>;

const devices: readonly (readonly [string, () => Promise<Device>])[] = [
  ['reference', async () => referenceDevice],
  ['WebGPU', webgpuTestDevice],
];

/** A recorded preset without dropout, as the recordings were made. */
const task = async (preset: string, device: Device, sequenceLength?: number) => {
  const path = presetPath(preset);
  const { config, params } = await GPT2Backbone.fromPreset(path, { device });
  const backbone = GPT2Backbone({ ...config, dropout: 0 }).withParams(params);
  const preprocessor =
    sequenceLength === undefined ? null : await GPT2CausalLMPreprocessor.fromPreset(path, { sequenceLength });
  return { lm: GPT2CausalLM({ backbone, preprocessor }), params };
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

describe.each(devices)('training on %s', (_, open) => {
  it.each(['a', 'b'])('gives KerasHub’s gradients of every parameter (preset %s)', async (letter) => {
    const recorded = fixture<Tokens & { preset: string; loss: number; gradients: Record<string, RecordedFloats> }>(
      `fit/gradients_${letter}`,
    );
    const device = await open();
    const { lm, params } = await task(recorded.preset, device);
    const { tokenIds, paddingMask, y, sampleWeight } = recorded;
    const loss = SparseCategoricalCrossentropy({ fromLogits: true }).call(
      tensor(y, { dtype: 'int32' }),
      lm.apply({ tokenIds, paddingMask }),
      tensor(sampleWeight),
    );
    const named = paths(params);
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
    const all = named.map(([path]) => floats(recorded.gradients[path]!));
    const largest = Math.max(...all.map((each) => each.reduce((most, x) => Math.max(most, Math.abs(x)), 0)));
    for (const [i, [path]] of named.entries())
      for (const [j, x] of all[i]!.entries())
        expect(Math.abs(slopes[i]!.data[j]! - x), `${path}[${j}]`).toBeLessThan(1e-4 * largest);
  });

  it('S38 S103: takes KerasHub’s steps of SGD, Adam and AdamW', async () => {
    const recorded = fixture<Tokens & { preset: string; runs: { optimizer: OptimizerConfig; history: Numbers }[] }>(
      'fit/steps',
    );
    const { lm } = await task(recorded.preset, await open());
    const { tokenIds, paddingMask, y, sampleWeight, runs } = recorded;
    for (const { optimizer, history } of runs) {
      const compiled = lm.compile({ optimizer: getOptimizer(optimizer) });
      const fitted = await compiled.fit(
        { tokenIds, paddingMask },
        { y, sampleWeight, batchSize: 3, epochs: 5, shuffle: false },
      );
      // Adam divides gradients of nearly zero by their size: the key biases' noise moves the loss by about 1e-5.
      expectNumbers(fitted.history, history, 1e-4);
    }
  });

  const histories = fixture<{
    preset: string;
    sequenceLength: number;
    texts: string[];
    twoTexts: Numbers;
    twoTextsAsTokens: Numbers;
    validationSplit: Numbers;
    evaluate: Record<string, number>;
    predict: { shape: number[]; firstPlace: RecordedFloats };
    tokens: Tokens;
  }>('fit/histories');

  it('S33 S36 S37 S102 S104: fits strings with the defaults', async () => {
    const { lm } = await task(histories.preset, await open(), histories.sequenceLength);
    const { history } = await lm.fit(histories.texts.slice(0, 2), { batchSize: 2 });
    expectNumbers(history, histories.twoTexts, 1e-4);
  });

  it('S103: fits tokens', async () => {
    const { lm } = await task(histories.preset, await open());
    const { tokenIds, paddingMask, y, sampleWeight } = histories.tokens;
    const { history } = await lm.fit({ tokenIds, paddingMask }, { y, sampleWeight, batchSize: 2 });
    expectNumbers(history, histories.twoTextsAsTokens, 1e-4);
  });

  it('S104: leaves out last columns that weigh nothing, and still takes the mean over all places', async () => {
    const { lm } = await task('keras/c_float32', await open(), 48);
    const { texts } = histories;
    const options = { batchSize: 2, epochs: 2, validationSplit: 0.4, shuffle: false } as const;
    const cut = await lm.fit(texts, options);
    // An unweighted metric counts all places, so that nothing is left out.
    const whole = await lm.compile({ metrics: ['sparse_categorical_accuracy'] }).fit(texts, options);
    expect(Math.abs(cut.history.loss![1]! - whole.history.loss![1]!)).toBeLessThan(1e-5);
    expect(Math.abs(cut.history.val_loss![1]! - whole.history.val_loss![1]!)).toBeLessThan(1e-5);
    expect(cut.history.sparse_categorical_accuracy![1]).toBeCloseTo(
      whole.history.weighted_sparse_categorical_accuracy![1]!,
      6,
    );
  });

  it('S27 S39 S40: validates on a split, weighted and not, and evaluates and predicts', async () => {
    const { lm } = await task(histories.preset, await open(), histories.sequenceLength);
    const compiled = lm.compile({
      optimizer: getOptimizer({ name: 'adam', learningRate: 1e-3 }),
      weightedMetrics: ['sparse_categorical_accuracy', SparseTopKCategoricalAccuracy({ k: 3, name: 'top3' })],
      metrics: ['sparse_categorical_accuracy'],
    });
    const { texts } = histories;
    const { history } = await compiled.fit(texts, { batchSize: 2, epochs: 3, validationSplit: 0.4, shuffle: false });
    expectNumbers(history, histories.validationSplit, 1e-4);
    const judged = await compiled.evaluate(texts, { batchSize: 2 });
    const asLists = (record: Readonly<Record<string, number>>): Numbers =>
      Object.fromEntries(Object.entries(record).map(([name, value]) => [name, [value]]));
    expectNumbers(asLists(judged), asLists(histories.evaluate), 1e-4);
    const logits = await compiled.predict(texts.slice(0, 3), { batchSize: 2 });
    expect(logits.shape).toEqual(histories.predict.shape);
    const [, length = 0, vocabulary = 0] = logits.shape;
    const first = floats(histories.predict.firstPlace);
    for (let row = 0; row < 3; row++)
      for (let j = 0; j < vocabulary; j++)
        expect(Math.abs(logits.data[row * length * vocabulary + j]! - first[row * vocabulary + j]!)).toBeLessThan(1e-4);
  });
});
