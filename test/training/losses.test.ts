import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { square } from '../../src/ops/square.ts';
import { subtract } from '../../src/ops/subtract.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import {
  BinaryCrossentropy,
  CategoricalCrossentropy,
  getLoss,
  type Loss,
  type LossOptions,
  MeanSquaredError,
  namedLosses,
  type Reduction,
  SparseCategoricalCrossentropy,
} from '../../src/training/index.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { fixture, floats, type RecordedFloats } from '../support/fixtures.ts';
import { camelCase, devices, expectNear, type RecordedTensor, recorded } from './support.ts';

interface Recorded {
  readonly cases: readonly {
    readonly loss: string;
    readonly options: Readonly<Record<string, unknown>>;
    readonly yTrue: RecordedTensor;
    readonly yPred: RecordedFloats;
    readonly elements: RecordedFloats;
    readonly weighted: readonly {
      readonly sampleWeight: RecordedFloats | null;
      readonly values: Readonly<Record<Reduction, number>>;
    }[];
  }[];
}

const { cases } = fixture<Recorded>('training/losses');

const factories: Readonly<Record<string, (options: LossOptions) => Loss>> = Object.fromEntries(
  Object.entries(namedLosses).map(([name, factory]) => [name.replaceAll('_', ''), factory]),
);

const lossOf = (name: string, options: Readonly<Record<string, unknown>>, reduction: Reduction): Loss =>
  factories[name.toLowerCase()]!({ ...camelCase(options), reduction } as LossOptions);

const numbers = async (device: Device, value: Tensor): Promise<ArrayLike<number>> =>
  (await device.evaluate([value]))[0]!.data;

describe.each(devices)('losses on %s', (_name, open) => {
  it.each(cases.map((one) => [one.loss, JSON.stringify(one.options), one] as const))(
    'S36 S38 S104 %s %s is Keras’s, weighted and not, in every reduction',
    async (name, _options, one) => {
      const device = await open();
      const yTrue = recorded(one.yTrue);
      const yPred = recorded(one.yPred);
      const expected = floats(one.elements);
      // Logarithms of float32 probabilities; a shader's may be off by 2^-21.
      expectNear(await numbers(device, lossOf(name, one.options, 'none').call(yTrue, yPred)), expected, 1e-5);
      const asked = one.weighted.flatMap(({ sampleWeight, values }) =>
        Object.entries(values).map(([reduction, value]) => ({
          sampleWeight,
          reduction: reduction as Reduction,
          value,
        })),
      );
      const results = await device.evaluate(
        asked.map(({ sampleWeight, reduction }) =>
          lossOf(name, one.options, reduction).call(
            yTrue,
            yPred,
            sampleWeight === null ? undefined : recorded(sampleWeight),
          ),
        ),
      );
      for (const [i, { reduction, value, sampleWeight }] of asked.entries())
        expectNear(results[i]!.data, [value], 1e-5, `${reduction}, ${sampleWeight === null ? 'not ' : ''}weighted`);
    },
  );
});

describe('losses', () => {
  const size = { batch: 2, length: 3, classes: 5 };
  const positions = size.batch * size.length;
  const shape = [size.batch, size.length];
  const drawn = fc.record({
    logits: fc.array(fc.float({ min: -5, max: 5, noNaN: true }), {
      minLength: positions * size.classes,
      maxLength: positions * size.classes,
    }),
    targets: fc.array(fc.integer({ min: 0, max: size.classes - 1 }), { minLength: positions, maxLength: positions }),
    weights: fc.array(fc.constantFrom(0, 1), { minLength: positions, maxLength: positions }),
  });
  const tensors = ({ logits, targets, weights }: { logits: number[]; targets: number[]; weights: number[] }) => ({
    yPred: tensor(Float32Array.from(logits), { shape: [...shape, size.classes] }),
    yTrue: tensor(Int32Array.from(targets), { shape }),
    sampleWeight: tensor(Float32Array.from(weights), { shape }),
  });
  const one = async (value: Tensor): Promise<number> => (await numbers(referenceDevice, value))[0]!;

  it('S104 divide by all positions, padding too; the weighted mean by those that count', () =>
    fc.assert(
      fc.asyncProperty(drawn, async (values) => {
        const { yTrue, yPred, sampleWeight } = tensors(values);
        const value = (reduction: Reduction) =>
          one(SparseCategoricalCrossentropy({ fromLogits: true, reduction }).call(yTrue, yPred, sampleWeight));
        const total = await value('sum');
        const counted = values.weights.reduce<number>((a, b) => a + b, 0);
        expect(await value('sum_over_batch_size')).toBeCloseTo(total / positions, 5);
        expect(await value('mean')).toBeCloseTo(total / positions, 5);
        expect(await value('mean_with_sample_weight')).toBeCloseTo(counted === 0 ? 0 : total / counted, 5);
      }),
      { numRuns: 40 },
    ));

  it('S36 agree, of class numbers and of their one-hot rows, of logits and of probabilities', () =>
    fc.assert(
      fc.asyncProperty(drawn, async (values) => {
        const { yTrue, yPred, sampleWeight } = tensors(values);
        const hot = Float32Array.from({ length: positions * size.classes }, (_, i) =>
          values.targets[Math.floor(i / size.classes)] === i % size.classes ? 1 : 0,
        );
        const odds = tensor(Float32Array.from(values.logits, Math.exp), { shape: [...shape, size.classes] });
        const wanted = await one(SparseCategoricalCrossentropy({ fromLogits: true }).call(yTrue, yPred, sampleWeight));
        expect(
          await one(
            CategoricalCrossentropy({ fromLogits: true }).call(
              tensor(hot, { shape: [...shape, size.classes] }),
              yPred,
              sampleWeight,
            ),
          ),
        ).toBeCloseTo(wanted, 4);
        expect(await one(SparseCategoricalCrossentropy().call(yTrue, odds, sampleWeight))).toBeCloseTo(wanted, 4);
      }),
      { numRuns: 30 },
    ));

  it('give rows with a weight each that weight at every position', async () => {
    const { yTrue, yPred } = tensors({
      logits: Array.from({ length: positions * size.classes }, (_, i) => Math.sin(i)),
      targets: [0, 1, 2, 3, 4, 0],
      weights: [0, 0, 0, 0, 0, 0],
    });
    for (const reduction of ['sum_over_batch_size', 'mean_with_sample_weight'] as const) {
      const loss = SparseCategoricalCrossentropy({ fromLogits: true, reduction });
      const wanted = await one(
        loss.call(
          yTrue,
          yPred,
          tensor([
            [1, 1, 1],
            [0.5, 0.5, 0.5],
          ]),
        ),
      );
      expect(await one(loss.call(yTrue, yPred, tensor([1, 0.5])))).toBeCloseTo(wanted, 6);
      expect(await one(loss.call(yTrue, yPred, tensor([[1], [0.5]])))).toBeCloseTo(wanted, 6);
    }
  });

  it('have gradients', async () => {
    const logits = tensor([
      [2, -1, 0.5],
      [0, 3, 1],
    ]);
    const [sparse] = gradients(
      SparseCategoricalCrossentropy({ fromLogits: true }).call(tensor([0, 2], { dtype: 'int32' }), logits),
      [logits],
    );
    const softmaxOf = (row: readonly number[]) => {
      const powers = row.map(Math.exp);
      const total = powers.reduce((a, b) => a + b);
      return powers.map((value) => value / total);
    };
    const first = softmaxOf([2, -1, 0.5]);
    const second = softmaxOf([0, 3, 1]);
    const wanted = [first[0]! - 1, first[1]!, first[2]!, second[0]!, second[1]!, second[2]! - 1].map((x) => x / 2);
    expectNear(await numbers(referenceDevice, sparse!), wanted, 1e-6);
    const odds = tensor([[1, 3, 4]]);
    const [ofOdds] = gradients(SparseCategoricalCrossentropy().call(tensor([1], { dtype: 'int32' }), odds), [odds]);
    expectNear(await numbers(referenceDevice, ofOdds!), [1 / 8, 1 / 8 - 1 / 3, 1 / 8], 1e-6);
    const x = tensor([0.3, -2]);
    const [square2] = gradients(MeanSquaredError().call(tensor([1, 1]), x), [x]);
    expectNear(await numbers(referenceDevice, square2!), [-0.7, -3], 1e-6);
    const [binary] = gradients(BinaryCrossentropy({ fromLogits: true }).call(tensor([1, 0]), x), [x]);
    const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));
    expectNear(await numbers(referenceDevice, binary!), [(sigmoid(0.3) - 1) / 2, sigmoid(-2) / 2], 1e-6);
  });

  it('S38 are got by name in Keras’s spellings, as functions, or as they are', async () => {
    for (const name of ['mse', 'MSE', 'mean_squared_error', 'MeanSquaredError'])
      expect(getLoss(name).name).toBe('mean_squared_error');
    expect(getLoss('sparse_categorical_crossentropy').reduction).toBe('sum_over_batch_size');
    expect(getLoss('mse', { reduction: 'sum' }).reduction).toBe('sum');
    const own = MeanSquaredError({ name: 'mine' });
    expect(getLoss(own)).toBe(own);
    const fromFunction = getLoss(function twice(y, p) {
      return multiply(square(subtract(y, p)), 2);
    });
    expect(fromFunction.name).toBe('twice');
    expect(await one(fromFunction.call(tensor([1, 2]), tensor([2, 4])))).toBe(5);
  });

  it('S38 say what they expected', () => {
    expect(() => getLoss('crossentropie')).toThrow('loss: expected one of sparse_categorical_crossentropy, ');
    expect(() => MeanSquaredError({ reduction: 'average' as never })).toThrow(
      'mean_squared_error: expected a reduction of sum_over_batch_size, sum, mean, mean_with_sample_weight, none, got "average"',
    );
    expect(() => SparseCategoricalCrossentropy({ from_logits: true } as never)).toThrow('got from_logits');
    expect(() => CategoricalCrossentropy({ labelSmoothing: 2 })).toThrow('expected labelSmoothing from 0 to 1, got 2');
    const logits = tensor([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect(() => getLoss('sparse_categorical_crossentropy').call(tensor([1, 1, 1]), logits)).toThrow(
      'sparse_categorical_crossentropy: expected yTrue of the shape of yPred without its last axis, got [3] and [2, 3]',
    );
    expect(() => getLoss('mse').call(tensor([1, 2]), tensor([1]))).toThrow('expected yTrue and yPred of one shape');
    expect(() => getLoss('mse').call(logits, logits, tensor([1, 2, 3]))).toThrow(
      'mean_squared_error: expected weights for values of shape [2], or for its leading axes, got shape [3]',
    );
  });
});
