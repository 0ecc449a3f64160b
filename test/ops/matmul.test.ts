import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { tensor } from '../../src/ops/constant.ts';
import { gelu } from '../../src/ops/gelu.ts';
import { geluApproximate } from '../../src/ops/geluApproximate.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { matmulLaunches } from '../../src/ops/matmulLaunches.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { relu } from '../../src/ops/relu.ts';
import { silu } from '../../src/ops/silu.ts';
import { slice } from '../../src/ops/slice.ts';
import { sum } from '../../src/ops/sum.ts';
import { tanh } from '../../src/ops/tanh.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { contiguous } from '../../src/ops/view.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import type { KernelTraits } from '../../src/tensor/kernel.ts';
import type { Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { testDevice } from '../support/device.ts';
import { drawn, referenceValues } from '../support/draw.ts';
import { expectGradients } from '../support/gradient.ts';
import { software } from '../support/traits.ts';
import { expectEveryKernelAgrees } from '../support/tuning.ts';
import { expectAgreesInParts, expectAllAgree } from '../support/variants.ts';

/** Float32 sums of terms below 1: errors grow with the square root of their number, and are far below 1e-6 each. */
const near = (k: number) => ({ atol: 2e-6 * Math.sqrt(k + 1), rtol: 1e-5 });

const swapped = (x: Tensor): Tensor => {
  const rank = x.shape.length;
  return transpose(
    x,
    x.shape.map((_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis)),
  );
};

/** A tensor of the shape, its last two axes in the other order in memory. */
const drawnAcross = (shape: Shape, seed: number, dtype: DType = 'float32'): Tensor =>
  swapped(drawn([...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!], { seed, dtype }));

/** A tensor of the shape as a part of a larger one. */
const drawnWithin = (shape: Shape, seed: number, dtype: DType = 'float32'): Tensor =>
  slice(
    drawn(
      shape.map((size) => size + 3),
      { seed, dtype },
    ),
    shape.map((_, axis) => axis % 3),
    shape,
  );

const gpu: KernelTraits = { ...software, isSoftware: false, maxBindingBytes: 2 ** 31, subgroups: 32 };

/** Launches for a of [m, k] and b of [k, n], which lies so, or as [n, k]. */
const launches = (
  [m, k, n]: readonly [number, number, number],
  traits: KernelTraits,
  { across = false, dtype = 'float32' as DType } = {},
) =>
  matmulLaunches({
    inputs: [
      { ...contiguous([m, k]), dtype: 'float32' },
      across ? { shape: [k, n], strides: [1, k], offset: 0, dtype } : { ...contiguous([k, n]), dtype },
    ],
    output: { ...contiguous([m, n]), dtype: 'float32' },
    attributes: {},
    traits,
    epilogue: {},
  });

const inner = (x: Tensor, y: Tensor): number =>
  referenceValues(x).reduce((total, value, i) => total + value * referenceValues(y)[i]!, 0);

describe('matmul', () => {
  it('sums products over the inner axis', () => {
    const a = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const b = tensor([
      [1, 0],
      [10, 1],
      [100, -1],
    ]);
    expect(referenceValues(matmul(a, b))).toEqual([321, -1, 654, -1]);
    expect(referenceValues(matmul(tensor([1, 2, 3]), b))).toEqual([321, -1]);
    expect(referenceValues(matmul(a, tensor([1, 1, 1])))).toEqual([6, 15]);
    expect(matmul(tensor([1, 2, 3]), tensor([1, 2, 3])).shape).toEqual([]);
  });

  it('broadcasts batch axes', async () => {
    const y = matmul(drawn([2, 1, 3, 4]), drawn([5, 4, 6], { seed: 2 }));
    expect(y.shape).toEqual([2, 5, 3, 6]);
    await expectAllAgree(y, near(4));
    await expectAllAgree(matmul(drawn([3, 4]), drawn([2, 5, 4, 6], { seed: 2 })), near(4));
    await expectAllAgree(matmul(drawn([2, 3, 5, 7, 4]), drawn([2, 1, 5, 4, 6], { seed: 2 })), near(4));
    await expectAllAgree(matmul(drawn([4, 3, 1, 8]), drawn([8, 64], { seed: 2 })), near(8));
  });

  it('says which shapes do not fit', () => {
    expect(() => matmul(drawn([2, 3]), drawn([4, 5]))).toThrow(
      'matmul: expected a of shape [..., m, k] and b of shape [..., k, n], got [2, 3] and [4, 5]',
    );
    expect(() => matmul(drawn([2, 2, 3]), drawn([3, 3, 5]))).toThrow('matmul: expected shapes that broadcast');
    expect(() => matmul(drawn([2, 3]), tensor(new Int32Array(6), { shape: [3, 2] }))).toThrow(
      'matmul: expected floats, got float32, int32',
    );
  });

  it('is zero where there is nothing to sum, and empty where there is nothing to compute', async () => {
    const [y] = await expectAllAgree(matmul(drawn([3, 0]), drawn([0, 5])));
    expect([...y!.data]).toEqual(new Array(15).fill(0));
    const bias = drawn([5]);
    await expectAllAgree(add(matmul(drawn([3, 0]), drawn([0, 5])), bias));
    const [none] = await expectAllAgree(matmul(drawn([0, 4]), drawn([4, 5])));
    expect(none!.shape).toEqual([0, 5]);
  });

  describe('agrees with the reference', () => {
    const sizes = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 67, 127, 128, 129];
    const size = fc.constantFrom(...sizes);
    const dtype = fc.constantFrom<DType>('float32', 'float16', 'bfloat16');
    const layout = fc.constantFrom(drawnAcross, drawnWithin, (shape: Shape, seed: number, dtype?: DType) =>
      drawn(shape, { seed, ...(dtype === undefined ? {} : { dtype }) }),
    );

    it('for drawn sizes, layouts and dtypes', () =>
      fc.assert(
        fc.asyncProperty(size, size, size, dtype, layout, layout, async (m, k, n, dtype, layoutA, layoutB) => {
          await expectAllAgree(matmul(layoutA([m, k], 1), layoutB([k, n], 2, dtype)), near(k));
        }),
        { numRuns: 24 },
      ));

    it('for every kernel at the edges of what it computes at once', async () => {
      for (const dtype of ['float32', 'float16', 'bfloat16'] as const)
        for (const [k, n] of [
          [8, 8],
          [64, 72],
          [136, 56],
          [1032, 264],
          [7, 13],
        ] as const)
          for (const m of k > 1000 ? [1, 9] : [1, 2, 8, 9, 33])
            for (const b of [drawn([k, n], { seed: 2, dtype }), drawnAcross([k, n], 2, dtype)])
              await expectAllAgree(matmul(drawn([m, k]), b), near(k));
    });

    it('by every kernel that a measurement may choose', async () => {
      const shaders = new Set<string>();
      for (const [m, k, n] of [
        [1, 8, 8],
        [1, 136, 72],
        [9, 16, 64],
        [33, 40, 264],
        [17, 19, 67],
      ] as const)
        for (const across of [false, true])
          for (const dtype of ['float32', across ? 'bfloat16' : 'float16'] as const) {
            const b = across ? drawnAcross([k, n], 2, dtype) : drawn([k, n], { seed: 2, dtype });
            const y = add(gelu(add(matmul(drawn([m, k]), b), drawn([n], { seed: 3 }))), drawn([m, n], { seed: 4 }));
            for (const name of await expectEveryKernelAgrees(y, near(k))) shaders.add(name.split(' ')[0]!);
          }
      const tiles = ['matmul', 'matmulLanes', 'matmulLanesStrided', 'matmulLanesTransposed', 'matmulPacked'];
      expect([...shaders].sort()).toEqual([
        ...tiles,
        ...['matvec', 'matvecLanes', 'matvecLanesTransposed', 'matvecTransposed'],
      ]);
    });

    it('by way of strips, where there are many rows and columns', async () => {
      const residual = drawn([70, 300], { seed: 4 });
      for (const dtype of ['float32', 'float16', 'bfloat16'] as const)
        for (const b of [drawnAcross([20, 300], 2, dtype), drawnWithin([20, 300], 2, dtype)]) {
          const y = add(relu(add(matmul(drawn([70, 20]), b), drawn([300], { seed: 3, dtype }))), residual);
          await expectAllAgree(y, near(20));
        }
      await expectAllAgree(matmul(drawnAcross([257, 260], 1), drawn([260, 256], { seed: 2 })), near(260));
      await expectAllAgree(matmul(drawn([2, 32, 40]), drawnAcross([40, 261], 2)), near(40));
      await expectAgreesInParts(matmul(drawn([64, 33]), drawnAcross([33, 260], 2)), 16384, near(33));
      // More terms than a strip has, and more columns than are packed at once. Each of the k sums on the way is as large as
      // sqrt(k), and rounded to 6e-8 of that.
      await expectAllAgree(matmul(drawn([64, 16400]), drawnAcross([16400, 300], 2)), {
        atol: 1e-7 * 16400,
        rtol: 1e-5,
      });
    });

    it('for drawn batches', () =>
      fc.assert(
        fc.asyncProperty(
          fc.constantFrom<readonly [Shape, Shape]>(
            [[3], [3]],
            [
              [2, 3],
              [2, 3],
            ],
            [[2, 3], [3]],
            [[3], []],
            [
              [2, 1],
              [1, 3],
            ],
            [[], [2]],
          ),
          fc.constantFrom(1, 4, 17),
          fc.constantFrom(4, 8, 19),
          fc.constantFrom(1, 8, 33),
          layout,
          layout,
          async ([batchA, batchB], m, k, n, layoutA, layoutB) => {
            await expectAllAgree(matmul(layoutA([...batchA, m, k], 1), layoutB([...batchB, k, n], 2)), near(k));
          },
        ),
        { numRuns: 40 },
      ));

    it('for every activation, with bias and residual', async () => {
      const x = drawn([9, 24]);
      const w = drawn([24, 40], { seed: 2 });
      const residual = drawn([9, 40], { seed: 4 });
      for (const activation of [relu, gelu, geluApproximate, silu, tanh])
        for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
          const bias = drawn([40], { seed: 3, dtype });
          await expectAllAgree(add(activation(add(matmul(x, w), bias)), residual), near(24));
          await expectAllAgree(activation(matmul(x, w)), near(24));
        }
      await expectAllAgree(add(matmul(x, w), residual), near(24));
      // Or times what is then a factor.
      await expectAllAgree(multiply(silu(add(matmul(x, w), drawn([40], { seed: 3 }))), residual), near(24));
      const row = slice(x, [3, 0], [1, 24]);
      await expectAllAgree(gelu(add(matmul(row, w), drawn([40], { seed: 3 }))), near(24));
    });

    it('with a bias that is a part of something longer, by each kernel', async () => {
      for (const dtype of ['float32', 'float16'] as const) {
        const bias = slice(drawn([3, 64], { seed: 3, dtype }), [1, 11], [1, 40]);
        for (const m of [1, 5])
          for (const [x, w] of [
            [drawn([m, 16]), drawn([16, 40], { seed: 4 })],
            [drawn([m, 16]), drawnAcross([16, 40], 4)],
          ] as const) {
            const y = add(matmul(x, w), bias);
            await expectAllAgree(y, near(16));
            const { steps } = plan([y], { traits: (await testDevice()).traits });
            expect(steps).toHaveLength(1);
          }
      }
    });

    it('where no operand fits one binding', async () => {
      const bias = drawn([200], { seed: 5 });
      for (const dtype of ['float32', 'bfloat16'] as const)
        for (const m of [1, 3, 50])
          for (const b of [drawn([48, 200], { seed: 2, dtype }), drawnAcross([48, 200], 2, dtype)]) {
            const y = add(relu(add(matmul(drawn([m, 48]), b), bias)), drawn([m, 200], { seed: 6 }));
            await expectAgreesInParts(y, 4096, near(48));
          }
      await expectAgreesInParts(matmul(drawn([6, 5, 48]), drawn([6, 48, 40], { seed: 2 })), 4096, near(48));
      await expectAgreesInParts(matmul(drawnAcross([600, 48], 1), drawn([48, 7], { seed: 2 })), 4096, near(48));
    });
  });

  describe('chooses a kernel', () => {
    const shader = (...args: Parameters<typeof launches>) => launches(...args).map((launch) => launch.shader);

    it('for processors by how b lies in memory', () => {
      expect(shader([1, 768, 3072], software)).toEqual(['matvecLanes']);
      expect(shader([1, 768, 3072], software, { across: true })).toEqual(['matvecLanesTransposed']);
      expect(shader([16, 768, 3072], software)).toEqual(['matmulLanes']);
      expect(shader([16, 768, 3072], software, { across: true })).toEqual(['matmulLanesTransposed']);
      expect(shader([16, 768, 3071], software)).toEqual(['matmulLanesStrided']);
      expect(shader([1, 767, 3072], software, { across: true })).toEqual(['matmulLanesStrided']);
      expect(shader([1, 768, 3076], software, { dtype: 'float16' })).toEqual(['matmulLanesStrided']);
      expect(shader([1, 768, 3072], { ...software, subgroups: undefined })).toEqual(['matvec']);
      const strips = ['matmulPack', 'matmulPack', 'matmulPacked'];
      expect(shader([64, 768, 3072], software, { across: true })).toEqual(strips);
      expect(shader([63, 768, 3072], software, { across: true })).toEqual(['matmulLanesTransposed']);
      expect(shader([64, 768, 255], software, { across: true })).toEqual(['matmulLanesTransposed']);
      expect(shader([256, 768, 3072], software)).toEqual(strips);
      expect(shader([255, 768, 3072], software)).toEqual(['matmulLanes']);
      expect(shader([1024, 768, 3072], software, { dtype: 'float16' })).toEqual(['matmulLanes']);
    });

    it('for GPUs by size too', () => {
      expect(shader([1, 768, 3072], gpu)).toEqual(['matvec']);
      expect(shader([1, 768, 50257], gpu, { across: true })).toEqual(['matvecTransposed']);
      expect(shader([1, 768, 50257], gpu)).toEqual(['matmul']);
      expect(launches([2048, 768, 3072], gpu)[0]!.constants).toMatchObject({ LANES_X: 16, LANES_Y: 16, BLOCKS: 2 });
      expect(launches([128, 768, 768], gpu)[0]!.constants).toMatchObject({ LANES_X: 8, LANES_Y: 8, BLOCKS: 1 });
    });

    it('by what was measured for a class of shapes, where that can compute the product', () => {
      const tuned = (shapes: string, name: string): KernelTraits => ({
        ...software,
        tuning: new Map([[shapes, name]]),
      });
      const nn = tuned('matmul float32 nn 128 1024 4096', 'matmulPacked 16');
      expect(shader([128, 1024, 3072], nn)).toEqual(['matmulPack', 'matmulPack', 'matmulPacked']);
      expect(shader([65, 768, 2304], nn)).toEqual(shader([128, 1024, 3072], nn));
      expect(shader([129, 768, 2304], nn)).toEqual(['matmulLanes']);
      expect(shader([65, 768, 2304], nn, { across: true, dtype: 'float16' })).toEqual([
        'matmulPack',
        'matmulPack',
        'matmulPacked',
      ]);
      const nt = tuned('matmul float32 nt 1 1024 65536', 'matvecTransposed 128');
      expect(launches([1, 768, 50257], nt, { across: true }).map(({ constants }) => constants)).toEqual([
        { FORMAT: 0, LANES_X: 32, LANES_Y: 4 },
        { FORMAT: 0, LANES_X: 32, LANES_Y: 4 },
      ]);
      expect(
        shader([1, 768, 50257], tuned('matmul float32 nt 1 1024 65536', 'no such kernel'), { across: true }),
      ).toEqual(['matvecLanesTransposed', 'matvecLanesTransposed']);
    });

    it('whose pipeline does not depend on the length of a prompt', () => {
      const constants = (m: number) => launches([m, 768, 3072], software)[0]!.constants;
      expect(constants(100)).toEqual(constants(9));
    });

    it('and cuts what does not fit one binding', () => {
      const parts = launches([4, 768, 50257], software, { across: true });
      expect(parts.map(({ uniforms }) => uniforms.n)).toEqual([25216, 25041]);
      const terms = launches([4, 768, 50257], software);
      expect(terms.map(({ uniforms }) => [uniforms.k, uniforms.continues])).toEqual([
        [384, 0],
        [384, 1],
      ]);
      const rows = launches([2048, 64, 50257], software).filter(({ shader }) => shader === 'matmulPacked');
      expect(rows.map(({ uniforms }) => uniforms.m)).toEqual([512, 512, 512, 512]);
    });

    it('and packs no more than 16 MiB of an operand at once', () => {
      const parts = launches([1024, 20000, 3072], software, { across: true });
      const bytes = parts.flatMap(({ buffers }) =>
        Object.values(buffers).flatMap((binding) => (binding.of === 'scratch' ? [binding.bytes] : [])),
      );
      expect(Math.max(...bytes)).toBeLessThanOrEqual(2 ** 24);
      const products = parts.filter(({ shader }) => shader === 'matmulPacked');
      expect(products.reduce((sum, { uniforms: { m, k, n } }) => sum + m! * k! * n!, 0)).toBe(1024 * 20000 * 3072);
    });
  });

  it('has the gradients that its linearity asks for', () =>
    fc.assert(
      fc.property(
        fc.constantFrom<readonly [Shape, Shape]>(
          [[], []],
          [[3], []],
          [[], [3]],
          [[2, 1], [3]],
          [
            [2, 3],
            [1, 3],
          ],
        ),
        fc.integer({ min: 1, max: 5 }),
        ([batchA, batchB], n) => {
          const [a, da] = [drawn([...batchA, 4, 3]), drawn([...batchA, 4, 3], { seed: 2 })];
          const [b, db] = [drawn([...batchB, 3, n], { seed: 3 }), drawn([...batchB, 3, n], { seed: 4 })];
          const y = matmul(a, b);
          const dy = drawn(y.shape, { seed: 5 });
          const [gradientA, gradientB] = y.op.vjp!({ inputs: [a, b], output: y, attributes: {} }, dy);
          expect(gradientA!.shape).toEqual(a.shape);
          expect(gradientB!.shape).toEqual(b.shape);
          // The reference gives float32: seven digits.
          expect(inner(gradientA!, da)).toBeCloseTo(inner(dy, matmul(da, b)), 5);
          expect(inner(gradientB!, db)).toBeCloseTo(inner(dy, matmul(a, db)), 5);
        },
      ),
    ));

  it('has the gradient of an operand in the order in which that lies in memory', async () => {
    const [x, table] = [drawn([2, 3, 5]), drawn([7, 5], { seed: 2 })];
    await expectGradients((a, b) => matmul(a!, transpose(b!)), [x, table]);
    await expectGradients((a, b) => matmul(transpose(a!, [0, 2, 1]), b!), [x, drawn([2, 3, 4], { seed: 2 })]);
    const { traits } = await testDevice();
    const [dtable] = gradients(sum(matmul(x, transpose(table))), [table]);
    const made = plan([dtable!], { traits });
    expect(made.steps.map(({ label }) => label)).toEqual(['matmul [7, 5]']);
  });
});
