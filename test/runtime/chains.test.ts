import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { placeholder } from '../../src/ops/constant.ts';
import { divide } from '../../src/ops/divide.ts';
import { maximum } from '../../src/ops/maximum.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { sqrt } from '../../src/ops/sqrt.ts';
import { subtract } from '../../src/ops/subtract.ts';
import { sum } from '../../src/ops/sum.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import { compile } from '../../src/runtime/webgpu/compile.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectClose } from '../support/agree.ts';
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
