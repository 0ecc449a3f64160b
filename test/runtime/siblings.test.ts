import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { attention } from '../../src/ops/attention.ts';
import { tensor } from '../../src/ops/constant.ts';
import { dequantize } from '../../src/ops/dequantize.ts';
import { gelu } from '../../src/ops/gelu.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { maximum } from '../../src/ops/maximum.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { softmax } from '../../src/ops/softmax.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import { quantizedShapes, quantizeMatrix } from '../../src/tensor/quantized.ts';
import { count, type Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees } from '../support/agree.ts';
import { testDevice } from '../support/device.ts';

const waves = (shape: Shape, step: number): Tensor =>
  tensor(
    Float32Array.from({ length: count(shape) }, (_, i) => Math.sin(i * step)),
    { shape },
  );

/** How many products a plan launches. */
const products = async (outputs: readonly Tensor[]): Promise<number> => {
  const { traits } = await testDevice();
  const { steps } = plan(outputs, { traits });
  return steps.filter(({ label }) => /matmul/i.test(label)).length;
};

const expectProducts = async (output: Tensor, expected: number): Promise<void> => {
  expect(await products([output])).toBe(expected);
  await expectAgrees(output, { atol: 1e-5 });
};

/** A value that all parts go into; a product would take a sum along. */
const together = (parts: readonly Tensor[]): Tensor => parts.reduce((one, other) => maximum(one, other));

describe('products of the same rows with neighbours in memory', () => {
  const [k, n] = [24, 16];
  const kernels = waves([k, 3 * n], 0.37);
  const biases = waves([3 * n], 0.11);
  const part = (i: number): Tensor => sliceAxis(kernels, 1, i * n, (i + 1) * n);
  const bias = (i: number): Tensor => sliceAxis(biases, 0, i * n, (i + 1) * n);

  it.each([1, 5])('are one product, of %i rows, with their biases and without', async (m) => {
    const x = waves([1, m, k], 0.7);
    const all = [0, 1, 2].map((i) => add(matmul(x, part(i)), bias(i)));
    await expectProducts(together(all), 1);
    await expectProducts(together([0, 1, 2].map((i) => matmul(x, part(i)))), 1);
    const heads = all.map((y) => reshape(y, [1, m, 2, n / 2]));
    await expectProducts(attention(heads[0]!, heads[1]!, heads[2]!, { causal: true }), 1);
  });

  it('are one also where the matrices lie column by column, and where they are a part of what lies there', async () => {
    const turned = waves([3 * n, k], 0.37);
    const x = waves([2, k], 0.7);
    await expectProducts(
      together([1, 2].map((i) => matmul(x, transpose(sliceAxis(turned, 0, i * n, (i + 1) * n))))),
      1,
    );
  });

  it.each([1, 5])('are one also where heads lie one after the other, of %i rows', async (m) => {
    const heads = waves([6, k, 4], 0.37);
    const x = waves([m, k], 0.7);
    const some = (start: number, end: number): Tensor => matmul(x, sliceAxis(heads, 0, start, end));
    const whole = [some(0, 2), some(2, 4), some(4, 6)];
    await expectProducts(together(whole), 1);
    // Of other sizes, as where several queries share a key.
    const turned = (y: Tensor): Tensor => reshape(transpose(y, [1, 0, 2]), [1, m, y.shape[0]!, 4]);
    const [query, key, value] = [some(0, 4), some(4, 5), some(5, 6)].map(turned);
    await expectProducts(attention(query!, key!, value!, { causal: true }), 1);
    await expectProducts(together([some(0, 2), some(4, 6)]), 2);
  });

  it.each([8, 4] as const)('are one in %i bits', async (bits) => {
    const columns = 64;
    const format = { bits, columns, block: bits === 8 ? k : 8 };
    const whole = quantizeMatrix(
      Float32Array.from({ length: k * 3 * columns }, (_, i) => Math.sin(i * 0.37)),
      k,
      { ...format, columns: 3 * columns },
    );
    const shapes = quantizedShapes(k, { ...format, columns: 3 * columns });
    const [words, scales] = [
      tensor(whole.words, { shape: shapes.words }),
      tensor(whole.scales, { shape: shapes.scales }),
    ];
    const zeros = whole.zeros && tensor(whole.zeros, { shape: shapes.scales });
    const few = (i: number): Tensor =>
      dequantize(
        {
          words: sliceAxis(words, 0, i, i + 1),
          scales: sliceAxis(scales, 0, i, i + 1),
          zeros: zeros && sliceAxis(zeros, 0, i, i + 1),
        },
        format,
      );
    const x = waves([1, k], 0.7);
    await expectProducts(together([0, 1, 2].map((i) => matmul(x, few(i)))), 1);
    // One by itself is read where it lies.
    const alone = matmul(x, few(1));
    expect(plan([alone], await testDevice()).steps).toHaveLength(1);
    await expectAgrees(alone, { atol: 1e-5 });
  });

  it('stay apart where rows differ, others lie between, or more follows than a bias', async () => {
    const x = waves([1, k], 0.7);
    const other = waves([1, k], 0.3);
    await expectProducts(together([matmul(x, part(0)), matmul(other, part(1))]), 2);
    await expectProducts(together([matmul(x, part(0)), matmul(x, part(2))]), 2);
    await expectProducts(together([gelu(matmul(x, part(0))), matmul(x, part(1))]), 2);
    await expectProducts(together([add(matmul(x, part(0)), bias(0)), matmul(x, part(1))]), 2);
    await expectProducts(together([add(matmul(x, part(0)), bias(1)), add(matmul(x, part(1)), bias(0))]), 2);
  });

  it('stay apart where a reader wants one to lie by itself, or it is asked for', async () => {
    const x = waves([1, k], 0.7);
    await expectProducts(together([softmax(matmul(x, part(0))), matmul(x, part(1))]), 2);
    const [first, second] = [matmul(x, part(0)), matmul(x, part(1))];
    expect(await products([first, second])).toBe(2);
  });
});
