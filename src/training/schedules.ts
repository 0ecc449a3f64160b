import { add } from '../ops/add.ts';
import { cast } from '../ops/cast.ts';
import { constant } from '../ops/constant.ts';
import { divide } from '../ops/divide.ts';
import { equal } from '../ops/equal.ts';
import { floor } from '../ops/floor.ts';
import { greater } from '../ops/greater.ts';
import { less } from '../ops/less.ts';
import { lessEqual } from '../ops/lessEqual.ts';
import { log } from '../ops/log.ts';
import { minimum } from '../ops/minimum.ts';
import { multiply } from '../ops/multiply.ts';
import { negative } from '../ops/negative.ts';
import { power } from '../ops/power.ts';
import { subtract } from '../ops/subtract.ts';
import { where } from '../ops/where.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkKnown, checkNumber, named, powerOf, shown } from './scalars.ts';

/** A schedule written down: its name and every option, as plain data. */
export type ScheduleConfig = { readonly name: string } & Readonly<Record<string, unknown>>;

/**
 * A learning rate for each step: from the number of steps done, int32 scalar, to the rate, float32 scalar, as an
 * expression. Any such function serves; those below carry their options along, so that they can be written down.
 *
 * @see keras.optimizers.schedules.LearningRateSchedule
 */
export interface Schedule {
  (step: Tensor): Tensor;
  /** What it is made from, if it can be written down. */
  readonly config?: ScheduleConfig;
}

const define = <Options extends object>(name: string, options: Options, rate: (step: Tensor) => Tensor): Schedule =>
  // A function's own name cannot be assigned to, so that the options stay under one key.
  Object.freeze(
    Object.assign((step: Tensor): Tensor => rate(cast(step, 'float32')), {
      config: Object.freeze({ name, ...options }) as ScheduleConfig,
    }),
  );

/** Options with their defaults: those that are numbers must be finite, those that count steps above 0. */
const checked = <Options extends object>(
  name: string,
  given: Options,
  required: readonly (keyof Options & string)[],
  defaults: Partial<Options>,
): Options => {
  checkKnown(name, given, [...required, ...Object.keys(defaults)]);
  const options = { ...defaults, ...given };
  for (const key of required)
    if (options[key] === undefined) throw new ArgumentError(`${name}: expected ${key}, which is not given`);
  for (const [key, value] of Object.entries(options)) {
    if (typeof value === 'boolean' || Array.isArray(value) || (value === undefined && key === 'warmupTarget')) continue;
    checkNumber(`${name}: ${key}`, value);
    if (/decaySteps/i.test(key) && !((value as number) > 0))
      throw new ArgumentError(`${name}: expected ${key} above 0, got ${value}`);
  }
  return options;
};

/** Options of `ExponentialDecay` and `InverseTimeDecay`. */
export interface DecayOptions {
  /** The rate of the first step. */
  readonly initialLearningRate: number;
  /** Steps in which the rate decays once. Above 0. */
  readonly decaySteps: number;
  /** What the rate is multiplied by in `decaySteps` steps, or, in `InverseTimeDecay`, what is added to its divisor. */
  readonly decayRate: number;
  /** Whether the rate falls only at multiples of `decaySteps`. Default: false. */
  readonly staircase?: boolean;
}

const periods = (step: Tensor, { decaySteps, staircase }: Pick<DecayOptions, 'decaySteps' | 'staircase'>): Tensor => {
  // With whole steps, half a step keeps an inexact division from falling short of a multiple.
  if (staircase === true && Number.isInteger(decaySteps)) return floor(divide(add(step, 0.5), decaySteps));
  const passed = divide(step, decaySteps);
  return staircase === true ? floor(passed) : passed;
};

/**
 * `initialLearningRate * decayRate^(step / decaySteps)`.
 *
 * @throws {ArgumentError} If `decaySteps` is not above 0.
 * @see keras.optimizers.schedules.ExponentialDecay
 */
export const ExponentialDecay = (given: DecayOptions): Schedule => {
  const options = checked('ExponentialDecay', given, ['initialLearningRate', 'decaySteps', 'decayRate'], {
    staircase: false,
  });
  if (options.decayRate < 0)
    throw new ArgumentError(`ExponentialDecay: expected decayRate of at least 0, got ${options.decayRate}`);
  return define('ExponentialDecay', options, (step) =>
    multiply(powerOf(options.decayRate, periods(step, options)), options.initialLearningRate),
  );
};

/**
 * `initialLearningRate / (1 + decayRate * step / decaySteps)`.
 *
 * @throws {ArgumentError} If `decaySteps` is not above 0.
 * @see keras.optimizers.schedules.InverseTimeDecay
 */
export const InverseTimeDecay = (given: DecayOptions): Schedule => {
  const options = checked('InverseTimeDecay', given, ['initialLearningRate', 'decaySteps', 'decayRate'], {
    staircase: false,
  });
  return define('InverseTimeDecay', options, (step) =>
    divide(options.initialLearningRate, add(multiply(periods(step, options), options.decayRate), 1)),
  );
};

/** Options of `PiecewiseConstantDecay`. */
export interface PiecewiseConstantDecayOptions {
  /** Rising numbers of steps. */
  readonly boundaries: readonly number[];
  /** The rate up to and with each boundary, and the rate after the last. */
  readonly values: readonly number[];
}

/**
 * `values[i]` for the first `i` with `step <= boundaries[i]`, the last value after the last boundary.
 *
 * @throws {ArgumentError} If there is not one value more than boundaries, or the boundaries do not rise.
 * @see keras.optimizers.schedules.PiecewiseConstantDecay
 */
export const PiecewiseConstantDecay = (given: PiecewiseConstantDecayOptions): Schedule => {
  const options = checked<PiecewiseConstantDecayOptions>('PiecewiseConstantDecay', given, ['boundaries', 'values'], {});
  const { boundaries, values } = options;
  if (!Array.isArray(boundaries) || !Array.isArray(values) || values.length !== boundaries.length + 1)
    throw new ArgumentError(
      `PiecewiseConstantDecay: expected one value more than boundaries, got ${shown(boundaries)} and ${shown(values)}`,
    );
  for (const [i, boundary] of boundaries.entries())
    if (i > 0 && !(boundaries[i - 1] < boundary))
      throw new ArgumentError(`PiecewiseConstantDecay: expected rising boundaries, got ${shown(boundaries)}`);
  return define('PiecewiseConstantDecay', options, (step) =>
    boundaries.reduceRight<Tensor>(
      (later, boundary, i) => where(lessEqual(step, boundary), values[i]!, later),
      constant(values.at(-1)!),
    ),
  );
};

/** Options of `PolynomialDecay`. */
export interface PolynomialDecayOptions {
  /** The rate of the first step. */
  readonly initialLearningRate: number;
  /** Steps until the end is reached. Above 0. */
  readonly decaySteps: number;
  /** Default: 0.0001. */
  readonly endLearningRate?: number;
  /** Default: 1, a straight line. */
  readonly power?: number;
  /** Whether, past the end, `decaySteps` counts double, treble and so on. Default: false, the rate stays at the end. */
  readonly cycle?: boolean;
}

/**
 * `(initialLearningRate - endLearningRate) * (1 - step / decaySteps)^power + endLearningRate`.
 *
 * @throws {ArgumentError} If `decaySteps` is not above 0.
 * @see keras.optimizers.schedules.PolynomialDecay
 */
export const PolynomialDecay = (given: PolynomialDecayOptions): Schedule => {
  const options = checked('PolynomialDecay', given, ['initialLearningRate', 'decaySteps'], {
    endLearningRate: 0.0001,
    power: 1,
    cycle: false,
  });
  const { initialLearningRate, decaySteps, cycle } = options;
  const { endLearningRate, power: degree } = options as Required<PolynomialDecayOptions>;
  return define('PolynomialDecay', options, (step) => {
    const rounds = Number.isInteger(decaySteps)
      ? floor(divide(add(step, decaySteps - 0.5), decaySteps)) // the ceiling of whole numbers
      : negative(floor(negative(divide(step, decaySteps))));
    const passed =
      cycle === true
        ? divide(step, multiply(where(equal(step, 0), 1, rounds), decaySteps))
        : divide(minimum(step, decaySteps), decaySteps);
    return add(multiply(power(subtract(1, passed), degree), initialLearningRate - endLearningRate), endLearningRate);
  });
};

/** Options of `CosineDecay`. */
export interface CosineDecayOptions {
  /** The rate of the first step. */
  readonly initialLearningRate: number;
  /** Steps of the decay. Above 0. */
  readonly decaySteps: number;
  /** The last rate, as a part of the one that the decay starts from. Default: 0. */
  readonly alpha?: number;
  /** The rate that a straight rise from `initialLearningRate` leads to before the decay. Default: no rise. */
  readonly warmupTarget?: number | undefined;
  /** Steps of the rise. Default: 0. */
  readonly warmupSteps?: number;
}

/**
 * `(1 + cos(pi t)) / 2`, which is `sin(pi (1 - t) / 2)^2`, for `t` from 0 to 1. WGSL's own cosine may be wrong by 2^-11,
 * and is on some adapters: too much for a rate. The sine's series, cut off at a billionth, is not.
 */
const fallingWave = (t: Tensor): Tensor => {
  const z = multiply(minimum(subtract(1, t), 1), Math.PI / 2);
  const square = multiply(z, z);
  const series = [156, 110, 72, 42, 20, 6].reduce<Tensor | number>(
    (rest, n) => subtract(1, multiply(divide(square, n), rest)),
    1,
  );
  const sine = multiply(z, series);
  return multiply(sine, sine);
};

/** `(1 - alpha) * (1 + cos(pi * passed)) / 2 + alpha`, the wave `height` times as high. */
const halfCosine = (passed: Tensor, alpha: number, height: Tensor | number = 1): Tensor =>
  add(multiply(multiply(fallingWave(passed), height), 1 - alpha), alpha);

/**
 * Half a cosine wave from the first rate down to `alpha` of it, after a straight rise if there is a `warmupTarget`.
 *
 * @throws {ArgumentError} If `decaySteps` is not above 0.
 * @see Loshchilov and Hutter 2017; keras.optimizers.schedules.CosineDecay
 */
export const CosineDecay = (given: CosineDecayOptions): Schedule => {
  const options = checked('CosineDecay', given, ['initialLearningRate', 'decaySteps'], {
    alpha: 0,
    warmupTarget: undefined,
    warmupSteps: 0,
  });
  const { initialLearningRate, decaySteps, warmupTarget } = options;
  const { alpha, warmupSteps } = options as Required<CosineDecayOptions>;
  return define('CosineDecay', options, (step) => {
    if (warmupTarget === undefined)
      return multiply(halfCosine(divide(minimum(step, decaySteps), decaySteps), alpha), initialLearningRate);
    const at = minimum(step, decaySteps + warmupSteps);
    const decay = multiply(halfCosine(divide(subtract(at, warmupSteps), decaySteps), alpha), warmupTarget);
    if (warmupSteps <= 0) return decay;
    const rise = add(multiply(divide(at, warmupSteps), warmupTarget - initialLearningRate), initialLearningRate);
    return where(less(at, warmupSteps), rise, decay);
  });
};

/** Options of `CosineDecayRestarts`. */
export interface CosineDecayRestartsOptions {
  /** The rate of the first step. */
  readonly initialLearningRate: number;
  /** Steps of the first wave. Above 0. */
  readonly firstDecaySteps: number;
  /** How many times longer each wave is than the one before. Default: 2. */
  readonly tMul?: number;
  /** How many times higher each wave starts than the one before. Default: 1. */
  readonly mMul?: number;
  /** The lowest rate, as a part of `initialLearningRate`. Default: 0. */
  readonly alpha?: number;
}

/**
 * Half cosine waves that start again, each `tMul` times as long and `mMul` times as high as the one before. A wave that
 * starts at a whole step starts there; Keras, rounding, may be one step late.
 *
 * @throws {ArgumentError} If `firstDecaySteps` is not above 0, `tMul` below 1 or `mMul` below 0.
 * @see Loshchilov and Hutter 2017; keras.optimizers.schedules.CosineDecayRestarts
 */
export const CosineDecayRestarts = (given: CosineDecayRestartsOptions): Schedule => {
  const options = checked('CosineDecayRestarts', given, ['initialLearningRate', 'firstDecaySteps'], {
    tMul: 2,
    mMul: 1,
    alpha: 0,
  });
  const { initialLearningRate, firstDecaySteps, tMul, mMul, alpha } = options as Required<CosineDecayRestartsOptions>;
  if (!(tMul >= 1)) throw new ArgumentError(`CosineDecayRestarts: expected tMul of at least 1, got ${tMul}`);
  if (!(mMul >= 0)) throw new ArgumentError(`CosineDecayRestarts: expected mMul of at least 0, got ${mMul}`);
  return define('CosineDecayRestarts', options, (step) => {
    const waves = divide(step, firstDecaySteps);
    if (tMul === 1) {
      const restarts = periods(step, { decaySteps: firstDecaySteps, staircase: true });
      return multiply(halfCosine(subtract(waves, restarts), alpha, powerOf(mMul, restarts)), initialLearningRate);
    }
    // Wave n starts after (tMul^n - 1) / (tMul - 1) first waves. The logarithm says which it is, but not at its edges.
    const startOf = (n: Tensor): Tensor => divide(subtract(powerOf(tMul, n), 1), tMul - 1);
    const near = floor(divide(log(add(multiply(waves, tMul - 1), 1)), Math.log(tMul)));
    const edge = 0.25 / firstDecaySteps; // Steps are whole, so a quarter of one decides.
    const up = where(greater(add(waves, edge), startOf(add(near, 1))), add(near, 1), near);
    const restarts = where(less(add(waves, edge), startOf(up)), subtract(up, 1), up);
    const passed = divide(subtract(waves, startOf(restarts)), powerOf(tMul, restarts));
    return multiply(halfCosine(passed, alpha, powerOf(mMul, restarts)), initialLearningRate);
  });
};

type Factory = (options: never) => Schedule;

/** Schedules by name. */
export const namedSchedules: Readonly<Record<string, Factory>> = {
  ExponentialDecay,
  InverseTimeDecay,
  PiecewiseConstantDecay,
  PolynomialDecay,
  CosineDecay,
  CosineDecayRestarts,
};

/**
 * The schedule that is meant: one itself, or what its `config` says.
 *
 * @throws {ArgumentError} If the name is none of those known, or the options do not fit.
 */
export const getSchedule = (schedule: Schedule | ScheduleConfig): Schedule => {
  if (typeof schedule === 'function') return schedule;
  if (typeof schedule !== 'object' || schedule === null || typeof schedule.name !== 'string')
    throw new ArgumentError(`learningRate: expected a number or a schedule, got ${shown(schedule)}`);
  const { name, ...options } = schedule;
  return named('schedule', name, namedSchedules)(options as never);
};
