import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import type { Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { leaves, signature, type Tree } from '../../src/tensor/tree.ts';
import {
  Adam,
  AdamW,
  ExponentialDecay,
  getOptimizer,
  namedOptimizers,
  type Optimizer,
  type OptimizerConfig,
  type OptimizerState,
  SGD,
} from '../../src/training/index.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, type RecordedFloats } from '../support/fixtures.ts';
import { camelCase, devices, expectNear } from './support.ts';

interface Recorded {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly params: RecordedFloats;
  readonly grads: readonly RecordedFloats[];
  readonly defaults: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly cases: readonly {
    readonly optimizer: string;
    readonly options: Readonly<Record<string, unknown>>;
    readonly excludeFromWeightDecay?: readonly string[];
    readonly setLearningRate?: Readonly<Record<string, number>>;
    readonly steps: readonly RecordedFloats[];
    readonly final?: RecordedFloats;
  }[];
}

const { shapes, params: start, grads, defaults, cases } = fixture<Recorded>('training/optimizers');

/** Recorded numbers as parameters, some of them deeper in the tree. */
const asTree = (values: RecordedFloats): Tree => {
  const flat = floats(values);
  let at = 0;
  const next = (shape: Shape): Tensor => {
    const size = shape.reduce((a, b) => a * b, 1);
    at += size;
    return tensor(flat.slice(at - size, at), { shape });
  };
  const { one, seven, matrix, cube } = shapes;
  return { one: next(one!), seven: next(seven!), inner: [{ matrix: next(matrix!) }, { cube: next(cube!) }] };
};

const valuesOf = async (device: Device, tree: Tree): Promise<number[]> =>
  (await device.evaluate(leaves(tree))).flatMap(({ data }) => Array.from(data));

const scheduled = (rate: unknown): unknown => {
  if (typeof rate !== 'object' || rate === null) return rate;
  const { class: name, ...options } = camelCase(rate as Readonly<Record<string, unknown>>);
  return { name, ...options };
};

const optimizerOf = (
  name: string,
  given: Readonly<Record<string, unknown>>,
  exclude?: readonly string[],
): Optimizer => {
  const { learningRate, ...options } = camelCase(given);
  const config = { name, ...options, learningRate: scheduled(learningRate), excludeFromWeightDecay: exclude };
  return getOptimizer(config as unknown as OptimizerConfig);
};

/** All cases on the reference; on WebGPU, which has to compile each, the richest and every optimizer's last. */
const casesOn = (device: string): Recorded['cases'] =>
  device === 'reference'
    ? cases
    : cases.filter(
        ({ optimizer, options }, i) => Object.keys(options).length >= 5 || optimizer !== cases[i + 1]?.optimizer,
      );

describe.each(devices)('optimizers on %s', (name, open) => {
  it.each(
    casesOn(name).map(
      (one) =>
        [
          one.optimizer,
          JSON.stringify({ ...one.options, ...one.setLearningRate, exclude: one.excludeFromWeightDecay }),
          one,
        ] as const,
    ),
  )('S38 %s %s goes Keras’s way', async (kind, _options, recorded) => {
    const device = await open();
    const optimizer = optimizerOf(kind, recorded.options, recorded.excludeFromWeightDecay);
    const compiled = device.compile(
      (params: Tree, state: OptimizerState, gradients: Tree) => optimizer.step(params, gradients, state),
      { donate: [1] },
    );
    let params = asTree(start);
    let state = optimizer.init(params);
    const form = signature(state);
    for (const [step, wanted] of recorded.steps.entries()) {
      const rate = recorded.setLearningRate?.[step];
      if (rate !== undefined) state = optimizer.withLearningRate(state, rate);
      ({ params, state } = await compiled.run(params, state, asTree(grads[step]!)));
      expect(signature(state)).toBe(form);
      // Some roundings of float32 a step on either side; Keras's own 0.999^t is off by 1e-5 of the first correction.
      expectNear(await valuesOf(device, params), floats(wanted), 1e-5, `step ${step}`);
    }
    expect(await valuesOf(device, state.iterations)).toEqual([recorded.steps.length]);
    if (recorded.final !== undefined)
      expectNear(await valuesOf(device, optimizer.finalize(params, state)), floats(recorded.final), 1e-5, 'final');
  });
});

describe('optimizers', () => {
  it('S38 have Keras’s defaults', () => {
    for (const [name, recorded] of Object.entries(defaults)) {
      const { name: _, ...keras } = camelCase(recorded);
      const { name: own, ...config } = getOptimizer(name).config;
      expect(own).toBe(name.toLowerCase());
      // Keras holds the learning rate in float32, and writes none for what is not set.
      const set = Object.entries(keras).filter(([, value]) => value !== null);
      expect(config).toEqual({ ...Object.fromEntries(set), learningRate: config.learningRate });
      expect(config.learningRate).toBeCloseTo(keras.learningRate as number, 9);
    }
  });

  const values = fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: 1, maxLength: 6 });
  const pairs = fc
    .integer({ min: 1, max: 6 })
    .chain((size) =>
      fc.tuple(
        ...[0, 1].map(() => fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: size, maxLength: size })),
      ),
    );
  const numbers = (tree: Tree): Promise<number[]> => valuesOf(referenceDevice, tree);

  const run = async (optimizer: Optimizer, first: Tree, gradients: readonly Tree[]) => {
    let params = first;
    let state = optimizer.init(first);
    for (const gradient of gradients) ({ params, state } = optimizer.step(params, gradient, state));
    return { params: await numbers(params), state };
  };

  it('SGD without momentum takes the learning rate times the gradient', () =>
    fc.assert(
      fc.asyncProperty(pairs, fc.float({ min: 0, max: 1, noNaN: true }), async ([w, g], learningRate) => {
        const { params } = await run(SGD({ learningRate }), { w: tensor(w!) }, [{ w: tensor(g!) }]);
        // float32 parameters: one rounding of the result.
        expectNear(
          params,
          w!.map((value, i) => value - Math.fround(learningRate) * g![i]!),
          1e-6,
        );
      }),
      { numRuns: 30 },
    ));

  it('of any kind leave a parameter without gradient where it is', async () => {
    for (const name of Object.keys(namedOptimizers)) {
      const optimizer = getOptimizer({ name, weightDecay: undefined, learningRate: 0.1 });
      const still = getOptimizer({ ...optimizer.config, ...(name === 'adamw' ? { weightDecay: 0 } : {}) });
      const zero = { w: tensor([0, 0]) };
      expect((await run(still, { w: tensor([1.5, -2]) }, [zero, zero, zero])).params, name).toEqual([1.5, -2]);
    }
  });

  it('of any kind give for k equal batches, accumulated, what one batch gives', () =>
    fc.assert(
      fc.asyncProperty(
        pairs,
        fc.constantFrom(...Object.keys(namedOptimizers)),
        fc.integer({ min: 2, max: 4 }),
        fc.constantFrom({}, { globalClipnorm: 1 }, { clipvalue: 0.5 }, { weightDecay: 0.1 }),
        async ([w, g], name, k, more) => {
          const options = { name, learningRate: 0.1, ...more };
          const gradients = [{ w: tensor(g!) }, { w: tensor(g!.map((value) => value / 2)) }];
          const plain = await run(getOptimizer(options), { w: tensor(w!) }, gradients);
          const accumulated = await run(
            getOptimizer({ ...options, gradientAccumulationSteps: k }),
            { w: tensor(w!) },
            gradients.flatMap((gradient) => Array.from({ length: k }, () => gradient)),
          );
          // The mean of k equal float32 numbers may round once; Lion takes the sign of what may then be 0.
          if (name !== 'lion') expectNear(accumulated.params, plain.params, 1e-5, name);
          expect(await numbers(accumulated.state.iterations)).toEqual([2 * k]);
        },
      ),
      { numRuns: 60 },
    ));

  it('clip by the norm of each gradient, of all together, or by value', () =>
    fc.assert(
      fc.asyncProperty(pairs, fc.float({ min: 0.5, max: 3, noNaN: true }), async ([a, b], limit) => {
        const zero = { a: tensor(a!.map(() => 0)), b: [tensor(b!.map(() => 0))] };
        const gradients = { a: tensor(a!), b: [tensor(b!)] };
        const moved = async (options: object): Promise<number[]> =>
          (await run(SGD({ learningRate: 1, ...options }), zero, [gradients])).params.map((value) => -value);
        const norm = (values: readonly number[]): number => Math.hypot(...values);
        const scaled = (values: readonly number[], length: number): number[] =>
          values.map((value) => value * Math.min(1, limit / Math.max(length, 1e-30)));
        expectNear(await moved({ globalClipnorm: limit }), scaled([...a!, ...b!], norm([...a!, ...b!])), 1e-5);
        expectNear(await moved({ clipnorm: limit }), [...scaled(a!, norm(a!)), ...scaled(b!, norm(b!))], 1e-5);
        expectNear(
          await moved({ clipvalue: limit }),
          [...a!, ...b!].map((x) => Math.max(-limit, Math.min(limit, x))),
          1e-6,
        );
      }),
      { numRuns: 30 },
    ));

  it('divide gradients by what the loss was multiplied by', () =>
    fc.assert(
      fc.asyncProperty(values, fc.constantFrom(0.5, 8, 1024), async (w, lossScaleFactor) => {
        const loss = tensor(3);
        const optimizer = SGD({ learningRate: 1, lossScaleFactor });
        expect(await numbers(optimizer.scaleLoss(loss))).toEqual([3 * lossScaleFactor]);
        const grads = { w: multiply(tensor(w), lossScaleFactor) };
        expect((await run(optimizer, { w: tensor(w) }, [grads])).params.every((value) => value === 0)).toBe(true);
      }),
      { numRuns: 20 },
    ));

  it('keep an average that starts from the parameters and follows them', () =>
    fc.assert(
      fc.asyncProperty(values, fc.float({ min: 0, max: 1, noNaN: true }), async (g, emaMomentum) => {
        const optimizer = SGD({ learningRate: 1, useEma: true, emaMomentum });
        const zero = { w: tensor(g.map(() => 0)) };
        const { params, state } = await run(optimizer, zero, [{ w: tensor(g) }, { w: tensor(g) }]);
        expectNear(
          params,
          g.map((value) => -2 * value),
          1e-6,
        );
        const averaged = await numbers(optimizer.finalize(zero, state));
        const m = Math.fround(emaMomentum);
        expectNear(
          averaged,
          g.map((value) => -value * m - 2 * value * (1 - m)),
          1e-5,
        );
      }),
      { numRuns: 20 },
    ));

  it('tell gradients by their paths, not by their order', async () => {
    const { params } = SGD({ learningRate: 1 }).step(
      { a: tensor([1, 2]), b: tensor([3]) },
      { b: tensor([3]), a: tensor([1, 1]) },
      SGD({ learningRate: 1 }).init({ a: tensor([1, 2]), b: tensor([3]) }),
    );
    expect(await numbers(params)).toEqual([0, 1, 0]);
  });

  it('keep half-precision parameters in their dtype, and slots in float32', async () => {
    const optimizer = Adam({ learningRate: 0.5 });
    const params = { w: tensor([1, 2, 3], { dtype: 'bfloat16' }), b: tensor([1, 1], { dtype: 'float16' }) };
    const { params: next, state } = optimizer.step(
      params,
      { w: tensor([1, 1, 1]), b: tensor([1, 1]) },
      optimizer.init(params),
    );
    expect([next.w.dtype, next.b.dtype]).toEqual(['bfloat16', 'float16']);
    expect(new Set(leaves(state.slots).map(({ dtype }) => dtype))).toEqual(new Set(['float32']));
    // A first step of Adam is the learning rate, up to epsilon.
    expect(await numbers(next)).toEqual([0.5, 1.5, 2.5, 0.5, 0.5]);
  });

  it('correct the first averages although 0.999^t is next to 1', async () => {
    const adam = Adam({ learningRate: 1, epsilon: 0 });
    const w = { w: tensor([0, 0]) };
    const [step] = await (await webgpuTestDevice()).evaluate(
      leaves(adam.step(w, { w: tensor([0.25, -8]) }, adam.init(w)).params),
    );
    // sqrt(1 - 0.999) by subtraction in float32 would be off by 1e-5 and more.
    expectNear(step!.data, [-1, 1], 1e-6);
  });

  it('know when a step of many updates, beyond what float32 counts', async () => {
    const optimizer = SGD({ learningRate: 1, gradientAccumulationSteps: 3 });
    const params = { w: tensor([0]) };
    const far = 3 * 2 ** 28;
    for (const [offset, moved] of [
      [0, 0],
      [1, 0],
      [2, -1],
    ] as const) {
      const state = { ...optimizer.init(params), iterations: tensor(far + offset, { dtype: 'int32' }) };
      for (const device of [referenceDevice, await webgpuTestDevice()])
        expect((await valuesOf(device, optimizer.step(params, { w: tensor([3]) }, state).params))[0]).toBe(moved);
    }
  });

  it('S38 get their learning rate from the state, or from a schedule', async () => {
    const adam = Adam();
    const state = adam.init({ w: tensor([1]) });
    expect((await numbers(adam.learningRate(state)))[0]).toBeCloseTo(0.001, 9);
    expect((await numbers(adam.learningRate(adam.withLearningRate(state, 0.25))))[0]).toBe(0.25);
    const scheduled = Adam({
      learningRate: ExponentialDecay({ initialLearningRate: 1, decaySteps: 1, decayRate: 0.5 }),
    });
    const first = scheduled.init({ w: tensor([1]) });
    const { state: second } = scheduled.step({ w: tensor([1]) }, { w: tensor([1]) }, first);
    expect(await numbers(scheduled.learningRate(second))).toEqual([0.5]);
    expect(await numbers(second.learningRate)).toEqual([1]);
    expect(() => scheduled.withLearningRate(first, 0.1)).toThrow(
      'adam: expected an optimizer whose learningRate is a number, got one with a schedule; its rate cannot be set',
    );
  });

  it('S33 S34 S38 are got by name in any case, by config, or as they are', () => {
    for (const learningRate of [2e-5, 5e-5])
      expect(getOptimizer({ name: 'adam', learningRate }).config).toMatchObject({
        ...{ learningRate, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, amsgrad: false },
      });
    expect(getOptimizer('adam').config).toEqual(Adam().config);
    expect(getOptimizer('Adam').name).toBe('adam');
    expect(getOptimizer('RMSprop').name).toBe('rmsprop');
    const own = AdamW({ learningRate: 2e-5, excludeFromWeightDecay: ['bias'] });
    expect(getOptimizer(own)).toBe(own);
    const written = JSON.parse(JSON.stringify(own.config)) as OptimizerConfig;
    expect(getOptimizer(written).config).toEqual(own.config);
    const schedule = ExponentialDecay({ initialLearningRate: 1, decaySteps: 5, decayRate: 0.5 });
    const config = JSON.parse(JSON.stringify(SGD({ learningRate: schedule }).config)) as OptimizerConfig;
    expect(getOptimizer(config).isScheduled).toBe(true);
    expect(getOptimizer(config).config).toEqual(SGD({ learningRate: schedule }).config);
  });

  it('S38 say what they expected', () => {
    expect(() => getOptimizer('adagard')).toThrow(
      'optimizer: expected one of sgd, rmsprop, adagrad, adam, adamw, adamax, nadam, adafactor, lion, got "adagard"',
    );
    expect(() => getOptimizer(Adam as never)).toThrow('call factories: Adam(), not Adam');
    expect(() => getOptimizer({ name: 'adam', lr: 1 })).toThrow(
      /adam: expected options among .*learningRate.*, got lr/,
    );
    expect(() => Adam(0.1 as never)).toThrow('adam: expected a record of options, got 0.1');
    expect(() => Adam({ learningRate: Number.NaN })).toThrow('adam: learningRate: expected a finite number, got NaN');
    expect(() => Adam({ learningRate: '1e-3' as never })).toThrow('learningRate: expected a number or a schedule');
    expect(() => Adam({ beta2: 1 })).toThrow('adam: expected beta2 from 0 to below 1, got 1');
    expect(() => SGD({ momentum: 1.5 })).toThrow('sgd: expected momentum from 0 to 1, got 1.5');
    expect(() => SGD({ nesterov: 1 as never })).toThrow('sgd: expected nesterov true or false, got 1');
    expect(() => SGD({ clipnorm: 1, clipvalue: 1 })).toThrow(
      'sgd: expected at most one of clipnorm, clipvalue and globalClipnorm, got clipnorm and clipvalue',
    );
    expect(() => SGD({ gradientAccumulationSteps: 1 })).toThrow('to be a whole number from 2, got 1');
    expect(() => SGD({ useEma: true, emaMomentum: 2 })).toThrow('expected emaMomentum from 0 to 1, got 2');
    expect(() => SGD({ emaOverwriteFrequency: 0.5 })).toThrow('to be a whole number from 1, got 0.5');
    const adam = Adam();
    const params = { w: tensor([1, 2]) };
    const state = adam.init(params);
    expect(() => adam.init({ w: tensor([1], { dtype: 'int32' }) })).toThrow('of a float dtype, got int32 at w');
    expect(() => adam.step(params, { v: tensor([1, 2]) }, state)).toThrow(
      "adam: gradients: expected one for w, got none; they must have the parameters' form",
    );
    expect(() => adam.step(params, { w: tensor([1, 2]), v: tensor(1) }, state)).toThrow('expected 1, one for each');
    expect(() => adam.step(params, { w: tensor([1]) }, state)).toThrow('expected shape [2] for w, got [1]');
    expect(() => adam.step(params, { w: tensor([1, 2]) }, SGD().init(params))).toThrow(
      'adam: expected a state with the slot momentum, got no slots; it belongs to another optimizer',
    );
  });

  it('take a single tensor, or nothing at all, as parameters', async () => {
    const adam = SGD({ learningRate: 1 });
    const { params } = adam.step(tensor([1, 2]), tensor([1, 1]), adam.init(tensor([1, 2])));
    expect(await numbers(add(params, 0))).toEqual([0, 1]);
    expect(leaves(adam.step({}, {}, adam.init({})).params)).toEqual([]);
  });
});
