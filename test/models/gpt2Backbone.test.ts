import { describe, expect, it } from 'vitest';
import { constant } from '../../src/ops/constant.ts';
import { GPT2Backbone } from '../../src/tasks/gpt2.ts';

const backbone = GPT2Backbone({
  vocabularySize: 97,
  numLayers: 2,
  numHeads: 3,
  hiddenDim: 24,
  intermediateDim: 96,
  maxSequenceLength: 32,
  seed: 3,
});
const { params } = backbone;

describe('GPT2Backbone', () => {
  it('refuses nonsense sizes in one message', () => {
    expect(() =>
      GPT2Backbone({ vocabularySize: 0, numLayers: 1.5, numHeads: 2, hiddenDim: 8, intermediateDim: 8 }),
    ).toThrow(/vocabularySize.*numLayers/s);
  });

  it('takes other parameters of the same shapes, and no others', () => {
    expect(backbone.withParams(params).params).toBe(params);
    expect(() =>
      backbone.withParams({ ...params, layerNorm: { gamma: constant([1]), beta: params.layerNorm.beta } }),
    ).toThrow('withParams: expected layerNorm.gamma of shape [24], got [1]');
  });

  it('refuses an intercept that returns another shape', () => {
    expect(() => backbone.apply({ tokenIds: [[5, 6, 7]] }, { intercept: () => constant(0) })).toThrow(
      'intercept: expected a tensor of shape [1, 3, 24] ([batch, length, hiddenDim]) for tokenEmbedding, got []',
    );
  });

  it('refuses tokens that are longer than the position table', () => {
    expect(() => backbone.apply({ tokenIds: [new Array<number>(33).fill(1)] })).toThrow('at most 32');
  });
});
