import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { pullback } from '../../src/ops/pullback.ts';
import { logSoftmax, softmax } from '../../src/ops/softmax.ts';
import { sum } from '../../src/ops/sum.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectClose } from '../support/agree.ts';
import { drawn, logits, matrices, referenceValues } from '../support/draw.ts';
import { expectGradients } from '../support/gradient.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

const reference = (x: Parameters<typeof softmax>[0]) => evaluateReference([x])[0]!;

describe('softmax', () => {
  it('gives the odds that the logits say', () =>
    expect(referenceValues(softmax(tensor([0, Math.log(3)])))).toEqual([0.25, 0.75]));

  it('sums to 1 in every row', () =>
    fc.assert(
      fc.property(matrices(logits), (x) => {
        for (const total of referenceValues(sum(softmax(tensor(x)), { axis: -1 }))) expect(total).toBeCloseTo(1, 6);
      }),
    ));

  it('does not change when a constant is added to every logit', () =>
    fc.assert(
      fc.property(matrices(logits), fc.integer({ min: -20, max: 20 }), (x, c) => {
        expectClose(reference(softmax(add(tensor(x), c))), reference(softmax(tensor(x))), { atol: 1e-6 });
      }),
    ));

  it('gives a masked position nothing', () =>
    expect(referenceValues(softmax(tensor([1, -1e9, 1])))).toEqual([0.5, 0, 0.5]));

  it('says what it got when it is given a scalar or integers', () => {
    expect(() => softmax(constant(1))).toThrow('softmax: expected x of rank 1 or more, got rank 0 (shape [])');
    expect(() => softmax(tensor(Int32Array.of(1)))).toThrow('softmax: expected floats, got int32');
  });

  // 8 and 64 lanes are widths of a subgroup and of a workgroup; 50257 is GPT-2's vocabulary.
  it.each([[[1, 1]], [[3, 7]], [[2, 3, 8]], [[5, 9]], [[2, 63]], [[2, 65]], [[3, 257]], [[1, 50257]], [[70001, 3]]])(
    'agrees on WebGPU for %j',
    async (shape) => {
      await expectAllAgree(softmax(drawn(shape, { low: -20, high: 20 })), { atol: 1e-6 });
    },
  );

  it('reads stored halves', async () => {
    await expectAllAgree(softmax(drawn([3, 5], { dtype: 'float16' })), { atol: 1e-6 });
  });

  it('agrees where rows do not fit one binding', () =>
    expectAgreesInParts(softmax(drawn([301, 13], { high: 5 })), 4096, { atol: 1e-6 }));

  it('gives nothing for no rows', async () => {
    await expectAllAgree([softmax(tensor([], { shape: [0, 3] })), softmax(tensor([], { shape: [3, 0] }))]);
  });
});

describe('logSoftmax', () => {
  it('is the logarithm of softmax, where that is not too small to have one', () =>
    fc.assert(
      fc.property(matrices(logits), (x) => {
        const p = referenceValues(softmax(tensor(x)));
        for (const [i, y] of referenceValues(logSoftmax(tensor(x))).entries())
          if (p[i]! > 1e-30) expect(y).toBeCloseTo(Math.log(p[i]!), 4);
      }),
    ));

  it('keeps what softmax would round to 0', () =>
    expect(referenceValues(logSoftmax(tensor([0, -200])))).toEqual([0, -200]));

  it.each([[[1, 1]], [[3, 7]], [[3, 257]], [[1, 50257]]])('agrees on WebGPU for %j', async (shape) => {
    // Two float32 roundings of numbers up to 30.
    await expectAllAgree(logSoftmax(drawn(shape, { low: -20, high: 20 })), { atol: 1e-5 });
  });
});

describe.each([
  ['softmax', softmax],
  ['logSoftmax', logSoftmax],
] as const)('the gradient of %s', (_, f) => {
  it('is that of central differences, and has a gradient itself', async () => {
    await expectGradients((x) => f(x!), [drawn([2, 3, 5], { low: -2, high: 2 })], { agrees: expectAllAgree });
    const first = (x: Tensor) => gradients(sum(multiply(f(x), drawn(x.shape, { seed: 5 }))), [x])[0]!;
    await expectGradients((x) => first(x!), [drawn([2, 5])]);
  });

  it.each([[[1, 1]], [[3, 7]], [[2, 65]], [[3, 257]], [[70001, 3]]])('agrees on WebGPU for %j', async (shape) => {
    const x = drawn(shape, { low: -9, high: 9 });
    await expectAllAgree(pullback('test', [{ y: f(x), dy: drawn(shape, { seed: 2 }) }], [x])[0]!, { atol: 2e-5 });
  });

  it('agrees where rows do not fit one binding', async () => {
    const x = drawn([301, 13], { high: 5 });
    const [dx] = pullback('test', [{ y: f(x), dy: drawn([301, 13], { seed: 2 }) }], [x]);
    await expectAgreesInParts(dx!, 4096, { atol: 1e-5 });
  });
});
