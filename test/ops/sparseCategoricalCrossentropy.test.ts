import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tensor } from '../../src/ops/constant.ts';
import { pullback } from '../../src/ops/pullback.ts';
import { logSoftmax } from '../../src/ops/softmax.ts';
import { sparseCategoricalCrossentropy } from '../../src/ops/sparseCategoricalCrossentropy.ts';
import { square } from '../../src/ops/square.ts';
import { sum } from '../../src/ops/sum.ts';
import type { Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { drawn, drawnIntegers, logits, matrices, referenceValues } from '../support/draw.ts';
import { expectGradients } from '../support/gradient.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

/** Losses of drawn logits, and their gradient for a drawn cotangent. */
const lossAndGradient = (shape: Shape): readonly Tensor[] => {
  const x = drawn(shape, { low: -20, high: 20 });
  const y = sparseCategoricalCrossentropy(drawnIntegers(shape.slice(0, -1), 0, shape.at(-1)!, 2), x);
  const [dx] = pullback('test', [{ y, dy: drawn(shape.slice(0, -1), { seed: 3 }) }], [x]);
  return [y, dx!];
};

describe('sparseCategoricalCrossentropy', () => {
  it('is minus the log probability of the target', () =>
    fc.assert(
      fc.property(matrices(logits), fc.nat(), (x, seed) => {
        const targets = drawnIntegers([x.length], 0, x[0]!.length, seed);
        const chosen = referenceValues(targets);
        const log = referenceValues(logSoftmax(tensor(x)));
        referenceValues(sparseCategoricalCrossentropy(targets, tensor(x))).forEach((y, row) => {
          expect(y).toBeCloseTo(-log[row * x[0]!.length + chosen[row]!]!, 5);
        });
      }),
    ));

  // keras 3: keras.ops.sparse_categorical_crossentropy([0, 1, 1], [[1, 2], [3, 4], [200, 0]], from_logits=True).
  it('gives what Keras gives', () => {
    const y = sparseCategoricalCrossentropy(
      tensor(Int32Array.of(0, 1, 1)),
      tensor([
        [1, 2],
        [3, 4],
        [200, 0],
      ]),
    );
    [1.3132617, 0.3132617, 200].forEach((expected, i) => {
      expect(referenceValues(y)[i]).toBeCloseTo(expected, 6);
    });
  });

  it('holds targets within the classes', async () => {
    const x = drawn([3, 5]);
    const at = (...targets: number[]) => sparseCategoricalCrossentropy(tensor(Int32Array.from(targets)), x);
    expect(referenceValues(at(-1, 2, 99))).toEqual(referenceValues(at(0, 2, 4)));
    const dx = pullback('test', [{ y: at(-1, 2, 99), dy: tensor([1, 2, 3]) }], [x])[0]!;
    await expectAllAgree([at(-1, 2, 99), dx], { atol: 1e-5 });
  });

  it('has a gradient whose rows sum to 0', () => {
    const [, dx] = lossAndGradient([4, 7]);
    const values = referenceValues(dx!);
    for (let row = 0; row < 4; row++)
      expect(values.slice(row * 7, row * 7 + 7).reduce((a, b) => a + b)).toBeCloseTo(0, 6);
  });

  it('has the gradient of central differences, and that has one itself', async () => {
    const targets = drawnIntegers([2, 3], 0, 5);
    const loss = (x: Tensor) => sparseCategoricalCrossentropy(targets, x);
    await expectGradients((x) => loss(x!), [drawn([2, 3, 5], { low: -2, high: 2 })], { agrees: expectAllAgree });
    const first = (x: Tensor) => gradients(sum(square(loss(x))), [x])[0]!;
    await expectGradients((x) => first(x!), [drawn([2, 3, 5])]);
  });

  it('says what does not fit', () => {
    expect(() => sparseCategoricalCrossentropy(drawnIntegers([2], 0, 3), drawn([3, 3]))).toThrow(
      'sparseCategoricalCrossentropy: expected targets of shape [3] for logits of shape [3, 3], got [2]',
    );
    expect(() => sparseCategoricalCrossentropy(drawn([2]), drawn([2, 3]))).toThrow(
      'sparseCategoricalCrossentropy: expected targets of dtype int32, got float32; use cast to convert',
    );
    expect(() => sparseCategoricalCrossentropy(drawnIntegers([2], 0, 3), drawnIntegers([2, 3], 0, 3))).toThrow(
      'sparseCategoricalCrossentropy: expected logits of floats, got int32; use cast to convert',
    );
  });

  // 8 and 64 lanes are widths of a subgroup and of a workgroup; 50257 is GPT-2's vocabulary.
  it.each([[[1, 1]], [[3, 7]], [[2, 3, 8]], [[5, 9]], [[2, 65]], [[3, 257]], [[2, 50257]], [[70001, 3]], [[7]]])(
    'agrees on WebGPU for %j, and so does its gradient',
    async (shape) => {
      // Two float32 roundings of numbers up to 30.
      await expectAllAgree(lossAndGradient(shape), { atol: 1e-5 });
    },
  );

  it('agrees where rows do not fit one binding', () =>
    expectAgreesInParts(lossAndGradient([301, 13]), 4096, { atol: 1e-5 }));

  it('reads stored halves', async () => {
    const x = drawn([3, 5], { dtype: 'bfloat16' });
    await expectAllAgree(sparseCategoricalCrossentropy(drawnIntegers([3], 0, 5), x), { atol: 1e-5 });
  });

  it('gives nothing for no rows', async () => {
    await expectAllAgree(sparseCategoricalCrossentropy(tensor(new Int32Array(0)), tensor([], { shape: [0, 3] })));
  });
});
