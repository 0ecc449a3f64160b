import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tensor } from '../../src/ops/constant.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { leaves, signature, type Tree } from '../../src/tensor/tree.ts';
import {
  BinaryAccuracy,
  CategoricalAccuracy,
  getMetric,
  Mean,
  MeanSquaredError,
  type Metric,
  Perplexity,
  SparseCategoricalAccuracy,
  SparseTopKCategoricalAccuracy,
} from '../../src/training/index.ts';
import { fixture } from '../support/fixtures.ts';
import { camelCase, devices, expectNear, type RecordedTensor, recorded } from './support.ts';

interface Recorded {
  readonly inputs: Readonly<Record<string, readonly (readonly RecordedTensor[])[]>>;
  readonly cases: readonly {
    readonly input: string;
    readonly metric: string;
    readonly options: Readonly<Record<string, unknown>>;
    readonly runs: readonly {
      readonly weighted: boolean;
      readonly name: string;
      readonly states: readonly (readonly number[])[];
      readonly results: readonly number[];
    }[];
  }[];
}

const { inputs, cases } = fixture<Recorded>('training/metrics');

const factories: Readonly<Record<string, (options: object) => Metric>> = {
  SparseCategoricalAccuracy: (options) => SparseCategoricalAccuracy(options),
  SparseTopKCategoricalAccuracy: (options) => SparseTopKCategoricalAccuracy(options),
  CategoricalAccuracy: (options) => CategoricalAccuracy(options),
  BinaryAccuracy: (options) => BinaryAccuracy(options),
  Perplexity: (options) => Perplexity(options),
};

const numbers = async (device: Device, tree: Tree): Promise<number[]> =>
  (await device.evaluate(leaves(tree))).flatMap(({ data }) => Array.from(data));

/** A metric's update over a recorded batch. */
const updates = (
  metric: string,
  options: object,
): {
  name: string;
  init: () => Tree;
  update: (state: Tree, batch: readonly Tensor[], weight: Tensor | undefined) => Tree;
  result: (state: Tree) => Tensor;
} => {
  if (metric === 'Mean') {
    const mean = Mean();
    return {
      ...mean,
      update: (state, [values], weight) => mean.update(state as ReturnType<typeof mean.init>, values!, weight),
      result: (state) => mean.result(state as ReturnType<typeof mean.init>),
    };
  }
  const own = Object.hasOwn(factories, metric) ? factories[metric]!(options) : getMetric(metric);
  return { ...own, update: (state, [yTrue, yPred], weight) => own.update(state, yTrue!, yPred!, weight) };
};

describe.each(devices)('metrics on %s', (_name, open) => {
  it.each(cases.map((one) => [one.metric, JSON.stringify(one.options), one.input, one] as const))(
    'S37 S40 %s %s of %s is Keras’s, weighted and not',
    async (name, _options, input, one) => {
      const device = await open();
      const metric = updates(name, camelCase(one.options));
      for (const run of one.runs) {
        expect(metric.name).toBe(run.name);
        let state = metric.init();
        const form = signature(state);
        for (const [at, batch] of inputs[input]!.entries()) {
          const tensors = batch.map(recorded);
          state = metric.update(state, tensors.slice(0, -1), run.weighted ? tensors.at(-1) : undefined);
          expect(signature(state)).toBe(form);
          // Sums of float32 in another order, and logarithms that a shader may have off by 2^-21.
          expectNear(await numbers(device, state), run.states[at]!, 1e-5, `state ${at}`);
          expectNear(await numbers(device, metric.result(state)), [run.results[at]!], 1e-5, `result ${at}`);
        }
      }
    },
  );
});

describe('metrics', () => {
  const result = async (metric: Metric, ...batch: readonly [Tensor, Tensor, Tensor?]): Promise<number> =>
    (await numbers(referenceDevice, metric.result(metric.update(metric.init(), ...batch))))[0]!;

  it('are 0 before the first batch', async () => {
    for (const name of ['sparse_categorical_accuracy', 'perplexity', 'mse', 'accuracy']) {
      const metric = getMetric(name);
      expect(await numbers(referenceDevice, metric.result(metric.init()))).toEqual([0]);
    }
  });

  it('S40 do not see what has no weight', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.boolean()), { minLength: 1, maxLength: 8 }),
        async (tokens) => {
          const columns = 4;
          const logits = tokens.map((_, i) => Array.from({ length: columns }, (_, j) => Math.sin(7 * i + 3 * j)));
          const targets = tokens.map(([target]) => target);
          const pick = <T>(all: readonly T[]): T[] => all.filter((_, i) => tokens[i]![1]);
          const metric = SparseCategoricalAccuracy();
          const all = await result(
            metric,
            tensor(targets, { dtype: 'int32', shape: [1, tokens.length] }),
            tensor([logits]),
            tensor([tokens.map(([, counts]) => Number(counts))]),
          );
          if (!tokens.some(([, counts]) => counts)) expect(all).toBe(0);
          else
            expect(all).toBeCloseTo(
              await result(metric, tensor(pick(targets), { dtype: 'int32' }), tensor(pick(logits))),
              6,
            );
        },
      ),
      { numRuns: 30 },
    ));

  it('of batches one after another are those of all at once', async () => {
    const metric = Perplexity({ fromLogits: true });
    const logits = [
      [
        [1, 2, 3],
        [0, 1, 0],
      ],
      [
        [3, 1, 2],
        [1, 1, 1],
      ],
    ];
    const targets = [
      [0, 1],
      [2, 0],
    ];
    const yTrue = (rows: number[][]) => tensor(rows, { dtype: 'int32' });
    const first = metric.update(metric.init(), yTrue(targets.slice(0, 1)), tensor(logits.slice(0, 1)));
    const both = metric.update(first, yTrue(targets.slice(1)), tensor(logits.slice(1)));
    const whole = metric.update(metric.init(), yTrue(targets), tensor(logits));
    expectNear(
      await numbers(referenceDevice, metric.result(both)),
      await numbers(referenceDevice, metric.result(whole)),
      1e-6,
    );
  });

  it('find with k = 1 what the accuracy finds where nothing is equal, and all with k classes', async () => {
    const yTrue = tensor([0, 1, 2], { dtype: 'int32' });
    const yPred = tensor([
      [3, 1, 2],
      [1, 2, 3],
      [0, 5, 9],
    ]);
    const accuracy = await result(SparseCategoricalAccuracy(), yTrue, yPred);
    expect(await result(SparseTopKCategoricalAccuracy({ k: 1 }), yTrue, yPred)).toBe(accuracy);
    expect(await result(SparseTopKCategoricalAccuracy({ k: 3 }), yTrue, yPred)).toBe(1);
  });

  it('S37 S38 are got by name, by the shapes, as functions, or as they are', async () => {
    expect(getMetric('sparse_categorical_accuracy').name).toBe('sparse_categorical_accuracy');
    expect(getMetric('mse').name).toBe('mse');
    const own = SparseCategoricalAccuracy({ name: 'mine' });
    expect(getMetric(own)).toBe(own);
    const accuracy = getMetric('accuracy');
    expect(accuracy.name).toBe('accuracy');
    expect(
      await result(
        accuracy,
        tensor([1, 0], { dtype: 'int32' }),
        tensor([
          [1, 2],
          [1, 2],
        ]),
      ),
    ).toBe(0.5);
    expect(
      await result(
        accuracy,
        tensor([
          [0, 1],
          [1, 0],
        ]),
        tensor([
          [1, 2],
          [1, 2],
        ]),
      ),
    ).toBe(0.5);
    expect(await result(accuracy, tensor([[1], [1], [0], [0]]), tensor([[0.9], [0.2], [0.1], [0.3]]))).toBe(0.75);
    const squared = MeanSquaredError();
    const fromFunction = getMetric(function off(y, p) {
      return squared.elements(y, p).values;
    });
    expect(fromFunction.name).toBe('off');
    expect(
      await result(
        fromFunction,
        tensor([
          [1, 2],
          [3, 4],
        ]),
        tensor([
          [1, 4],
          [3, 4],
        ]),
      ),
    ).toBe(1);
  });

  it('S38 say what they expected', () => {
    expect(() => getMetric('acuracy')).toThrow('metric: expected one of sparse_categorical_accuracy, ');
    expect(() => SparseTopKCategoricalAccuracy({ k: 0 })).toThrow('expected k to be a whole number from 1, got 0');
    expect(() => Perplexity({ maskTokenId: 0.5 })).toThrow('expected maskTokenId to be a whole number, got 0.5');
    const metric = SparseCategoricalAccuracy();
    expect(() => metric.update(metric.init(), tensor([1, 2, 3]), tensor([[1, 2]]))).toThrow(
      'sparse_categorical_accuracy: expected yTrue of the shape of yPred without its last axis, got [3] and [1, 2]',
    );
  });
});
