import { add } from '../ops/add.ts';
import { broadcastTo } from '../ops/broadcastTo.ts';
import { cast } from '../ops/cast.ts';
import { clip } from '../ops/clip.ts';
import { constant } from '../ops/constant.ts';
import { divide } from '../ops/divide.ts';
import type { TensorLike } from '../ops/elementwise.ts';
import { equal } from '../ops/equal.ts';
import { maximum } from '../ops/maximum.ts';
import { multiply } from '../ops/multiply.ts';
import { sqrt } from '../ops/sqrt.ts';
import { square } from '../ops/square.ts';
import { subtract } from '../ops/subtract.ts';
import { sum } from '../ops/sum.ts';
import { where } from '../ops/where.ts';
import { isFloat } from '../tensor/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../tensor/errors.ts';
import { formatShape, type Shape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { paths, type Tree, withLeaves } from '../tensor/tree.ts';
import { checkKnown, checkNumber, floorDivide, isMultiple, shown } from './scalars.ts';
import { getSchedule, type Schedule, type ScheduleConfig } from './schedules.ts';

/** Options that every optimizer takes. */
export interface CommonOptions {
  /** A number, which a callback may change between steps, or a schedule. Default: the optimizer's own. */
  readonly learningRate?: number | Schedule | ScheduleConfig;
  /** Before each update, `w -= w * weightDecay * learningRate`. Default: none (AdamW: 0.004). */
  readonly weightDecay?: number | undefined;
  /** Which parameters the decay leaves alone: those whose path holds one of the strings, or for which it says so. */
  readonly excludeFromWeightDecay?: readonly string[] | ((path: string) => boolean) | undefined;
  /** The largest norm of one parameter's gradient; longer ones are scaled down to it. Default: no limit. */
  readonly clipnorm?: number | undefined;
  /** The largest element of a gradient, up or down. Default: no limit. */
  readonly clipvalue?: number | undefined;
  /** The largest norm of all gradients together; longer ones are scaled down to it. Default: no limit. */
  readonly globalClipnorm?: number | undefined;
  /** Whether a moving average of the parameters is kept, and takes their place at the end. Default: false. */
  readonly useEma?: boolean;
  /** `average = emaMomentum * average + (1 - emaMomentum) * w`. From 0 to 1; default 0.99. */
  readonly emaMomentum?: number;
  /** Every so many updates the parameters become their average. Default: only at the end. */
  readonly emaOverwriteFrequency?: number | undefined;
  /** What the loss is multiplied by before the gradients are taken, which are divided by it again. Default: 1. */
  readonly lossScaleFactor?: number | undefined;
  /** Steps whose gradients are averaged into one update. At least 2; default: each step is an update. */
  readonly gradientAccumulationSteps?: number | undefined;
}

/** An optimizer written down: its name and every option. Plain data, unless an option is a function. */
export type OptimizerConfig = { readonly name: string } & Readonly<Record<string, unknown>>;

/** What an optimizer carries from step to step: tensors only, always of one form. */
export type OptimizerState = {
  /** Steps done, int32 scalar. */
  readonly iterations: Tensor;
  /** The learning rate, float32 scalar: what the next step will use, or with a schedule what the last step used. */
  readonly learningRate: Tensor;
  /** By Keras's names: trees of the parameters' form, float32, and scalars that all parameters share. */
  readonly slots: { readonly [name: string]: Tree };
};

/** What a step gives: the next `params` and the next `state`. */
export type OptimizerStep<Params extends Tree> = { readonly params: Params; readonly state: OptimizerState };

/**
 * How parameters follow their gradients: a pure function from parameters, gradients and a state to the next parameters
 * and the next state, as expressions. States of an optimizer all have one form, so that a training step is one plan
 * whose state is updated in place.
 *
 * @see keras.optimizers.Optimizer
 */
export interface Optimizer {
  /** Keras's name of it. */
  readonly name: string;
  /** All options, defaults too: `getOptimizer(config)` is the same optimizer. */
  readonly config: OptimizerConfig;
  /** Whether the learning rate comes from a schedule, and so cannot be set. */
  readonly isScheduled: boolean;
  /** The state before the first step. @param params - Floats of any shapes. */
  init(params: Tree): OptimizerState;
  /**
   * One step.
   *
   * @param params - What is to be trained, and nothing else: leave parameters out that have no gradient.
   * @param grads - A tree of the same paths and shapes.
   * @param state - From `init` or the last step.
   * @returns Parameters of the same form and dtypes, and the next state.
   */
  step<Params extends Tree>(params: Params, grads: Tree, state: OptimizerState): OptimizerStep<Params>;
  /** What the parameters are when training ends: their moving average if one is kept, else as they are. */
  finalize<Params extends Tree>(params: Params, state: OptimizerState): Params;
  /** The loss whose gradients `step` takes: `loss * lossScaleFactor`. */
  scaleLoss(loss: Tensor): Tensor;
  /** The learning rate that the next step will use, float32 scalar. */
  learningRate(state: OptimizerState): Tensor;
  /** A state with another learning rate. @throws {ArgumentError} If the learning rate comes from a schedule. */
  withLearningRate(state: OptimizerState, learningRate: number): OptimizerState;
}

/** Slots of one parameter. */
type Slots = Readonly<Record<string, Tensor>>;

/** Scalars of a step that all parameters share. */
interface Moment {
  /** Updates done before this one, plus 1, float32 scalar. */
  readonly step: Tensor;
  /** float32 scalar. */
  readonly learningRate: Tensor;
  /** Shared scalars of the state, before this step. */
  readonly shared: Slots;
}

/** One parameter, all float32. */
interface Parameter<Scalars> {
  readonly param: Tensor;
  readonly grad: Tensor;
  readonly slots: Slots;
  readonly scalars: Scalars;
}

/** What tells one optimizer from another. */
export interface UpdateRule<Own extends object, Scalars> {
  /** The optimizer's name. */
  readonly name: string;
  /** Its own options where nothing else is asked for. */
  readonly defaults: Required<Own> & { readonly learningRate: number; readonly weightDecay?: number };
  /** Refuses options that do not fit. */
  readonly check?: (options: Required<Own>) => void;
  /** Names of the slots of each parameter. */
  readonly slots: (options: Required<Own>) => readonly string[];
  /** The first value of a slot and its shape, if not zeros of the parameter's shape. */
  readonly start?: (slot: string, param: Shape, options: Required<Own>) => readonly [shape: Shape, value: number];
  /** Shared scalars with their first values. */
  readonly shared?: Readonly<Record<string, number>>;
  /** Scalars of a step, computed once for all parameters; `shared` among them goes into the next state. */
  readonly scalars: (moment: Moment, options: Required<Own>) => Scalars & { readonly shared?: Slots };
  /** The next value of a parameter and of its slots. */
  readonly update: (
    parameter: Parameter<Scalars>,
    options: Required<Own>,
  ) => { readonly param: Tensor; readonly slots: Slots };
}

const commonDefaults = {
  weightDecay: undefined,
  excludeFromWeightDecay: undefined,
  clipnorm: undefined,
  clipvalue: undefined,
  globalClipnorm: undefined,
  useEma: false,
  emaMomentum: 0.99,
  emaOverwriteFrequency: undefined,
  lossScaleFactor: undefined,
  gradientAccumulationSteps: undefined,
} as const satisfies CommonOptions;

type Common = typeof commonDefaults extends infer D
  ? { readonly [K in keyof D]-?: CommonOptions[K & keyof CommonOptions] }
  : never;

const checkCommon = (name: string, options: Common): void => {
  const clips = (['clipnorm', 'clipvalue', 'globalClipnorm'] as const).filter((key) => options[key] !== undefined);
  if (clips.length > 1)
    throw new ArgumentError(
      `${name}: expected at most one of clipnorm, clipvalue and globalClipnorm, got ${clips.join(' and ')}`,
    );
  for (const key of clips)
    if (!(options[key]! >= 0)) throw new ArgumentError(`${name}: expected ${key} of at least 0, got ${options[key]}`);
  for (const key of ['weightDecay', 'lossScaleFactor'] as const)
    if (options[key] !== undefined) checkNumber(`${name}: ${key}`, options[key]);
  if (options.lossScaleFactor === 0) throw new ArgumentError(`${name}: expected lossScaleFactor other than 0, got 0`);
  const { emaMomentum, emaOverwriteFrequency, gradientAccumulationSteps, excludeFromWeightDecay: exclude } = options;
  if (typeof options.useEma !== 'boolean')
    throw new ArgumentError(`${name}: expected useEma true or false, got ${shown(options.useEma)}`);
  if (!(emaMomentum! >= 0 && emaMomentum! <= 1))
    throw new ArgumentError(`${name}: expected emaMomentum from 0 to 1, got ${shown(emaMomentum)}`);
  if (emaOverwriteFrequency !== undefined && !(Number.isInteger(emaOverwriteFrequency) && emaOverwriteFrequency >= 1))
    throw new ArgumentError(
      `${name}: expected emaOverwriteFrequency to be a whole number from 1, got ${shown(emaOverwriteFrequency)}`,
    );
  if (
    gradientAccumulationSteps !== undefined &&
    !(Number.isInteger(gradientAccumulationSteps) && gradientAccumulationSteps >= 2)
  )
    throw new ArgumentError(
      `${name}: expected gradientAccumulationSteps to be a whole number from 2, got ${shown(gradientAccumulationSteps)}`,
    );
  if (exclude !== undefined && typeof exclude !== 'function' && !Array.isArray(exclude))
    throw new ArgumentError(
      `${name}: expected excludeFromWeightDecay to be a list of strings or a function of a path, got ${shown(exclude)}`,
    );
};

const full = (shape: Shape, value: number): Tensor => broadcastTo(constant(value), shape);

/** The tensors of `tree` in the order of the parameters' paths. */
const aligned = (
  what: string,
  tree: Tree,
  places: readonly (readonly [string, Tensor])[],
  fits?: (shape: Shape, param: Shape) => boolean,
): readonly Tensor[] => {
  const found = new Map(paths(tree));
  return places.map(([path, param]) => {
    const tensor = found.get(path);
    if (tensor === undefined || found.size !== places.length)
      throw new ArgumentError(
        tensor === undefined
          ? `${what}: expected one for ${path || 'the parameter'}, got none; they must have the parameters' form`
          : `${what}: expected ${places.length}, one for each parameter, got ${found.size}`,
      );
    if (fits !== undefined && !fits(tensor.shape, param.shape))
      throw new ShapeError(
        `${what}: expected shape ${formatShape(param.shape)} for ${path || 'the parameter'}, got ${formatShape(tensor.shape)}`,
      );
    return tensor;
  });
};

/** An optimizer's factory from its rule; options that are not `given` have their defaults. */
export const defineOptimizer =
  <Own extends object, Scalars>(rule: UpdateRule<Own, Scalars>) =>
  (given: CommonOptions & Own = {} as CommonOptions & Own): Optimizer => {
    const { name } = rule;
    const known = { ...commonDefaults, ...rule.defaults };
    checkKnown(name, given, Object.keys(known));
    const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const options = { ...known, ...present } as unknown as Required<Own> & Common & { readonly learningRate: unknown };
    checkCommon(name, options);
    for (const [key, value] of Object.entries(rule.defaults))
      if (key !== 'learningRate') {
        const own = (options as Readonly<Record<string, unknown>>)[key];
        if (typeof value === 'number') checkNumber(`${name}: ${key}`, own);
        else if (typeof own !== typeof value)
          throw new ArgumentError(`${name}: expected ${key} true or false, got ${shown(own)}`);
      }
    rule.check?.(options);

    const schedule =
      typeof options.learningRate === 'number'
        ? undefined
        : getSchedule(options.learningRate as Schedule | ScheduleConfig);
    const constantRate = schedule === undefined ? checkNumber(`${name}: learningRate`, options.learningRate) : 0;
    const { weightDecay, excludeFromWeightDecay, clipnorm, clipvalue, globalClipnorm, lossScaleFactor } = options;
    const { useEma, emaOverwriteFrequency, gradientAccumulationSteps: accumulation } = options;
    const emaMomentum = options.emaMomentum!;
    const slotNames = rule.slots(options);

    const decays = (path: string): boolean =>
      weightDecay !== undefined &&
      !(typeof excludeFromWeightDecay === 'function'
        ? excludeFromWeightDecay(path)
        : (excludeFromWeightDecay ?? []).some((part) => path.includes(part)));

    const clipped = (grads: readonly Tensor[]): readonly Tensor[] => {
      // Longer gradients are scaled to the limit, shorter ones by limit / limit: no branch.
      const limited = (limit: number, squares: Tensor) => divide(limit, maximum(sqrt(squares), limit));
      if (clipnorm) return grads.map((grad) => multiply(grad, limited(clipnorm, sum(square(grad)))));
      if (globalClipnorm) {
        if (grads.length === 0) return grads;
        const scale = limited(
          globalClipnorm,
          grads.map((grad) => sum(square(grad))).reduce((a, b) => add(a, b)),
        );
        return grads.map((grad) => multiply(grad, scale));
      }
      return clipvalue ? grads.map((grad) => clip(grad, -clipvalue, clipvalue)) : grads;
    };

    const learningRate = (state: OptimizerState): Tensor =>
      schedule === undefined ? state.learningRate : cast(schedule(state.iterations), 'float32');

    const step = <Params extends Tree>(
      params: Params,
      gradients: Tree,
      state: OptimizerState,
    ): OptimizerStep<Params> => {
      const places = paths(params);
      const before = places.map(([, param]) => cast(param, 'float32'));
      const unscaled = aligned(`${name}: gradients`, gradients, places, sameShape).map((grad) =>
        lossScaleFactor === undefined ? cast(grad, 'float32') : divide(grad, lossScaleFactor),
      );
      const slotsOf = (slot: string): readonly Tensor[] => {
        const tree = state.slots[slot];
        if (tree === undefined)
          throw new ArgumentError(
            `${name}: expected a state with the slot ${slot}, got ${Object.keys(state.slots).join(', ') || 'no slots'}; it belongs to another optimizer`,
          );
        return aligned(`${name}: slot ${slot}`, tree, places);
      };
      const tree = (tensors: readonly Tensor[]): Params => withLeaves(params, tensors);

      // Updates done so far, whether this step makes one, and the gradients it is made from.
      const updates = accumulation === undefined ? state.iterations : floorDivide(state.iterations, accumulation);
      const isUpdate = accumulation === undefined ? undefined : isMultiple(add(state.iterations, 1), accumulation);
      const totals =
        accumulation === undefined
          ? unscaled
          : slotsOf('gradientAccumulator').map((total, i) => add(unscaled[i]!, total));
      const grads = clipped(accumulation === undefined ? totals : totals.map((total) => divide(total, accumulation)));

      const rate = learningRate(state);
      const sharedBefore = Object.fromEntries(
        Object.keys(rule.shared ?? {}).map((key) => [key, state.slots[key] as Tensor]),
      );
      const scalars = rule.scalars(
        { step: cast(add(updates, 1), 'float32'), learningRate: rate, shared: sharedBefore },
        options,
      );
      const slotsBefore = Object.fromEntries(slotNames.map((slot) => [slot, slotsOf(slot)]));
      const kept = weightDecay === undefined ? 1 : subtract(1, multiply(rate, weightDecay));
      const results = before.map((param, i) =>
        rule.update(
          {
            param: decays(places[i]![0]) ? multiply(param, kept) : param,
            grad: grads[i]!,
            slots: Object.fromEntries(slotNames.map((slot) => [slot, slotsBefore[slot]![i]!])),
            scalars,
          },
          options,
        ),
      );
      const onUpdate = (next: Tensor, last: TensorLike): Tensor =>
        isUpdate === undefined ? next : where(isUpdate, next, last);
      const updated = results.map(({ param }, i) => onUpdate(param, before[i]!));

      const slots: Record<string, Tree> = {};
      for (const slot of slotNames)
        slots[slot] = tree(results.map((result, i) => onUpdate(result.slots[slot]!, slotsBefore[slot]![i]!)));
      for (const [key, value] of Object.entries(sharedBefore))
        slots[key] = onUpdate(scalars.shared?.[key] ?? value, value);
      if (isUpdate !== undefined) slots.gradientAccumulator = tree(totals.map((total) => where(isUpdate, 0, total)));

      let after: readonly Tensor[] = updated;
      if (useEma === true) {
        // The first average is the parameters themselves.
        const momentum = where(equal(updates, 0), 0, constant(emaMomentum));
        const averages = slotsOf('average').map((average, i) =>
          add(multiply(momentum, average), multiply(subtract(1, momentum), updated[i]!)),
        );
        slots.average = tree(averages);
        if (emaOverwriteFrequency !== undefined) {
          const overwrites = isMultiple(add(updates, 1), emaOverwriteFrequency);
          after = updated.map((param, i) => where(overwrites, averages[i]!, param));
        }
      }
      return {
        params: tree(after.map((param, i) => cast(param, places[i]![1].dtype))),
        state: { iterations: add(state.iterations, 1), learningRate: rate, slots },
      };
    };

    const { learningRate: _, ...rest } = options as unknown as Record<string, unknown>;
    return Object.freeze<Optimizer>({
      name,
      config: Object.freeze({
        name,
        learningRate: schedule === undefined ? constantRate : (schedule.config ?? schedule),
        ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
      }),
      isScheduled: schedule !== undefined,
      init: (params) => {
        const places = paths(params);
        for (const [path, { dtype }] of places)
          if (!isFloat(dtype))
            throw new DTypeError(`${name}: expected parameters of a float dtype, got ${dtype} at ${path || 'the top'}`);
        const slots: Record<string, Tree> = {};
        const place = (slot: string, start: (param: Shape) => readonly [Shape, number]): void => {
          slots[slot] = withLeaves(
            params,
            places.map(([, param]) => full(...start(param.shape))),
          );
        };
        for (const slot of slotNames) place(slot, (param) => rule.start?.(slot, param, options) ?? [param, 0]);
        for (const [key, value] of Object.entries(rule.shared ?? {})) slots[key] = constant(value);
        if (accumulation !== undefined) place('gradientAccumulator', (param) => [param, 0]);
        if (useEma === true) place('average', (param) => [param, 0]);
        const iterations = constant(0, { dtype: 'int32' });
        return {
          iterations,
          learningRate: schedule === undefined ? constant(constantRate) : cast(schedule(iterations), 'float32'),
          slots,
        };
      },
      step,
      finalize: (params, { slots }) => {
        if (useEma !== true) return params;
        const places = paths(params);
        const averages = aligned(`${name}: slot average`, slots.average ?? [], places);
        return withLeaves(
          params,
          averages.map((average, i) => cast(average, places[i]![1].dtype)),
        );
      },
      scaleLoss: (loss) => (lossScaleFactor === undefined ? loss : multiply(loss, lossScaleFactor)),
      learningRate,
      withLearningRate: (state, rate) => {
        if (schedule !== undefined)
          throw new ArgumentError(
            `${name}: expected an optimizer whose learningRate is a number, got one with a schedule; its rate cannot be set`,
          );
        return { ...state, learningRate: constant(checkNumber(`${name}: learningRate`, rate)) };
      },
    });
  };
