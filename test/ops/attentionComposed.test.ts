import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attention } from '../../src/ops/attention.ts';
import { attend, attentionPattern, attentionScores, maskedScore } from '../../src/ops/attentionComposed.ts';
import { tensor } from '../../src/ops/constant.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees, expectClose } from '../support/agree.ts';
import { type AttentionCase, attentionOf, drawnAttention, noise } from '../support/attention.ts';

const composed = ({ query, key, value, options }: AttentionCase): Tensor =>
  attend(attentionPattern(attentionScores(query, key, options), options), value);

describe('attention in parts', () => {
  it('gives what attention gives', () =>
    fc.assert(
      fc.property(drawnAttention, fc.constantFrom('zero' as const, 'uniform' as const), (draw, emptyRows) => {
        const { query, key, value, options } = attentionOf(draw);
        const own = { query, key, value, options: { ...options, emptyRows } };
        const [parts, whole] = evaluateReference([composed(own), attention(query, key, value, own.options)]);
        expectClose(parts!, whole!, { atol: 1e-6 });
      }),
    ));

  it('agrees on WebGPU', () =>
    fc.assert(
      fc.asyncProperty(drawnAttention, async (draw) => {
        // Sums of up to a few hundred products in float32, against doubles.
        await expectAgrees(composed(attentionOf(draw)), { atol: 2e-5, rtol: 2e-5 });
      }),
      { numRuns: 12 },
    ));

  it('has scores that are finite where a query may not look', () => {
    const x = noise([1, 3, 2, 4], 1);
    const [scores] = evaluateReference([attentionScores(x, x, { causal: true })]);
    expect(scores!.shape).toEqual([1, 2, 3, 3]);
    [...scores!.data].forEach((score, i) => {
      const [row, column] = [Math.floor(i / 3) % 3, i % 3];
      if (column > row) expect(score).toBe(maskedScore);
      else expect(Math.abs(score)).toBeLessThan(10);
    });
  });

  it('has rows of zeros, or of equal weights, where all keys are hidden', () => {
    const x = noise([1, 2, 1, 4], 1);
    const pattern = (emptyRows: 'zero' | 'uniform') => {
      const options = { keyMask: tensor([[false, false]]), emptyRows };
      return [...evaluateReference([attentionPattern(attentionScores(x, x, options), options)])[0]!.data];
    };
    expect(pattern('zero')).toEqual([0, 0, 0, 0]);
    expect(pattern('uniform')).toEqual([0.5, 0.5, 0.5, 0.5]);
  });

  it('says what does not fit', () => {
    const x = (...shape: number[]) => noise(shape, 1);
    expect(() => attentionScores(x(1, 2, 3, 4), x(1, 5, 3, 4), { causal: true })).toThrow(
      'attentionScores: expected position with causal attention of 2 queries to 5 keys, got none',
    );
    expect(() => attend(x(1, 3, 2, 2), x(1, 2, 2, 4))).toThrow(
      'attend: expected a pattern [batch, heads, queries, keys] and a value [batch, keys, kvHeads, valueDim], got [1, 3, 2, 2] and [1, 2, 2, 4]',
    );
  });
});
