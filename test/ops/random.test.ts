import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arange } from '../../src/ops/arange.ts';
import { tensor } from '../../src/ops/constant.ts';
import { foldIn, key, normal, randomBits, split, uniform } from '../../src/ops/random.ts';
import { threefry2x32 } from '../../src/ops/threefry.ts';
import { drawn, referenceValues } from '../support/draw.ts';
import { expectAllAgree } from '../support/variants.ts';

describe('key', () => {
  it('holds both halves of the seed', () =>
    fc.assert(
      fc.property(fc.maxSafeInteger(), (seed) => {
        const [low, high] = referenceValues(key(seed));
        expect(high! * 2 ** 32 + (low! >>> 0)).toBe(seed);
      }),
    ));

  it('refuses a seed that no double holds exactly', () =>
    expect(() => key(0.5)).toThrow('key: expected a seed that is a whole number of 53 bits at most, got 0.5'));
});

describe('foldIn and split', () => {
  it('are both words of Threefry, apart from the numbers of the key itself', () => {
    const expected = [0, 1, 5].flatMap((n) => threefry2x32(7, 0, n, 1).map((word) => word | 0));
    expect(referenceValues(foldIn(key(7), tensor(Int32Array.of(0, 1, 5))))).toEqual(expected);
    expect(referenceValues(foldIn(key(7), 5))).toEqual(expected.slice(4));
    expect(referenceValues(split(key(7)))).toEqual(expected.slice(0, 4));
  });

  it('fold a number into each of several keys', () => {
    const keys = split(key(7), 3);
    expect(foldIn(keys, 4).shape).toEqual([3, 2]);
    expect(referenceValues(foldIn(keys, arange(3))).slice(4)).toEqual(
      referenceValues(foldIn(tensor(Int32Array.from(referenceValues(keys).slice(4))), 2)),
    );
  });

  it('give keys that all differ', () => {
    const keys = referenceValues(split(key(3), 1000));
    expect(new Set(keys.filter((_, i) => i % 2 === 0)).size).toBe(1000);
  });

  it('say what is no key', () => {
    expect(() => foldIn(drawn([2]), 1)).toThrow('foldIn: expected a key of dtype int32, got float32');
    expect(() => uniform(tensor(Int32Array.of(1, 2, 3)), [2])).toThrow(
      'randomBits: expected a key of shape [..., 2], got [3]',
    );
    expect(() => uniform(split(key(1)), [2])).toThrow('randomBits: expected one key of shape [2], got [2, 2]');
  });
});

describe('randomBits, uniform and normal', () => {
  it('counts through the shape', () => {
    const expected = [0, 1, 2, 3].map((n) => threefry2x32(7, 0, n, 0)[0] | 0);
    expect(referenceValues(randomBits(key(7), [2, 2]))).toEqual(expected);
    expect(referenceValues(uniform(key(7), [4]))).toEqual(expected.map((bits) => (bits >>> 8) * 2 ** -24));
  });

  it('is spread evenly', () => {
    const size = 64000;
    const counts = new Array<number>(64).fill(0);
    for (const u of referenceValues(uniform(key(11), [size]))) counts[Math.floor(u * 64)]!++;
    const chiSquare = counts.reduce((total, n) => total + (n - size / 64) ** 2 / (size / 64), 0);
    // 99.9 % of draws of 63 degrees of freedom stay below this.
    expect(chiSquare).toBeLessThan(103.4);
  });

  it('has the moments of the normal distribution', () => {
    const size = 40000;
    const z = referenceValues(normal(key(5), [size]));
    const moment = (n: number): number => z.reduce((total, v) => total + v ** n, 0) / size;
    // Four standard errors of each.
    expect(Math.abs(moment(1))).toBeLessThan(4 / Math.sqrt(size));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(4 * Math.sqrt(2 / size));
    expect(Math.abs(moment(3))).toBeLessThan(4 * Math.sqrt(15 / size));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(4 * Math.sqrt(96 / size));
  });

  it('is the same to the last bit on WebGPU', () =>
    expectAllAgree([
      uniform(key(2 ** 40 + 3), [77, 131]),
      randomBits(key(-5), [1000]),
      foldIn(split(key(9), 65), arange(65)),
      foldIn(key(9), 3),
      split(key(9), 7),
    ]));

  it('is as close on WebGPU as logarithm and cosine are', () => expectAllAgree(normal(key(1), [5000]), { atol: 1e-3 }));
});
