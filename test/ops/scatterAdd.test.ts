import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arange } from '../../src/ops/arange.ts';
import { broadcastTo } from '../../src/ops/broadcastTo.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { scatterAdd } from '../../src/ops/scatterAdd.ts';
import { sum } from '../../src/ops/sum.ts';
import { take } from '../../src/ops/take.ts';
import { zeros } from '../../src/ops/zeros.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import { testDevice } from '../support/device.ts';
import { drawn, drawnIntegers, matrices, referenceValues } from '../support/draw.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

/** Sums of a few float32 numbers of size 1, in any order. */
const sums = { atol: 1e-5, rtol: 1e-5 };

describe('scatterAdd', () => {
  const table = tensor([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);

  it('adds rows to rows, again where an index comes again', () => {
    const updates = tensor([
      [10, 20],
      [100, 200],
      [1000, 2000],
    ]);
    const y = scatterAdd(table, tensor(Int32Array.of(2, 0, 2)), updates);
    expect(referenceValues(y)).toEqual([101, 202, 3, 4, 1015, 2026]);
  });

  it('adds elements to a vector, by a scalar too', () => {
    const y = scatterAdd(tensor([7, 8]), constant(1, { dtype: 'int32' }), constant(3));
    expect(referenceValues(y)).toEqual([7, 11]);
  });

  it('holds indices within the table, as take does', async () => {
    const indices = tensor(Int32Array.of(-7, 3, 2147483647, 0));
    const [y] = await expectAllAgree(
      scatterAdd(
        table,
        indices,
        tensor([
          [1, 1],
          [2, 2],
          [4, 4],
          [8, 8],
        ]),
      ),
    );
    expect([...y!.data]).toEqual([10, 11, 3, 4, 11, 12]);
  });

  it('with each row once is addition', () =>
    fc.assert(
      fc.property(matrices(fc.integer({ min: -99, max: 99 })), (rows) => {
        const x = tensor(rows);
        expect(referenceValues(scatterAdd(x, arange(rows.length), x))).toEqual(rows.flat().map((v) => v + v));
      }),
    ));

  it('is what take is adjoint to: sum(scatterAdd(0, i, u) t) = sum(u take(t, i))', () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 20 }), fc.nat(99), (size, n, seed) => {
        const t = drawn([size, 3], { seed });
        const u = drawn([n, 3], { seed: seed + 1 });
        const i = drawnIntegers([n], -1, size + 1, seed);
        const dot = (a: number[], b: number[]) => a.reduce((total, v, at) => total + v * b[at]!, 0);
        expect(dot(referenceValues(scatterAdd(zeros([size, 3]), i, u)), referenceValues(t))).toBeCloseTo(
          dot(referenceValues(u), referenceValues(take(t, i))),
          5,
        );
      }),
    ));

  it('says what it got', () => {
    const one = tensor(Int32Array.of(1));
    expect(() => scatterAdd(table, tensor([1]), table)).toThrow(
      'scatterAdd: expected indices of dtype int32, got float32; use cast to convert',
    );
    expect(() => scatterAdd(constant(1), one, tensor([1]))).toThrow(
      'scatterAdd: expected x of one row or more, got shape []',
    );
    expect(() => scatterAdd(table, one, tensor([[1, 2, 3]]))).toThrow(
      'scatterAdd: expected updates of shape [1, 2] for indices of shape [1] and x of shape [3, 2], got [1, 3]',
    );
    expect(() => scatterAdd(table, one, drawnIntegers([1, 2], 0, 9))).toThrow(
      'scatterAdd: expected floats, got float32, int32; use cast to convert',
    );
  });

  it.each([
    [[1, 1], [1]],
    [
      [11, 7],
      [5, 3],
    ],
    [[101, 64], [2]],
    [[101, 65], [9]],
    [[13, 3, 5], [0]],
    [[13, 3, 5], [64]],
    [[101], [1000]],
    [[70001, 2], [70001]],
  ])('agrees on WebGPU for a table %j and indices %j', async (shape, indices) => {
    const updates = drawn([...indices, ...shape.slice(1)], { seed: 2 });
    await expectAllAgree(scatterAdd(drawn(shape), drawnIntegers(indices, -2, shape[0]! + 2), updates), sums);
  });

  it('agrees where all goes to one row', () =>
    expectAllAgree(
      scatterAdd(drawn([9, 5]), broadcastTo(constant(4, { dtype: 'int32' }), [700]), drawn([700, 5], { seed: 2 })),
      sums,
    ));

  it('agrees where neither table nor updates fit one binding', () =>
    expectAgreesInParts(
      scatterAdd(drawn([501, 13]), drawnIntegers([400], 0, 501), drawn([400, 13], { seed: 2 })),
      4096,
      sums,
    ));

  it('leaves x as it is for those who need it', () => {
    const x = scatterAdd(drawn([5, 3]), arange(2), drawn([2, 3]));
    return expectAllAgree([scatterAdd(x, arange(2), drawn([2, 3])), sum(x), x], sums);
  });

  it('gives the same sums to the last bit every time', async () => {
    const device = await testDevice();
    const updates = drawn([3000, 6], { low: -1e3, high: 1e3 });
    const run = async () => {
      const [y] = await evaluate(device, [scatterAdd(zeros([7, 6]), drawnIntegers([3000], 0, 7), updates)]);
      return [...y!.data];
    };
    const first = await run();
    for (let i = 0; i < 3; i++) expect(await run()).toEqual(first);
  });
});
