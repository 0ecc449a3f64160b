import fc from 'fast-check';
import { describe, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { cast } from '../../src/ops/cast.ts';
import { concatenate } from '../../src/ops/concatenate.ts';
import { tensor } from '../../src/ops/constant.ts';
import { geluApproximate } from '../../src/ops/geluApproximate.ts';
import { layerNorm } from '../../src/ops/layerNorm.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { sliceUpdate } from '../../src/ops/sliceUpdate.ts';
import { softmax } from '../../src/ops/softmax.ts';
import { sum } from '../../src/ops/sum.ts';
import { tanh } from '../../src/ops/tanh.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { count } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees } from '../support/agree.ts';
import { testDevice } from '../support/device.ts';

/** Numbers between -1 and 1 that differ from place to place; from the host, since devices may round `sin` to 2^-11. */
const waves = (shape: readonly number[], phase: number): Tensor =>
  tensor(
    Float32Array.from({ length: count(shape) }, (_, i) => Math.sin(0.7 * i + phase)),
    { shape },
  );

/** A step from a matrix to a matrix; `n` chooses among its possibilities. Values stay of the order of 1. */
const moves: readonly ((x: Tensor, n: number) => Tensor)[] = [
  (x) => tanh(x),
  (x) => transpose(x),
  (x) => softmax(x),
  (x) => layerNorm(x, undefined, undefined, { epsilon: 1e-2 }),
  (x, n) => sliceAxis(x, n % 2, Math.min(1, x.shape[n % 2]! - 1)),
  (x) => add(x, x),
  (x, n) => multiply(x, waves([x.shape[1]!], n)),
  (x, n) => add(x, waves([x.shape[0]!, 1], n)),
  (x, n) => tanh(matmul(x, waves([x.shape[1]!, 1 + (n % 9)], n))),
  // A product whose bias, activation and residual can go into its kernel.
  (x, n) => {
    const y = matmul(x, waves([x.shape[1]!, x.shape[1]!], n));
    return tanh(add(geluApproximate(add(y, waves([x.shape[1]!], n))), x));
  },
  (x) => tanh(sum(x, { axis: 0, keepDims: true })),
  (x, n) => concatenate([x, tanh(x)], { axis: n % 2 }),
  (x) => reshape(x, [x.shape[1]!, x.shape[0]!]),
  (x, n) => sliceUpdate(tanh(x), [n % x.shape[0]!, 0], waves([1, x.shape[1]!], n)),
  (x) => cast(cast(multiply(x, 0), 'int32'), 'float32'),
];

/** Rows, columns, and steps: which move, and its number. */
type Recipe = readonly [number, number, readonly (readonly [number, number])[]];

const recipes: fc.Arbitrary<Recipe> = fc.tuple(
  fc.integer({ min: 1, max: 17 }),
  fc.integer({ min: 1, max: 17 }),
  fc.array(fc.tuple(fc.nat(moves.length - 1), fc.nat(50)), { minLength: 1, maxLength: 9 }),
);

/** The last value of a recipe, and one from the middle: what is shared must stay whole. */
const cook = ([rows, columns, steps]: Recipe): readonly Tensor[] => {
  const made: Tensor[] = [waves([rows, columns], 0)];
  for (const [move, n] of steps) {
    const last = made.at(-1)!;
    const next = moves[move]!(last, n);
    made.push(count(next.shape) > 4096 ? tanh(last) : next);
  }
  return [made.at(-1)!, made[made.length >> 1]!];
};

// Chains of up to nine steps, each right to about 1e-6 of values of the order of 1, and steepened by norms.
const tolerance = { atol: 2e-4, rtol: 2e-4 };

describe('the reference and WebGPU agree on drawn expressions', () => {
  it('as they are', () =>
    fc.assert(
      fc.asyncProperty(recipes, async (recipe) => {
        await expectAgrees(cook(recipe), tolerance);
      }),
      { numRuns: 120 },
    ));

  it('on a device that binds little at a time', async () => {
    const device = await testDevice();
    const small = { ...device, traits: { ...device.traits, maxBindingBytes: 2048 } };
    await fc.assert(
      fc.asyncProperty(recipes, async (recipe) => {
        await expectAgrees(cook(recipe), tolerance, small);
      }),
      { numRuns: 60 },
    );
  });

  it('with the kernels that real GPUs get', async () => {
    const device = await testDevice();
    const hard = { ...device, traits: { ...device.traits, isSoftware: false, subgroups: undefined } };
    await fc.assert(
      fc.asyncProperty(recipes, async (recipe) => {
        await expectAgrees(cook(recipe), tolerance, hard);
      }),
      { numRuns: 40 },
    );
  });
});
