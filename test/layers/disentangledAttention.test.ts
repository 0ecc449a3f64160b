import { describe, expect, it } from 'vitest';
import {
  bucketOf,
  type DisentangledAttentionParams,
  disentangledSelfAttention,
  relativePlaces,
  rowOf,
  skew,
} from '../../src/layers/disentangledAttention.ts';
import { causalSelfAttention } from '../../src/layers/selfAttention.ts';
import { concatenate } from '../../src/ops/concatenate.ts';
import { tensor } from '../../src/ops/constant.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { zeros } from '../../src/ops/zeros.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectClose } from '../support/agree.ts';
import { drawn, referenceValues } from '../support/draw.ts';
import { expectGradients } from '../support/gradient.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

// What KerasHub 0.32.0 and transformers 5.23.0 give on torch 2.13.0.
describe('bucketOf', () => {
  const libraries = ['keras', 'transformers'] as const;

  it.each(libraries)('gives near distances each their own bucket and far ones shared ones, as %s does', (rounding) => {
    const buckets = { bucketSize: 8, maxRelativePositions: 32, rounding };
    expect(range(0, 33).map((distance) => bucketOf(distance, buckets))).toEqual([
      0, 1, 2, 3, 4, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 8,
    ]);
    for (const distance of range(1, 33)) expect(bucketOf(-distance, buckets)).toBe(-bucketOf(distance, buckets));
    expect(rowOf(33, buckets)).toBe(15);
    expect(rowOf(-33, buckets)).toBe(0);
  });

  it.each(libraries)('gives the buckets of the released models as %s does', (rounding) => {
    const buckets = { bucketSize: 256, maxRelativePositions: 512, rounding };
    const distances = [-600, -511, -510, -300, -200, -130, -128, -1, 0, 127, 129, 131, 140, 400, 510, 511, 512];
    expect(distances.map((distance) => bucketOf(distance, buckets))).toEqual([
      -270, -255, -255, -207, -169, -130, -128, -1, 0, 127, 129, 131, 137, 233, 255, 255, 256,
    ]);
  });

  it('rounds at the last distance as the library does', () => {
    const last = (bucketSize: number, maxRelativePositions: number) =>
      libraries.map((rounding) => bucketOf(maxRelativePositions - 1, { bucketSize, maxRelativePositions, rounding }));
    expect(last(14, 127)).toEqual([14, 13]);
    expect(last(64, 512)).toEqual([64, 63]);
  });

  it('stays within the table for sizes that make no sense', () => {
    for (const bucketSize of [2, 3, 16])
      for (const maxRelativePositions of [1, 2, 3, 8, 9])
        for (const rounding of libraries)
          for (const distance of range(-40, 40)) {
            const row = rowOf(distance, { bucketSize, maxRelativePositions, rounding });
            expect(row >= 0 && row < 2 * bucketSize && Number.isInteger(row)).toBe(true);
          }
  });
});

describe('skew', () => {
  it.each([1, 2, 3, 7])('takes the band of distances of %i places', (length) => {
    const x = drawn([2, length, 2 * length - 1]);
    const values = referenceValues(x);
    const y = referenceValues(skew(x));
    for (let b = 0; b < 2; b++)
      for (let i = 0; i < length; i++)
        for (let j = 0; j < length; j++)
          expect(y[(b * length + i) * length + j]).toBe(
            values[(b * length + i) * (2 * length - 1) + j - i + length - 1],
          );
  });

  it('says what does not fit', () =>
    expect(() => skew(drawn([3, 4]))).toThrow('skew: expected x of shape [..., length, 2 length - 1], got [3, 4]'));
});

const paramsOf = (heads: number, headDim: number, withBias = true): DisentangledAttentionParams => {
  const width = heads * headDim;
  const projection = (seed: number) => ({
    kernel: drawn([width, heads, headDim], { seed }),
    bias: withBias ? drawn([heads, headDim], { seed: seed + 1 }) : zeros([heads, headDim]),
  });
  return {
    query: projection(1),
    key: projection(3),
    value: projection(5),
    output: { kernel: drawn([width, width], { seed: 7 }), bias: drawn([width], { seed: 8 }) },
  };
};

const buckets = { bucketSize: 4, maxRelativePositions: 9, rounding: 'keras' } as const;

describe('disentangledSelfAttention', () => {
  it('adds to the products of contents those with the rows of their distances, and divides by sqrt(3 headDim)', () => {
    const [length, dim] = [11, 3];
    const params = paramsOf(1, dim);
    const table = drawn([8, dim], { seed: 9 });
    const x = drawn([1, length, dim], { seed: 10 });
    const seen = new Map<string, Tensor>();
    disentangledSelfAttention(params, {
      places: relativePlaces(table, length, buckets),
      tap: (site) => (value) => {
        seen.set(site, value);
        return value;
      },
    })(x);
    const project = (input: number[], { kernel, bias }: DisentangledAttentionParams['query']): number[][] => {
      const [w, b] = [referenceValues(kernel), referenceValues(bias!)];
      return range(0, input.length / dim - 1).map((row) =>
        range(0, dim - 1).map((k) =>
          range(0, dim - 1).reduce((t, j) => t + input[row * dim + j]! * w[j * dim + k]!, b[k]!),
        ),
      );
    };
    const dot = (a: number[], b: number[]): number => a.reduce((total, value, i) => total + value * b[i]!, 0);
    const [own, rows] = [referenceValues(x), referenceValues(table)];
    const [q, k, pq, pk] = [
      project(own, params.query),
      project(own, params.key),
      project(rows, params.query),
      project(rows, params.key),
    ];
    const scores = referenceValues(seen.get('scores')!);
    for (let i = 0; i < length; i++)
      for (let j = 0; j < length; j++) {
        const c = rowOf(i - j, buckets);
        const expected = (dot(q[i]!, k[j]!) + dot(q[i]!, pk[c]!) + dot(k[j]!, pq[c]!)) / Math.sqrt(3 * dim);
        expect(scores[i * length + j]).toBeCloseTo(expected, 5);
      }
  });

  it('is plain attention with another scale where places say nothing', () => {
    const [heads, headDim] = [2, 4];
    const params = paramsOf(heads, headDim, false);
    const x = drawn([2, 5, 8], { seed: 10 });
    const paddingMask = tensor([
      [true, true, true, true, true],
      [true, true, true, false, false],
    ]);
    const places = relativePlaces(zeros([8, 8]), 5, buckets);
    const { attended } = causalSelfAttention(
      { ...params, output: { kernel: reshape(params.output.kernel, [2, 4, 8]), bias: params.output.bias! } },
      { causal: false, emptyRows: 'zero', paddingMask, scoring: { scale: 1 / Math.sqrt(12) } },
    )(x);
    const [a, b] = evaluateReference([disentangledSelfAttention(params, { places, paddingMask })(x), attended]);
    expectClose(a!, b!, { atol: 1e-6 });
  });

  it('sees nothing of hidden keys, and gives nothing to queries whose keys are all hidden', () => {
    const params = paramsOf(3, 2);
    const places = relativePlaces(drawn([8, 6]), 7, buckets);
    const paddingMask = tensor([
      [true, true, true, true, false, false, false],
      [false, false, false, false, false, false, false],
    ]);
    const x = drawn([2, 7, 6], { seed: 10 });
    const other = concatenate([sliceAxis(x, 1, 0, 4), drawn([2, 3, 6], { seed: 11 })], { axis: 1 });
    const attend = (input: Tensor) =>
      sliceAxis(disentangledSelfAttention(params, { places, paddingMask })(input), 1, 0, 4);
    const [a, b] = evaluateReference([attend(x), attend(other)]);
    expect(a!.data).toEqual(b!.data);
    const bias = referenceValues(params.output.bias!);
    for (let i = 0; i < 24; i++) expect(a!.data[24 + i]).toBeCloseTo(bias[i % 6]!, 6);
  });

  it.each([
    { batch: 2, length: 1, heads: 1, headDim: 3 },
    { batch: 1, length: 13, heads: 3, headDim: 8 },
    { batch: 2, length: 17, heads: 2, headDim: 4 },
  ])('agrees on WebGPU: $batch x $length in $heads heads of $headDim', async ({ batch, length, heads, headDim }) => {
    const width = heads * headDim;
    const places = relativePlaces(drawn([8, width], { seed: 9 }), length, buckets);
    const y = disentangledSelfAttention(paramsOf(heads, headDim), { places })(drawn([batch, length, width]));
    await expectAllAgree(y, { atol: 1e-4 });
  });

  it('agrees where products with distances do not fit one binding', () => {
    const places = relativePlaces(drawn([8, 6], { seed: 9 }), 23, buckets);
    const y = disentangledSelfAttention(paramsOf(3, 2), { places })(drawn([4, 23, 6]));
    return expectAgreesInParts(y, 8192, { atol: 1e-4 });
  });

  it('says what it got when there are no places', () =>
    expect(() => relativePlaces(zeros([8, 6]), 0, buckets)).toThrow(
      'relativePlaces: expected a length of 1 or more, got 0',
    ));

  it('has the gradients that central differences give', () => {
    const { query, key, value, output } = paramsOf(1, 4);
    return expectGradients(
      (x, table, q, bias, k) =>
        disentangledSelfAttention(
          { query: { kernel: q!, bias: bias! }, key: { kernel: k!, bias: key.bias! }, value, output },
          { places: relativePlaces(table!, 6, buckets) },
        )(x!),
      [drawn([1, 6, 4], { seed: 10 }), drawn([8, 4], { seed: 9 }), query.kernel, query.bias!, key.kernel],
      { most: 16, tolerance: { atol: 1e-5, rtol: 1e-5 } },
    );
  });
});
