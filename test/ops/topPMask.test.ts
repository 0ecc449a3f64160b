import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cast } from '../../src/ops/cast.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { softmax } from '../../src/ops/softmax.ts';
import { sum } from '../../src/ops/sum.ts';
import { topPMask } from '../../src/ops/topPMask.ts';
import { drawn, drawnIntegers, matrices, referenceValues } from '../support/draw.ts';
import { expectAgreesInParts, expectAgreesOnManyRows, expectAllAgree } from '../support/variants.ts';

/** The nucleus as KerasHub's TopPSampler words it: sort, sum, compare, and shift by one. */
const nucleus = (row: readonly number[], p: number): number[] => {
  const sorted = row.map((value, index) => ({ value, index })).sort((a, b) => b.value - a.value || a.index - b.index);
  let total = 0;
  const keep = sorted.map(({ value }) => {
    total += value;
    return total <= p;
  });
  const shifted = [true, ...keep.slice(0, -1)];
  const mask = row.map(() => 0);
  sorted.forEach(({ index }, i) => {
    mask[index] = shifted[i] ? 1 : 0;
  });
  return mask;
};

// Multiples of 1/64 add up without rounding, so that sums can meet p exactly.
const dyadic = matrices(fc.integer({ min: 0, max: 16 }).map((n) => n / 64));
const limit = fc.integer({ min: 0, max: 64 }).map((n) => n / 64);

describe('topPMask', () => {
  it('keeps the largest while they sum to p at most, and one more', () => {
    expect(referenceValues(topPMask(tensor([0.125, 0.5, 0.25, 0.125]), { p: 0.6 }))).toEqual([0, 1, 1, 0]);
    expect(referenceValues(topPMask(tensor([0.125, 0.5, 0.25, 0.125]), { p: 0.75 }))).toEqual([1, 1, 1, 0]);
  });

  it('is the set of KerasHub, ties and zeros included', () =>
    fc.assert(
      fc.property(dyadic, limit, (rows, p) => {
        expect(referenceValues(topPMask(tensor(rows), { p }))).toEqual(rows.flatMap((row) => nucleus(row, p)));
      }),
    ));

  it('keeps one for p = 0 and all for p = 1', () => {
    const p = drawnIntegers([3, 16], 1, 4);
    const halves = multiply(cast(p, 'float32'), 1 / 64);
    expect(referenceValues(sum(cast(topPMask(halves, { p: 0 }), 'int32'), { axis: -1 }))).toEqual([1, 1, 1]);
    expect(referenceValues(sum(cast(topPMask(halves, { p: 1 }), 'int32')))).toEqual([48]);
  });

  it('says what it got', () => {
    expect(() => topPMask(tensor([1]), { p: -1 })).toThrow('topPMask: expected p of 0 or more, got -1');
    expect(() => topPMask(constant(1), { p: 1 })).toThrow('topPMask: expected x of rank 1 or more, got rank 0');
  });

  it('agrees on WebGPU wherever sums are exact', async () => {
    const rows = fc.sample(dyadic, { numRuns: 30, seed: 7 });
    const limits = fc.sample(limit, { numRuns: 30, seed: 8 });
    await expectAllAgree(rows.map((row, i) => topPMask(tensor(row), { p: limits[i]! })));
  });

  it.each([[[1, 1]], [[3, 7]], [[2, 64]], [[2, 65]], [[3, 257]]])('agrees on WebGPU for %j', async (shape) => {
    const exact = multiply(cast(drawnIntegers(shape, 0, 9), 'float32'), 2 ** -10);
    await expectAllAgree([0, 0.001, 0.1, 0.5, 1, 9].map((p) => topPMask(exact, { p })));
  });

  it('agrees on more rows than a grid has in one dimension', () =>
    expectAgreesOnManyRows((rows) =>
      topPMask(multiply(cast(drawnIntegers([rows, 3], 0, 9), 'float32'), 2 ** -4), { p: 0.5 }),
    ));

  it('agrees on a vocabulary of GPT-2 by all but the tokens that rounding decides', async () => {
    const probabilities = softmax(drawn([2, 50257], { low: -12, high: 12 }));
    const [nine] = await expectAllAgree(
      [
        // How many tokens, and how probable they are together: one token of thousands may differ.
        sum(multiply(cast(topPMask(probabilities, { p: 0.9 }), 'float32'), probabilities), { axis: -1 }),
        sum(multiply(cast(topPMask(probabilities, { p: 0.1 }), 'float32'), probabilities), { axis: -1 }),
      ],
      { atol: 3e-4 },
    );
    for (const total of nine!.data) expect(total).toBeGreaterThan(0.9);
  });

  it('agrees where rows do not fit one binding', () =>
    expectAgreesInParts(
      topPMask(multiply(cast(drawnIntegers([301, 13], 0, 9), 'float32'), 2 ** -7), { p: 0.3 }),
      4096,
    ));
});
