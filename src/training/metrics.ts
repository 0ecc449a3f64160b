import { add } from '../ops/add.ts';
import { argmax } from '../ops/argmax.ts';
import { cast } from '../ops/cast.ts';
import { constant } from '../ops/constant.ts';
import { divide } from '../ops/divide.ts';
import type { TensorLike } from '../ops/elementwise.ts';
import { equal } from '../ops/equal.ts';
import { exp } from '../ops/exp.ts';
import { greater } from '../ops/greater.ts';
import { less } from '../ops/less.ts';
import { mean } from '../ops/mean.ts';
import { multiply } from '../ops/multiply.ts';
import { notEqual } from '../ops/notEqual.ts';
import { expandDims } from '../ops/reshape.ts';
import { sum } from '../ops/sum.ts';
import { takeAlongAxis } from '../ops/takeAlongAxis.ts';
import { where } from '../ops/where.ts';
import { ArgumentError } from '../tensor/errors.ts';
import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import { type Loss, namedLosses, SparseCategoricalCrossentropy } from './losses.ts';
import { checkKnown, checkNumber, named, shown } from './scalars.ts';
import { alike, classesOf, divideOrZero, spread, toSameRank } from './shapes.ts';

/**
 * What is reported while training: a pure reducer over batches. Its states all have one form, so that they can be
 * carried through one plan.
 *
 * @typeParam State - A tree of tensors.
 * @see keras.metrics.Metric
 */
export interface Metric<State extends Tree = Tree> {
  /** Its key in the history. */
  readonly name: string;
  /** The state before the first batch. */
  init(): State;
  /**
   * The state after one more batch.
   *
   * @param sampleWeight - Weights as the loss takes them; left out, everything counts once.
   */
  update(state: State, yTrue: Tensor, yPred: Tensor, sampleWeight?: Tensor): State;
  /** The metric over all batches so far, float32 scalar; 0 before the first. */
  result(state: State): Tensor;
}

/** A weighted sum, `total`, and the sum of the weights, `count`: float32 scalars. */
export type MeanState = { readonly total: Tensor; readonly count: Tensor };

/** Options of every metric. */
export interface MetricOptions {
  /** Its key in the history. Default: the metric's own name. */
  readonly name?: string;
}

const trailingAxes = (from: number, to: number): readonly number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);

const meanOver = (x: Tensor, axis: readonly number[]): Tensor => (axis.length === 0 ? x : mean(x, { axis }));

/**
 * One batch into a mean: values are averaged within each sample, weights too, and samples are added up. So with weights
 * for each element the mean is `sum(w v) / sum(w)`.
 *
 * @see keras.metrics.Mean.update_state
 */
const updateMean = (name: string, state: MeanState, given: Tensor, sampleWeight?: Tensor): MeanState => {
  let values = cast(given, 'float32');
  if (sampleWeight === undefined) {
    const samples = values.shape.length === 0 ? 1 : values.shape[0]!;
    const total = sum(meanOver(values, trailingAxes(1, values.shape.length)));
    return { total: add(state.total, total), count: add(state.count, samples) };
  }
  const aligned = toSameRank(values, cast(sampleWeight, 'float32'));
  values = aligned[0];
  let weights = aligned[1];
  const rank = weights.shape.length;
  values = meanOver(values, trailingAxes(rank, values.shape.length));
  weights = spread(name, weights, values.shape);
  const within = trailingAxes(1, values.shape.length);
  return {
    total: add(state.total, sum(meanOver(multiply(values, weights), within))),
    count: add(state.count, sum(meanOver(weights, within))),
  };
};

const emptyMean = (): MeanState => ({ total: constant(0), count: constant(0) });

const meanResult = ({ total, count: weight }: MeanState): Tensor => divideOrZero(total, weight);

/** The mean of numbers that are given one batch after another, such as losses. */
export interface MeanReducer {
  /** Its key in the history. */
  readonly name: string;
  /** The state before the first value. */
  init(): MeanState;
  /**
   * The state after more values.
   *
   * @param sampleWeight - How much the values count, such as the size of the batch; default 1.
   */
  update(state: MeanState, values: Tensor, sampleWeight?: TensorLike): MeanState;
  /** The mean of all values so far, float32 scalar; 0 before the first. */
  result(state: MeanState): Tensor;
}

/**
 * The weighted mean of values: `sum(w v) / sum(w)`; 0 before any came.
 *
 * @see keras.metrics.Mean
 */
export const Mean = ({ name = 'mean' }: MetricOptions = {}): MeanReducer =>
  Object.freeze<MeanReducer>({
    name,
    init: emptyMean,
    update: (state, values, sampleWeight) =>
      updateMean(name, state, values, typeof sampleWeight === 'number' ? constant(sampleWeight) : sampleWeight),
    result: meanResult,
  });

/**
 * The weighted mean of a function of targets and predictions: a metric of one's own.
 *
 * @param name - Its key in the history.
 * @param values - One number for each element.
 * @see keras.metrics.MeanMetricWrapper
 */
export const meanMetric = (name: string, values: (yTrue: Tensor, yPred: Tensor) => Tensor): Metric<MeanState> =>
  Object.freeze<Metric<MeanState>>({
    name,
    init: emptyMean,
    update: (state, yTrue, yPred, sampleWeight) => updateMean(name, state, values(yTrue, yPred), sampleWeight),
    result: meanResult,
  });

/** A loss as a metric: its weighted mean. */
export const lossMetric = (loss: Loss): Metric<MeanState> =>
  Object.freeze<Metric<MeanState>>({
    name: loss.name,
    init: emptyMean,
    update: (state, yTrue, yPred, sampleWeight) => {
      const { values, mask } = loss.elements(yTrue, yPred);
      if (mask === undefined) return updateMean(loss.name, state, values, sampleWeight);
      const valid = cast(mask, 'float32');
      if (sampleWeight === undefined) return updateMean(loss.name, state, values, valid);
      const given = spread(loss.name, cast(sampleWeight, 'float32'), values.shape);
      return updateMean(loss.name, state, values, multiply(valid, given));
    },
    result: meanResult,
  });

const checkedName = (ownName: string, options: MetricOptions, known: readonly string[] = []): string => {
  const name = options?.name ?? ownName;
  checkKnown(name, options, [...known, 'name']);
  return name;
};

/**
 * How often the likeliest class (the lowest of several) is the target. Targets are numbers of classes, `[...]` or
 * `[..., 1]`, predictions `[..., classes]`, logits or probabilities.
 *
 * @see keras.metrics.SparseCategoricalAccuracy
 */
export const SparseCategoricalAccuracy = (options: MetricOptions = {}): Metric<MeanState> => {
  const name = checkedName('sparse_categorical_accuracy', options);
  return meanMetric(name, (yTrue, yPred) => equal(classesOf(name, yTrue, yPred), argmax(yPred)));
};

/**
 * How often the likeliest class is the target's. Targets and predictions are `[..., classes]`.
 *
 * @see keras.metrics.CategoricalAccuracy
 */
export const CategoricalAccuracy = (options: MetricOptions = {}): Metric<MeanState> => {
  const name = checkedName('categorical_accuracy', options);
  return meanMetric(name, (yTrue, yPred) => {
    const [target, prediction] = alike(name, yTrue, yPred);
    return equal(argmax(target), argmax(prediction));
  });
};

/** Options of `BinaryAccuracy`. */
export interface BinaryAccuracyOptions extends MetricOptions {
  /** Predictions above it stand for 1. Default: 0.5. */
  readonly threshold?: number;
}

/**
 * How often predictions are on the side of the threshold that the target, 0 or 1, is on.
 *
 * @see keras.metrics.BinaryAccuracy
 */
export const BinaryAccuracy = (options: BinaryAccuracyOptions = {}): Metric<MeanState> => {
  const name = checkedName('binary_accuracy', options, ['threshold']);
  const threshold = checkNumber(`${name}: threshold`, options.threshold ?? 0.5);
  return meanMetric(name, (yTrue, yPred) => {
    const [target, prediction] = alike(name, yTrue, yPred);
    return equal(target, cast(greater(prediction, threshold), 'float32'));
  });
};

/** Options of `SparseTopKCategoricalAccuracy`. */
export interface TopKOptions extends MetricOptions {
  /** Default: 5. */
  readonly k?: number;
}

/**
 * How often fewer than `k` classes are likelier than the target: then it is among the `k` likeliest. Targets are numbers
 * of classes.
 *
 * @throws {ArgumentError} If `k` is no whole number from 1.
 * @see keras.metrics.SparseTopKCategoricalAccuracy
 */
export const SparseTopKCategoricalAccuracy = (options: TopKOptions = {}): Metric<MeanState> => {
  const name = checkedName('sparse_top_k_categorical_accuracy', options, ['k']);
  const { k = 5 } = options;
  if (!Number.isInteger(k) || k < 1)
    throw new ArgumentError(`${name}: expected k to be a whole number from 1, got ${shown(k)}`);
  return meanMetric(name, (yTrue, yPred) => {
    const scores = cast(yPred, 'float32');
    const own = takeAlongAxis(scores, expandDims(classesOf(name, yTrue, yPred), -1));
    return less(sum(cast(greater(scores, own), 'float32'), { axis: -1 }), k);
  });
};

/** A weighted sum, `aggregateCrossentropy`, and the sum of the weights, `numberOfSamples`: float32 scalars. */
export type PerplexityState = { readonly aggregateCrossentropy: Tensor; readonly numberOfSamples: Tensor };

/** Options of `Perplexity`. */
export interface PerplexityOptions extends MetricOptions {
  /** Whether predictions are logits and not probabilities. Default: false. */
  readonly fromLogits?: boolean;
  /** A target whose places do not count, such as padding. Default: none. */
  readonly maskTokenId?: number | undefined;
}

/**
 * `exp(sum(w crossentropy) / sum(w))` over all tokens of all batches; 0 while there are none. Targets are numbers of
 * classes, predictions `[..., classes]`.
 *
 * @throws {ArgumentError} If an option is unknown or does not fit.
 * @see keras_hub.metrics.Perplexity
 */
export const Perplexity = (options: PerplexityOptions = {}): Metric<PerplexityState> => {
  const name = checkedName('perplexity', options, ['fromLogits', 'maskTokenId']);
  const { fromLogits = false, maskTokenId } = options;
  if (maskTokenId !== undefined && !Number.isInteger(maskTokenId))
    throw new ArgumentError(`${name}: expected maskTokenId to be a whole number, got ${shown(maskTokenId)}`);
  const crossentropy = SparseCategoricalCrossentropy({ fromLogits, reduction: 'sum', name });
  return Object.freeze<Metric<PerplexityState>>({
    name,
    init: () => ({ aggregateCrossentropy: constant(0), numberOfSamples: constant(0) }),
    update: ({ aggregateCrossentropy, numberOfSamples }, yTrue, yPred, sampleWeight) => {
      const target = classesOf(name, yTrue, yPred);
      const mask = maskTokenId === undefined ? undefined : cast(notEqual(target, maskTokenId), 'float32');
      const given = sampleWeight === undefined ? undefined : spread(name, cast(sampleWeight, 'float32'), target.shape);
      const weights = mask === undefined ? given : given === undefined ? mask : multiply(mask, given);
      const total = crossentropy.call(target, yPred, weights);
      return {
        aggregateCrossentropy: add(aggregateCrossentropy, total),
        numberOfSamples: add(numberOfSamples, weights === undefined ? count(target.shape) : sum(weights)),
      };
    },
    result: ({ aggregateCrossentropy, numberOfSamples }) => {
      const isEmpty = equal(numberOfSamples, 0);
      return where(isEmpty, 0, exp(divide(aggregateCrossentropy, where(isEmpty, 1, numberOfSamples))));
    },
  });
};

/** The accuracy that fits the shapes: binary, of class numbers, or of class probabilities. */
const shapedAccuracy = (name: string): Metric<MeanState> => {
  const binary = BinaryAccuracy({ name });
  const sparse = SparseCategoricalAccuracy({ name });
  const categorical = CategoricalAccuracy({ name });
  return Object.freeze<Metric<MeanState>>({
    ...sparse,
    update: (state, yTrue, yPred, sampleWeight) => {
      const isSparse = yTrue.shape.length < yPred.shape.length || yTrue.shape.at(-1) === 1;
      const fitting = yPred.shape.at(-1) === 1 ? binary : isSparse ? sparse : categorical;
      return fitting.update(state, yTrue, yPred, sampleWeight);
    },
  });
};

/**
 * Metrics that `compile` knows by name, besides the losses: `accuracy` (`acc`), `sparse_categorical_accuracy`,
 * `sparse_top_k_categorical_accuracy`, `categorical_accuracy`, `binary_accuracy` and `perplexity`.
 */
export const namedMetrics = {
  sparse_categorical_accuracy: () => SparseCategoricalAccuracy(),
  sparse_top_k_categorical_accuracy: () => SparseTopKCategoricalAccuracy(),
  categorical_accuracy: () => CategoricalAccuracy(),
  binary_accuracy: () => BinaryAccuracy(),
  perplexity: () => Perplexity(),
  accuracy: () => shapedAccuracy('accuracy'),
  acc: () => shapedAccuracy('acc'),
} as const;

/** A name of a metric. */
export type MetricName = keyof typeof namedMetrics;

/** What `compile` takes for a metric: a name, a metric, or a function from targets and predictions to values. */
export type MetricLike = MetricName | (string & {}) | Metric | ((yTrue: Tensor, yPred: Tensor) => Tensor);

/**
 * The metric that is meant. A function's weighted mean is taken; `accuracy` is the one that fits the shapes. Its key in
 * the history is the name it was asked for by, as in Keras.
 *
 * @throws {ArgumentError} If the name is none of those known.
 * @see keras.metrics.get
 */
export const getMetric = (metric: MetricLike): Metric => {
  if (typeof metric === 'function') return meanMetric(metric.name || 'metric', metric);
  if (typeof metric === 'string') {
    const losses = Object.fromEntries(
      Object.entries(namedLosses).map(([key, loss]) => [key, () => lossMetric(loss())] as const),
    );
    const found: Metric = named<() => Metric>('metric', metric, {
      ...namedMetrics,
      ...losses,
    })();
    return Object.freeze({ ...found, name: metric });
  }
  if (typeof metric !== 'object' || metric === null || typeof metric.update !== 'function')
    throw new ArgumentError(`metric: expected a name, a Metric or a function of yTrue and yPred, got ${shown(metric)}`);
  return metric;
};
