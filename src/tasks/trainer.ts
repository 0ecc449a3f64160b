import { absolute } from '../ops/absolute.ts';
import { add } from '../ops/add.ts';
import { cast } from '../ops/cast.ts';
import { concatenate } from '../ops/concatenate.ts';
import { constant, tensor } from '../ops/constant.ts';
import { divide } from '../ops/divide.ts';
import { identity } from '../ops/identity.ts';
import { isFinite as isFiniteNumber } from '../ops/isFinite.ts';
import { multiply } from '../ops/multiply.ts';
import { foldIn, key as randomKey } from '../ops/random.ts';
import { reshape } from '../ops/reshape.ts';
import { sum } from '../ops/sum.ts';
import { where } from '../ops/where.ts';
import type { Device } from '../runtime/device.ts';
import type { Compiled } from '../runtime/webgpu/compile.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { leaves, paths, type Tree, withLeaves } from '../tensor/tree.ts';
import type { Loss, Metric, Optimizer, OptimizerState } from '../training/index.ts';
import { gradients } from '../transforms/gradients.ts';
import { type Batch, trimmed } from './batches.ts';

/** What a model is trained and judged by. */
export interface TrainingSetup {
  readonly optimizer: Optimizer;
  readonly loss: Loss;
  /** Weighted by the sample weights. */
  readonly weightedMetrics: readonly Metric[];
  /** Not weighted. */
  readonly metrics: readonly Metric[];
}

/** What a forward pass may need besides its inputs. */
export interface ForwardContext {
  /** Random key of this step's dropout; undefined leaves dropout out. */
  readonly dropoutKey?: Tensor | undefined;
}

/** A model as the trainer sees it: parameters and inputs to predictions. */
export type Forward = (params: Tree, x: Readonly<Record<string, Tensor>>, context: ForwardContext) => Tensor;

/** Parameters that train, by path. */
export type Trained = Readonly<Record<string, Tensor>>;

/** Everything that a training run carries from step to step, on the device. */
export type TrainState = {
  readonly params: Trained;
  readonly optimizer: OptimizerState;
  readonly totals: Tree;
  /** The last loss, the means so far in the epoch in the order of `names`, and the next step's learning rate. */
  readonly logs: Tensor;
};

type BatchTensors = {
  readonly x: Readonly<Record<string, Tensor>>;
  readonly y: Tensor;
  readonly sampleWeight?: Tensor;
  /** 1 for the first batch of an epoch: totals begin anew. */
  readonly isFirst: Tensor;
  /** What the loss is multiplied by. */
  readonly lossScale: Tensor;
};

const inputTensors = ({ x }: Batch): BatchTensors['x'] =>
  Object.fromEntries(Object.entries(x).map(([name, array]) => [name, tensor(array)]));

const batchTensors = (
  whole: Batch,
  isFirst: boolean,
  { trims, trim = trimmed }: Pick<TrainerParts, 'trims' | 'trim'>,
): BatchTensors => {
  const batch = trims ? trim(whole) : whole;
  return {
    x: inputTensors(batch),
    y: tensor(batch.y!),
    ...(batch.sampleWeight === undefined ? {} : { sampleWeight: tensor(batch.sampleWeight) }),
    isFirst: tensor(Int32Array.of(isFirst ? 1 : 0), { shape: [] }),
    lossScale: tensor(Float32Array.of(batch.lossScale ?? 1), { shape: [] }),
  };
};

/** Names of the logs, in order. */
export const logNames = ({ weightedMetrics, metrics }: TrainingSetup): readonly string[] => [
  'loss',
  ...metrics.map(({ name }) => name),
  ...weightedMetrics.map(({ name }) => name),
];

/** Totals of a new epoch. */
const noTotals = ({ weightedMetrics, metrics }: TrainingSetup): Tree => ({
  loss: { total: constant(0), examples: constant(0) },
  metrics: metrics.map((metric) => metric.init()),
  weightedMetrics: weightedMetrics.map((metric) => metric.init()),
});

type Totals = {
  readonly loss: { readonly total: Tensor; readonly examples: Tensor };
  readonly metrics: readonly Tree[];
  readonly weightedMetrics: readonly Tree[];
};

/** Totals with one more batch, and the means so far. */
const judge = (
  setup: TrainingSetup,
  before: Totals,
  { x, y, sampleWeight, isFirst }: BatchTensors,
  predicted: Tensor,
  loss: Tensor,
): { readonly totals: Totals; readonly logs: Tensor } => {
  const fresh = noTotals(setup);
  const begun = leaves(fresh);
  const isNew = cast(isFirst, 'bool');
  const from = withLeaves(
    before,
    leaves(before).map((old, i) => where(isNew, begun[i]!, old)),
  );
  const examples = Object.values(x)[0]!.shape[0]!;
  const totals: Totals = {
    // Keras weighs each batch's loss by its size.
    loss: {
      total: add(from.loss.total, multiply(loss, examples)),
      examples: add(from.loss.examples, examples),
    },
    metrics: setup.metrics.map((metric, i) => metric.update(from.metrics[i]!, y, predicted)),
    weightedMetrics: setup.weightedMetrics.map((metric, i) =>
      metric.update(from.weightedMetrics[i]!, y, predicted, sampleWeight),
    ),
  };
  const means = [
    divide(totals.loss.total, totals.loss.examples),
    ...setup.metrics.map((metric, i) => metric.result(totals.metrics[i]!)),
    ...setup.weightedMetrics.map((metric, i) => metric.result(totals.weightedMetrics[i]!)),
  ];
  return { totals, logs: concatenate([loss, ...means].map((value) => reshape(value, [1]))) };
};

/** Parameters with some replaced, by path. */
export const replaceParams = <Params extends Tree>(params: Params, trained: Trained): Params =>
  withLeaves(
    params,
    paths(params).map(([path, own]) => trained[path] ?? own),
  );

/** Parameters that train, by path. */
export const trainedParams = (params: Tree, isTrainable: (path: string) => boolean): Trained =>
  Object.fromEntries(paths(params).filter(([path]) => isTrainable(path)));

/** What steps are made of. */
export interface TrainerParts {
  readonly device: Device;
  readonly params: Tree;
  readonly isTrainable: (path: string) => boolean;
  readonly forward: Forward;
  readonly setup: TrainingSetup;
  /** Whether last columns that weigh nothing may be left out of a batch. */
  readonly trims: boolean;
  /** How they are left out. Default: `trimmed`. */
  readonly trim?: ((batch: Batch) => Batch) | undefined;
  /** Seed of dropout. */
  readonly seed: number;
}

/** Steps of training over a state that stays on the device. */
export interface Trainer {
  readonly begin: (optimizer?: OptimizerState) => Promise<TrainState>;
  /** One step; the state before is used up. */
  readonly step: (state: TrainState, batch: Batch, isFirst: boolean) => Promise<TrainState>;
  /** The last loss, the means so far in the epoch by name, and the next step's learning rate. */
  readonly logs: (state: TrainState) => Promise<{
    readonly loss: number;
    readonly logs: Record<string, number>;
    readonly learningRate: number;
  }>;
  /** The first parameter that is not finite, else the first whose gradient for a batch is not, else the largest. */
  readonly findSuspect: (state: TrainState, batch: Batch) => Promise<string>;
  readonly release: () => void;
}

const learnt = (
  { forward, params, setup }: Pick<TrainerParts, 'forward' | 'params' | 'setup'>,
  trained: Trained,
  { x, y, sampleWeight, lossScale }: BatchTensors,
  dropoutKey: Tensor | undefined,
): { readonly predicted: Tensor; readonly loss: Tensor } => {
  const predicted = forward(replaceParams(params, trained), x, { dropoutKey });
  return { predicted, loss: multiply(setup.loss.call(y, predicted, sampleWeight), lossScale) };
};

/** Copies of tensors in float32, of their own. */
const copies = async (device: Device, tensors: readonly Tensor[]): Promise<readonly Tensor[]> =>
  device.realize(tensors.map((own) => identity(own.dtype === 'int32' ? own : cast(own, 'float32'))));

/** A trainer: one step is one evaluation, with the state updated in place. */
export const trainer = (parts: TrainerParts): Trainer => {
  const { device, params, isTrainable, setup, seed } = parts;
  const names = logNames(setup);
  const own = trainedParams(params, isTrainable);
  if (Object.keys(own).length === 0)
    throw new ArgumentError('fit: expected parameters that train, got a model whose parameters are all frozen');

  const step: Compiled<readonly [TrainState, BatchTensors], TrainState> = device.compile(
    (state: TrainState, batch: BatchTensors): TrainState => {
      // The optimizer counts the steps over all runs: each step of a task's life has a dropout of its own.
      const dropoutKey = foldIn(randomKey(seed), state.optimizer.iterations);
      const { predicted, loss } = learnt(parts, state.params, batch, dropoutKey);
      const trainedPaths = Object.keys(state.params);
      const slopes = gradients(setup.optimizer.scaleLoss(loss), Object.values(state.params), {
        unconnected: 'zeros',
      });
      const grads = Object.fromEntries(trainedPaths.map((path, i) => [path, slopes[i]!]));
      const next = setup.optimizer.step(state.params, grads, state.optimizer);
      // A loss that is no number leaves the state as it was, so that one can see what led to it, and go on from it.
      const isGood = isFiniteNumber(loss);
      const learning = { params: state.params, optimizer: state.optimizer };
      const after = new Map(paths({ params: next.params, optimizer: next.state }));
      const { totals, logs } = judge(setup, state.totals as Totals, batch, predicted, loss);
      return {
        ...withLeaves(
          learning,
          paths(learning).map(([path, before]) => {
            const value = after.get(path)!;
            return value === before ? value : where(isGood, value, before);
          }),
        ),
        totals,
        logs: concatenate([logs, reshape(setup.optimizer.learningRate(next.state), [1])]),
      };
    },
    { donate: [0] },
  );

  return {
    begin: async (optimizer) => {
      const trained = withLeaves(own, await copies(device, leaves(own)));
      const slots = optimizer ?? setup.optimizer.init(trained);
      const rest = {
        optimizer: slots,
        totals: noTotals(setup),
        logs: tensor(new Float32Array(2 + names.length)),
      };
      return { params: trained, ...withLeaves(rest, await copies(device, leaves(rest))) };
    },
    step: (state, batch, isFirst) => step.run(state, batchTensors(batch, isFirst, parts)),
    logs: async ({ logs }) => {
      const [{ data } = { data: new Float32Array(0) }] = await device.evaluate([logs]);
      return {
        loss: data[0]!,
        logs: Object.fromEntries(names.map((name, i) => [name, data[1 + i]!])),
        learningRate: data[1 + names.length]!,
      };
    },
    findSuspect: async (state, batch) => {
      const trainedPaths = Object.keys(state.params);
      const values = Object.values(state.params);
      const { loss } = learnt(parts, state.params, batchTensors(batch, false, parts), undefined);
      // A sum of sizes, since a maximum may pass over what is no number.
      const sizes = async (tensors: readonly Tensor[]): Promise<readonly number[]> =>
        (await device.evaluate(tensors.map((each) => sum(absolute(each))))).map(({ data }) => data[0]!);
      const ofParams = await sizes(values);
      const ofGradients = await sizes(gradients(loss, values, { unconnected: 'zeros' }));
      const isBad = (size: number): boolean => !Number.isFinite(size);
      const bad = [ofParams.findIndex(isBad), ofGradients.findIndex(isBad)].find((at) => at !== -1);
      return trainedPaths[bad ?? ofParams.indexOf(Math.max(...ofParams))]!;
    },
    release: () => step.release(),
  };
};

/** Judges a model by its loss and metrics; nothing is learnt. */
export interface Evaluator {
  /** Loss and metrics over batches, with these values of the parameters that train. */
  readonly run: (
    trained: Trained,
    batches: AsyncIterable<Batch>,
    options?: { readonly steps?: number | undefined; readonly signal?: AbortSignal | undefined },
  ) => Promise<Record<string, number>>;
  readonly release: () => void;
}

type EvaluationState = { readonly totals: Tree; readonly logs: Tensor };

/** An evaluator: one batch is one evaluation, with the totals updated in place. */
export const evaluator = (parts: Omit<TrainerParts, 'seed' | 'isTrainable'>): Evaluator => {
  const { device, setup } = parts;
  const names = logNames(setup);
  const step = device.compile(
    (state: EvaluationState, trained: Trained, batch: BatchTensors): EvaluationState => {
      const { predicted, loss } = learnt(parts, trained, batch, undefined);
      return judge(setup, state.totals as Totals, batch, predicted, loss);
    },
    { donate: [0] },
  );
  return {
    run: async (trained, batches, { steps = Number.POSITIVE_INFINITY, signal } = {}) => {
      const begin = { totals: noTotals(setup), logs: tensor(new Float32Array(1 + names.length)) };
      let state: EvaluationState = withLeaves(begin, await copies(device, leaves(begin)));
      try {
        let count = 0;
        for await (const batch of batches) {
          signal?.throwIfAborted();
          state = await step.run(state, trained, batchTensors(batch, count === 0, parts));
          if (++count >= steps) break;
        }
        if (count === 0) throw new ArgumentError('evaluate: expected at least one batch, got none');
        const [{ data } = { data: new Float32Array(0) }] = await device.evaluate([state.logs]);
        return Object.fromEntries(names.map((name, i) => [name, data[1 + i]!]));
      } finally {
        device.release(leaves(state));
      }
    },
    release: () => step.release(),
  };
};

/** Predictions for batches, one array over all examples. */
export const predictBatches = async (
  { device, params, forward }: Pick<TrainerParts, 'device' | 'params' | 'forward'>,
  batches: AsyncIterable<Batch>,
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<NDArray> => {
  const step = device.compile((x: Readonly<Record<string, Tensor>>): Tensor => forward(params, x, {}));
  const parts: NDArray[] = [];
  try {
    for await (const batch of batches) {
      signal?.throwIfAborted();
      const predicted = await step.run(inputTensors(batch));
      parts.push((await device.evaluate([predicted]))[0]!);
      device.release([predicted]);
    }
  } finally {
    step.release();
  }
  const [first] = parts;
  if (first === undefined) throw new ArgumentError('predict: expected at least one example, got none');
  const other = parts.find(({ shape }) => shape.slice(1).join() !== first.shape.slice(1).join());
  if (other !== undefined)
    throw new ArgumentError(
      `predict: expected batches of one length, got predictions of shapes [${first.shape.join(', ')}] and [${other.shape.join(', ')}]; pad them alike`,
    );
  const width = first.shape.slice(1).reduce((a, b) => a * b, 1);
  const total = parts.reduce((count, { shape }) => count + shape[0]!, 0);
  const data = new Float32Array(total * width);
  let at = 0;
  for (const { data: own } of parts) {
    data.set(own, at);
    at += own.length;
  }
  return { data, shape: [total, ...first.shape.slice(1)], dtype: 'float32' };
};
