import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attention } from '../../src/ops/attention.ts';
import { attend, attentionPattern, attentionScores } from '../../src/ops/attentionComposed.ts';
import { broadcastTo } from '../../src/ops/broadcastTo.ts';
import { cast } from '../../src/ops/cast.ts';
import { tensor } from '../../src/ops/constant.ts';
import { gatherKeys } from '../../src/ops/gatherKeys.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { sum } from '../../src/ops/sum.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import { createWebGPU, type WebGPU } from '../../src/runtime/webgpu/device.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectAgrees, expectClose } from '../support/agree.ts';
import { attentionOf, type DrawnAttention, drawnAttention, noise } from '../support/attention.ts';
import { testDevice } from '../support/device.ts';
import { expectEveryKernelAgrees } from '../support/tuning.ts';

const values = (x: Tensor): readonly number[] => [...evaluateReference([x])[0]!.data];
const int = (value: number): Tensor => tensor(value, { dtype: 'int32' });

// Sums of up to a few hundred products in float32, against doubles.
const tolerance = { atol: 2e-5, rtol: 2e-5 };

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

const expression = (draw: DrawnAttention): Tensor => {
  const { query, key, value, options } = attentionOf(draw);
  return attention(query, key, value, options);
};

it('agrees with the reference by every kernel that a measurement may choose', async () => {
  const { traits } = await testDevice();
  const names = new Set<string>();
  for (const [queries, keys, heads, kvHeads, dim] of [
    [1, 67, 4, 2, 8],
    [9, 33, 3, 3, 12],
    [33, 33, 2, 1, 7],
  ] as const) {
    const y = attention(
      noise([2, queries, heads, dim], 1),
      noise([2, keys, kvHeads, dim], 2),
      noise([2, keys, kvHeads, dim], 3),
      { causal: true, position: int(keys - queries) },
    );
    for (const kernel of await expectEveryKernelAgrees(y, tolerance)) names.add(kernel);
  }
  expect([...names].sort()).toEqual(
    ['attention 128', 'attention 256', 'attention 64', 'attentionDecode', 'attentionPrefill', 'attentionTiled'].filter(
      // Subgroups of 4 have no tiles of 8 rows.
      (kernel) => kernel !== 'attentionPrefill' || (traits.subgroups ?? 0) % 8 === 0,
    ),
  );
});

describe.each(Object.keys(devices))('attention on WebGPU, %s', (name) => {
  it('agrees with the reference on drawn shapes and options', async () => {
    const gpu = await devices[name]!();
    await fc.assert(
      fc.asyncProperty(drawnAttention, async (draw) => {
        await expectAgrees(expression(draw), tolerance, gpu);
      }),
      { numRuns: 14 },
    );
  });

  it.each([
    [1, 300, 4, 1, 64, 64],
    [1, 129, 12, 12, 24, 8],
    [9, 9, 3, 3, 8, 8],
    [31, 31, 4, 2, 256, 256],
    [3, 40, 8, 1, 128, 200],
    [5, 65, 1, 1, 300, 300],
    [70, 70, 2, 1, 80, 80],
  ])('%i queries, %i keys, %i heads over %i, sizes %i and %i', async (queries, keys, heads, kvHeads, dim, valueDim) => {
    await expectAgrees(
      attention(
        noise([2, queries, heads, dim], 1),
        noise([2, keys, kvHeads, dim], 2),
        noise([2, keys, kvHeads, valueDim], 3),
        { causal: true, position: int(keys - queries) },
      ),
      tolerance,
      await devices[name]!(),
    );
  });

  it.each([
    [1, 300, 4, 2, 8],
    [33, 33, 3, 3, 5],
    [9, 300, 12, 1, 16],
  ])(
    'rounds ALiBi as transformers does: %i queries, %i keys, %i heads over %i of %i',
    async (queries, keys, heads, kvHeads, dim) => {
      // Slopes of 8 bits, so that products with places of 8 bits are exact before they are rounded.
      const slopes = tensor(Float32Array.from({ length: heads }, (_, h) => (200 - 7 * h) / 2 ** (8 + (h % 4))));
      const options = {
        causal: true,
        position: int(keys - queries),
        slopes,
        slopesScale: 0.7,
        slopesDtype: 'bfloat16',
      } as const;
      const inputs = [
        noise([2, queries, heads, dim], 1),
        noise([2, keys, kvHeads, dim], 2),
        noise([2, keys, kvHeads, dim], 3),
      ] as const;
      const keyPositions = tensor(
        Float32Array.from({ length: 2 * keys }, (_, j) => (j * 7) % 411),
        { shape: [2, keys] },
      );
      const rounded = attention(...inputs, options);
      const placed = attention(...inputs, { ...options, keyPositions });
      const exact = attention(...inputs, { ...options, slopesDtype: 'float32' });
      const composed = attend(attentionPattern(attentionScores(inputs[0], inputs[1], options), options), inputs[2]);
      await expectAgrees([rounded, placed], { atol: 1e-4, rtol: 1e-4 }, await devices[name]!());
      const [a, b, c] = evaluateReference([rounded, exact, composed]);
      expect(Math.max(...a!.data.map((x, i) => Math.abs(x - b!.data[i]!)))).toBeGreaterThan(1e-3);
      expectClose(c!, a!, { atol: 1e-6 });
    },
  );

  it.each([
    [3, 1, 300, 4, 1, 64],
    [4, 1, 45, 12, 12, 24],
    [5, 1, 9, 3, 3, 5],
    [2, 2, 70, 8, 2, 16],
    [6, 3, 33, 6, 1, 8],
  ])(
    'reads keys where their rows say: batch %i, %i queries, %i keys, %i heads over %i of %i',
    async (batch, queries, keys, heads, kvHeads, dim) => {
      const keyRows = tensor(
        Int32Array.from({ length: batch * keys }, (_, at) => (at * 7 + Math.floor(at / 3)) % batch),
        { shape: [batch, keys] },
      );
      const [query, key, value] = [
        noise([batch, queries, heads, dim], 1),
        noise([batch, keys, kvHeads, dim], 2),
        noise([batch, keys, kvHeads, dim], 3),
      ];
      for (const options of [
        { causal: true, position: int(keys - queries) },
        {
          causal: true,
          position: int(keys - queries - 2),
          window: 6,
          emptyRows: 'uniform',
          slopes: noise([heads], 4),
          softCap: 3,
        },
      ] as const) {
        const shared = attention(query, key, value, { ...options, keyRows });
        const own = attention(query, gatherKeys(key, keyRows), gatherKeys(value, keyRows), options);
        const [actual] = await expectAgrees(shared, tolerance, await devices[name]!());
        expectClose(actual!, evaluateReference([own])[0]!, tolerance);
      }
      // With a mask as well, and where the rows are too large to be bound at once, they are gathered.
      const keyMask = tensor(
        Uint8Array.from({ length: batch * keys }, (_, at) => Number(at % 3 !== 0)),
        { shape: [batch, keys] },
      );
      const masked = attention(query, key, value, { causal: true, position: int(keys - queries), keyRows, keyMask });
      await expectAgrees(masked, tolerance, await devices[name]!());
    },
  );

  it('does not let keys beyond the last query into the result, NaN or not', async () => {
    const gpu = await devices[name]!();
    for (const [queries, position] of [
      [1, 4],
      [3, 2],
      [17, 10],
    ] as const) {
      const known = position + queries;
      const cache = (seed: number) => {
        const data = Float32Array.from(values(noise([1, 64, 2, 24], seed)));
        data.fill(Number.NaN, known * 2 * 24);
        return tensor(data, { shape: [1, 64, 2, 24] });
      };
      const [key, value] = [cache(2), cache(3)];
      const query = noise([1, queries, 2, 24], 1);
      const y = attention(query, key, value, { causal: true, position: int(position) });
      const [actual] = await expectAgrees(y, tolerance, gpu);
      expect(actual!.data.every(Number.isFinite)).toBe(true);
      const [short] = evaluateReference([
        attention(query, sliceAxis(key, 1, 0, known), sliceAxis(value, 1, 0, known), {
          causal: true,
          position: int(position),
        }),
      ]);
      expectClose(actual!, short!, tolerance);
    }
  });

  it('puts together what several workgroups find in many keys', async () => {
    const keys = 1100;
    const cache = (seed: number) => noise([1, keys, 2, 20], seed);
    const [query, key, value] = [noise([1, 2, 4, 20], 1), cache(2), cache(3)];
    const keyMask = tensor(
      Uint8Array.from({ length: keys }, (_, j) => Number(j > 600 && j % 3 > 0)),
      { shape: [1, keys] },
    );
    const causal = [0, 254, 255, 256, 700, keys - 2].map((position) =>
      attention(query, key, value, { causal: true, position: int(position) }),
    );
    // At 599, one query attends to no key, and the other to one.
    const masked = [599, 602, 1000].map((position) =>
      attention(query, key, value, { causal: true, position: int(position), keyMask, emptyRows: 'uniform' }),
    );
    const [queries, keyRows] = [
      noise([2, 1, 4, 20], 4),
      tensor(
        new Int32Array(2 * keys).map((_, j) => +(j % 5 > 2)),
        { shape: [2, keys] },
      ),
    ];
    const [keysOfTwo, valuesOfTwo] = [noise([2, keys, 2, 20], 5), noise([2, keys, 2, 20], 6)];
    const inRows = attention(queries, keysOfTwo, valuesOfTwo, {
      causal: true,
      position: int(900),
      window: 500,
      keyRows,
    });
    const all = [...causal, ...masked, attention(query, key, value, { keyMask }), inRows];
    await expectAgrees(all, tolerance, await devices[name]!());
  });

  it('reads query, key and value through strides', async () => {
    const gpu = await devices[name]!();
    const fused = noise([2, 10, 3 * 4 * 16], 1);
    const part = (i: number) => reshape(sliceAxis(fused, 2, i * 64, (i + 1) * 64), [2, 10, 4, 16]);
    const headFirst = (seed: number) => transpose(noise([2, 4, 10, 16], seed), [0, 2, 1, 3]);
    const shared = broadcastTo(noise([1, 10, 4, 16], 9), [2, 10, 4, 16]);
    await expectAgrees(
      [
        attention(part(0), part(1), part(2), { causal: true }),
        attention(headFirst(2), headFirst(3), headFirst(4)),
        attention(transpose(noise([16, 4, 10, 2], 5)), part(1), shared),
        attention(sliceAxis(part(0), 1, 3, 4), sliceAxis(part(1), 1, 2), sliceAxis(part(2), 1, 2)),
      ],
      tolerance,
      gpu,
    );
  });

  it('gives zeros or the mean of all values where all keys are masked', async () => {
    const gpu = await devices[name]!();
    const keyMask = tensor([
      [false, false, true, true],
      [false, false, false, false],
    ]);
    const qkv = [noise([2, 4, 6, 5], 1), noise([2, 4, 3, 5], 2), noise([2, 4, 3, 7], 3)] as const;
    await expectAgrees(
      [
        attention(...qkv, { causal: true, keyMask, emptyRows: 'zero' }),
        attention(...qkv, { causal: true, keyMask, emptyRows: 'uniform' }),
        attention(...qkv, { keyMask, emptyRows: 'uniform' }),
        attention(sliceAxis(qkv[0], 1, 0, 1), qkv[1], qkv[2], { keyMask, emptyRows: 'uniform' }),
      ],
      tolerance,
      gpu,
    );
  });

  it('binds batch rows one after the other when all of them do not fit', async () => {
    const gpu = await devices[name]!();
    const small = createWebGPU(gpu.device, { ...gpu.traits, maxBindingBytes: 2048 });
    const keyMask = tensor(
      Uint8Array.from({ length: 5 * 7 }, (_, i) => Number(i >= 7 && i % 3 !== 0)),
      {
        shape: [5, 7],
      },
    );
    for (const queries of [1, 7])
      await expectAgrees(
        attention(noise([5, queries, 3, 6], 1), noise([5, 7, 3, 6], 2), noise([5, 7, 3, 13], 3), {
          keyMask,
          emptyRows: 'uniform',
        }),
        tolerance,
        small,
      );
  });
});

describe('attention', () => {
  it('has no limit of 65,535 rows', async () => {
    await expectAgrees(
      attention(noise([2, 5, 33001, 4], 1), noise([2, 3, 33001, 4], 2), noise([2, 3, 33001, 4], 3)),
      tolerance,
    );
    await expectAgrees(
      attention(noise([2, 1, 33001, 4], 1), noise([2, 3, 33001, 4], 2), noise([2, 3, 33001, 4], 3)),
      tolerance,
    );
  });

  it('has with rows of keys the gradients of attention over the gathered ones', () => {
    const [query, key, value] = [noise([3, 1, 4, 5], 1), noise([3, 6, 2, 5], 2), noise([3, 6, 2, 3], 3)];
    const keyRows = tensor(
      Int32Array.from({ length: 18 }, (_, at) => (at * 5) % 3),
      { shape: [3, 6] },
    );
    const options = { causal: true, position: int(4), window: 4, emptyRows: 'uniform' } as const;
    const weighed = (y: Tensor): Tensor => sum(multiply(y, noise(y.shape, 7)));
    const xs = [query, key, value];
    const shared = gradients(weighed(attention(query, key, value, { ...options, keyRows })), xs);
    const gather = (x: Tensor): Tensor => gatherKeys(x, keyRows);
    const own = gradients(weighed(attention(query, gather(key), gather(value), options)), xs);
    const actual = evaluateReference(shared);
    for (const [i, expected] of evaluateReference(own).entries()) expectClose(actual[i]!, expected, { atol: 1e-6 });
  });

  // By hand: both scores are equal, then they differ by ln 3.
  it('weighs values by softmax', () => {
    const one = (...numbers: number[]) => tensor(numbers, { shape: [1, numbers.length / 2, 1, 2] });
    const y = attention(one(0, 0, Math.log(3), 0), one(1, 0, 0, 0), one(4, 0, 0, 8), { scale: 1 });
    values(y).forEach((v, i) => {
      expect(v).toBeCloseTo([2, 4, 3, 2][i]!, 6);
    });
  });

  // keras_hub 0.32.0 (torch): CachedMultiHeadAttention(num_heads=2, key_dim=2, use_bias=False), the output kernel an
  // identity, with dropout 0.1 (zeros) and 0 (mean over all keys), attention_mask = key mask and causal mask.
  it('does with rows without keys what KerasHub does', () => {
    const thousandths = (numbers: readonly number[]) =>
      tensor(
        numbers.map((n) => n / 1000),
        { shape: [2, 4, 2, 2] },
      );
    const query = thousandths([
      108, 224, 54, 133, 17, -88, -817, 2138, -1629, -1262, 405, -138, -886, -2181, -224, 1834, -1014, -645, -522, 1339,
      681, 173, -899, 866, 699, 718, 685, -2038, -197, -541, -143, 99,
    ]);
    const key = thousandths([
      -46, -672, 677, -618, 645, -874, 1883, 1099, -2624, -707, 61, 846, -1018, 2257, -617, 5864, -873, -1160, 1242,
      813, 2134, 1694, -854, 1574, 396, 829, -1587, -1774, 64, 1246, -997, 1604,
    ]);
    const value = thousandths([
      -281, 1730, 330, -348, -2715, 4957, -1721, -648, -219, 0, 2092, 906, -3206, 2488, 61, 2234, -1601, 2093, -638,
      -192, -447, -2392, -3311, -68, 2697, -4156, 1044, 106, -58, -2034, -595, 720,
    ]);
    const keyMask = tensor([
      [false, false, true, true],
      [false, false, false, false],
    ]);
    const seen = [-0.219, 0, 2.092, 0.906, -0.230257, 0.009377, 0.063718, 2.232222];
    const means = [-1.60525, 2.29375, 0.1905, 0.536];
    const others = [0.14775, -1.62225, -0.875, 0.1415];
    const zeros = attention(query, key, value, { causal: true, keyMask, emptyRows: 'zero' });
    const uniform = attention(query, key, value, { causal: true, keyMask, emptyRows: 'uniform' });
    const near = (actual: readonly number[], expected: readonly number[]) => {
      expect(actual.length).toBe(expected.length);
      actual.forEach((v, i) => {
        expect(v).toBeCloseTo(expected[i]!, 5);
      });
    };
    near(values(zeros), [...new Array<number>(8).fill(0), ...seen, ...new Array<number>(16).fill(0)]);
    near(values(uniform), [...means, ...means, ...seen, ...others, ...others, ...others, ...others]);
  });

  it('has weights that sum to one: values of one give one', () =>
    fc.assert(
      fc.property(drawnAttention, (draw) => {
        const { batch, queries, keys, kvHeads, group, dim, valueDim, kind } = draw;
        const y = attention(
          noise([batch, queries, kvHeads * group, dim], 1),
          noise([batch, keys, kvHeads, dim], 2),
          broadcastTo(tensor([1]), [batch, keys, kvHeads, valueDim]),
          kind.options.causal === true ? { ...kind.options, position: 0, emptyRows: 'uniform' } : kind.options,
        );
        for (const v of values(y)) expect(v).toBeCloseTo(1, 6);
      }),
      { numRuns: 20 },
    ));

  it('does not depend on the order of the keys', () => {
    const [query, key, value] = [noise([1, 4, 2, 5], 1), noise([1, 2, 3, 2, 5], 2), noise([1, 2, 3, 2, 5], 3)];
    const permuted = (x: Tensor) => reshape(transpose(x, [0, 2, 1, 3, 4]), [1, 6, 2, 5]);
    const [a, b] = evaluateReference([
      attention(query, reshape(key, [1, 6, 2, 5]), reshape(value, [1, 6, 2, 5])),
      attention(query, permuted(key), permuted(value)),
    ]);
    expectClose(a!, b!, { atol: 1e-6 });
  });

  it('gives, from a cache, what it gives at once', () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 5 }), (position, queries) => {
        const [query, key, value] = [noise([2, 11, 4, 6], 1), noise([2, 11, 2, 6], 2), noise([2, 11, 2, 6], 3)];
        const [whole, part] = evaluateReference([
          sliceAxis(attention(query, key, value, { causal: true }), 1, position, position + queries),
          attention(sliceAxis(query, 1, position, position + queries), key, value, { causal: true, position }),
        ]);
        expectClose(part!, whole!);
      }),
    ));

  it('gives grouped heads what repeated heads give', () => {
    const [query, key, value] = [noise([2, 5, 6, 4], 1), noise([2, 7, 2, 4], 2), noise([2, 7, 2, 4], 3)];
    const repeated = (x: Tensor) => reshape(broadcastTo(reshape(x, [2, 7, 2, 1, 4]), [2, 7, 2, 3, 4]), [2, 7, 6, 4]);
    const [a, b] = evaluateReference([attention(query, key, value), attention(query, repeated(key), repeated(value))]);
    expectClose(a!, b!);
  });

  it('takes halves', async () => {
    const gpu = await testDevice();
    const half = (seed: number) => cast(noise([1, 5, 2, 6], seed), 'float16');
    const y = attention(half(1), half(2), half(3));
    expectClose((await evaluate(gpu, [y]))[0]!, evaluateReference([y])[0]!, tolerance);
  });

  it('says what does not fit', () => {
    const x = (...shape: number[]) => noise(shape, 1);
    expect(() => attention(x(1, 2, 3), x(1, 2, 3), x(1, 2, 3))).toThrow(
      'attention: expected query, key and value of rank 4 ([batch, length, heads, dim]), got [1, 2, 3], [1, 2, 3] and [1, 2, 3]',
    );
    expect(() => attention(x(1, 2, 3, 4), x(1, 5, 2, 4), x(1, 5, 2, 4))).toThrow(
      'attention: expected a number of query heads that is a multiple of the 2 key heads, got 3',
    );
    expect(() => attention(x(1, 2, 3, 4), x(1, 5, 3, 4), x(1, 5, 3, 4), { causal: true })).toThrow(
      'attention: expected position with causal attention of 2 queries to 5 keys, got none; pass the place of the first query among the keys',
    );
    expect(() => attention(x(1, 2, 1, 4), x(1, 2, 1, 4), x(1, 2, 1, 4), { keyMask: x(1, 2) })).toThrow(
      'attention: expected keyMask of bool, got float32; use cast to convert',
    );
    expect(() => attention(x(1, 2, 1, 4), x(1, 2, 1, 4), x(1, 2, 1, 4), { window: 2 })).toThrow(
      'attention: expected causal with position or window, got causal: false',
    );
  });
});
