import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dropout, dropouts } from '../../src/layers/dropout.ts';
import { constant } from '../../src/ops/constant.ts';
import { foldIn, key } from '../../src/ops/random.ts';
import { sum } from '../../src/ops/sum.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectAgrees } from '../support/agree.ts';
import { drawn, referenceValues } from '../support/draw.ts';

const rates = fc.double({ min: 0.01, max: 0.95, noNaN: true });
const seeds = fc.integer({ min: 0, max: 2 ** 40 });

describe('dropout', () => {
  it('drops the share that the rate says, and keeps the expectation', () =>
    fc.assert(
      fc.property(rates, seeds, (rate, seed) => {
        const n = 4000;
        const values = referenceValues(dropout({ key: key(seed), rate })(drawn([n], { low: 1, high: 1 })));
        const dropped = values.filter((value) => value === 0).length / n;
        // Five deviations of a binomial distribution.
        expect(Math.abs(dropped - rate)).toBeLessThan(5 * Math.sqrt((rate * (1 - rate)) / n));
        const average = values.reduce((total, value) => total + value, 0) / n;
        expect(Math.abs(average - 1)).toBeLessThan((5 * Math.sqrt((rate * (1 - rate)) / n)) / (1 - rate));
        for (const value of values) if (value !== 0) expect(value).toBeCloseTo(1 / (1 - rate), 4);
      }),
      { numRuns: 25 },
    ));

  it('drops the same elements on both interpreters, bit for bit', () =>
    fc.assert(
      fc.asyncProperty(rates, seeds, fc.integer({ min: 1, max: 700 }), async (rate, seed, n) => {
        const y = dropout({ key: key(seed), rate })(drawn([3, n], { low: 1, high: 2 }));
        const [here] = evaluateReference([y]);
        const [there] = await expectAgrees([y], { rtol: 1e-6 });
        expect([...there!.data].map((value) => value === 0)).toEqual([...here!.data].map((value) => value === 0));
      }),
      { numRuns: 15 },
    ));

  it('drops the same for one key, and something else for another key or place', () => {
    const x = drawn([500], { low: 1, high: 2 });
    const drop = dropouts({ key: key(3), rate: 0.4 })!;
    const masks = [drop(0), drop(0), drop(1), dropouts({ key: key(4), rate: 0.4 })!(0)].map((f) =>
      referenceValues(f(x)).map((value) => value !== 0),
    );
    expect(masks[1]).toEqual(masks[0]);
    expect(masks[2]).not.toEqual(masks[0]);
    expect(masks[3]).not.toEqual(masks[0]);
    expect(referenceValues(dropout({ key: foldIn(key(3), 0), rate: 0.4 })(x))).toEqual(referenceValues(drop(0)(x)));
  });

  it('sends the gradient through the same mask', async () => {
    const x = drawn([4, 50], { low: 1, high: 2 });
    const y = dropout({ key: key(9), rate: 0.3 })(x);
    const [dx] = gradients(sum(y), [x]);
    const [values, slopes] = await expectAgrees([y, dx!], { rtol: 1e-6 });
    values!.data.forEach((value, i) => {
      expect(slopes!.data[i]).toBeCloseTo(value === 0 ? 0 : 1 / 0.7, 5);
    });
  });

  it('at a rate of 0 is not there at all', () => {
    const x = constant([1, 2]);
    expect(dropout({ key: key(1), rate: 0 })(x)).toBe(x);
    expect(dropouts({ key: key(1), rate: 0 })).toBeUndefined();
    expect(dropouts(undefined)).toBeUndefined();
  });

  it('refuses rates that are none', () => {
    for (const rate of [1, -0.1, Number.NaN])
      expect(() => dropout({ key: key(1), rate })).toThrow(`dropout: expected a rate from 0 to below 1, got ${rate}`);
  });
});
