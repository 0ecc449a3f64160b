import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { arange } from '../../src/ops/arange.ts';
import { cast } from '../../src/ops/cast.ts';
import { tensor } from '../../src/ops/constant.ts';
import { dynamicSlice } from '../../src/ops/dynamicSlice.ts';
import { less } from '../../src/ops/less.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { slice, sliceAxis } from '../../src/ops/slice.ts';
import { sliceUpdate } from '../../src/ops/sliceUpdate.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import { createWebGPU } from '../../src/runtime/webgpu/device.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import { count, type Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees, expectClose } from '../support/agree.ts';
import { testDevice } from '../support/device.ts';

const values = (x: Tensor): readonly number[] => [...evaluateReference([x])[0]!.data];
const int = (value: number): Tensor => tensor(value, { dtype: 'int32' });
/** Numbers from `from` on, of any dtype; bools alternate. */
const numbered = (shape: Shape, from: number, dtype: DType = 'float32'): Tensor => {
  const numbers = add(reshape(arange(count(shape)), shape), from);
  return dtype === 'bool' ? less(multiply(numbers, 0x5bd1e995), 0) : cast(numbers, dtype);
};

interface Drawn {
  readonly axes: readonly {
    readonly size: number;
    readonly room: number;
    readonly start: number;
    readonly fixed: boolean;
  }[];
  readonly dtype: DType;
  readonly reversed: boolean;
}

const drawn = fc.record<Drawn>({
  axes: fc.array(
    fc.record({
      size: fc.integer({ min: 1, max: 5 }),
      room: fc.constantFrom(0, 0, 1, 3),
      start: fc.integer({ min: 0, max: 3 }),
      fixed: fc.boolean(),
    }),
    { minLength: 0, maxLength: 6 },
  ),
  dtype: fc.constantFrom<DType>('float32', 'float16', 'bfloat16', 'int32', 'bool'),
  reversed: fc.boolean(),
});

const parts = ({ axes, dtype, reversed }: Drawn) => {
  const shape = axes.map(({ size, room }) => size + room);
  const sizes = axes.map(({ size }) => size);
  const places = axes.map(({ start, room }) => Math.min(start, room));
  return {
    x: numbered(shape, -50, dtype),
    update: reversed ? transpose(numbered([...sizes].reverse(), 7, dtype)) : numbered(sizes, 7, dtype),
    sizes,
    places,
    start: axes.map(({ fixed }, a) => (fixed ? places[a]! : int(places[a]!))),
  };
};

describe('sliceUpdate', () => {
  it('replaces a box and keeps the rest', () => {
    const x = numbered([3, 4], 0);
    const y = sliceUpdate(x, [1, int(2)], tensor([[-1, -2]]));
    expect(values(y)).toEqual([0, 1, 2, 3, 4, 5, -1, -2, 8, 9, 10, 11]);
    expect(values(sliceUpdate(x, tensor([2, 0], { dtype: 'int32' }), tensor([[-1]]))).slice(7)).toEqual([
      7, -1, 9, 10, 11,
    ]);
  });

  it('moves the box into x where a tensor would put it outside', async () => {
    const x = numbered([5], 0);
    const at = (start: number) => sliceUpdate(x, [int(start)], tensor([-1, -2]));
    expect(values(at(4))).toEqual([0, 1, 2, -1, -2]);
    expect(values(at(-1))).toEqual([-1, -2, 2, 3, 4]);
    await expectAgrees([at(4), at(-1), at(2147483647), at(-2147483648)]);
    const square = numbered([4, 4], 0);
    const start = tensor([-3, 9], { dtype: 'int32' });
    await expectAgrees(sliceUpdate(square, start, tensor([[-1, -2]])));
    expect(values(sliceUpdate(square, start, tensor([[-1, -2]]))).slice(0, 4)).toEqual([0, 1, -1, -2]);
  });

  it('then slice gives back the update', () =>
    fc.assert(
      fc.property(drawn, (draw) => {
        const { x, update, start, places, sizes } = parts(draw);
        expect(values(slice(sliceUpdate(x, start, update), places, sizes))).toEqual(values(update));
      }),
    ));

  it('with what slice gives changes nothing', () =>
    fc.assert(
      fc.property(drawn, (draw) => {
        const { x, start, places, sizes } = parts(draw);
        expect(values(sliceUpdate(x, start, slice(x, places, sizes)))).toEqual(values(x));
      }),
    ));

  it('agrees with the reference on drawn shapes, starts and dtypes', () =>
    fc.assert(
      fc.asyncProperty(drawn, async (draw) => {
        const { x, update, start } = parts(draw);
        await expectAgrees([sliceUpdate(x, start, update), x]);
      }),
      { numRuns: 150 },
    ));

  it('writes a column of a cache out of a fused projection', async () => {
    const fused = numbered([2, 3, 3 * 4 * 6], 0);
    const key = reshape(sliceAxis(fused, 2, 24, 48), [2, 3, 4, 6]);
    for (const position of [0, 5, 13])
      await expectAgrees(sliceUpdate(numbered([2, 16, 4, 6], -1e6), [0, int(position), 0, 0], key));
  });

  it('reads an update that is part of x itself', async () => {
    const x = numbered([6, 5], 0);
    await expectAgrees(sliceUpdate(x, [int(2), 0], sliceAxis(x, 0, 0, 3)));
    const y = add(x, 1);
    await expectAgrees(sliceUpdate(y, [int(2), 0], sliceAxis(y, 0, 0, 3)));
  });

  it('updates one after the other', async () => {
    let x = numbered([4, 9, 3], 0);
    for (let i = 0; i < 9; i++) x = sliceUpdate(x, [0, int(i), 0], numbered([4, 1, 3], 100 * i));
    await expectAgrees(x);
  });

  it('binds x and update in parts where they are larger than a binding', async () => {
    const gpu = await testDevice();
    const small = createWebGPU(gpu.device, { ...gpu.traits, maxBindingBytes: 1024 });
    for (const dtype of ['float32', 'bfloat16'] as const)
      for (const [position, update] of [
        [0, numbered([2, 3, 4, 6], 7, dtype)],
        [9, numbered([2, 3, 4, 6], 7, dtype)],
        [13, numbered([2, 3, 4, 6], 7, dtype)],
        [2, numbered([2, 14, 4, 6], 7, dtype)],
      ] as const)
        await expectAgrees(
          sliceUpdate(numbered([2, 16, 4, 6], -1e6, dtype), [0, int(position), 0, 0], update),
          {},
          small,
        );
  });

  it('takes more than 65,535 rows, and nothing', async () => {
    await expectAgrees(sliceUpdate(numbered([70001, 3], 0), [int(1), 1], numbered([70000, 1], -7)));
    await expectAgrees(sliceUpdate(numbered([4, 3], 0), [int(1), 1], numbered([0, 2], -7)));
  });

  it('rounds floats to what x holds', () => {
    const y = sliceUpdate(cast(numbered([2, 2], 0), 'bfloat16'), [0, int(0)], tensor([[1.001], [2.001]]));
    expectClose(
      evaluateReference([y])[0]!,
      evaluateReference([
        cast(
          tensor([
            [1, 1],
            [2, 3],
          ]),
          'bfloat16',
        ),
      ])[0]!,
    );
  });

  it('says what does not fit', () => {
    const x = numbered([3, 4], 0);
    expect(() => sliceUpdate(x, [0, 0], numbered([3, 5], 0))).toThrow(
      'sliceUpdate: expected an update of rank 2 that fits x of shape [3, 4], got [3, 5]',
    );
    expect(() => sliceUpdate(x, [0, 3], numbered([3, 2], 0))).toThrow(
      'sliceUpdate: expected a start from 0 to 2 along axis 1 (x [3, 4], update [3, 2]), got 3',
    );
    expect(() => sliceUpdate(x, [0], numbered([3, 2], 0))).toThrow(
      'sliceUpdate: expected a start for each of the 2 axes of x, got 1 of them',
    );
    expect(() => sliceUpdate(x, [0, 0], numbered([3, 2], 0, 'int32'))).toThrow(
      'sliceUpdate: expected an update of float32, got int32; use cast to convert',
    );
    expect(() => sliceUpdate(x, [0, tensor(1)], numbered([3, 2], 0))).toThrow(
      'sliceUpdate: expected start of int32, got float32; use cast to convert',
    );
  });
});

describe('dynamicSlice', () => {
  it('gives back what sliceUpdate put there', () =>
    fc.assert(
      fc.property(drawn, (draw) => {
        const { x, update, start, sizes } = parts(draw);
        expect(values(dynamicSlice(sliceUpdate(x, start, update), start, sizes))).toEqual(values(update));
      }),
    ));

  it('moves the box into x where a tensor would put it outside', async () => {
    const x = numbered([5, 2], 0);
    const at = (start: number) => dynamicSlice(x, [int(start), 0], [2, 2]);
    expect(values(at(4))).toEqual([6, 7, 8, 9]);
    expect(values(at(-3))).toEqual([0, 1, 2, 3]);
    expect(values(dynamicSlice(x, tensor([9, -9], { dtype: 'int32' }), [1, 1]))).toEqual([8]);
    await expectAgrees([at(4), at(-3), at(1)]);
  });

  it('agrees with the reference on drawn shapes, starts and dtypes', () =>
    fc.assert(
      fc.asyncProperty(drawn, async (draw) => {
        const { x, start, sizes } = parts(draw);
        await expectAgrees(dynamicSlice(x, start, sizes));
      }),
      { numRuns: 8 },
    ));

  it('takes nothing, and from nothing', () => {
    expect(dynamicSlice(numbered([3, 4], 0), [int(1), int(1)], [0, 2]).shape).toEqual([0, 2]);
    expect(values(dynamicSlice(numbered([3, 0], 0), [int(1), 0], [2, 0]))).toEqual([]);
  });

  it('says what does not fit', () => {
    const x = numbered([3, 4], 0);
    expect(() => dynamicSlice(x, [0, 0], [3, 5])).toThrow(
      'dynamicSlice: expected a size of rank 2 that fits x of shape [3, 4], got [3, 5]',
    );
    expect(() => dynamicSlice(x, [0, 3], [3, 2])).toThrow(
      'dynamicSlice: expected a start from 0 to 2 along axis 1 (x [3, 4], size [3, 2]), got 3',
    );
    expect(() => dynamicSlice(x, [0], [3, 2])).toThrow(
      'dynamicSlice: expected a start for each of the 2 axes of x, got 1 of them',
    );
    expect(() => dynamicSlice(x, [0, tensor(1)], [3, 2])).toThrow(
      'dynamicSlice: expected start of int32, got float32; use cast to convert',
    );
    expect(() => dynamicSlice(x, [0, tensor([1], { dtype: 'int32' })], [3, 2])).toThrow(
      'dynamicSlice: expected tensors of shape [] in start, got [1]; or pass one tensor of shape [2]',
    );
  });
});
