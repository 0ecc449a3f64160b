import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { cast } from '../../src/ops/cast.ts';
import { tensor } from '../../src/ops/constant.ts';
import { dequantize } from '../../src/ops/dequantize.ts';
import { geluApproximate } from '../../src/ops/geluApproximate.ts';
import { layerNorm } from '../../src/ops/layerNorm.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { rmsNorm } from '../../src/ops/rmsNorm.ts';
import { silu } from '../../src/ops/silu.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import { quantizedShapes, quantizeMatrix, STRIP } from '../../src/tensor/quantized.ts';
import { count, type Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees } from '../support/agree.ts';
import { testDevice } from '../support/device.ts';
import { software } from '../support/traits.ts';
import { devicesForRow, deviceWith } from '../support/tuning.ts';

const waves = (shape: Shape, step: number): Tensor =>
  tensor(
    Float32Array.from({ length: count(shape) }, (_, i) => Math.sin(i * step + 1)),
    { shape },
  );

/** Two matrices side by side, row by row or column by column. */
const pair = (k: number, n: number, dtype: DType = 'float32', byColumns = false): readonly [Tensor, Tensor] => {
  if (byColumns) {
    const both = cast(waves([2 * n, k], 0.37), dtype);
    return [transpose(sliceAxis(both, 0, 0, n)), transpose(sliceAxis(both, 0, n, 2 * n))];
  }
  const both = cast(waves([k, 2 * n], 0.37), dtype);
  return [sliceAxis(both, 1, 0, n), sliceAxis(both, 1, n, 2 * n)];
};

/** Two matrices in few bits whose strips lie one after the other. */
const few = (k: number, n: number, bits: 4 | 8, block: number): readonly [Tensor, Tensor] => {
  const whole = { bits, block, columns: 2 * n };
  const { words, scales, zeros } = quantizeMatrix(
    Float32Array.from({ length: k * 2 * n }, (_, i) => Math.sin(i * 0.37)),
    k,
    whole,
  );
  const shapes = quantizedShapes(k, whole);
  const held = {
    words: tensor(words, { shape: shapes.words }),
    scales: tensor(scales, { shape: shapes.scales }),
    zeros: zeros && tensor(zeros, { shape: shapes.scales }),
  };
  const part = (own: Tensor, i: number): Tensor => sliceAxis(own, 0, (i * n) / STRIP, ((i + 1) * n) / STRIP);
  const matrix = (i: number): Tensor =>
    dequantize(
      { words: part(held.words, i), scales: part(held.scales, i), zeros: held.zeros && part(held.zeros, i) },
      { ...whole, columns: n },
    );
  return [matrix(0), matrix(1)];
};

type Gate = (rows: Tensor) => Tensor;
const gated =
  ([gate, up]: readonly [Tensor, Tensor], activation: Gate = geluApproximate): Gate =>
  (rows) =>
    multiply(activation(matmul(rows, gate)), matmul(rows, up));

/** The products that a plan launches. */
const productsOf = (outputs: readonly Tensor[], traits = software): readonly string[] =>
  plan(outputs, { traits }).steps.flatMap(({ kernel }) =>
    kernel.kind === 'file' ? [`${kernel.shader}${kernel.constants.GATED === 1 ? ' gated' : ''}`] : [],
  );

interface Tested {
  readonly activation?: Gate;
  /** By every kernel for rows; otherwise by the usual ones. */
  readonly every?: boolean;
}

/** That kernels for a row do both products at once, and give the very bits of two launches. */
const expectOne = async (
  x: Tensor,
  [gate, up]: readonly [Tensor, Tensor],
  { activation = geluApproximate, every = false }: Tested = {},
): Promise<void> => {
  const { subgroups } = (await testDevice()).traits;
  const y = gated([gate, up], activation)(x);
  const apart = [activation(matmul(x, gate)), matmul(x, up)];
  const devices = await devicesForRow(matmul(x, gate), { every });
  expect(devices.length).toBeGreaterThan(1);
  for (const [name, gpu] of devices) {
    const [a, b] = await evaluate(gpu, apart);
    const [product] = await evaluate(gpu, [
      multiply(tensor(a!.data, { shape: a!.shape }), tensor(b!.data, { shape: b!.shape })),
    ]);
    const [actual] = await expectAgrees(y, { atol: 2e-5, rtol: 2e-5 }, gpu);
    expect(actual!.data, name).toEqual(product!.data);
    // A lane by itself has no other one for the factor.
    const isAlone = name === `quantizedMatvecLanes ${subgroups}`;
    expect(productsOf([y], gpu.traits), name).toHaveLength(isAlone ? 2 : 1);
  }
};

describe('a gate and what it opens', () => {
  it.each([
    [1, 8, 'float32'],
    [7, 4, 'float32'],
    [63, 60, 'float32'],
    [65, 68, 'float32'],
    [129, 200, 'float32'],
    [65, 72, 'float16'],
    [130, 136, 'bfloat16'],
  ] as const)('are one launch for a row: %i by %i, %s', async (k, n, dtype) => {
    const x = waves([1, 1, k], 0.7);
    await expectOne(x, pair(k, n, dtype), { every: k === 65 && dtype === 'float32' });
    await expectOne(x, pair(k, n, dtype), { activation: silu });
  });

  it.each([
    [4, 1, 'float32'],
    [8, 7, 'float32'],
    [68, 63, 'float32'],
    [132, 65, 'float32'],
    [72, 17, 'float16'],
    [136, 130, 'bfloat16'],
  ] as const)('are one launch where columns lie one after the other: %i by %i, %s', async (k, n, dtype) => {
    await expectOne(waves([1, k], 0.7), pair(k, n, dtype, true), { every: k === 132 });
  });

  // Strips begin where every adapter can bind them.
  it.each([
    [8, 4, 64, 4],
    [8, 68, 128, 68],
    [4, 8, 64, 8],
    [4, 136, 192, 32],
  ] as const)('are one launch in %i bits: %i by %i, blocks of %i', async (bits, k, n, block) => {
    await expectOne(waves([1, k], 0.7), few(k, n, bits, block), { every: k === 136 });
  });

  it('are one launch that norms the row', async () => {
    const x = waves([1, 24], 0.7);
    const norms = [
      (row: Tensor): Tensor => rmsNorm(row, waves([24], 0.3), { epsilon: 1e-6, offset: 1 }),
      (row: Tensor): Tensor => layerNorm(row, waves([24], 0.3), waves([24], 0.2)),
    ];
    for (const norm of norms)
      for (const matrices of [pair(24, 64), few(24, 64, 4, 8)]) {
        const y = gated(matrices)(norm(x));
        expect(productsOf([y])).toEqual([expect.stringMatching(/Lanes gated$/)]);
        await expectAgrees(y, { atol: 1e-5 });
      }
  });

  it('are two where there are several rows, or something comes between or is needed besides', async () => {
    const [k, n] = [24, 64];
    const x = waves([1, k], 0.7);
    const both = pair(k, n);
    const [gate, up] = both;
    const expectTwo = async (...outputs: readonly Tensor[]): Promise<void> => {
      const products = productsOf(outputs);
      expect(products).toHaveLength(2);
      expect(products.join()).not.toContain('gated');
      for (const output of outputs) await expectAgrees(output, { atol: 1e-5 });
    };
    await expectTwo(gated(both)(waves([2, k], 0.7)));
    await expectTwo(gated(both)(x), matmul(x, up));
    await expectTwo(gated(both)(x), geluApproximate(matmul(x, gate)));
    await expectTwo(multiply(geluApproximate(add(matmul(x, gate), waves([n], 0.1))), matmul(x, up)));
    await expectTwo(multiply(geluApproximate(matmul(x, gate)), add(matmul(x, up), waves([n], 0.1))));
    await expectTwo(multiply(geluApproximate(matmul(x, gate)), matmul(waves([1, k], 0.3), up)));
    // Apart, or the other way round.
    await expectTwo(gated([waves([k, n], 0.3), waves([k, n], 0.2)])(x));
    await expectTwo(gated([up, gate])(x));
    // More than a device binds at once.
    const { traits } = await deviceWith({ maxBindingBytes: 4 * k * n * 2 - 4 });
    expect(productsOf([gated(both)(x)], traits).join()).not.toContain('gated');
  });

  it('know their rest: what follows reads the row of both', async () => {
    const x = waves([1, 24], 0.7);
    const y = matmul(gated(pair(24, 64))(x), waves([64, 24], 0.2));
    expect(productsOf([add(x, y)])).toEqual(['matvecLanes gated', 'matvecLanes']);
    await expectAgrees(add(x, y), { atol: 2e-5 });
  });
});
