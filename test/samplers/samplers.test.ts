import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { broadcastTo } from '../../src/ops/broadcastTo.ts';
import { tensor } from '../../src/ops/constant.ts';
import { dynamicSlice } from '../../src/ops/dynamicSlice.ts';
import { squeeze } from '../../src/ops/reshape.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { softmax } from '../../src/ops/softmax.ts';
import { subtract } from '../../src/ops/subtract.ts';
import { take } from '../../src/ops/take.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import type { Narrowing } from '../../src/samplers/candidates.ts';
import { keepTopK, keepTopP } from '../../src/samplers/candidates.ts';
import type { Decoder } from '../../src/samplers/decoding.ts';
import { getSampler } from '../../src/samplers/getSampler.ts';
import type { Sampler, TokenSampler } from '../../src/samplers/sampler.ts';
import { drawingSampler, GreedySampler, RandomSampler, TopKSampler, TopPSampler } from '../../src/samplers/samplers.ts';
import { SpeculativeSampler } from '../../src/samplers/speculativeSampler.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, type RecordedFloats } from '../support/fixtures.ts';

interface Recorded {
  readonly cases: readonly {
    readonly name: string;
    readonly logits: RecordedFloats;
    readonly temperature: readonly { temperature: number; probabilities: RecordedFloats; greedy: number[] }[];
    readonly topK: readonly { k: number; temperature: number; probabilities: RecordedFloats; ambiguous: boolean[] }[];
    readonly topP: readonly {
      p: number;
      k: number | null;
      temperature: number;
      probabilities: RecordedFloats;
      ambiguous: boolean[];
    }[];
  }[];
}

const { cases } = fixture<Recorded>('samplers');

/** Tokens of one step over rows of logits, each row with a key of its own. */
const step = async (
  device: Device,
  sampler: TokenSampler,
  logits: Float32Array,
  columns: number,
  seed = 0,
): Promise<number[]> => {
  const rows = logits.length / columns;
  const keys = Int32Array.from({ length: 2 * rows }, (_, i) => (i % 2 === 0 ? seed : i));
  const state = sampler.init({ keys: tensor(keys, { shape: [rows, 2] }), position: tensor(3, { dtype: 'int32' }) });
  const [tokens] = sampler.step(state, tensor(logits, { shape: [rows, columns] }));
  return Array.from((await device.evaluate([tokens]))[0]!.data);
};

/** One row of logits many times over. */
const repeated = (row: ArrayLike<number>, times: number): Float32Array => {
  const all = new Float32Array(row.length * times);
  for (let i = 0; i < times; i++) all.set(row, i * row.length);
  return all;
};

/** The upper 0.001 points of chi-square for 1 to 20 degrees of freedom: a right sampler fails once in a thousand seeds. */
const critical = [
  10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32, 26.12, 27.88, 29.59, 31.26, 32.91, 34.53, 36.12, 37.7, 39.25, 40.79,
  42.31, 43.82, 45.31,
];

const chiSquare = (drawn: readonly number[], expected: ArrayLike<number>): { value: number; freedom: number } => {
  const counts = new Float64Array(expected.length);
  for (const token of drawn) counts[token]!++;
  let value = 0;
  let cells = 0;
  for (let i = 0; i < expected.length; i++) {
    const wanted = expected[i]! * drawn.length;
    if (wanted === 0) expect(counts[i]).toBe(0);
    else if (wanted >= 5) {
      value += (counts[i]! - wanted) ** 2 / wanted;
      cells++;
    }
  }
  return { value, freedom: Math.max(1, cells - 1) };
};

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

describe.each(devices)('samplers on %s', (_name, open) => {
  describe.each(cases)('logits "$name"', ({ logits: recorded, temperature, topK, topP }) => {
    const columns = recorded.shape[1]!;
    const logits = floats(recorded);
    const device = open();

    it('S67 probabilities under every temperature are KerasHub’s', async () => {
      for (const { temperature: t, probabilities } of temperature) {
        const own = RandomSampler({ temperature: t }).probabilities(tensor(logits, { shape: recorded.shape }));
        const actual = (await (await device).evaluate([own]))[0]!.data;
        floats(probabilities).forEach((wanted, i) => {
          // One rounding of the exponential on either side.
          expect(Math.abs(actual[i]! - wanted)).toBeLessThan(2e-6);
        });
      }
    });

    it('S68 greedy takes the likeliest, the lowest id on ties', async () => {
      for (const { greedy } of temperature.slice(0, 1))
        expect(await step(await device, GreedySampler() as TokenSampler, logits, columns)).toEqual(greedy);
    });

    const narrowed = async (narrow: Narrowing, t: number): Promise<Float32Array> => {
      const probabilities = RandomSampler({ temperature: t }).probabilities(tensor(logits, { shape: recorded.shape }));
      const kept = narrow({ probabilities });
      const outputs = [kept.probabilities, ...(kept.tokens === undefined ? [] : [kept.tokens])];
      const [values, tokens] = await (await device).evaluate(outputs);
      const all = new Float32Array(logits.length);
      const candidates = values!.shape[1]!;
      values!.data.forEach((value: number, i: number) => {
        const row = Math.floor(i / candidates);
        all[row * columns + (tokens === undefined ? i % candidates : tokens.data[i]!)] = value;
      });
      for (let row = 0; row < all.length / columns; row++) {
        const own = all.subarray(row * columns, (row + 1) * columns);
        const total = own.reduce((sum, value) => sum + value, 0);
        own.forEach((value, i) => {
          own[i] = value / total;
        });
      }
      return all;
    };

    const expectSame = (actual: Float32Array, wanted: Float32Array, ambiguous: readonly boolean[]): void => {
      for (let i = 0; i < wanted.length; i++)
        if (ambiguous[Math.floor(i / columns)] !== true) expect(Math.abs(actual[i]! - wanted[i]!)).toBeLessThan(1e-5);
    };

    it('S69 top-k keeps KerasHub’s tokens with KerasHub’s probabilities', async () => {
      for (const { k, temperature: t, probabilities, ambiguous } of topK)
        expectSame(await narrowed(keepTopK(k), t), floats(probabilities), ambiguous);
    });

    it('S70 top-p keeps KerasHub’s tokens with KerasHub’s probabilities, with and without k', async () => {
      for (const { p, k, temperature: t, probabilities, ambiguous } of topP) {
        const narrow: Narrowing = k === null ? keepTopP(p) : (all) => keepTopP(p)(keepTopK(k)(all));
        expectSame(await narrowed(narrow, t), floats(probabilities), ambiguous);
      }
    });
  });

  // Eighths: equal ones are ties, others stay apart after the softmax too.
  const rows = fc.array(
    fc.integer({ min: -64, max: 64 }).map((n) => n / 8),
    { minLength: 1, maxLength: 40 },
  );

  it('S69 top-k with k = 1, and top-p with p towards 0, are greedy', () =>
    fc.assert(
      fc.asyncProperty(rows, fc.integer(), async (row, seed) => {
        const device = await open();
        const logits = Float32Array.from(row);
        const greedy = await step(device, GreedySampler() as TokenSampler, logits, row.length);
        expect(await step(device, TopKSampler({ k: 1 }) as TokenSampler, logits, row.length, seed)).toEqual(greedy);
        expect(await step(device, TopPSampler({ p: 0 }) as TokenSampler, logits, row.length, seed)).toEqual(greedy);
      }),
      { numRuns: 25 },
    ));

  it('S71 frequencies pass a chi-square test', async () => {
    const device = await open();
    const logits = [2, 1.5, 0, -1, 0.5, 1, -6];
    const weights = logits.map((x) => Math.exp(x));
    const share = (kept: readonly number[]): number[] => {
      const total = kept.reduce((sum, i) => sum + weights[i]!, 0);
      return weights.map((w, i) => (kept.includes(i) ? w / total : 0));
    };
    const samplers: readonly (readonly [TokenSampler, number[]])[] = [
      [RandomSampler() as TokenSampler, share([0, 1, 2, 3, 4, 5, 6])],
      [TopKSampler({ k: 3 }) as TokenSampler, share([0, 1, 5])],
      // 0.445 + 0.27 = 0.715 and 0.164 more exceeds 0.8.
      [TopPSampler({ p: 0.8 }) as TokenSampler, share([0, 1, 5])],
    ];
    for (const [sampler, expected] of samplers) {
      const drawn = await step(device, sampler, repeated(logits, 4000), logits.length, 1234);
      const { value, freedom } = chiSquare(drawn, expected);
      expect(value, sampler.name).toBeLessThan(critical[freedom - 1]!);
    }
  });

  it('S74 what comes of a draft’s guesses passes a chi-square test', async () => {
    const device = await open();
    const [vocabulary, batch, length] = [4, 4000, 3];
    const table = (seed: number): Tensor =>
      tensor(
        Float32Array.from({ length: vocabulary ** 2 }, (_, i) => Math.sin((i + 1) * seed) * 1.5),
        { shape: [vocabulary, vocabulary] },
      );
    const [logits, guesses] = [table(3.1), table(4.7)];
    const decoderOver = (own: Tensor): Decoder => {
      const lastOf = (tokens: Tensor, index: Tensor, n: number): Tensor =>
        dynamicSlice(tokens, [0, subtract(index, 1)], [tokens.shape[0]!, n]);
      return {
        next: (tokens, cache, index) => {
          const chosen = take(own, squeeze(lastOf(tokens, index, 1), { axis: 1 }));
          return { logits: chosen, hidden: chosen, cache };
        },
        verify: (tokens, cache, index, n) => ({ logits: take(own, lastOf(tokens, index, n)), cache }),
        reorder: (cache) => cache,
      };
    };
    const { decoding } = SpeculativeSampler({ baseSampler: RandomSampler(), numSpeculativeTokens: 2 });
    const given = {
      mask: tensor(new Uint8Array(batch * length), { shape: [batch, length] }),
      stops: tensor([-1], { dtype: 'int32' }),
    };
    const first = broadcastTo(sliceAxis(logits, 0, 0, 1), [batch, vocabulary]);
    const start = decoding.start(
      {
        tokens: tensor(new Int32Array(batch * length), { shape: [batch, length] }),
        index: tensor(1, { dtype: 'int32' }),
        keys: tensor(
          Int32Array.from({ length: 2 * batch }, (_, i) => i * 31 + 5),
          { shape: [batch, 2] },
        ),
        logits: first,
        hidden: first,
        cache: [],
        draftCache: [],
      },
      given,
      decoderOver(logits),
    );
    const { tokens } = decoding.advance(start, given, decoderOver(logits), decoderOver(guesses));
    const [ids, weights] = await device.evaluate([tokens, softmax(logits)]);
    const pairs = Array.from(
      { length: batch },
      (_, row) => ids!.data[row * length + 1]! * vocabulary + ids!.data[row * length + 2]!,
    );
    const p = (from: number, to: number): number => weights!.data[from * vocabulary + to]!;
    const expected = Array.from({ length: vocabulary ** 2 }, (_, at) => {
      const [a, b] = [Math.floor(at / vocabulary), at % vocabulary];
      return p(0, a) * p(a, b);
    });
    const { value, freedom } = chiSquare(pairs, expected);
    expect(value).toBeLessThan(critical[freedom - 1]!);
  });

  it('permuting the batch permutes the result', async () => {
    const device = await open();
    const sampler = RandomSampler();
    const logits = Float32Array.from({ length: 33 }, (_, i) => Math.sin(i * 1.7) * 3);
    const run = async (order: readonly number[]): Promise<number[]> => {
      const keys = Int32Array.from(order.flatMap((row) => [row * 77, row]));
      const own = Float32Array.from(order.flatMap((row) => Array.from(logits.subarray(row * 11, (row + 1) * 11))));
      const state = sampler.init({ keys: tensor(keys, { shape: [3, 2] }), position: tensor(9, { dtype: 'int32' }) });
      const [tokens] = sampler.step(state, tensor(own, { shape: [3, 11] }));
      return Array.from((await device.evaluate([tokens]))[0]!.data);
    };
    const straight = await run([0, 1, 2]);
    expect(await run([2, 0, 1])).toEqual([straight[2], straight[0], straight[1]]);
  });

  it('narrowings of one’s own compose with the others', async () => {
    const device = await open();
    const onlyEven: Narrowing = ({ probabilities, tokens }) => {
      expect(tokens).toBeUndefined();
      return keepTopK(2)({ probabilities });
    };
    const sampler = drawingSampler('own', { seed: 1 }, onlyEven) as TokenSampler;
    const drawn = new Set(await step(device, sampler, repeated([0, 3, 1, 2.9, -1], 50), 5));
    expect([...drawn].sort()).toEqual([1, 3]);
  });
});

describe('S41 getSampler', () => {
  it('knows KerasHub’s names', () => {
    for (const name of ['greedy', 'top_k', 'top_p', 'random'] as const) expect(getSampler(name).name).toBe(name);
  });

  it('refuses what is none', () => {
    expect(() => getSampler('beams' as 'greedy')).toThrow('expected one of greedy, top_k, top_p, random');
    expect(() => getSampler({} as Sampler)).toThrow(
      'expected a name (greedy, top_k, top_p, random, beam, contrastive, speculative), a Sampler or',
    );
  });
});
