import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { broadcastTo } from '../../src/ops/broadcastTo.ts';
import { cast } from '../../src/ops/cast.ts';
import { categorical } from '../../src/ops/categorical.ts';
import { tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { key, uniform } from '../../src/ops/random.ts';
import { softmax } from '../../src/ops/softmax.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import { testDevice } from '../support/device.ts';
import { drawn, drawnIntegers, matrices, referenceValues } from '../support/draw.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

describe('categorical', () => {
  it('draws the first index whose cumulative sum exceeds the number', () => {
    const p = broadcastTo(tensor([1, 0, 2, 1]), [6, 4]);
    expect(referenceValues(categorical(p, tensor([0, 0.24, 0.25, 0.74, 0.75, 0.99])))).toEqual([0, 0, 2, 2, 3, 3]);
  });

  it('never draws what has no probability', () =>
    fc.assert(
      fc.property(
        matrices(fc.integer({ min: 0, max: 2 })),
        fc.float({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (rows, u) => {
          fc.pre(rows.every((row) => row.some((p) => p > 0)));
          const drawnPlaces = referenceValues(categorical(tensor(rows), broadcastTo(tensor([u]), [rows.length])));
          drawnPlaces.forEach((place, row) => {
            expect(rows[row]![place]).toBeGreaterThan(0);
          });
        },
      ),
    ));

  it('draws each index as often as its probability says', () => {
    const odds = [0.1, 0.2, 0.3, 0.4];
    const size = 20000;
    const counts = [0, 0, 0, 0];
    for (const place of referenceValues(categorical(broadcastTo(tensor(odds), [size, 4]), uniform(key(7), [size]))))
      counts[place]!++;
    const chiSquare = odds.reduce((total, p, i) => total + (counts[i]! - size * p) ** 2 / (size * p), 0);
    // 99.9 % of draws of three degrees of freedom stay below this.
    expect(chiSquare).toBeLessThan(16.27);
  });

  it('says what it got', () => {
    expect(() => categorical(drawn([2, 3]), drawn([3]))).toThrow(
      'categorical: expected uniform of shape [2] for probabilities of shape [2, 3], got [3]',
    );
    expect(() => categorical(tensor([], { shape: [2, 0] }), drawn([2]))).toThrow(
      'categorical: expected a last axis of size 1 or more, got shape [2, 0]',
    );
    expect(() => categorical(tensor(Int32Array.of(1)), drawn([]))).toThrow('categorical: expected floats, got int32');
  });

  it.each([[[1]], [[3, 7]], [[2, 3, 8]], [[5, 65]], [[9, 257]], [[66000, 3]]])(
    'agrees on WebGPU for %j, where sums are exact',
    async (shape) => {
      const p = multiply(cast(drawnIntegers(shape, 0, 5), 'float32'), 2 ** -8);
      // Numbers of few bits, so that their products with sums are exact too.
      const u = multiply(cast(drawnIntegers(shape.slice(0, -1), 0, 64), 'float32'), 1 / 64);
      await expectAllAgree(categorical(p, u));
    },
  );

  it('keeps to positive probabilities at the end of the range, and takes index 0 of zeros', async () => {
    const p = tensor([
      [0.3, 0.7, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 1e-30],
    ]);
    const [y] = await expectAllAgree(categorical(p, tensor([1 - 2 ** -24, 0.5, 0])));
    expect([...y!.data]).toEqual([1, 0, 3]);
  });

  it('draws from the vocabulary of GPT-2 what the cumulative sums say, up to rounding', async () => {
    const [rows, columns] = [64, 50257];
    const p = new Float32Array(referenceValues(softmax(drawn([rows, columns], { low: -6, high: 6 }))));
    const u = drawn([rows], { low: 0, seed: 5 });
    const [actual] = await evaluate(await testDevice(), [categorical(tensor(p, { shape: [rows, columns] }), u)]);
    const numbers = referenceValues(u);
    for (let row = 0; row < rows; row++) {
      const place = actual!.data[row]!;
      const before = p.subarray(row * columns, row * columns + place).reduce((total, v) => total + v, 0);
      // float32 sums of 50,257 numbers in eight runs.
      expect(numbers[row]).toBeGreaterThan(before - 2e-6);
      expect(numbers[row]).toBeLessThan(before + p[row * columns + place]! + 2e-6);
    }
  });

  it('agrees where rows do not fit one binding', () =>
    expectAgreesInParts(
      categorical(
        multiply(cast(drawnIntegers([301, 13], 0, 5), 'float32'), 2 ** -8),
        multiply(cast(drawnIntegers([301], 0, 64), 'float32'), 1 / 64),
      ),
      4096,
    ));
});
