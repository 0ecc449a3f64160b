import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clip } from '../../src/ops/clip.ts';
import { tensor } from '../../src/ops/constant.ts';
import { divide } from '../../src/ops/divide.ts';
import { erf } from '../../src/ops/erf.ts';
import { exp } from '../../src/ops/exp.ts';
import { isFinite as areFinite } from '../../src/ops/isFinite.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { power } from '../../src/ops/power.ts';
import { sign } from '../../src/ops/sign.ts';
import { square } from '../../src/ops/square.ts';
import { subtract } from '../../src/ops/subtract.ts';
import { expectAgrees } from '../support/agree.ts';
import { drawn, drawnIntegers, referenceValues } from '../support/draw.ts';

describe('power', () => {
  it('is what Math.pow says, and exact for small whole exponents', async () => {
    const [y] = await expectAgrees(power(tensor([-2, -2, 3, 2, 0, 0, 5]), tensor([3, -2, 2, -1, 0, 2, 1])));
    expect([...y!.data]).toEqual([-8, 0.25, 9, 0.5, 1, 0, 5]);
  });

  it('agrees on drawn bases and exponents, which broadcast', () =>
    expectAgrees(power(drawn([7, 1], { low: 0, high: 4 }), drawn([13], { low: -3, high: 3, seed: 2 })), {
      rtol: 1e-5,
    }));

  it('keeps its digits where a base near 1 is raised high, as bias corrections do', () =>
    expectAgrees(
      [1, 10, 1000, 100000].map((t) => subtract(1, power(tensor([0.9, 0.99, 0.999]), t))),
      { rtol: 1e-4 },
    ));

  it('takes numbers on either side', () => {
    expect(referenceValues(power(tensor([1, 4]), 0.5))).toEqual([1, 2]);
    expect(referenceValues(power(2, tensor([1, 4])))).toEqual([2, 16]);
  });
});

describe('isFinite', () => {
  it('sees infinities and NaN', async () => {
    const x = tensor([1, -0, Infinity, -Infinity, NaN, 3.4e38, 1e-45]);
    const [y] = await expectAgrees(areFinite(x));
    expect([...y!.data]).toEqual([1, 1, 0, 0, 0, 1, 1]);
  });

  it('sees those that a chain of ops makes', async () => {
    const x = tensor([1, 0, 100]);
    const [y, z] = await expectAgrees([areFinite(divide(1, x)), areFinite(exp(x))]);
    expect([...y!.data]).toEqual([1, 0, 1]);
    expect([...z!.data]).toEqual([1, 1, 0]);
  });

  it('sees them in halves', async () => {
    const [y] = await expectAgrees(areFinite(tensor([1, Infinity, NaN, 65504], { dtype: 'float16' })));
    expect([...y!.data]).toEqual([1, 0, 0, 1]);
  });
});

describe('sign, square, clip and erf', () => {
  const x = tensor([-3, -0.5, 0, 0.25, 7]);

  it('give what they say', () => {
    expect(referenceValues(sign(x))).toEqual([-1, -1, 0, 1, 1]);
    expect(referenceValues(square(x))).toEqual([9, 0.25, 0, 0.0625, 49]);
    expect(referenceValues(clip(x, -1, 0.5))).toEqual([-1, -0.5, 0, 0.25, 0.5]);
    expect(referenceValues(square(tensor(Int32Array.of(65536, -3))))).toEqual([0, 9]);
  });

  it('agree on WebGPU, for floats and for int32', async () => {
    const numbers = drawn([101], { low: -5, high: 5 });
    const integers = drawnIntegers([101], -70000, 70000);
    await expectAgrees([numbers, integers].flatMap((some) => [sign(some), square(some), clip(some, -2, 3)]));
    await expectAgrees(erf(numbers), { atol: 5e-7 });
  });

  it('absolute value is sign times the number', () =>
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const one = tensor([value]);
        expect(Math.abs(referenceValues(multiply(sign(one), one))[0]!)).toBe(Math.abs(value));
      }),
    ));

  it('clip refuses bounds that cross', () =>
    expect(() => clip(x, 1, 0)).toThrow('clip: expected low up to high, got 1 and 0'));
});
