import { multiply } from '../ops/multiply.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import type { Tree } from '../tensor/tree.ts';
import type { CallbackLike } from '../training/callbacks.ts';
import {
  Adam,
  getLoss,
  getMetric,
  getOptimizer,
  type LossLike,
  type MetricLike,
  type OptimizerLike,
  type OptimizerState,
  SparseCategoricalCrossentropy,
} from '../training/index.ts';
import { indexedSource, isDataset, type Prepare, type Source } from './batches.ts';
import { type FitProgress, type History, runTraining } from './fit.ts';
import { evaluator, predictBatches, replaceParams, type TrainerParts, type TrainingSetup } from './trainer.ts';
import { cut, type LabelledData, labelled, limited, sourceOf, wholeNumber, wholeOf } from './trainingData.ts';

/** How a task learns and is judged. */
export interface CompileTrainingOptions {
  /** A name such as `'adam'`, an optimizer, or `'auto'`. Default `'auto'`: Adam with the task's learning rate. */
  readonly optimizer?: OptimizerLike | 'auto';
  /** A name, a loss, or `'auto'`. Default `'auto'`: sparse categorical cross-entropy from logits. */
  readonly loss?: LossLike | 'auto';
  /** What the loss is multiplied by. Default 1. */
  readonly lossWeights?: number;
  /** Metrics that count each place by its sample weight. Default `'auto'`: sparse categorical accuracy. */
  readonly weightedMetrics?: readonly MetricLike[] | 'auto';
  /** Metrics that count every place alike. Default: none. */
  readonly metrics?: readonly MetricLike[];
  /** Steps between two looks of the host at the loss. Default 1. */
  readonly stepsPerExecution?: number;
}

/** The names of the options that `compile` takes for training. */
export const compileTrainingOptions = [
  'optimizer',
  'loss',
  'lossWeights',
  'weightedMetrics',
  'metrics',
  'stepsPerExecution',
] as const;

/** What compiling for training gives. */
export interface CompiledTraining extends TrainingSetup {
  readonly stepsPerExecution: number;
  /** Whether places without weight change nothing: so with the default loss, if all metrics are weighted. */
  readonly isWeighted: boolean;
}

/**
 * Compile's options with the defaults filled in.
 *
 * @param learningRate - Of the default optimizer: 2e-5 for causal and sequence-to-sequence models, 5e-5 for the others.
 */
export const compileTraining = (
  {
    optimizer = 'auto',
    loss = 'auto',
    lossWeights = 1,
    weightedMetrics = 'auto',
    metrics = [],
    stepsPerExecution = 1,
  }: CompileTrainingOptions,
  learningRate: number,
): CompiledTraining => {
  const own = loss === 'auto' ? SparseCategoricalCrossentropy({ fromLogits: true }) : getLoss(loss);
  if (!Number.isFinite(lossWeights))
    throw new ArgumentError(`compile: expected lossWeights to be a number, got ${lossWeights}`);
  const plain = metrics.map(getMetric);
  const weighted = (weightedMetrics === 'auto' ? ['sparse_categorical_accuracy'] : weightedMetrics).map(getMetric);
  return Object.freeze<CompiledTraining>({
    optimizer: optimizer === 'auto' ? Adam({ learningRate }) : getOptimizer(optimizer),
    loss: lossWeights === 1 ? own : { ...own, call: (...args) => multiply(own.call(...args), lossWeights) },
    // As in Keras, a metric that is asked for both ways is told apart by its name.
    weightedMetrics: weighted.map((metric) =>
      plain.some(({ name }) => name === metric.name) ? { ...metric, name: `weighted_${metric.name}` } : metric,
    ),
    metrics: plain,
    isWeighted: loss === 'auto' && metrics.length === 0,
    stepsPerExecution: wholeNumber('compile: stepsPerExecution', stepsPerExecution, 1),
  });
};

/** Options of `fit`. */
export interface FitOptions {
  /** Targets, where `x` is tokens: ids of `[batch, length]`. */
  readonly y?: unknown;
  /** Weights of the targets' places. Default: all count alike. */
  readonly sampleWeight?: unknown;
  /** Default 32. Datasets bring their own batches. */
  readonly batchSize?: number;
  /** Default 1. */
  readonly epochs?: number;
  /** Whether the order of the examples is new each epoch. Default true. Datasets keep theirs. */
  readonly shuffle?: boolean;
  /** Of the order and of dropout. Default 0. */
  readonly seed?: number;
  /** What to judge by after each epoch: texts, a dataset, `{ x, y, sampleWeight }` or `[x, y, sampleWeight]`. */
  readonly validationData?: unknown;
  /** The share of the examples, from the end, that is not trained on but judged by. Default 0. */
  readonly validationSplit?: number;
  /** Default: `batchSize`. */
  readonly validationBatchSize?: number;
  /** Batches of validation, at most. Default: all. */
  readonly validationSteps?: number;
  /** Validate after every so many epochs. Default 1. */
  readonly validationFreq?: number;
  /** The epoch to begin with, from 0. Default 0. */
  readonly initialEpoch?: number;
  /** Batches of an epoch, at most. Default: all. A stream goes on where the last epoch left it. */
  readonly stepsPerEpoch?: number;
  /** Asked after every step and epoch. */
  readonly callbacks?: readonly CallbackLike[];
  /** A checkpoint's folder to go on from, with the same data, seed and callbacks. */
  readonly resumeFrom?: string;
  /** Ends the run; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told after every look at the loss. */
  readonly onProgress?: (progress: FitProgress) => void;
}

/** Options of `evaluate`. */
export interface EvaluateOptions extends Pick<FitOptions, 'y' | 'sampleWeight' | 'batchSize' | 'signal'> {
  /** Batches, at most. Default: all. */
  readonly steps?: number;
}

/** Options of `predict`. */
export type PredictOptions = Pick<EvaluateOptions, 'batchSize' | 'steps' | 'signal'>;

const knownOptions: Readonly<Record<'fit' | 'evaluate' | 'predict', readonly string[]>> = {
  fit: [
    'y',
    'sampleWeight',
    'batchSize',
    'epochs',
    'shuffle',
    'seed',
    'validationData',
    'validationSplit',
    'validationBatchSize',
    'validationSteps',
    'validationFreq',
    'initialEpoch',
    'stepsPerEpoch',
    'callbacks',
    'resumeFrom',
    'signal',
    'onProgress',
  ],
  evaluate: ['y', 'sampleWeight', 'batchSize', 'steps', 'signal'],
  predict: ['batchSize', 'steps', 'signal'],
};

/** What a task gives the methods below. */
export interface TrainableTask<Params extends Tree = Tree>
  extends Omit<TrainerParts, 'seed' | 'setup' | 'device' | 'params'> {
  /** The device, with the values of the parameters on it. */
  readonly open: () => Promise<{ readonly device: TrainerParts['device']; readonly params: Params }>;
  readonly setup: CompiledTraining;
  /** Examples of texts, tokens or whatever the task reads. */
  readonly prepare: Prepare;
  readonly optimizerState: OptimizerState | undefined;
}

/** What `fit` leaves: parameters, the optimizer's state and the history. */
export interface Fitted<Params extends Tree> {
  readonly params: Params;
  readonly optimizerState: OptimizerState;
  readonly history: History;
}

/** Examples that `fit` and `evaluate` can learn from and judge by have targets. */
const withTargets =
  (what: string, prepare: Prepare): Prepare =>
  (x, y, sampleWeight, seeds) => {
    const batch = prepare(x, y, sampleWeight, seeds);
    if (batch.y === undefined)
      throw new ArgumentError(
        `${what}: expected targets y for tokens, got none; pass { y }, or texts to a task with a preprocessor`,
      );
    return batch;
  };

/**
 * Trains a task.
 *
 * @throws {ArgumentError} If an option or the data is not what it must be.
 */
export const fitTask = async <Params extends Tree>(
  task: TrainableTask<Params>,
  x: unknown,
  options: FitOptions = {},
): Promise<Fitted<Params>> => {
  refuseUnknown('fit', options, knownOptions.fit);
  const {
    y,
    sampleWeight,
    batchSize,
    epochs = 1,
    shuffle = true,
    seed = 0,
    validationData,
    validationSplit = 0,
  } = options;
  const { validationBatchSize, validationSteps, validationFreq = 1, initialEpoch = 0, stepsPerEpoch } = options;
  wholeNumber('fit: epochs', epochs, 0);
  wholeNumber('fit: initialEpoch', initialEpoch, 0);
  wholeNumber('fit: validationFreq', validationFreq, 1);
  if (validationSteps !== undefined) wholeNumber('fit: validationSteps', validationSteps, 1);
  if (!Number.isSafeInteger(seed)) throw new ArgumentError(`fit: expected seed to be a whole number, got ${seed}`);
  if (!(validationSplit >= 0 && validationSplit < 1))
    throw new ArgumentError(`fit: expected validationSplit from 0 to below 1, got ${validationSplit}`);
  const prepare = withTargets('fit', task.prepare);
  const data: LabelledData = { x, y, sampleWeight };
  const shuffleSeed = shuffle ? seed : undefined;
  const judgedBatchSize = validationBatchSize ?? batchSize;
  let source: Source;
  let validation: Source | undefined;
  if (validationSplit > 0 && validationData === undefined) {
    if (isDataset(x))
      throw new ArgumentError('fit: expected texts or tokens for validationSplit, got a dataset; pass validationData');
    const { size, at } = wholeOf('fit', data, prepare, seed);
    const kept = Math.floor(size * (1 - validationSplit));
    if (kept === 0 || kept === size)
      throw new ArgumentError(
        `fit: expected a validationSplit that leaves examples on both sides, got ${validationSplit} of ${size}`,
      );
    source = indexedSource(kept, at, { batchSize: wholeNumber('fit: batchSize', batchSize ?? 32, 1), shuffleSeed });
    validation = indexedSource(
      size - kept,
      (order, epoch) =>
        at(
          order.map((i) => kept + i),
          epoch,
        ),
      {
        batchSize: wholeNumber('fit: validationBatchSize', judgedBatchSize ?? 32, 1),
      },
    );
  } else {
    source = sourceOf('fit', data, { batchSize, shuffleSeed, seed }, prepare);
    if (validationData !== undefined) {
      const judged = labelled(validationData);
      validation = sourceOf(
        'fit: validationData',
        judged,
        { batchSize: isDataset(judged.x) ? undefined : judgedBatchSize },
        prepare,
      );
    }
  }
  if (stepsPerEpoch !== undefined) source = limited(source, wholeNumber('fit: stepsPerEpoch', stepsPerEpoch, 1));
  options.signal?.throwIfAborted();
  const judged = validation;
  const opened = await task.open();
  const { params, optimizer, history } = await runTraining(
    { ...task, ...opened, seed },
    source,
    {
      epochs,
      initialEpoch,
      stepsPerExecution: task.setup.stepsPerExecution,
      validation: judged === undefined ? undefined : () => judged.batches(0),
      validationSteps,
      validationFreq,
      callbacks: options.callbacks ?? [],
      resumeFrom: options.resumeFrom,
      signal: options.signal,
      onProgress: options.onProgress,
    },
    task.optimizerState,
  );
  return { params: replaceParams(opened.params, params), optimizerState: optimizer, history };
};

/** Loss and metrics of a task on data, by name. */
export const evaluateTask = async (
  task: TrainableTask,
  x: unknown,
  options: EvaluateOptions = {},
): Promise<Readonly<Record<string, number>>> => {
  refuseUnknown('evaluate', options, knownOptions.evaluate);
  const { y, sampleWeight, batchSize, steps, signal } = options;
  if (steps !== undefined) wholeNumber('evaluate: steps', steps, 1);
  const source = sourceOf('evaluate', { x, y, sampleWeight }, { batchSize }, withTargets('evaluate', task.prepare));
  const judge = evaluator({ ...task, ...(await task.open()) });
  try {
    return await judge.run({}, source.batches(0), { steps, signal });
  } finally {
    judge.release();
  }
};

/** Predictions of a task for data: one array over all examples. */
export const predictTask = async (task: TrainableTask, x: unknown, options: PredictOptions = {}): Promise<NDArray> => {
  refuseUnknown('predict', options, knownOptions.predict);
  const { batchSize, steps, signal } = options;
  const source = sourceOf('predict', { x }, { batchSize }, task.prepare);
  const asked = steps === undefined ? source : cut(source, wholeNumber('predict: steps', steps, 1));
  return predictBatches({ ...task, ...(await task.open()) }, asked.batches(0), { signal });
};
