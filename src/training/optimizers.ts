import { absolute } from '../ops/absolute.ts';
import { add } from '../ops/add.ts';
import { divide } from '../ops/divide.ts';
import { maximum } from '../ops/maximum.ts';
import { mean } from '../ops/mean.ts';
import { minimum } from '../ops/minimum.ts';
import { multiply } from '../ops/multiply.ts';
import { power } from '../ops/power.ts';
import { expandDims } from '../ops/reshape.ts';
import { sign } from '../ops/sign.ts';
import { sqrt } from '../ops/sqrt.ts';
import { square } from '../ops/square.ts';
import { subtract } from '../ops/subtract.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type CommonOptions, defineOptimizer, type Optimizer, type OptimizerConfig } from './optimizer.ts';
import { complementOfPower, named, powerOf, shown } from './scalars.ts';

/** `average + (x - average) * (1 - rate)`: the next value of a moving average. */
const blend = (average: Tensor, x: Tensor, rate: number): Tensor =>
  add(average, multiply(subtract(x, average), 1 - rate));

const checkFraction = (name: string, options: object, ...keys: readonly string[]): void => {
  for (const key of keys) {
    const value = (options as Readonly<Record<string, unknown>>)[key] as number;
    if (!(value >= 0 && value <= 1)) throw new ArgumentError(`${name}: expected ${key} from 0 to 1, got ${value}`);
  }
};

const checkDecay = (name: string, options: object, ...keys: readonly string[]): void => {
  for (const key of keys) {
    const value = (options as Readonly<Record<string, unknown>>)[key] as number;
    if (!(value >= 0 && value < 1)) throw new ArgumentError(`${name}: expected ${key} from 0 to below 1, got ${value}`);
  }
};

/** Options of `SGD`. */
export interface SGDOptions extends CommonOptions {
  /** From 0 to 1. Default: 0. */
  readonly momentum?: number;
  /** Whether the step looks ahead by the momentum. Default: false. */
  readonly nesterov?: boolean;
}

/**
 * Gradient descent: `w -= lr * g`; with momentum `m = momentum * m - lr * g; w += m`; with Nesterov's
 * `w += momentum * m - lr * g`. Default learning rate 0.01.
 *
 * @throws {ArgumentError} If an option is unknown or out of range.
 * @see Sutskever et al. 2013; keras.optimizers.SGD
 */
export const SGD: (options?: SGDOptions) => Optimizer = defineOptimizer<
  Pick<SGDOptions, 'momentum' | 'nesterov'>,
  { readonly rate: Tensor }
>({
  name: 'sgd',
  defaults: { learningRate: 0.01, momentum: 0, nesterov: false },
  check: (options) => checkFraction('sgd', options, 'momentum'),
  slots: ({ momentum }) => (momentum === 0 ? [] : ['momentum']),
  scalars: ({ learningRate }) => ({ rate: learningRate }),
  update: ({ param, grad, slots, scalars: { rate } }, { momentum, nesterov }) => {
    const step = multiply(grad, rate);
    if (momentum === 0) return { param: subtract(param, step), slots: {} };
    const m = subtract(multiply(slots.momentum!, momentum), step);
    return {
      param: add(param, nesterov ? subtract(multiply(m, momentum), step) : m),
      slots: { momentum: m },
    };
  },
});

/** Options of `RMSprop`. */
export interface RMSpropOptions extends CommonOptions {
  /** How much of the average of squares stays. Default: 0.9. */
  readonly rho?: number;
  /** Default: 0. */
  readonly momentum?: number;
  /** Default: 1e-7. */
  readonly epsilon?: number;
  /** Whether the variance of gradients takes the place of their mean square. Default: false. */
  readonly centered?: boolean;
}

/**
 * `v = rho * v + (1 - rho) * g^2; w -= lr * g / sqrt(v + epsilon)`; centered, `v` less the square of the average
 * gradient; with momentum `m = momentum * m + lr * g / sqrt(…); w -= m`. Default learning rate 0.001.
 *
 * @throws {ArgumentError} If an option is unknown or out of range.
 * @see Hinton 2012; keras.optimizers.RMSprop
 */
export const RMSprop: (options?: RMSpropOptions) => Optimizer = defineOptimizer<
  Pick<RMSpropOptions, 'rho' | 'momentum' | 'epsilon' | 'centered'>,
  { readonly rate: Tensor }
>({
  name: 'rmsprop',
  defaults: { learningRate: 0.001, rho: 0.9, momentum: 0, epsilon: 1e-7, centered: false },
  check: (options) => checkFraction('rmsprop', options, 'rho', 'momentum'),
  slots: ({ momentum, centered }) => [
    'velocity',
    ...(momentum > 0 ? ['momentum'] : []),
    ...(centered ? ['averageGradient'] : []),
  ],
  scalars: ({ learningRate }) => ({ rate: learningRate }),
  update: ({ param, grad, slots, scalars: { rate } }, { rho, momentum, epsilon, centered }) => {
    const velocity = add(multiply(slots.velocity!, rho), multiply(square(grad), 1 - rho));
    const averageGradient = centered ? add(multiply(slots.averageGradient!, rho), multiply(grad, 1 - rho)) : undefined;
    const spread = averageGradient === undefined ? velocity : subtract(velocity, square(averageGradient));
    const step = divide(multiply(grad, rate), sqrt(add(spread, epsilon)));
    const m = momentum > 0 ? add(multiply(slots.momentum!, momentum), step) : undefined;
    return {
      param: subtract(param, m ?? step),
      slots: {
        velocity,
        ...(m === undefined ? {} : { momentum: m }),
        ...(averageGradient === undefined ? {} : { averageGradient }),
      },
    };
  },
});

/** Options of `Adagrad`. */
export interface AdagradOptions extends CommonOptions {
  /** What the sum of squares starts from. Default: 0.1. */
  readonly initialAccumulatorValue?: number;
  /** Default: 1e-7. */
  readonly epsilon?: number;
}

/**
 * `a += g^2; w -= lr * g / sqrt(a + epsilon)`. Default learning rate 0.001.
 *
 * @throws {ArgumentError} If an option is unknown or out of range.
 * @see Duchi et al. 2011; keras.optimizers.Adagrad
 */
export const Adagrad: (options?: AdagradOptions) => Optimizer = defineOptimizer<
  Pick<AdagradOptions, 'initialAccumulatorValue' | 'epsilon'>,
  { readonly rate: Tensor }
>({
  name: 'adagrad',
  defaults: { learningRate: 0.001, initialAccumulatorValue: 0.1, epsilon: 1e-7 },
  slots: () => ['accumulator'],
  start: (_slot, param, { initialAccumulatorValue }) => [param, initialAccumulatorValue],
  scalars: ({ learningRate }) => ({ rate: learningRate }),
  update: ({ param, grad, slots, scalars: { rate } }, { epsilon }) => {
    const accumulator = add(slots.accumulator!, square(grad));
    return {
      param: subtract(param, divide(multiply(grad, rate), sqrt(add(accumulator, epsilon)))),
      slots: { accumulator },
    };
  },
});

/** Options of `Adam` and `AdamW`. */
export interface AdamOptions extends CommonOptions {
  /** How much of the average of gradients stays. Default: 0.9. */
  readonly beta1?: number;
  /** How much of the average of squares stays. Default: 0.999. */
  readonly beta2?: number;
  /** Added outside the correction of the averages. Default: 1e-7. */
  readonly epsilon?: number;
  /** Whether the largest average of squares so far is used. Default: false. */
  readonly amsgrad?: boolean;
}

const adam = (name: string, weightDecay?: number) =>
  defineOptimizer<Pick<AdamOptions, 'beta1' | 'beta2' | 'epsilon' | 'amsgrad'>, { readonly alpha: Tensor }>({
    name,
    defaults: {
      learningRate: 0.001,
      ...(weightDecay === undefined ? {} : { weightDecay }),
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-7,
      amsgrad: false,
    },
    check: (options) => checkDecay(name, options, 'beta1', 'beta2'),
    slots: ({ amsgrad }) => ['momentum', 'velocity', ...(amsgrad ? ['velocityHat'] : [])],
    scalars: ({ learningRate, step }, { beta1, beta2 }) => ({
      alpha: divide(multiply(learningRate, sqrt(complementOfPower(beta2, step))), complementOfPower(beta1, step)),
    }),
    update: ({ param, grad, slots, scalars: { alpha } }, { beta1, beta2, epsilon, amsgrad }) => {
      const momentum = blend(slots.momentum!, grad, beta1);
      const velocity = blend(slots.velocity!, square(grad), beta2);
      const velocityHat = amsgrad ? maximum(slots.velocityHat!, velocity) : undefined;
      return {
        param: subtract(param, divide(multiply(momentum, alpha), add(sqrt(velocityHat ?? velocity), epsilon))),
        slots: { momentum, velocity, ...(velocityHat === undefined ? {} : { velocityHat }) },
      };
    },
  });

/**
 * `m += (g - m)(1 - beta1); v += (g^2 - v)(1 - beta2); w -= lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) +
 * epsilon)`. Default learning rate 0.001.
 *
 * @throws {ArgumentError} If an option is unknown or out of range.
 * @see Kingma and Ba 2015, the form before section 2.1; keras.optimizers.Adam
 */
export const Adam: (options?: AdamOptions) => Optimizer = adam('adam');

/**
 * `Adam` after a decay of the weights, `w -= w * weightDecay * lr`; `weightDecay` is 0.004 by default.
 *
 * @throws {ArgumentError} If an option is unknown or out of range.
 * @see Loshchilov and Hutter 2019; keras.optimizers.AdamW
 */
export const AdamW: (options?: AdamOptions) => Optimizer = adam('adamw', 0.004);

/** Options of `Adamax` and `Nadam`. */
export interface AdamaxOptions extends CommonOptions {
  /** Default: 0.9. */
  readonly beta1?: number;
  /** Default: 0.999. */
  readonly beta2?: number;
  /** Default: 1e-7. */
  readonly epsilon?: number;
}

type Betas = Pick<AdamaxOptions, 'beta1' | 'beta2' | 'epsilon'>;

/**
 * `m += (g - m)(1 - beta1); u = max(beta2 * u, |g|); w -= lr * m / ((1 - beta1^t)(u + epsilon))`. Default learning
 * rate 0.001.
 *
 * @throws {ArgumentError} If an option is unknown or out of range.
 * @see Kingma and Ba 2015, section 7.1; keras.optimizers.Adamax
 */
export const Adamax: (options?: AdamaxOptions) => Optimizer = defineOptimizer<Betas, { readonly alpha: Tensor }>({
  name: 'adamax',
  defaults: { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
  check: (options) => checkDecay('adamax', options, 'beta1', 'beta2'),
  slots: () => ['momentum', 'norm'],
  scalars: ({ learningRate, step }, { beta1 }) => ({ alpha: divide(learningRate, complementOfPower(beta1, step)) }),
  update: ({ param, grad, slots, scalars: { alpha } }, { beta1, beta2, epsilon }) => {
    const momentum = blend(slots.momentum!, grad, beta1);
    const norm = maximum(multiply(slots.norm!, beta2), absolute(grad));
    return {
      param: subtract(param, divide(multiply(momentum, alpha), add(norm, epsilon))),
      slots: { momentum, norm },
    };
  },
});

/**
 * Adam with Nesterov's momentum, whose weight `u_t = beta1 (1 - 0.96^t / 2)` rises: with `U_t` the product of all `u`,
 * `m = u_{t+1} m / (1 - U_{t+1}) + (1 - u_t) g / (1 - U_t)`, the rest as in Adam. Default learning rate 0.001.
 *
 * @throws {ArgumentError} If an option is unknown or out of range.
 * @see Dozat 2016; keras.optimizers.Nadam
 */
export const Nadam: (options?: AdamaxOptions) => Optimizer = defineOptimizer<
  Betas,
  { readonly rate: Tensor; readonly older: Tensor; readonly newer: Tensor; readonly filled: Tensor }
>({
  name: 'nadam',
  defaults: { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
  check: (options) => checkDecay('nadam', options, 'beta1', 'beta2'),
  slots: () => ['momentum', 'velocity'],
  shared: { uProduct: 1 },
  scalars: ({ learningRate, step, shared }, { beta1, beta2 }) => {
    const weight = (t: Tensor): Tensor => multiply(subtract(1, multiply(powerOf(0.96, t), 0.5)), beta1);
    const u = weight(step);
    const next = weight(add(step, 1));
    const uProduct = multiply(shared.uProduct!, u);
    return {
      rate: learningRate,
      older: divide(next, subtract(1, multiply(uProduct, next))),
      newer: divide(subtract(1, u), subtract(1, uProduct)),
      filled: complementOfPower(beta2, step),
      shared: { uProduct },
    };
  },
  update: ({ param, grad, slots, scalars: { rate, older, newer, filled } }, { beta1, beta2, epsilon }) => {
    const momentum = blend(slots.momentum!, grad, beta1);
    const velocity = blend(slots.velocity!, square(grad), beta2);
    const ahead = add(multiply(momentum, older), multiply(grad, newer));
    return {
      param: subtract(param, divide(multiply(ahead, rate), add(sqrt(divide(velocity, filled)), epsilon))),
      slots: { momentum, velocity },
    };
  },
});

/** Options of `Adafactor`. */
export interface AdafactorOptions extends CommonOptions {
  /** The average of squares keeps `1 - t^beta2Decay` of itself. Default: -0.8. */
  readonly beta2Decay?: number;
  /** Added to squares. Default: 1e-30. */
  readonly epsilon1?: number;
  /** The least root mean square that a parameter counts for. Default: 0.001. */
  readonly epsilon2?: number;
  /** The largest root mean square of an update. Default: 1. */
  readonly clipThreshold?: number;
  /** Kept for Keras's sake: the learning rate is limited by `1 / sqrt(t)` whatever it says. Default: true. */
  readonly relativeStep?: boolean;
}

const rootMeanSquare = (x: Tensor): Tensor => sqrt(mean(square(x)));

/**
 * Squares averaged over rows `r` and columns `c` only where a parameter has two axes or more: `v = r / mean(r) * c`,
 * `u = g / sqrt(v)`, `w -= max(epsilon2, rms(w)) * min(lr, 1 / sqrt(t)) * u / max(1, rms(u) / clipThreshold)`. Default
 * learning rate 0.001.
 *
 * @throws {ArgumentError} If an option is unknown or out of range.
 * @see Shazeer and Stern 2018; keras.optimizers.Adafactor
 */
export const Adafactor: (options?: AdafactorOptions) => Optimizer = defineOptimizer<
  Pick<AdafactorOptions, 'beta2Decay' | 'epsilon1' | 'epsilon2' | 'clipThreshold' | 'relativeStep'>,
  { readonly rho: Tensor; readonly share: Tensor }
>({
  name: 'adafactor',
  defaults: {
    learningRate: 0.001,
    beta2Decay: -0.8,
    epsilon1: 1e-30,
    epsilon2: 1e-3,
    clipThreshold: 1,
    relativeStep: true,
  },
  // As in Keras, v is kept in full although only its factors are carried on.
  slots: () => ['r', 'c', 'velocity'],
  start: (slot, param) => {
    if (slot === 'velocity') return [param, 0];
    if (param.length < 2) return [[], 0];
    return [slot === 'r' ? param.slice(0, -1) : [...param.slice(0, -2), param.at(-1)!], 0];
  },
  scalars: ({ learningRate, step }, { beta2Decay }) => ({
    rho: minimum(learningRate, divide(1, sqrt(step))),
    // 1 - beta2: how much of the average is new.
    share: power(step, beta2Decay),
  }),
  update: ({ param, grad, slots, scalars: { rho, share } }, { epsilon1, epsilon2, clipThreshold }) => {
    const squares = add(square(grad), epsilon1);
    const next = (slot: string, value: Tensor): Tensor =>
      add(multiply(slots[slot]!, subtract(1, share)), multiply(value, share));
    const isFactored = param.shape.length >= 2;
    const r = isFactored ? next('r', mean(squares, { axis: -1 })) : slots.r!;
    const c = isFactored ? next('c', mean(squares, { axis: -2 })) : slots.c!;
    const velocity = isFactored
      ? multiply(expandDims(divide(r, mean(r, { axis: -1, keepDims: true })), -1), expandDims(c, -2))
      : next('velocity', squares);
    const u = divide(grad, sqrt(velocity));
    const length = multiply(maximum(rootMeanSquare(param), epsilon2), rho);
    const scale = divide(length, maximum(divide(rootMeanSquare(u), clipThreshold), 1));
    return { param: subtract(param, multiply(u, scale)), slots: { r, c, velocity } };
  },
});

/** Options of `Lion`. */
export interface LionOptions extends CommonOptions {
  /** How much of the momentum goes into the sign. Above 0, at most 1; default: 0.9. */
  readonly beta1?: number;
  /** How much of the momentum stays. Default: 0.99. */
  readonly beta2?: number;
}

/**
 * `w -= lr * sign(beta1 * m + (1 - beta1) * g); m = beta2 * m + (1 - beta2) * g`. Default learning rate 0.001.
 *
 * @throws {ArgumentError} If an option is unknown or out of range.
 * @see Chen et al. 2023; keras.optimizers.Lion
 */
export const Lion: (options?: LionOptions) => Optimizer = defineOptimizer<
  Pick<LionOptions, 'beta1' | 'beta2'>,
  { readonly rate: Tensor }
>({
  name: 'lion',
  defaults: { learningRate: 0.001, beta1: 0.9, beta2: 0.99 },
  check: (options) => {
    if (!(options.beta1 > 0 && options.beta1 <= 1))
      throw new ArgumentError(`lion: expected beta1 above 0 and at most 1, got ${options.beta1}`);
  },
  slots: () => ['momentum'],
  scalars: ({ learningRate }) => ({ rate: learningRate }),
  update: ({ param, grad, slots, scalars: { rate } }, { beta1, beta2 }) => {
    const m = slots.momentum!;
    return {
      param: subtract(param, multiply(sign(add(multiply(m, beta1), multiply(grad, 1 - beta1))), rate)),
      slots: { momentum: add(multiply(m, beta2), multiply(grad, 1 - beta2)) },
    };
  },
});

/**
 * Optimizers that `compile` knows by name: `sgd`, `rmsprop`, `adagrad`, `adam`, `adamw`, `adamax`, `nadam`, `adafactor`
 * and `lion`.
 */
export const namedOptimizers = {
  sgd: SGD,
  rmsprop: RMSprop,
  adagrad: Adagrad,
  adam: Adam,
  adamw: AdamW,
  adamax: Adamax,
  nadam: Nadam,
  adafactor: Adafactor,
  lion: Lion,
} as const;

/** A name of an optimizer. */
export type OptimizerName = keyof typeof namedOptimizers;

/** What `compile` takes for an optimizer: a name (in any case, as in Keras), what `config` says, or an optimizer. */
export type OptimizerLike = OptimizerName | (string & {}) | Optimizer | OptimizerConfig;

const isOptimizer = (value: Optimizer | OptimizerConfig): value is Optimizer => typeof value.step === 'function';

/**
 * The optimizer that is meant.
 *
 * @throws {ArgumentError} If the name is none of those known, or the options do not fit.
 * @see keras.optimizers.get
 */
export const getOptimizer = (optimizer: OptimizerLike): Optimizer => {
  if (typeof optimizer === 'string') return named('optimizer', optimizer, namedOptimizers)();
  if (typeof optimizer !== 'object' || optimizer === null)
    throw new ArgumentError(
      `optimizer: expected a name, an Optimizer or its config, got ${shown(optimizer)}; call factories: Adam(), not Adam`,
    );
  if (isOptimizer(optimizer)) return optimizer;
  const { name, ...options } = optimizer;
  if (typeof name !== 'string')
    throw new ArgumentError(`optimizer: expected a name, an Optimizer or its config, got ${shown(optimizer)}`);
  return named(
    'optimizer',
    name,
    namedOptimizers as Readonly<Record<string, (options: never) => Optimizer>>,
  )(options as never);
};
