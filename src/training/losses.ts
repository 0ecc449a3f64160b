import { absolute } from '../ops/absolute.ts';
import { add } from '../ops/add.ts';
import { cast } from '../ops/cast.ts';
import { clip } from '../ops/clip.ts';
import { constant } from '../ops/constant.ts';
import { divide } from '../ops/divide.ts';
import { exp } from '../ops/exp.ts';
import { lessEqual } from '../ops/lessEqual.ts';
import { log } from '../ops/log.ts';
import { maximum } from '../ops/maximum.ts';
import { mean } from '../ops/mean.ts';
import { multiply } from '../ops/multiply.ts';
import { negative } from '../ops/negative.ts';
import { notEqual } from '../ops/notEqual.ts';
import { expandDims, reshape, squeeze } from '../ops/reshape.ts';
import { logSoftmax } from '../ops/softmax.ts';
import { sparseCategoricalCrossentropy } from '../ops/sparseCategoricalCrossentropy.ts';
import { square } from '../ops/square.ts';
import { subtract } from '../ops/subtract.ts';
import { sum } from '../ops/sum.ts';
import { takeAlongAxis } from '../ops/takeAlongAxis.ts';
import { where } from '../ops/where.ts';
import { ArgumentError } from '../tensor/errors.ts';
import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkKnown, checkNumber, named, shown } from './scalars.ts';
import { alike, classesOf, divideOrZero, spread, toSameRank } from './shapes.ts';

/**
 * How losses of elements become one number: their sum; their sum by how many they are, whatever their weights
 * (`sum_over_batch_size`, and `mean`, which is the same); their sum by the sum of the weights; or not at all.
 */
export type Reduction = 'sum_over_batch_size' | 'sum' | 'mean' | 'mean_with_sample_weight' | 'none';

const reductions: readonly Reduction[] = ['sum_over_batch_size', 'sum', 'mean', 'mean_with_sample_weight', 'none'];

/** Losses of elements, and which of them count (left out: all). */
export interface ElementLosses {
  /** float32. */
  readonly values: Tensor;
  /** bool, of the same shape. */
  readonly mask?: Tensor;
}

/**
 * What is minimized: a pure function from targets and predictions to a number.
 *
 * @see keras.losses.Loss
 */
export interface Loss {
  /** Its key in the history, where it is a metric. */
  readonly name: string;
  /** How the losses of elements become one number. */
  readonly reduction: Reduction;
  /** The loss of each element, before weights and reduction. */
  elements(yTrue: Tensor, yPred: Tensor): ElementLosses;
  /**
   * The loss, a float32 scalar unless the reduction is `none`.
   *
   * @param sampleWeight - One number for each element, or for each of the leading axes.
   * @throws {ShapeError} If the shapes do not fit.
   */
  call(yTrue: Tensor, yPred: Tensor, sampleWeight?: Tensor): Tensor;
}

/** Options of every loss. */
export interface LossOptions {
  /** Default: `sum_over_batch_size`. */
  readonly reduction?: Reduction;
  /** Default: the loss's own name. */
  readonly name?: string;
}

/** A function from targets and predictions to the losses of elements: a loss of one's own, as Keras takes it. */
export type LossFunction = (yTrue: Tensor, yPred: Tensor) => Tensor;

/**
 * Losses of elements weighted and reduced.
 *
 * @param name - Whose they are, for the message.
 * @param sampleWeight - Of the losses' shape, or of their leading axes: a weight a row counts for all of the row.
 * @throws {ShapeError} If the weights do not fit.
 * @see keras.losses.loss.reduce_weighted_values
 */
export const reduceLosses = (
  name: string,
  { values, mask }: ElementLosses,
  reduction: Reduction,
  sampleWeight?: Tensor,
): Tensor => {
  let losses = values;
  let weights: Tensor | undefined;
  if (mask !== undefined) {
    // What does not count has no weight, and means are over the others alone.
    const valid = cast(mask, 'float32');
    const isMean = reduction === 'mean' || reduction === 'sum_over_batch_size';
    const share = multiply(divideOrZero(constant(1), sum(valid)), count(mask.shape));
    weights = isMean ? multiply(valid, share) : valid;
  }
  if (sampleWeight !== undefined) {
    const [aligned, given] = toSameRank(losses, cast(sampleWeight, 'float32'));
    losses = aligned;
    const own = spread(name, given, losses.shape);
    weights = weights === undefined ? own : multiply(own, reshape(weights, losses.shape));
  }
  const weighted = weights === undefined ? losses : multiply(losses, weights);
  if (reduction === 'none' || weighted.shape.length === 0) return weighted;
  const total = sum(weighted);
  if (reduction === 'sum') return total;
  if (reduction === 'mean_with_sample_weight' && weights !== undefined) return divideOrZero(total, sum(weights));
  const size = count(weighted.shape);
  return size === 0 ? total : divide(total, size);
};

/**
 * A loss from its losses of elements.
 *
 * @param ownName - Its name, unless the options say another.
 * @throws {ArgumentError} If the reduction is none of those known.
 */
export const defineLoss = (
  ownName: string,
  { name = ownName, reduction = 'sum_over_batch_size' }: LossOptions,
  elements: Loss['elements'],
): Loss => {
  if (!reductions.includes(reduction))
    throw new ArgumentError(`${name}: expected a reduction of ${reductions.join(', ')}, got ${shown(reduction)}`);
  return Object.freeze<Loss>({
    name,
    reduction,
    elements,
    call: (yTrue, yPred, sampleWeight) => reduceLosses(name, elements(yTrue, yPred), reduction, sampleWeight),
  });
};

/** Keras's fuzz factor: probabilities are held this far away from 0 and 1. */
const epsilon = 1e-7;

/** Logarithms of probabilities, from logits or from numbers above 0 that need not sum to 1. */
const logProbabilities = (yPred: Tensor, fromLogits: boolean): Tensor =>
  fromLogits
    ? logSoftmax(yPred)
    : log(clip(divide(yPred, sum(yPred, { axis: -1, keepDims: true })), epsilon, 1 - epsilon));

/** `-log` of the target's part of all classes' probabilities. */
const minusLogOf = (target: Tensor, probabilities: Tensor): Tensor => {
  const own = squeeze(takeAlongAxis(probabilities, expandDims(target, -1)), { axis: -1 });
  return negative(log(clip(divide(own, sum(probabilities, { axis: -1 })), epsilon, 1 - epsilon)));
};

/** Options of `SparseCategoricalCrossentropy`. */
export interface SparseCategoricalCrossentropyOptions extends LossOptions {
  /** Whether predictions are logits and not probabilities. Default: false. */
  readonly fromLogits?: boolean;
  /** A target whose places do not count at all. Default: none. */
  readonly ignoreClass?: number | undefined;
}

/**
 * `-log p[target]` for targets that are numbers of classes. Predictions are `[..., classes]`, targets `[...]` or
 * `[..., 1]`, int32 (floats are cut to whole numbers).
 *
 * @throws {ArgumentError} If an option is unknown or does not fit.
 * @see keras.losses.SparseCategoricalCrossentropy
 */
export const SparseCategoricalCrossentropy = (options: SparseCategoricalCrossentropyOptions = {}): Loss => {
  const name = options?.name ?? 'sparse_categorical_crossentropy';
  checkKnown(name, options, ['fromLogits', 'ignoreClass', 'reduction', 'name']);
  const { fromLogits = false, ignoreClass } = options;
  if (ignoreClass !== undefined && !Number.isInteger(ignoreClass))
    throw new ArgumentError(`${name}: expected ignoreClass to be a whole number, got ${shown(ignoreClass)}`);
  return defineLoss(name, options, (yTrue, yPred) => {
    const given = classesOf(name, yTrue, yPred);
    const mask = ignoreClass === undefined ? undefined : notEqual(given, ignoreClass);
    const target = mask === undefined ? given : where(mask, given, 0);
    const prediction = cast(yPred, 'float32');
    const values = fromLogits ? sparseCategoricalCrossentropy(target, prediction) : minusLogOf(target, prediction);
    return mask === undefined ? { values } : { values: where(mask, values, 0), mask };
  });
};

/** Options of `CategoricalCrossentropy` and `BinaryCrossentropy`. */
export interface CrossentropyOptions extends LossOptions {
  /** Whether predictions are logits and not probabilities. Default: false. */
  readonly fromLogits?: boolean;
  /** How much of each target is spread evenly over the classes. From 0 to 1; default 0. */
  readonly labelSmoothing?: number;
}

const checkCrossentropy = (ownName: string, options: CrossentropyOptions) => {
  const name = options?.name ?? ownName;
  checkKnown(name, options, ['fromLogits', 'labelSmoothing', 'reduction', 'name']);
  const { fromLogits = false, labelSmoothing = 0 } = options;
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new ArgumentError(`${name}: expected labelSmoothing from 0 to 1, got ${shown(labelSmoothing)}`);
  return { name, fromLogits, labelSmoothing };
};

/**
 * `-sum_k y[k] log p[k]` for targets that are probabilities of classes, of the predictions' shape `[..., classes]`.
 *
 * @throws {ArgumentError} If an option is unknown or does not fit.
 * @see keras.losses.CategoricalCrossentropy
 */
export const CategoricalCrossentropy = (options: CrossentropyOptions = {}): Loss => {
  const { name, fromLogits, labelSmoothing } = checkCrossentropy('categorical_crossentropy', options);
  return defineLoss(name, options, (yTrue, yPred) => {
    const [given, prediction] = alike(name, yTrue, yPred);
    const classes = given.shape.at(-1) ?? 1;
    const target = labelSmoothing === 0 ? given : add(multiply(given, 1 - labelSmoothing), labelSmoothing / classes);
    return { values: negative(sum(multiply(target, logProbabilities(prediction, fromLogits)), { axis: -1 })) };
  });
};

/**
 * `-(y log p + (1 - y) log(1 - p))`, averaged over the last axis.
 *
 * @throws {ArgumentError} If an option is unknown or does not fit.
 * @see keras.losses.BinaryCrossentropy
 */
export const BinaryCrossentropy = (options: CrossentropyOptions = {}): Loss => {
  const { name, fromLogits, labelSmoothing } = checkCrossentropy('binary_crossentropy', options);
  return defineLoss(name, options, (yTrue, yPred) => {
    const [given, x] = alike(name, yTrue, yPred);
    const y = labelSmoothing === 0 ? given : add(multiply(given, 1 - labelSmoothing), labelSmoothing / 2);
    if (fromLogits) {
      // max(x, 0) - x y + log(1 + e^-|x|): nothing overflows.
      const soft = log(add(exp(negative(absolute(x))), 1));
      return { values: mean(add(subtract(maximum(x, 0), multiply(x, y)), soft), { axis: -1 }) };
    }
    const p = clip(x, epsilon, 1 - epsilon);
    const likelihood = add(multiply(y, log(p)), multiply(subtract(1, y), log(subtract(1, p))));
    return { values: negative(mean(likelihood, { axis: -1 })) };
  });
};

const elementwiseLoss =
  (ownName: string, rule: (target: Tensor, prediction: Tensor) => Tensor) =>
  (options: LossOptions = {}): Loss => {
    const name = options?.name ?? ownName;
    checkKnown(name, options, ['reduction', 'name']);
    return defineLoss(name, options, (yTrue, yPred) => ({ values: rule(...alike(name, yTrue, yPred)) }));
  };

/** `(y - p)^2`, averaged over the last axis. @see keras.losses.MeanSquaredError */
export const MeanSquaredError: (options?: LossOptions) => Loss = elementwiseLoss('mean_squared_error', (y, p) =>
  mean(square(subtract(y, p)), { axis: -1 }),
);

/** `|y - p|`, averaged over the last axis. @see keras.losses.MeanAbsoluteError */
export const MeanAbsoluteError: (options?: LossOptions) => Loss = elementwiseLoss('mean_absolute_error', (y, p) =>
  mean(absolute(subtract(y, p)), { axis: -1 }),
);

/** `100 |y - p| / |y|`, averaged over the last axis. @see keras.losses.MeanAbsolutePercentageError */
export const MeanAbsolutePercentageError: (options?: LossOptions) => Loss = elementwiseLoss(
  'mean_absolute_percentage_error',
  (y, p) => multiply(mean(absolute(divide(subtract(y, p), maximum(absolute(y), epsilon))), { axis: -1 }), 100),
);

/** `(log(1 + y) - log(1 + p))^2`, averaged over the last axis. @see keras.losses.MeanSquaredLogarithmicError */
export const MeanSquaredLogarithmicError: (options?: LossOptions) => Loss = elementwiseLoss(
  'mean_squared_logarithmic_error',
  (y, p) => mean(square(subtract(log(add(maximum(p, epsilon), 1)), log(add(maximum(y, epsilon), 1)))), { axis: -1 }),
);

/** `sum_k y[k] log(y[k] / p[k])` over the last axis, both held within 1e-7 and 1. @see keras.losses.KLDivergence */
export const KLDivergence: (options?: LossOptions) => Loss = elementwiseLoss('kl_divergence', (given, prediction) => {
  const y = clip(given, epsilon, 1);
  return sum(multiply(y, subtract(log(y), log(clip(prediction, epsilon, 1)))), { axis: -1 });
});

/** `p - y log p`, averaged over the last axis. @see keras.losses.Poisson */
export const Poisson: (options?: LossOptions) => Loss = elementwiseLoss('poisson', (y, p) =>
  mean(subtract(p, multiply(y, log(add(p, epsilon)))), { axis: -1 }),
);

/** `log(cosh(p - y))`, averaged over the last axis. @see keras.losses.LogCosh */
export const LogCosh: (options?: LossOptions) => Loss = elementwiseLoss('log_cosh', (y, p) => {
  const x = absolute(subtract(p, y));
  return mean(subtract(add(x, log(add(exp(multiply(x, -2)), 1))), Math.LN2), { axis: -1 });
});

/** Options of `Huber`. */
export interface HuberOptions extends LossOptions {
  /** Where the parabola ends and the straight line begins. Default: 1. */
  readonly delta?: number;
}

/**
 * `x^2 / 2` for errors `x` of at most `delta`, `delta |x| - delta^2 / 2` beyond, averaged over the last axis.
 *
 * @throws {ArgumentError} If an option is unknown or does not fit.
 * @see keras.losses.Huber
 */
export const Huber = (options: HuberOptions = {}): Loss => {
  const name = options?.name ?? 'huber_loss';
  checkKnown(name, options, ['delta', 'reduction', 'name']);
  const delta = checkNumber(`${name}: delta`, options.delta ?? 1);
  return defineLoss(name, options, (yTrue, yPred) => {
    const [y, p] = alike(name, yTrue, yPred);
    const x = absolute(subtract(p, y));
    const straight = subtract(multiply(x, delta), (delta * delta) / 2);
    return { values: mean(where(lessEqual(x, delta), multiply(square(x), 0.5), straight), { axis: -1 }) };
  });
};

/**
 * Losses that `compile` knows by name: `sparse_categorical_crossentropy`, `categorical_crossentropy`,
 * `binary_crossentropy` (`bce`), `mean_squared_error` (`mse`), `mean_absolute_error` (`mae`),
 * `mean_absolute_percentage_error` (`mape`), `mean_squared_logarithmic_error` (`msle`), `kl_divergence` (`kld`),
 * `poisson`, `log_cosh` and `huber`.
 */
export const namedLosses = {
  sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
  categorical_crossentropy: CategoricalCrossentropy,
  binary_crossentropy: BinaryCrossentropy,
  mean_squared_error: MeanSquaredError,
  mean_absolute_error: MeanAbsoluteError,
  mean_absolute_percentage_error: MeanAbsolutePercentageError,
  mean_squared_logarithmic_error: MeanSquaredLogarithmicError,
  kl_divergence: KLDivergence,
  poisson: Poisson,
  log_cosh: LogCosh,
  huber: Huber,
  bce: BinaryCrossentropy,
  kld: KLDivergence,
  mse: MeanSquaredError,
  mae: MeanAbsoluteError,
  mape: MeanAbsolutePercentageError,
  msle: MeanSquaredLogarithmicError,
} as const;

/** A name of a loss. */
export type LossName = keyof typeof namedLosses;

/** What `compile` takes for a loss: a name (`MeanSquaredError` too, as in Keras), a loss, or a function. */
export type LossLike = LossName | (string & {}) | Loss | LossFunction;

/** Options of `getLoss`. */
export interface GetLossOptions {
  /** The reduction of a loss that does not bring one: of a name or a function. Default: `sum_over_batch_size`. */
  readonly reduction?: Reduction;
}

/**
 * The loss that is meant. As in Keras, a crossentropy by name takes probabilities: for logits, give
 * `SparseCategoricalCrossentropy({ fromLogits: true })`.
 *
 * @throws {ArgumentError} If the name is none of those known.
 * @see keras.losses.get
 */
export const getLoss = (loss: LossLike, { reduction = 'sum_over_batch_size' }: GetLossOptions = {}): Loss => {
  if (typeof loss === 'string') return named('loss', loss, namedLosses)({ reduction });
  if (typeof loss === 'function')
    return defineLoss(loss.name || 'loss', { reduction }, (yTrue, yPred) => ({ values: loss(yTrue, yPred) }));
  if (typeof loss !== 'object' || loss === null || typeof loss.call !== 'function')
    throw new ArgumentError(`loss: expected a name, a Loss or a function of yTrue and yPred, got ${shown(loss)}`);
  return loss;
};
