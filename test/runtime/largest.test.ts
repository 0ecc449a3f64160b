import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { argmax } from '../../src/ops/argmax.ts';
import { cast } from '../../src/ops/cast.ts';
import { tensor } from '../../src/ops/constant.ts';
import { dequantize } from '../../src/ops/dequantize.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import { quantizedShapes, quantizeMatrix } from '../../src/tensor/quantized.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { testDevice } from '../support/device.ts';
import { devicesForRow, deviceWith } from '../support/tuning.ts';

/** A row, and a table of whole numbers whose products with it are exact, so that ties are ties everywhere. */
const whole = (length: number, seed: number, most: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => ((((i + seed) * 7919) % 10007) % (2 * most + 1)) - most);
const row = (k: number): Tensor => tensor(whole(k, 1, 2), { shape: [1, 1, k] });
const table = (n: number, k: number, dtype: DType, numbers = whole(n * k, 3, 2)): Tensor =>
  transpose(cast(tensor(numbers, { shape: [n, k] }), dtype));

/** A matrix in few bits of numbers that they hold exactly. */
const few = (k: number, n: number, bits: 4 | 8): Tensor => {
  const format = { bits, columns: n, block: k };
  const shapes = quantizedShapes(k, format);
  // Each column has both ends of what its bits can say, so that its scale is 1.
  const most = bits === 8 ? 127 : 7;
  const numbers = Float32Array.from({ length: k * n }, (_, i) => {
    const at = Math.floor(i / n);
    return at === 0 ? most : at === 1 ? (bits === 8 ? -most : -8) : (((i * 7919) % 10007) % 5) - 2;
  });
  const { words, scales, zeros } = quantizeMatrix(numbers, k, format);
  const held = { words: tensor(words, { shape: shapes.words }), scales: tensor(scales, { shape: shapes.scales }) };
  return dequantize({ ...held, zeros: zeros && tensor(zeros, { shape: shapes.scales }) }, format);
};

const stepsOf = (outputs: readonly Tensor[], { traits }: Awaited<ReturnType<typeof testDevice>>) =>
  plan(outputs, { traits }).steps.flatMap(({ kernel }) => (kernel.kind === 'file' ? [kernel] : []));

/** That kernels for a row tell the largest by themselves, and the right one: the usual ones, or every one. */
const expectFound = async (x: Tensor, w: Tensor, every = false): Promise<void> => {
  const y = argmax(matmul(x, w));
  const [expected] = evaluateReference([y]);
  const devices = await devicesForRow(matmul(x, w), { every });
  expect(devices.length).toBeGreaterThan(1);
  for (const [name, gpu] of devices) {
    const [actual] = await evaluate(gpu, [y]);
    expect(actual!.data, name).toEqual(expected!.data);
    const constants = stepsOf([y], gpu).map((kernel) => [kernel.constants.BEST, kernel.constants.PAIRS]);
    expect(constants, name).toEqual([
      [1, undefined],
      [undefined, 1],
    ]);
  }
};

describe('the largest of a row of products', () => {
  it.each([
    [2, 4, 'float32'],
    [7, 8, 'float32'],
    [17, 68, 'float32'],
    [1009, 12, 'float32'],
    [130, 72, 'float16'],
    [131, 72, 'bfloat16'],
  ] as const)(
    'is found by the workgroups that compute them, the first where there are several: %i of %i, %s',
    async (n, k, dtype) => {
      await expectFound(row(k), table(n, k, dtype), n === 1009);
    },
  );

  it.each([
    [8, 4, 64],
    [8, 9, 70],
    [4, 4, 70],
    [4, 40, 300],
  ] as const)('is found in %i bits: %i by %i', async (bits, k, n) => {
    await expectFound(row(k), few(k, n, bits), n === 300);
  });

  it('is the first where all are alike, or nothing but -infinity, and the last where that is alone', async () => {
    const n = 100;
    await expectFound(row(4), table(n, 4, 'float32', new Float32Array(4 * n)));
    const ones = tensor([1, 1, 1, 1], { shape: [1, 4] });
    const low = new Float32Array(4 * n).fill(Number.NEGATIVE_INFINITY);
    await expectFound(ones, table(n, 4, 'float32', low));
    await expectFound(
      ones,
      table(
        n,
        4,
        'float32',
        low.map((value, i) => (i < 4 * (n - 1) ? value : -1)),
      ),
    );
  });

  it('is found in all parts of a table that a device binds one after the other', async () => {
    const [k, n] = [8, 1000];
    const numbers = whole(n * k, 3, 2);
    for (const kind of [{}, { isSoftware: false }]) {
      const gpu = await deviceWith({ ...kind, maxBindingBytes: 8192 });
      const y = argmax(matmul(row(k), table(n, k, 'float32', numbers)));
      const constants = stepsOf([y], gpu).map((kernel) => kernel.constants.BEST ?? kernel.constants.PAIRS);
      expect(constants.length).toBeGreaterThan(4);
      expect(constants.every((value) => value === 1)).toBe(true);
      for (const at of [0, 300, 999]) {
        const signs = whole(k, 1, 2);
        const largest = numbers.map((value, i) => (Math.floor(i / k) === at ? 3 * signs[i % k]! : value));
        const first = argmax(matmul(row(k), table(n, k, 'float32', largest)));
        expect((await evaluate(gpu, [first]))[0]!.data).toEqual(evaluateReference([first])[0]!.data);
      }
    }
  });

  it('is read from the products where somebody else needs them, or more is done to them, and of several rows', async () => {
    const device = await testDevice();
    const [k, n] = [8, 70];
    const w = table(n, k, 'float32');
    const logits = matmul(row(k), w);
    const expectRead = async (...outputs: readonly Tensor[]): Promise<void> => {
      expect(stepsOf(outputs, device).some(({ constants }) => constants.BEST === 1)).toBe(false);
      const values = await evaluate(device, outputs);
      expect(values.map(({ data }) => [...data])).toEqual(evaluateReference(outputs).map(({ data }) => [...data]));
    };
    await expectRead(argmax(logits), logits);
    await expectRead(argmax(logits), multiply(logits, 2));
    await expectRead(argmax(add(logits, tensor(whole(n, 5, 3)))));
    await expectRead(argmax(matmul(tensor(whole(2 * k, 1, 2), { shape: [2, k] }), w)));
    // A single column has no room for a pair, and rows of the matrix in memory another kernel.
    await expectRead(argmax(matmul(row(k), transpose(tensor(whole(8 * k, 3, 2), { shape: [k, 8] }), [0, 1]))));
  });
});
