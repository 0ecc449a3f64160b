import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearestNames } from '../../src/tensor/nearestNames.ts';

describe('editDistance', () => {
  it('is a distance', () => {
    const words = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
    fc.assert(
      fc.property(words, words, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance === 0).toBe(a === b);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      }),
    );
    expect(editDistance('ab', 'ba')).toBe(1);
    expect(editDistance('kitten', 'sitting')).toBe(3);
  });
});

describe('nearestNames', () => {
  it('gives names that hold the word, or that it holds, before those that look like it', () => {
    expect(nearestNames('pattern', ['patter', 'crossPattern', 'mlp'], 2)).toEqual(['patter', 'crossPattern']);
    expect(nearestNames('batch_siez', ['seed', 'epochs', 'batch_size'], 1)).toEqual(['batch_size']);
    expect(nearestNames('x'.repeat(10_000), ['a'])).toEqual(['a']);
  });
});
