import fc from 'fast-check';
import { flow } from 'fp-ts/lib/function.js';
import { describe, expect, it } from 'vitest';
import { tensor } from '../../src/ops/constant.ts';
import { dynamicSlice } from '../../src/ops/dynamicSlice.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { subtract } from '../../src/ops/subtract.ts';
import { take } from '../../src/ops/take.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import {
  BeamSampler,
  badWords,
  ContrastiveSampler,
  drawingSampler,
  GreedySampler,
  keepMinP,
  keepTopK,
  keepTopP,
  logitBias,
  type NextFunction,
  RandomSampler,
  repetitionPenalty,
  type Shaping,
  SpeculativeSampler,
  temperature,
  withLogits,
} from '../../src/samplers/index.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { webgpuTestDevice } from '../support/device.ts';

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

const int = (value: number): Tensor => tensor(value, { dtype: 'int32' });

/** Logits that a piece makes of rows, with tokens of which `position` are decided. */
const apply = async (
  device: Device,
  shaping: Shaping,
  logits: readonly (readonly number[])[],
  tokens: readonly (readonly number[])[] = logits.map(() => [0]),
  position = 0,
): Promise<number[][]> => {
  const decided = { tokenIds: tensor(tokens, { dtype: 'int32' }), position: int(position) };
  const [made] = await device.evaluate([shaping({ logits: tensor(logits), decided }).logits]);
  const columns = logits[0]!.length;
  return logits.map((_, row) => Array.from(made!.data.subarray(row * columns, (row + 1) * columns)));
};

const expectNear = (actual: readonly (readonly number[])[], wanted: readonly (readonly number[])[]): void => {
  for (const [i, row] of wanted.entries())
    for (const [j, value] of row.entries()) expect(Math.abs(actual[i]![j]! - value)).toBeLessThan(1e-5);
};

const isLow = (value: number): boolean => value < -1e20;

describe.each(devices)('pieces of samplers on %s', (_name, open) => {
  const logits = [
    [1, -2, 0.5, 3],
    [0, 4, -1, 2],
  ];

  it('S67: temperature divides', async () => {
    expectNear(await apply(await open(), temperature(0.5), logits), [
      [2, -4, 1, 6],
      [0, 8, -2, 4],
    ]);
  });

  it('repetitionPenalty changes what has come, and nothing else', async () => {
    const tokens = [
      [0, 1, 3, 3],
      [2, 2, 1, 1],
    ];
    expectNear(await apply(await open(), repetitionPenalty(2), logits, tokens, 2), [
      [0.5, -4, 0.5, 3],
      [0, 4, -2, 2],
    ]);
  });

  it('logitBias adds', async () => {
    expectNear(await apply(await open(), logitBias({ 1: 5, 3: -1 }), logits), [
      [1, 3, 0.5, 2],
      [0, 9, -1, 1],
    ]);
  });

  it('badWords forbids ids, and the last ids of sequences that have begun', async () => {
    const device = await open();
    const words = [2, [0, 1], [3, 0, 1], [1, 1, 3]];
    const low = async (tokens: readonly (readonly number[])[], position: number) =>
      (await apply(device, badWords(words), logits, tokens, position)).map((row) =>
        row.flatMap((value, id) => (isLow(value) ? [id] : [])),
      );
    const tokens = [
      [3, 0, 1, 1, 0],
      [1, 1, 2, 0, 0],
    ];
    expect(await low(tokens, 0)).toEqual([[2], [2]]);
    expect(await low(tokens, 1)).toEqual([[2], [2]]);
    expect(await low(tokens, 2)).toEqual([
      [1, 2],
      [2, 3],
    ]);
    expect(await low(tokens, 4)).toEqual([
      [2, 3],
      [1, 2],
    ]);
  });

  it('keepMinP keeps what is likely enough beside the likeliest', async () => {
    const probabilities = tensor([
      [0.5, 0.3, 0.15, 0.05],
      [0.25, 0.25, 0.25, 0.25],
    ]);
    const [kept] = await (await open()).evaluate([keepMinP(0.4)({ probabilities }).probabilities]);
    expectNear([Array.from(kept!.data)], [[0.5, 0.3, 0, 0, 0.25, 0.25, 0.25, 0.25]]);
  });
});

/** The next token's logits by the last token alone. */
const chain =
  (table: Tensor): NextFunction =>
  (prompt, cache, index) => {
    const rows = prompt.shape[0]!;
    const last = reshape(dynamicSlice(prompt, [0, subtract(index, 1)], [rows, 1]), [rows]);
    return { logits: take(table, last), hiddenStates: take(table, last), cache };
  };

const drawn = fc.record({ vocabulary: fc.integer({ min: 4, max: 8 }), seed: fc.integer({ min: 1, max: 1000 }) });

const tableOf = (vocabulary: number, seed: number): Tensor =>
  tensor(
    Float32Array.from({ length: vocabulary ** 2 }, (_, i) => Math.sin((i + 1) * 78.233 * seed) * 3),
    { shape: [vocabulary, vocabulary] },
  );

describe('laws of pieces', () => {
  const numbers = fc.array(
    fc.integer({ min: -40, max: 40 }).map((n) => n / 8),
    { minLength: 3, maxLength: 3 },
  );
  const pieces = fc.constantFrom(
    [temperature(0.5), temperature(3), temperature(1.5)],
    [logitBias({ 0: 1, 1: 2 }), logitBias({ 1: -5 }), logitBias({ 0: 1, 1: -3 })],
    [temperature(1), temperature(2), temperature(2)],
    [repetitionPenalty(1), logitBias({}), badWords([])],
  ) as fc.Arbitrary<readonly [Shaping, Shaping, Shaping]>;

  it('two temperatures are their product, two biases their sum, and the neutral ones change nothing', () =>
    fc.assert(
      fc.asyncProperty(numbers, pieces, async (row, [a, b, both]) => {
        const [one, other] = [
          await apply(referenceDevice, flow(a, b), [row]),
          await apply(referenceDevice, both, [row]),
        ];
        expectNear(one, other);
      }),
      { numRuns: 40 },
    ));

  it('no sampler gives a forbidden token or sequence', () =>
    fc.assert(
      fc.asyncProperty(drawn, async ({ vocabulary, seed }) => {
        const table = tableOf(vocabulary, seed);
        const next = chain(table);
        const shaping = flow(temperature(0.7), badWords([1, [2, 2], [3, 0], [2, 3, 2]]));
        const prompt = tensor(
          Int32Array.from({ length: 20 }, (_, i) => (i % 10 < 2 ? 2 : 0)),
          { shape: [2, 10] },
        );
        const options = {
          index: 2,
          hiddenStates: take(table, prompt),
          draftNext: chain(tableOf(vocabulary, seed + 1)),
        };
        const samplers = [
          withLogits(shaping, GreedySampler()),
          withLogits(shaping, RandomSampler({ seed })),
          withLogits(shaping, drawingSampler('own', { seed }, flow(keepTopK(3), keepTopP(0.9), keepMinP(0.1)))),
          withLogits(shaping, BeamSampler({ numBeams: 4 })),
          // Of two candidates, one may be forbidden, and still be less like what came before.
          withLogits(shaping, ContrastiveSampler({ k: 2, alpha: 0 })),
          withLogits(shaping, SpeculativeSampler()),
          SpeculativeSampler({ baseSampler: withLogits(shaping, RandomSampler({ seed })) }),
        ];
        for (const sampler of samplers) {
          const { draftNext, ...others } = options;
          const own = sampler.name === 'speculative' ? { ...others, draftNext } : others;
          const [made] = await referenceDevice.evaluate([sampler.sample(next, prompt, own)]);
          for (const row of [0, 1]) {
            const answer = Array.from(made!.data.subarray(row * 10, row * 10 + 10)).join('');
            expect(answer.slice(2), sampler.name).not.toContain('1');
            for (const forbidden of ['22', '30', '232']) expect(answer.slice(1), sampler.name).not.toContain(forbidden);
          }
        }
      }),
      { numRuns: 6 },
    ));

  it('keepMinP(0) keeps all, keepMinP(1) the likeliest', async () => {
    const probabilities = tensor([[0.5, 0.3, 0.2]]);
    const kept = await referenceDevice.evaluate([
      keepMinP(0)({ probabilities }).probabilities,
      keepMinP(1)({ probabilities }).probabilities,
    ]);
    expectNear(
      kept.map(({ data }) => Array.from(data)),
      [
        [0.5, 0.3, 0.2],
        [0.5, 0, 0],
      ],
    );
  });

  it.each([
    [() => temperature(0), 'temperature: expected a temperature above 0, got 0'],
    [() => temperature(Number.NaN), 'got NaN'],
    [() => repetitionPenalty(0), 'repetitionPenalty: expected a penalty above 0, got 0'],
    [() => repetitionPenalty(Number.NaN), 'got NaN'],
    [() => logitBias({ [-1]: 2 }), 'logitBias: expected token ids from 0, got -1'],
    [() => logitBias({ 1: Number.NaN }), 'logitBias: expected finite numbers, got NaN for 1'],
    [() => badWords([[]]), 'badWords: expected at least one id'],
    [() => badWords([1.5]), 'badWords: expected token ids from 0, got 1.5'],
    [() => badWords([9])({ logits: tensor([[1, 2]]) }), 'badWords: expected token ids from 0 to 1'],
    [() => logitBias({ 9: 1 })({ logits: tensor([[1, 2]]) }), 'logitBias: expected token ids from 0 to 1'],
    [() => repetitionPenalty(2)({ logits: tensor([[1, 2]]) }), 'expected the tokens that were decided'],
    [() => keepMinP(2), 'min_p: expected p from 0 to 1, got 2'],
    [() => keepTopP(Number.NaN), 'top_p: expected p from 0 to 1, got NaN'],
    [() => keepTopK(0), 'top_k: expected k to be a whole number from 1, got 0'],
  ])('bad input %#', (make, message) => {
    expect(make).toThrow(message);
  });
});
