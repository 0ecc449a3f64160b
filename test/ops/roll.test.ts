import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { roll } from '../../src/ops/roll.ts';
import { sum } from '../../src/ops/sum.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectAgrees, expectClose } from '../support/agree.ts';
import { drawn, drawnIntegers, referenceValues } from '../support/draw.ts';

describe('roll', () => {
  it('moves elements along an axis, and in row-major order without one', () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(referenceValues(roll(x, -1, { axis: 1 }))).toEqual([2, 3, 1, 5, 6, 4]);
    expect(referenceValues(roll(x, 1, { axis: 0 }))).toEqual([4, 5, 6, 1, 2, 3]);
    expect(referenceValues(roll(x, 2))).toEqual([5, 6, 1, 2, 3, 4]);
  });

  it('adds up its shifts, modulo the length, on both interpreters', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: -12, max: 12 }),
        fc.integer({ min: -12, max: 12 }),
        async (n, a, b) => {
          const x = drawnIntegers([2, n, 3], -9, 9);
          const [twice, once] = await expectAgrees([
            roll(roll(x, a, { axis: 1 }), b, { axis: 1 }),
            roll(x, (a + b) % n, { axis: -2 }),
          ]);
          expectClose(twice!, once!);
        },
      ),
      { numRuns: 15 },
    ));

  it('rolls cotangents back', async () => {
    const x = drawn([3, 4]);
    const weights = drawn([3, 4], { seed: 2 });
    const [dx] = gradients(sum(multiply(roll(x, 1, { axis: 1 }), weights)), [x]);
    const [gradient, expected] = await expectAgrees([dx!, roll(weights, -1, { axis: 1 })]);
    expectClose(gradient!, expected!);
  });

  it('says what does not fit', () => {
    const x = tensor([1, 2]);
    expect(() => roll(x, 0.5)).toThrow('roll: expected a shift that is a whole number, got 0.5');
    expect(() => roll(x, 1, { axis: 1 })).toThrow('roll: ');
  });
});
