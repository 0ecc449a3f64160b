import fc from 'fast-check';
import { describe, it } from 'vitest';
import { type AttentionOptions, attention } from '../../src/ops/attention.ts';
import { concatenate } from '../../src/ops/concatenate.ts';
import { tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { pullback } from '../../src/ops/pullback.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { sum } from '../../src/ops/sum.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { createWebGPU, type WebGPU } from '../../src/runtime/webgpu/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectAgrees } from '../support/agree.ts';
import { attentionOf, type DrawnAttention, drawnAttention, noise } from '../support/attention.ts';
import { testDevice } from '../support/device.ts';
import { drawn } from '../support/draw.ts';
import { expectGradients } from '../support/gradient.ts';

/** The device under test as it is, and made to choose the kernels of others. */
const devices: Readonly<Record<string, () => Promise<WebGPU>>> = {
  'as it is': testDevice,
  'without subgroups': async () => {
    const gpu = await testDevice();
    return createWebGPU(gpu.device, { ...gpu.traits, subgroups: undefined });
  },
  'as on a GPU': async () => {
    const gpu = await testDevice();
    return createWebGPU(gpu.device, { ...gpu.traits, isSoftware: false });
  },
};

const keyMask = tensor([
  [false, true, true, false, true],
  [false, false, false, true, true],
]);

/** Options and what they are called in titles: those of one kernel each, then those written in other ops. */
const options: Readonly<Record<string, AttentionOptions>> = {
  'no masks': {},
  causal: { causal: true, scale: 0.7 },
  'a key mask and zeros for queries without keys': { causal: true, keyMask },
  'a key mask and all values for queries without keys': { causal: true, keyMask, emptyRows: 'uniform' },
  'a key mask that is not causal': { keyMask, emptyRows: 'uniform' },
  'a window': { causal: true, window: 2, keyMask, emptyRows: 'uniform' },
  'a soft cap': { causal: true, softCap: 1.5 },
  'a position': { causal: true, position: tensor(0, { dtype: 'int32' }), keyMask, softCap: 2 },
};

/** Query, key and value of 2 batch rows, 5 places, 4 heads over 2. */
const small = (): readonly Tensor[] => [
  drawn([2, 5, 4, 3], { seed: 1 }),
  drawn([2, 5, 2, 3], { seed: 2 }),
  drawn([2, 5, 2, 6], { seed: 3 }),
];

// What is written in other ops is compared on WebGPU where those are tested, the kernels further down: pipelines are dear.
describe('the gradient of attention', () => {
  it.each(Object.keys(options))('is that of central differences with %s', async (name) => {
    await expectGradients((q, k, v) => attention(q!, k!, v!, options[name]), small(), { device: false });
  });

  it.each(Object.keys(options))('has a gradient itself with %s', async (name) => {
    const flat = (x: Tensor) => reshape(x, [-1]);
    const first = (...[q, k, v]: readonly Tensor[]) => {
      const y = attention(q!, k!, v!, options[name]);
      const loss = sum(multiply(multiply(y, y), drawn(y.shape, { seed: 5 })));
      return concatenate(gradients(loss, [q!, k!, v!]).map(flat));
    };
    await expectGradients(first, small(), { most: 12, tolerance: { atol: 5e-6, rtol: 1e-5 }, device: false });
  });

  it('reaches slopes, and keys whose places are given', async () => {
    const keyPositions = noise([2, 5], 7);
    const own = drawn([4], { low: 0.2, seed: 4 });
    await expectGradients(
      (q, k, v, slopes) => attention(q!, k!, v!, { slopes: slopes!, keyPositions }),
      [...small(), own],
      { device: false },
    );
    await expectGradients(
      (q, k, v, slopes) => attention(q!, k!, v!, { causal: true, slopes: slopes! }),
      [...small(), own],
    );
  });

  it('holds query, key and value of one projection apart', async () => {
    const part = (x: Tensor, i: number) => reshape(sliceAxis(x, 2, i * 8, i * 8 + 8), [1, 4, 2, 4]);
    await expectGradients(
      (x) => attention(part(x!, 0), part(x!, 1), part(x!, 2), { causal: true }),
      [drawn([1, 4, 24])],
      { device: false },
    );
    await expectGradients((x) => attention(x!, x!, x!), [drawn([1, 4, 2, 4])], { device: false });
  });
});

/** Cases of the masks that matter most: each is two pipelines. */
const masked = drawnAttention.filter(({ kind }) => kind.mask !== 'none' || kind.options.softCap !== undefined);

/** Gradients for a drawn cotangent, of a drawn case made to fit the kernels: no position, no slopes. */
const kernelGradients = (draw: DrawnAttention): readonly Tensor[] => {
  const { query, key, value, options: all } = attentionOf({ ...draw, queries: draw.keys });
  const { position: _, slopes: _slopes, keyPositions: _places, ...rest } = all;
  const y = attention(query, key, value, rest);
  return pullback('test', [{ y, dy: noise(y.shape, 8) }], [query, key, value]).map((dx) => dx!);
};

// Sums of up to a few hundred products of float32 numbers up to 2, against doubles.
const tolerance = { atol: 1e-4, rtol: 1e-4 };

// What a GPU gets are the kernels of 'without subgroups' with more lanes.
it.each(['as it is', 'without subgroups'])(
  'the gradient of attention agrees with the reference on drawn shapes and options, %s',
  async (name) => {
    const gpu = await devices[name]!();
    await fc.assert(
      fc.asyncProperty(masked, async (draw) => {
        await expectAgrees(kernelGradients(draw), tolerance, gpu);
      }),
      { numRuns: 12 },
    );
  },
);

describe.each(Object.keys(devices))('the gradient of attention on WebGPU, %s', (name) => {
  it.each([
    [129, 3, 3, 24, 8],
    [31, 4, 2, 256, 256],
    [40, 8, 1, 128, 200],
    [65, 1, 1, 300, 300],
    [70, 2, 1, 80, 80],
  ])('%i places, %i heads over %i, sizes %i and %i', async (length, heads, kvHeads, dim, valueDim) => {
    const query = noise([2, length, heads, dim], 1);
    const key = noise([2, length, kvHeads, dim], 2);
    const value = noise([2, length, kvHeads, valueDim], 3);
    const y = attention(query, key, value, { causal: true });
    const all = pullback('test', [{ y, dy: noise(y.shape, 8) }], [query, key, value]).map((dx) => dx!);
    await expectAgrees(all, tolerance, await devices[name]!());
  });

  it('reads its inputs through strides', async () => {
    const fused = noise([2, 10, 3 * 4 * 16], 1);
    const part = (i: number) => reshape(sliceAxis(fused, 2, i * 64, (i + 1) * 64), [2, 10, 4, 16]);
    const headFirst = (seed: number) => transpose(noise([2, 4, 10, 16], seed), [0, 2, 1, 3]);
    const strange = transpose(noise([16, 4, 10, 2], 5));
    for (const [query, key, value] of [
      [part(0), part(1), part(2)],
      [headFirst(1), headFirst(2), headFirst(3)],
      [strange, part(1), strange],
    ] as const) {
      const y = attention(query, key, value, { causal: true });
      const all = pullback('test', [{ y, dy: headFirst(8) }], [query, key, value]).map((dx) => dx!);
      await expectAgrees(all, tolerance, await devices[name]!());
    }
  });

  it('binds batch rows one after the other when all of them do not fit', async () => {
    const gpu = await devices[name]!();
    const few = createWebGPU(gpu.device, { ...gpu.traits, maxBindingBytes: 2048 });
    const mask = tensor(
      Uint8Array.from({ length: 5 * 7 }, (_, i) => Number(i >= 7 && i % 3 !== 0)),
      { shape: [5, 7] },
    );
    const [query, key, value] = [noise([5, 7, 3, 6], 1), noise([5, 7, 3, 6], 2), noise([5, 7, 3, 13], 3)];
    const y = attention(query, key, value, { keyMask: mask, emptyRows: 'uniform' });
    const all = pullback('test', [{ y, dy: noise(y.shape, 8) }], [query, key, value]).map((dx) => dx!);
    await expectAgrees(all, tolerance, few);
  });
});
