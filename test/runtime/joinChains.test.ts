import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rotary } from '../../src/layers/rotary.ts';
import { add } from '../../src/ops/add.ts';
import { cast } from '../../src/ops/cast.ts';
import { tensor } from '../../src/ops/constant.ts';
import { exp } from '../../src/ops/exp.ts';
import { greater } from '../../src/ops/greater.ts';
import { less } from '../../src/ops/less.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { slice } from '../../src/ops/slice.ts';
import { sliceUpdate } from '../../src/ops/sliceUpdate.ts';
import { sum } from '../../src/ops/sum.ts';
import { tanh } from '../../src/ops/tanh.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import type { KernelTraits } from '../../src/tensor/kernel.ts';
import type { Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees } from '../support/agree.ts';
import { noise } from '../support/attention.ts';
import { testDevice } from '../support/device.ts';
import { deviceWith } from '../support/tuning.ts';

const tolerance = { atol: 1e-5, rtol: 1e-5 };
const int = (value: number): Tensor => tensor(value, { dtype: 'int32' });

/** Not a chain, nor part of one: what a product or a sum gives. */
const found = (shape: Shape, seed: number): Tensor => sum(noise([2, ...shape], seed), { axis: 0 });

/** How many launches a plan has that are generated, and that update. */
const launches = (outputs: readonly Tensor[], traits: KernelTraits): readonly [number, number] => {
  const { steps } = plan(outputs, { traits });
  const isUpdate = ({ kernel }: (typeof steps)[number]) =>
    kernel.kind === 'file' && kernel.shader.startsWith('sliceUpdate');
  return [steps.filter(({ kernel }) => kernel.kind === 'text').length, steps.filter(isUpdate).length];
};

const expectLaunches = async (outputs: readonly Tensor[], expected: readonly [number, number]): Promise<void> => {
  const gpu = await testDevice();
  expect(launches(outputs, gpu.traits)).toEqual(expected);
  await expectAgrees(outputs, tolerance);
};

describe('chains that do not need each other', () => {
  it('are one launch if they are of one form, whatever their sizes', async () => {
    const one = (size: number, seed: number) => tanh(add(multiply(found([size], seed), 0.5), found([size], seed + 1)));
    await expectLaunches([one(5, 1), one(700, 3)], [1, 0]);
    await expectLaunches([one(5, 1), one(2, 3), one(65, 5), one(1025, 7)], [1, 0]);
    // Four at most.
    await expectLaunches([one(5, 1), one(6, 3), one(7, 5), one(8, 7), one(9, 9)], [2, 0]);
  });

  it('stay apart if they are of other forms, large, halves, or one needs the other', async () => {
    const x = found([40], 1);
    await expectLaunches([tanh(x), exp(found([41], 2))], [2, 0]);
    const long = (y: Tensor) => Array.from({ length: 25 }).reduce((sum: Tensor, _, i) => add(sum, 0.125 * i), y);
    await expectLaunches([long(x), long(found([41], 2))], [2, 0]);
    await expectLaunches([tanh(found([17000], 1)), tanh(found([17001], 2))], [2, 0]);
    await expectLaunches([cast(found([40], 1), 'float16'), cast(found([41], 2), 'float16')], [2, 0]);
    const first = tanh(found([40], 3));
    await expectLaunches([tanh(sum(reshape(first, [4, 10]), { axis: 1 })), first], [2, 0]);
  });

  it('are booleans and whole numbers too, and read one value together', async () => {
    const x = found([6, 7], 1);
    const y = found([6, 9], 2);
    await expectLaunches([greater(x, 0.25), greater(y, 0.5)], [1, 0]);
    await expectLaunches([cast(x, 'int32'), cast(y, 'int32')], [1, 0]);
    const part = (from: number, to: number) => exp(slice(x, [0, from], [6, to - from]));
    await expectLaunches([part(0, 3), part(3, 5)], [1, 0]);
  });

  it('are as many as the device binds', async () => {
    const one = (size: number, seed: number) => multiply(found([size], seed), found([size], seed + 1));
    const outputs = [one(5, 1), one(6, 3), one(7, 5), one(8, 7)];
    const few = await deviceWith({ maxStorageBuffers: 8 });
    expect(launches(outputs, few.traits)).toEqual([2, 0]);
    await expectAgrees(outputs, tolerance, few);
    const small = await deviceWith({ maxBindingBytes: 1024 });
    const large = [tanh(noise([2, 200], 1)), tanh(noise([2, 250], 2))];
    expect(launches(large, small.traits)[0]).toBeGreaterThanOrEqual(4);
    await expectAgrees(large, tolerance, small);
  });
});

describe('a chain whose result is written into a box', () => {
  /** A layer's queries, keys and values of new places, with a cache. */
  const layer = (
    batch: number,
    length: number,
    places: number,
    heads: number,
    kvHeads: number,
    at: Tensor | number,
  ) => {
    const rotate = rotary({ length, headDim: 8, position: typeof at === 'number' ? int(at) : at });
    const cache = (seed: number) => found([batch, places, kvHeads, 8], seed);
    const value = found([batch, length, kvHeads, 8], 4);
    return [
      rotate(found([batch, length, heads, 8], 1)),
      sliceUpdate(cache(5), [0, at, 0, 0], rotate(found([batch, length, kvHeads, 8], 3))),
      sliceUpdate(cache(7), [0, at, 0, 0], value),
    ];
  };

  it('writes it there, with what is written beside: rotary queries, keys, and values are one launch', async () => {
    // The angles are one more, and so are several places.
    for (const at of [0, 3, 8, 30, -2]) await expectLaunches(layer(1, 1, 9, 4, 2, int(at)), [2, 0]);
    await expectLaunches(layer(3, 1, 9, 2, 2, int(3)), [2, 0]);
    await expectLaunches(layer(2, 3, 9, 4, 2, int(5)), [3, 0]);
    // Of one head the form is another.
    await expectLaunches(layer(2, 3, 9, 4, 1, 5), [4, 0]);
    const few = await deviceWith({ maxStorageBuffers: 8 });
    expect(launches(layer(1, 1, 9, 4, 2, int(3)), few.traits)).toEqual([2, 1]);
    await expectAgrees(layer(1, 1, 9, 4, 2, int(3)), tolerance, few);
  });

  it('of one tensor alone, of any dtype', async () => {
    const x = found([4, 9], 1);
    await expectLaunches([sliceUpdate(x, [int(1), 2], tanh(found([2, 3], 2)))], [1, 0]);
    const flags = greater(found([4, 9], 3), 0);
    await expectLaunches([sliceUpdate(flags, [0, int(6)], less(found([4, 3], 4), 0))], [2, 0]);
    const turned = transpose(tanh(found([3, 2], 2)), [1, 0]);
    await expectLaunches([sliceUpdate(x, [1, 2], turned)], [1, 1]);
  });

  it('leaves it to the update where others read the result, or it is but a part of it', async () => {
    const x = found([4, 9], 1);
    const fresh = tanh(found([2, 3], 2));
    await expectLaunches([sliceUpdate(x, [int(1), 2], fresh), sum(fresh, { axis: 0 })], [1, 1]);
    await expectLaunches([sliceUpdate(x, [int(1), 2], fresh), fresh], [1, 1]);
    await expectLaunches([sliceUpdate(x, [int(1), 2], slice(fresh, [0, 1], [2, 2]))], [1, 1]);
    // What it reads is what is written.
    const own = tanh(slice(x, [0, 0], [2, 3]));
    await expectLaunches([sliceUpdate(x, [int(1), 2], own)], [1, 1]);
  });

  it('leaves it to the update where x takes several bindings', async () => {
    const small = await deviceWith({ maxBindingBytes: 512 });
    const y = sliceUpdate(found([4, 90], 1), [int(1), 2], tanh(found([2, 3], 2)));
    expect(launches([y], small.traits)[1]).toBeGreaterThan(0);
    await expectAgrees([y], tolerance, small);
  });
});

it('plans of drawn chains and updates agree with the reference', async () => {
  const draw = fc.record({
    sizes: fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 2, maxLength: 5 }),
    place: fc.integer({ min: -1, max: 80 }),
    ops: fc.array(fc.constantFrom('tanh', 'exp', 'sum', 'update'), { minLength: 5, maxLength: 5 }),
  });
  const gpu = await testDevice();
  await fc.assert(
    fc.asyncProperty(draw, async ({ sizes, place, ops }) => {
      let table = found([80], 99);
      const outputs = sizes.map((size, i) => {
        const x = found([size], i);
        const y = ops[i] === 'exp' ? exp(multiply(x, 0.1)) : tanh(multiply(x, 0.1));
        if (ops[i] === 'update') table = sliceUpdate(table, [int(place)], y);
        return ops[i] === 'sum' ? add(y, sum(table)) : ops[i] === 'update' ? sum(table) : y;
      });
      await expectAgrees([...outputs, table], { atol: 1e-4, rtol: 1e-4 }, gpu);
    }),
    { numRuns: 20 },
  );
});
