import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { cast } from '../../src/ops/cast.ts';
import { tensor } from '../../src/ops/constant.ts';
import { dequantize } from '../../src/ops/dequantize.ts';
import { gelu } from '../../src/ops/gelu.ts';
import { layerNorm } from '../../src/ops/layerNorm.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { rmsNorm } from '../../src/ops/rmsNorm.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import { quantizedShapes, quantizeMatrix } from '../../src/tensor/quantized.ts';
import { count, type Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees } from '../support/agree.ts';
import { testDevice } from '../support/device.ts';
import { software } from '../support/traits.ts';

const waves = (shape: Shape, step: number, level = 0): Tensor =>
  tensor(
    Float32Array.from({ length: count(shape) }, (_, i) => level + Math.sin(i * step + 1)),
    { shape },
  );

/** A matrix held in few bits. */
const few = (rows: number, columns: number, bits: 4 | 8, block: number): Tensor => {
  const format = { bits, columns, block };
  const shapes = quantizedShapes(rows, format);
  const { words, scales, zeros } = quantizeMatrix(
    Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 0.37)),
    rows,
    format,
  );
  return dequantize(
    {
      words: tensor(words, { shape: shapes.words }),
      scales: tensor(scales, { shape: shapes.scales }),
      zeros: zeros && tensor(zeros, { shape: shapes.scales }),
    },
    format,
  );
};

/** The shaders that a plan launches on a software adapter with subgroups. */
const shaders = (...outputs: readonly Tensor[]): readonly string[] =>
  plan(outputs, { traits: software }).steps.map(({ kernel }) => (kernel.kind === 'file' ? kernel.shader : 'chain'));

/** That the product norms its row, and gives the very bits that it gives of a row that was normed before. */
const expectSame = async (norm: (x: Tensor) => Tensor, x: Tensor, w: Tensor): Promise<void> => {
  const device = await testDevice();
  const y = matmul(norm(x), w);
  expect(shaders(y)).toHaveLength(1);
  const [[together], [row]] = [await expectAgrees(y, { atol: 2e-5, rtol: 2e-5 }), await evaluate(device, [norm(x)])];
  const [apart] = await evaluate(device, [matmul(tensor(row!.data, { shape: row!.shape }), w)]);
  expect(together!.data).toEqual(apart!.data);
};

describe('a norm of a single row', () => {
  it.each([
    [1, 8],
    [2, 40],
    [7, 4],
    [63, 256],
    [65, 264],
    [129, 136],
  ])('is done by the product that reads it: %i by %i', async (k, n) => {
    // Far from zero, where sums of squares would lose all digits.
    const x = waves([1, 1, k], 0.7, 1000);
    const w = waves([k, n], 0.37);
    await expectSame((row) => layerNorm(row, waves([k], 0.3, 1), waves([k], 0.2), { epsilon: 1e-5 }), x, w);
    await expectSame((row) => rmsNorm(row, waves([k], 0.3), { epsilon: 1e-6, offset: 1 }), x, w);
  });

  it('without weights, with a gain alone, and with weights of halves', async () => {
    const [k, n] = [24, 64];
    const x = waves([1, k], 0.7);
    const w = waves([k, n], 0.37);
    await expectSame((row) => layerNorm(row), x, w);
    await expectSame((row) => rmsNorm(row), x, w);
    await expectSame((row) => layerNorm(row, waves([k], 0.3, 1)), x, w);
    for (const dtype of ['float16', 'bfloat16'] as const) {
      const [gamma, beta] = [cast(waves([k], 0.3, 1), dtype), cast(waves([k], 0.2), dtype)];
      await expectAgrees(matmul(layerNorm(x, gamma, beta), cast(w, dtype)), { atol: 1e-4 });
    }
  });

  it.each([
    [8, 1, 1],
    [8, 67, 67],
    [4, 7, 3],
    [4, 130, 32],
  ] as const)('is done by the product with a matrix of %i bits, %i rows, blocks of %i', async (bits, k, block) => {
    const x = waves([1, 1, k], 0.7, 100);
    const w = few(k, 70, bits, block);
    await expectSame((row) => layerNorm(row, waves([k], 0.3, 1), waves([k], 0.2), { epsilon: 1e-5 }), x, w);
    await expectSame((row) => rmsNorm(row, waves([k], 0.3), { epsilon: 1e-6, offset: 1 }), x, w);
  });

  it('is done by each of several products, with all that they do besides', async () => {
    const [k, n] = [24, 64];
    const x = waves([1, k], 0.7);
    const row = layerNorm(x, waves([k], 0.3, 1), waves([k], 0.2));
    const [v, w] = [waves([k, n], 0.37), waves([k, n], 0.11)];
    const y = multiply(matmul(row, v), gelu(add(matmul(row, w), waves([n], 0.5))));
    expect(shaders(y)).toEqual(['matvecLanes', 'matvecLanes']);
    await expectAgrees(y, { atol: 1e-5 });
    const square = add(x, matmul(row, waves([k, k], 0.37)));
    expect(shaders(square)).toEqual(['matvecLanes']);
    await expectAgrees(square, { atol: 1e-5 });
  });

  it('has a launch of its own where somebody else reads it, or many workgroups or rows would compute it', () => {
    const [k, n] = [24, 64];
    const row = layerNorm(waves([1, k], 0.7));
    const y = matmul(row, waves([k, n], 0.37));
    expect(shaders(y, row)).toHaveLength(2);
    expect(shaders(y, multiply(row, row))).toHaveLength(3);
    expect(shaders(add(row, matmul(row, waves([k, k], 0.37))))).toHaveLength(2);
    expect(shaders(matmul(layerNorm(waves([2, k], 0.7)), waves([k, n], 0.37)))).toHaveLength(2);
    const wide = layerNorm(waves([1, 64], 0.7));
    expect(shaders(matmul(wide, waves([64, 65536], 0.37)))).toHaveLength(1);
    expect(shaders(matmul(wide, waves([64, 65540], 0.37)))).toHaveLength(2);
  });
});
