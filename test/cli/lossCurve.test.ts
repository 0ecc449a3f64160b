import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lossCurve, ticks } from '../../src/cli/lossCurve.ts';
import { elements } from '../support/xml.ts';

const curve = (...series: readonly (readonly (readonly [number, number])[])[]): string =>
  lossCurve({
    title: 'Loss',
    subtitle: 'steps',
    series: series.map((points, i) => ({ name: ['training', 'validation'][i]!, points })),
  });

const numbersOf = (path: string): readonly number[] => [...path.matchAll(/-?\d+(?:\.\d+)?/g)].map(Number);

const pathsOf = (svg: string): readonly string[] => [...svg.matchAll(/<path d="([^"]*)"/g)].map(([, d]) => d!);

describe('ticks', () => {
  it('are round, evenly apart, few, and cover the range', () =>
    fc.assert(
      fc.property(
        fc.double({ min: -1e4, max: 1e4, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e4, noNaN: true }),
        fc.integer({ min: 2, max: 12 }),
        (from, range, most) => {
          const found = ticks(from, from + range, most);
          const step = found[1]! - found[0]!;
          expect(found.length).toBeLessThanOrEqual(most + 2);
          expect(found[0]!).toBeLessThanOrEqual(from + 1e-6 * step);
          expect(found.at(-1)!).toBeGreaterThanOrEqual(from + range - 1e-6 * step);
          expect([1, 2, 5]).toContain(Number(step.toExponential(6).split('e')[0]));
          for (const [i, value] of found.entries()) expect(value).toBeCloseTo(found[0]! + i * step, 6);
        },
      ),
    ));

  it('are there for a range of nothing', () => {
    expect(ticks(3, 3, 4)).toEqual([3, 4]);
    expect(ticks(0, 0, 4)).toEqual([0, 0.5]);
  });
});

describe('lossCurve', () => {
  it('draws a path a series within its frame, with ticks and names', () => {
    const svg = curve(
      [
        [1, 5.4],
        [2, 3.3],
        [3, 2.9],
        [4, 2.1],
      ],
      [
        [2, 3.1],
        [4, 2.6],
      ],
    );
    const names = elements(svg);
    expect(names.filter((name) => name === 'path')).toHaveLength(2);
    for (const tick of ['0', '1', '2', '3', '4', '5', '6']) expect(svg).toContain(`>${tick}</text>`);
    for (const text of ['loss', 'steps', 'training', 'validation', '2.1', '2.6'])
      expect(svg).toContain(`>${text}</text>`);
    const [training, validation] = pathsOf(svg).map(numbersOf);
    // Four points from left to right, each lower than the one before: downwards, y grows.
    expect(training).toHaveLength(8);
    expect(training!.filter((_, i) => i % 2 === 0)).toEqual(
      [...training!.filter((_, i) => i % 2 === 0)].sort((a, b) => a - b),
    );
    expect(training!.filter((_, i) => i % 2 === 1)).toEqual(
      [...training!.filter((_, i) => i % 2 === 1)].sort((a, b) => a - b),
    );
    // Both end with the last step, at the right edge, and validation lies above.
    expect(validation!.at(-2)).toBe(training!.at(-2));
    expect(validation!.at(-1)).toBeLessThan(training!.at(-1)!);
  });

  it('is valid XML whatever the title, and shows a single step', () => {
    const svg = lossCurve({
      title: 'a <b> & "c" \u0007',
      subtitle: "'…'",
      series: [{ name: '<', points: [[1, 3]] }],
    });
    expect(elements(svg).filter((name) => name === 'path')).toHaveLength(1);
    expect(svg).toContain('a &#60;b&#62; &#38; &#34;c&#34; </text>');
  });

  it('averages neighbours where there are more points than can be told apart, and leaves out what is no number', () => {
    const many = Array.from({ length: 5000 }, (_, i) => [i + 1, i % 7 === 0 ? Number.NaN : 1 + 1 / (i + 1)] as const);
    const [path] = pathsOf(curve(many));
    expect(path!.split('L').length).toBeLessThanOrEqual(240);
    expect(path).not.toContain('NaN');
    expect(() => curve([[1, Number.NaN]])).toThrow('expected at least one finite loss');
  });
});
