import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { arange } from '../../src/ops/arange.ts';
import { cast } from '../../src/ops/cast.ts';
import { constant, placeholder, tensor } from '../../src/ops/constant.ts';
import { divide } from '../../src/ops/divide.ts';
import { equal } from '../../src/ops/equal.ts';
import { maximum } from '../../src/ops/maximum.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { expandDims, reshape } from '../../src/ops/reshape.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { sqrt } from '../../src/ops/sqrt.ts';
import { subtract } from '../../src/ops/subtract.ts';
import { sum } from '../../src/ops/sum.ts';
import { take } from '../../src/ops/take.ts';
import { takeAlongAxis } from '../../src/ops/takeAlongAxis.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { where } from '../../src/ops/where.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import { compile } from '../../src/runtime/webgpu/compile.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import { type PlanOptions, plan } from '../../src/runtime/webgpu/plan.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees, expectClose } from '../support/agree.ts';
import { testDevice } from '../support/device.ts';
import { drawn } from '../support/draw.ts';

const side = 33; // 1,089 elements: large enough for chains to be merged.

/** One more value from those before it: two of them by number, and what to do with them. */
type Recipe = readonly (readonly [kind: number, a: number, b: number])[];

const kinds: readonly ((a: Tensor, b: Tensor) => Tensor)[] = [
  (a, b) => add(a, b),
  (a, b) => multiply(subtract(a, b), 0.5),
  (a, b) => maximum(a, multiply(b, 0.25)),
  (a, b) => add(transpose(a), b),
  (a, b) => subtract(a, multiply(sum(b), 1e-3)),
  (a, b) => subtract(a, multiply(sum(b, { axis: 0, keepDims: true }), 1e-2)),
  (a, b) => multiply(reshape(reshape(a, [side * side]), [side, side]), b),
];

const recipes = fc.record({
  steps: fc.array(fc.tuple(fc.nat(kinds.length - 1), fc.nat(40), fc.nat(40)), { minLength: 1, maxLength: 9 }),
  outputs: fc.tuple(fc.nat(40), fc.nat(40), fc.nat(40)),
});

const follow = (state: readonly Tensor[], steps: Recipe, outputs: readonly number[]): readonly Tensor[] => {
  const values = [...state];
  for (const [kind, a, b] of steps) values.push(kinds[kind]!(values[a % values.length]!, values[b % values.length]!));
  return outputs.map((at) => values[values.length - 1 - (at % values.length)]!);
};

describe('chains that share what they read', () => {
  it('update donated state as the reference does, whatever reads what', async () => {
    const device = await testDevice();
    await fc.assert(
      fc.asyncProperty(recipes, async ({ steps, outputs }) => {
        const start = [1, 2, 3].map((seed) => drawn([side, side], { seed }));
        const step = compile(device, (...state: readonly Tensor[]) => follow(state, steps, outputs), {
          donate: [0, 1, 2],
        });
        let expected: readonly Tensor[] = start;
        let actual = (await step.run(...start)) as readonly Tensor[];
        expected = follow(expected, steps, outputs);
        actual = (await step.run(...actual)) as readonly Tensor[];
        expected = follow(expected, steps, outputs);
        const values = await evaluate(device, actual);
        for (const [i, array] of evaluateReference(expected).entries()) {
          const largest = Math.max(1, ...Array.from(array.data, Math.abs));
          // Sums of a thousand numbers, twice, in float32.
          expectClose(values[i]!, array, { atol: 1e-4 * largest });
        }
        for (const tensor of new Set(actual)) device.release(tensor);
        step.release();
      }),
      // Each run compiles its own kernels.
      { numRuns: 8 },
    );
  });

  it('take one kernel and no memory for an optimizer step over donated state', async () => {
    const { traits } = await testDevice();
    const [w, m, v, g] = ['w', 'm', 'v', 'g'].map((name) => placeholder(name, [64, 64], 'float32')) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    const momentum = add(m, multiply(subtract(g, m), 0.1));
    const velocity = add(v, multiply(subtract(multiply(g, g), v), 0.001));
    const weight = subtract(w, divide(multiply(momentum, 0.01), add(sqrt(velocity), 1e-7)));
    const { steps, buffers } = plan([weight, momentum, velocity], {
      traits,
      inputs: [w, m, v, g],
      donated: new Map([
        [0, 0],
        [1, 1],
        [2, 2],
      ]),
    });
    expect(steps.length).toBe(1);
    expect(buffers.map(({ kind }) => kind)).toEqual(['input', 'input', 'input', 'input']);
  });
});

/** One more value from those before it, of shapes [3, width] and [] (float32), [3, width] and [] (int32): see `few`. */
interface Few {
  readonly many: readonly Tensor[];
  readonly one: readonly Tensor[];
  readonly places: readonly Tensor[];
  readonly place: readonly Tensor[];
}

/** Three rows are more than a binding of 512 bytes. */
const width = 64;

const few: readonly ((values: Few, a: number, b: number) => Partial<Few>)[] = [
  ({ many, one }, a, b) => ({ many: [add(pick(many, a), multiply(pick(one, b), 0.5))] }),
  ({ one }, a, b) => ({ one: [subtract(multiply(pick(one, a), 0.5), pick(one, b))] }),
  ({ many, places }, a, b) => ({ many: [takeAlongAxis(pick(many, a), pick(places, b))] }),
  ({ many, place }, a, b) => ({
    many: [add(pick(many, a), expandDims(take(transpose(pick(many, b)), pick(place, b)), 1))],
  }),
  ({ many, place }, a, b) => ({ many: [multiply(take(pick(many, a), expandDims(pick(place, b), 0)), pick(many, b))] }),
  ({ place }, a, b) => ({ place: [add(pick(place, a), b % 3)] }),
  ({ places, place }, a, b) => ({ places: [subtract(add(pick(places, a), arange(width)), pick(place, b))] }),
  ({ many }, a, b) => ({
    one: [reshape(takeAlongAxis(sliceAxis(pick(many, a), 0, 1, 2), constant([[2 * b]], { dtype: 'int32' })), [])],
  }),
  ({ many, place }, a, b) => ({ many: [where(equal(arange(width), pick(place, a)), pick(many, b), pick(many, a))] }),
  ({ many }, a, b) => ({ many: [multiply(sum(pick(many, a), { axis: 0 }), sliceAxis(pick(many, b), 1, 1, 2))] }),
];

const pick = (values: readonly Tensor[], at: number): Tensor => values[values.length - 1 - (at % values.length)]!;

const fewRecipes = fc.record({
  steps: fc.array(fc.tuple(fc.nat(few.length - 1), fc.nat(40), fc.nat(40)), { minLength: 2, maxLength: 9 }),
  outputs: fc.tuple(fc.nat(40), fc.nat(40), fc.nat(40), fc.nat(40), fc.nat(40)),
});

/** The next state: two tensors, a number, places and a place. */
const followFew = (state: readonly Tensor[], steps: Recipe, outputs: readonly number[]): readonly Tensor[] => {
  const [a, b, one, places, place] = state as readonly [Tensor, Tensor, Tensor, Tensor, Tensor];
  let values: Few = { many: [a, b], one: [one], places: [places], place: [place] };
  for (const [kind, first, second] of steps) {
    const { many = [], one = [], places = [], place = [] } = few[kind]!(values, first, second);
    values = {
      // Sums and products of sums: numbers stay small.
      many: [...values.many, ...many.map((x) => multiply(broadcast(x), 0.5))],
      one: [...values.one, ...one],
      places: [...values.places, ...places],
      place: [...values.place, ...place],
    };
  }
  const [first, second, third, fourth, fifth] = outputs as readonly [number, number, number, number, number];
  return [
    pick(values.many, first),
    pick(values.many, second),
    pick(values.one, third),
    pick(values.places, fourth),
    pick(values.place, fifth),
  ];
};

const broadcast = (x: Tensor): Tensor =>
  add(x, multiply(cast(reshape(arange(3 * width), [3, width]), 'float32'), 1e-3));

describe('chains of few elements', () => {
  it.each([undefined, 512])('give the numbers of the reference, whatever picks what (bindings: %s)', async (most) => {
    const own = await testDevice();
    // Rows of three numbers start at an aligned byte every three alignments.
    const least = 3 * own.traits.offsetAlignment;
    const device =
      most === undefined ? own : { ...own, traits: { ...own.traits, maxBindingBytes: Math.max(most, least) } };
    await fc.assert(
      fc.asyncProperty(fewRecipes, async ({ steps, outputs }) => {
        const start = [
          drawn([3, width], { seed: 1 }),
          drawn([3, width], { seed: 2 }),
          tensor(0.5),
          reshape(subtract(arange(3 * width), 5), [3, width]),
          tensor(2, { dtype: 'int32' }),
        ];
        const step = compile(device, (...state: readonly Tensor[]) => followFew(state, steps, outputs), {
          donate: [0, 1, 2, 3, 4],
        });
        let expected: readonly Tensor[] = start;
        let actual: readonly Tensor[] = start;
        for (let time = 0; time < 2; time++) {
          actual = (await step.run(...actual)) as readonly Tensor[];
          expected = followFew(expected, steps, outputs);
        }
        const values = await evaluate(device, actual);
        for (const [i, array] of evaluateReference(expected).entries()) {
          const largest = Math.max(1, ...Array.from(array.data, Math.abs));
          expectClose(values[i]!, array, { atol: array.dtype === 'int32' ? 0 : 1e-5 * largest });
        }
        for (const tensor of new Set(actual)) device.release(tensor);
        step.release();
      }),
      { numRuns: 8 },
    );
  });

  /** Launches of a plan. */
  const launches = async (outputs: readonly Tensor[], options: Partial<PlanOptions> = {}): Promise<number> => {
    const { traits } = await testDevice();
    return plan(outputs, { traits, ...options }).steps.length;
  };
  const int = (name: string, shape: readonly number[] = []) => placeholder(name, shape, 'int32');

  it('pick rows of tables, and store the place for others', async () => {
    const [tokens, index] = [int('tokens', [1, 9]), int('index')];
    const [table, places] = [drawn([20, 6]), drawn([9, 6], { seed: 2 })];
    const last = subtract(index, 1);
    const ids = takeAlongAxis(tokens, reshape(last, [1, 1]));
    const embedded = add(take(table, ids), take(places, add(arange(1), last)));
    expect(await launches([embedded, last], { inputs: [tokens, index] })).toBe(1);
    // Several rows have a token each, which the columns share.
    const some = int('some', [3, 9]);
    const picked = takeAlongAxis(some, reshape(last, [1, 1]));
    expect(await launches([take(table, picked)], { inputs: [some, index] })).toBe(2);
  });

  it('write numbers of their own over donated ones that one invocation alone reads', async () => {
    const [x, one, index] = [placeholder('x', [40], 'float32'), placeholder('one', [], 'float32'), int('index')];
    const options = { inputs: [x, one, index], donated: new Map([0, 1, 2].map((at) => [at, at] as const)) };
    expect(await launches([multiply(x, 2), add(one, 1), add(index, 1)], options)).toBe(1);
    // Here all of them read it.
    expect(await launches([multiply(x, one), add(one, 1), add(index, 1)], options)).toBe(2);
  });

  it('are kernels of their own where rows are picked and nothing else is done', async () => {
    const { traits } = await testDevice();
    const picked = take(drawn([20, 6]), tensor([3, 0, 19], { dtype: 'int32' }));
    expect(plan([picked], { traits }).steps.map(({ kernel }) => kernel.kind)).toEqual(['file']);
    await expectAgrees(add(picked, 1));
  });

  it.each(['float16', 'bfloat16'] as const)('pick out of %s', async (dtype) => {
    const table = cast(drawn([9, 5]), dtype);
    const rows = tensor([[-1], [8], [3], [99]], { dtype: 'int32' });
    await expectAgrees(
      [add(take(sliceAxis(table, 1, 1), rows), 1), add(takeAlongAxis(sliceAxis(table, 0, 0, 4), rows), 1)],
      {
        atol: 1e-6,
      },
    );
  });
});
