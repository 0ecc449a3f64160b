import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { tensor } from '../../src/ops/constant.ts';
import { dequantize, isQuantized, quantizedOf } from '../../src/ops/dequantize.ts';
import { gelu } from '../../src/ops/gelu.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { sum } from '../../src/ops/sum.ts';
import { take } from '../../src/ops/take.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import { type QuantizedBits, quantizedShapes, quantizeMatrix } from '../../src/tensor/quantized.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { testDevice } from '../support/device.ts';
import { drawn, drawnIntegers, referenceValues } from '../support/draw.ts';
import { expectGradients } from '../support/gradient.ts';
import { expectEveryKernelAgrees } from '../support/tuning.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

/** A random matrix in few bits, and its numbers before that. */
const quantized = (
  rows: number,
  columns: number,
  bits: QuantizedBits,
  block = rows,
): { readonly w: Tensor; readonly before: Float32Array } => {
  const before = Float32Array.from(referenceValues(drawn([rows, columns], { seed: 7, low: -2, high: 3 })));
  const format = { bits, columns, block };
  const { words, scales, zeros } = quantizeMatrix(before, rows, format);
  const shapes = quantizedShapes(rows, format);
  return {
    before,
    w: dequantize(
      {
        words: tensor(words, { shape: shapes.words }),
        scales: tensor(scales, { shape: shapes.scales }),
        ...(zeros && { zeros: tensor(zeros, { shape: shapes.scales }) }),
      },
      format,
    ),
  };
};

const near = (k: number) => ({ atol: 1e-5 * Math.sqrt(k + 1), rtol: 1e-5 });

describe('matrices of 8 and 4 bits', () => {
  it('are as near as their bits allow', () =>
    fc.assert(
      fc.property(
        fc.constantFrom<QuantizedBits>(8, 4),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 16 }),
        (bits, rows, columns, block) => {
          const { w, before } = quantized(rows, columns, bits, bits === 8 ? rows : block);
          const values = referenceValues(w);
          // Half a step of 255 or of 15 over a range of 6 at most, with the zero rounded besides.
          const step = bits === 8 ? 3 / 127 : 5 / 15;
          for (const [i, value] of values.entries()) expect(Math.abs(value - before[i]!)).toBeLessThan(step * 1.01);
        },
      ),
    ));

  it('hold whole numbers exactly', () => {
    const data = Float32Array.from({ length: 127 * 3 }, (_, i) => ((i % 3) + 1 === 2 ? 127 - Math.floor(i / 3) : 127));
    const { words, scales } = quantizeMatrix(data, 127, { bits: 8, columns: 3, block: 127 });
    expect([...scales.subarray(0, 3)].map((scale) => Math.round(scale * 1e5))).toEqual([1e5, 1e5, 1e5]);
    expect(words[5 * 16]).toBe(127 | (122 << 8) | (127 << 16));
  });

  it.each([
    [8, 5, 70, 5],
    [4, 11, 130, 4],
    [4, 300, 64, 128],
    [8, 1, 1, 1],
  ] as const)('%i bits: %i x %i in blocks of %i are widened alike', async (bits, rows, columns, block) => {
    await expectAllAgree(quantized(rows, columns, bits, block).w, { rtol: 2e-7, atol: 1e-7 });
  });

  it.each([
    [8, 1, 37, 70, 37],
    [4, 1, 37, 70, 8],
    [8, 1, 96, 1100, 96],
    [4, 1, 300, 700, 128],
    [4, 1, 64, 2100, 16],
    [8, 7, 33, 130, 33],
    [4, 7, 33, 130, 7],
    [8, 17, 64, 65, 64],
    [4, 17, 64, 63, 32],
    [4, 1, 1, 1, 1],
  ] as const)('%i bits: %i rows by %i x %i in blocks of %i', async (bits, m, k, n, block) => {
    const { w } = quantized(k, n, bits, block);
    await expectAllAgree(matmul(drawn([m, k]), w), near(k));
  });

  it('take bias, activation and residual along', async () => {
    for (const m of [1, 3]) {
      const y = matmul(drawn([m, 40], { low: -1 }), quantized(40, 72, 4, 16).w);
      await expectAllAgree(add(gelu(add(y, drawn([72]))), drawn([m, 72], { seed: 3 })), near(40));
      await expectAllAgree(multiply(gelu(y), drawn([m, 72], { seed: 3 })), near(120));
    }
  });

  it('agree by every kernel that a measurement may choose', async () => {
    const names = new Set<string>();
    for (const bits of [8, 4] as const)
      for (const [m, k, columns, block] of [
        [1, 7, 5, 3],
        [1, 67, 130, 16],
        [9, 33, 65, 16],
        [17, 32, 192, 32],
      ] as const) {
        const product = matmul(drawn([m, k]), quantized(k, columns, bits, bits === 8 ? k : block).w);
        const y = add(gelu(add(product, drawn([columns], { seed: 3 }))), drawn([m, columns], { seed: 4 }));
        // Sums of products with numbers of up to 3.
        for (const name of await expectEveryKernelAgrees(y, near(3 * k))) names.add(name.split(' ')[0]!);
      }
    expect([...names].sort()).toEqual(['quantizedMatmulLanes', 'quantizedMatvec', 'quantizedMatvecLanes', 'widened']);
  });

  it('are read in place through what reshapes and turns them, and never widened', async () => {
    const { w } = quantized(24, 66, 8);
    const turned = transpose(w);
    expect(isQuantized(turned)).toBe(true);
    expect(quantizedOf(turned)?.isTransposed).toBe(true);
    expect(quantizedOf(transpose(turned))?.isTransposed).toBe(false);
    expect(quantizedOf(reshape(w, [12, 132]))).toBeUndefined();
    const heads = reshape(w, [24, 6, 11]);
    const y = matmul(drawn([2, 24]), reshape(heads, [24, 66]));
    const rows = take(turned, drawnIntegers([5], -3, 70));
    const { steps } = plan([y, rows], { traits: (await testDevice()).traits });
    expect(steps.map(({ kernel }) => kernel.kind === 'file' && kernel.shader)).not.toContain('dequantize');
    await expectAllAgree([y, rows], near(24));
  });

  it('are widened where nothing reads them in place', async () => {
    const { w } = quantized(24, 20, 4, 8);
    await expectAllAgree(matmul(drawn([3, 20]), transpose(w)), near(24));
  });

  it('let gradients through to what they multiply', () =>
    expectGradients((a) => sum(matmul(a!, quantized(6, 9, 4, 4).w)), [drawn([2, 6])]));

  it('agree where nothing fits one binding', async () => {
    for (const bits of [8, 4] as const) {
      const { w } = quantized(32, 600, bits, 16 * (bits === 8 ? 2 : 1));
      await expectAgreesInParts(matmul(drawn([1, 32]), w), 8192, near(32));
      await expectAgreesInParts(take(transpose(w), drawnIntegers([80], 0, 600)), 8192, near(1));
    }
  });

  it('agree on more than 65,535 rows', async () => {
    await expectAllAgree(matmul(drawn([66_000, 3]), quantized(3, 2, 8).w), near(3));
  });

  it('say what does not fit', () => {
    const { w } = quantized(4, 6, 8);
    expect(() => matmul(drawn([2, 5]), w)).toThrow(
      'matmul: expected a of shape [..., m, k] and b of shape [..., k, n], got [2, 5] and [4, 6]',
    );
    expect(() => dequantize({ words: w.inputs[1]!, scales: w.inputs[1]! }, { bits: 8, columns: 6, block: 4 })).toThrow(
      'dequantize: expected words',
    );
  });
});
