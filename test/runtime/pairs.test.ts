import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { arange } from '../../src/ops/arange.ts';
import { cast } from '../../src/ops/cast.ts';
import { tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { slice } from '../../src/ops/slice.ts';
import { sliceUpdate } from '../../src/ops/sliceUpdate.ts';
import { sum } from '../../src/ops/sum.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees } from '../support/agree.ts';
import { testDevice } from '../support/device.ts';

const numbers = (from: number, ...shape: number[]): Tensor =>
  cast(add(reshape(arange(shape.reduce((a, b) => a * b, 1)), shape), from), 'float32');

const at = (place: number): Tensor => tensor(place, { dtype: 'int32' });

/** How many launches of a plan update one tensor, and how many two. */
const updates = async (outputs: readonly Tensor[]): Promise<readonly [number, number]> => {
  const { traits } = await testDevice();
  const { steps } = plan(outputs, { traits });
  const count = (name: string) => steps.filter(({ kernel }) => kernel.kind === 'file' && kernel.shader === name).length;
  return [count('sliceUpdate'), count('sliceUpdatePair')];
};

const expectPairs = async (outputs: readonly Tensor[], expected: readonly [number, number]): Promise<void> => {
  expect(await updates(outputs)).toEqual(expected);
  for (const output of outputs) await expectAgrees(output);
  await expectAgrees(add(outputs[0]!, outputs.at(-1)!));
};

describe('updates of two tensors at one place', () => {
  const [key, value] = [numbers(0, 2, 7, 3), numbers(100, 2, 7, 3)];
  // Sums are no chains, which would write their results into the box by themselves.
  const computed = (from: number, ...shape: number[]): Tensor => sum(numbers(from, 2, ...shape), { axis: 0 });
  const fresh = (from: number): Tensor => computed(from, 2, 1, 3);

  it('are one launch, also when what the second writes is computed after the first', async () => {
    const place = at(4);
    await expectPairs([sliceUpdate(key, [0, place, 0], fresh(1)), sliceUpdate(value, [0, place, 0], fresh(2))], [0, 1]);
    await expectPairs([sliceUpdate(key, [0, 6, 0], fresh(1)), sliceUpdate(value, [0, 6, 0], fresh(2))], [0, 1]);
  });

  it('may read parts of one value', async () => {
    const both = computed(0, 2, 1, 6);
    const place = at(0);
    await expectPairs(
      [
        sliceUpdate(key, [0, place, 0], slice(both, [0, 0, 0], [2, 1, 3])),
        sliceUpdate(value, [0, place, 0], slice(both, [0, 0, 3], [2, 1, 3])),
      ],
      [0, 1],
    );
  });

  it('may read what lies otherwise', async () => {
    const place = at(3);
    const turned = transpose(computed(5, 3, 1, 2), [2, 1, 0]);
    await expectPairs([sliceUpdate(key, [0, place, 0], turned), sliceUpdate(value, [0, place, 0], fresh(2))], [0, 1]);
  });

  it('stay two at other places, of other sizes, and where one needs the other', async () => {
    await expectPairs([sliceUpdate(key, [0, at(4), 0], fresh(1)), sliceUpdate(value, [0, at(5), 0], fresh(2))], [2, 0]);
    await expectPairs(
      [sliceUpdate(key, [0, 1, 0], fresh(1)), sliceUpdate(value, [0, 1, 0], slice(fresh(2), [0, 0, 0], [1, 1, 3]))],
      [2, 0],
    );
    const places = tensor([4, 5], { dtype: 'int32' });
    const [first, second] = [0, 1].map((i) => reshape(slice(places, [i], [1]), []));
    await expectPairs(
      [sliceUpdate(key, [0, first!, 0], fresh(1)), sliceUpdate(value, [0, second!, 0], fresh(2))],
      [2, 0],
    );
    const once = sliceUpdate(key, [0, 2, 0], fresh(1));
    await expectPairs([sliceUpdate(once, [0, 2, 0], fresh(2))], [2, 0]);
    await expectPairs([once, sliceUpdate(value, [0, 2, 0], slice(once, [0, 2, 0], [2, 1, 3]))], [2, 0]);
    // What is written over was read before.
    await expectPairs([sliceUpdate(multiply(once, 2), [0, 2, 0], fresh(2)), once], [2, 0]);
  });
});
