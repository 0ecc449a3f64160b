import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { dynamicSlice } from '../../src/ops/dynamicSlice.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { subtract } from '../../src/ops/subtract.ts';
import { take } from '../../src/ops/take.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import {
  BeamSampler,
  ContrastiveSampler,
  GreedySampler,
  type NextFunction,
  type NextPrediction,
  RandomSampler,
  SpeculativeSampler,
  type TokenSampler,
  TopKSampler,
} from '../../src/samplers/index.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import type { Tree } from '../../src/tensor/tree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, type RecordedFloats } from '../support/fixtures.ts';
import { type RecordedBeams, type RecordedSampler, rowsOf, samplerOf } from '../support/recorded.ts';

interface Chains {
  readonly logits: RecordedFloats;
  readonly states: RecordedFloats;
  readonly prompt: number[][];
  readonly mask: boolean[][];
  readonly index: number;
  readonly runs: readonly {
    readonly sampler: RecordedSampler;
    readonly stop_token_ids: number[] | null;
    readonly tokenIds: number[][];
    readonly beams?: RecordedBeams;
  }[];
}

const { chains } = fixture<{ readonly chains: Chains }>('beam');

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

/** The next token's logits and state by the last token alone. */
const chain =
  (table: Tensor, states: Tensor = table) =>
  (prompt: Tensor, cache: Tree, index: Tensor): NextPrediction => {
    const rows = prompt.shape[0]!;
    const last = reshape(dynamicSlice(prompt, [0, subtract(index, 1)], [rows, 1]), [rows]);
    return { logits: take(table, last), hiddenStates: take(states, last), cache };
  };

const table = (recorded: RecordedFloats): Tensor => tensor(floats(recorded), { shape: recorded.shape });

describe.each(devices)('sample on %s', (_name, open) => {
  const options = { index: chains.index, mask: chains.mask };
  const prompt = tensor(chains.prompt, { dtype: 'int32' });
  const states = table(chains.states);
  const next = chain(table(chains.logits), states);

  for (const { sampler, stop_token_ids: stopTokenIds, tokenIds, beams } of chains.runs)
    it(`S67 S72 S73: ${JSON.stringify(sampler)}, stop ids ${JSON.stringify(stopTokenIds)}: as KerasHub’s loop`, async () => {
      const device = await open();
      const own = { ...options, stopTokenIds, hiddenStates: take(states, prompt) };
      const made = samplerOf(sampler).sample(next, prompt, own) as Tensor;
      const [ids] = await device.evaluate([made]);
      expect(rowsOf(ids!.data, tokenIds.length)).toEqual(tokenIds);
      if (beams === undefined) return;
      const [all, scores] = samplerOf(sampler, true).sample(next, prompt, own) as readonly [Tensor, Tensor];
      const [allIds, logProbs] = await device.evaluate([all, scores]);
      expect(allIds!.shape).toEqual([tokenIds.length, sampler.num_beams, tokenIds[0]!.length]);
      expect(Array.from(allIds!.data)).toEqual(beams.tokenIds.flat(2));
      floats(beams.logProbs).forEach((wanted, i) => {
        expect(Math.abs(logProbs!.data[i]! - wanted)).toBeLessThan(1e-4);
      });
    });
});

/** A chain of tokens with few likely ones, drawn. */
const drawn = fc.record({
  vocabulary: fc.integer({ min: 2, max: 9 }),
  seed: fc.integer({ min: 1, max: 1000 }),
  length: fc.integer({ min: 2, max: 9 }),
  batch: fc.integer({ min: 1, max: 3 }),
  ahead: fc.integer({ min: 1, max: 6 }),
});

const logitsOf = (vocabulary: number, seed: number): Tensor =>
  tensor(
    Float32Array.from({ length: vocabulary ** 2 }, (_, i) => Math.round(Math.sin((i + 1) * 78.233 * seed) * 4e4) / 1e4),
    { shape: [vocabulary, vocabulary] },
  );

describe('laws of sample', () => {
  const ids = async (made: Tensor): Promise<number[]> => Array.from((await referenceDevice.evaluate([made]))[0]!.data);
  const promptOf = (batch: number, length: number, vocabulary: number): Tensor =>
    tensor(
      Int32Array.from({ length: batch * length }, (_, i) => (i * 7 + 3) % vocabulary),
      { shape: [batch, length] },
    );

  it('S67: what `next` keeps comes back to it, for the beams that go on', async () => {
    // The cache counts what it has read: a beam's own sum of tokens.
    const counting: NextFunction = (ids, cache, index) => {
      const rows = ids.shape[0]!;
      const last = dynamicSlice(ids, [0, subtract(index, 1)], [rows, 1]);
      const [sum] = cache as readonly [Tensor];
      const now = add(sum, last);
      return { logits: add(take(table(chains.logits), reshape(last, [rows])), 0), cache: [now] };
    };
    const given = tensor([[1, 0, 0, 0, 0]], { dtype: 'int32' });
    const plain = BeamSampler({ numBeams: 3 }).sample(chain(table(chains.logits)), given, { index: 1 });
    const cached = BeamSampler({ numBeams: 3 }).sample(counting, given, {
      index: 1,
      cache: [tensor([[0]], { dtype: 'int32' })],
    });
    const [a, b] = await referenceDevice.evaluate([plain, cached]);
    expect(b!.data).toEqual(a!.data);
  });

  it('S72 S73: one beam, one candidate and alpha 0 are greedy', () =>
    fc.assert(
      fc.asyncProperty(drawn, async ({ vocabulary, seed, length, batch }) => {
        const next = chain(logitsOf(vocabulary, seed));
        const prompt = promptOf(batch, length, vocabulary);
        const hiddenStates = take(logitsOf(vocabulary, seed), prompt);
        const greedy = await ids(GreedySampler().sample(next, prompt, { index: 1 }));
        expect(await ids(BeamSampler({ numBeams: 1 }).sample(next, prompt, { index: 1 }))).toEqual(greedy);
        for (const sampler of [
          ContrastiveSampler({ k: 1 }),
          ContrastiveSampler({ k: Math.min(3, vocabulary), alpha: 0 }),
        ])
          expect(await ids(sampler.sample(next, prompt, { index: 1, hiddenStates }))).toEqual(greedy);
      }),
      { numRuns: 25 },
    ));

  it('S74: whatever the draft guesses, the text is the base sampler’s, seed by seed', () =>
    fc.assert(
      fc.asyncProperty(drawn, fc.boolean(), async ({ vocabulary, seed, length, batch, ahead }, isGood) => {
        const next = chain(logitsOf(vocabulary, seed));
        const draftNext = chain(logitsOf(vocabulary, isGood ? seed : seed + 1));
        const prompt = promptOf(batch, length, vocabulary);
        const bases = [
          GreedySampler(),
          RandomSampler({ seed }),
          TopKSampler({ k: 2, seed }),
        ] as readonly TokenSampler[];
        for (const baseSampler of bases) {
          const plain = await ids(baseSampler.sample(next, prompt, { index: 1 }));
          const guessed = SpeculativeSampler({ baseSampler, numSpeculativeTokens: ahead });
          expect(await ids(guessed.sample(next, prompt, { index: 1, draftNext }))).toEqual(plain);
        }
      }),
      { numRuns: 20 },
    ));

  it('S74: without a draft it says so', () => {
    const next = chain(logitsOf(3, 1));
    expect(() => SpeculativeSampler().sample(next, [[1, 0, 0]], { index: 1 })).toThrow(
      'speculative: expected a draft model',
    );
  });

  it('S72: the best of all beams is at least as likely as the greedy text', () =>
    fc.assert(
      fc.asyncProperty(drawn, async ({ vocabulary, seed, length, batch }) => {
        const next = chain(logitsOf(vocabulary, seed));
        const prompt = promptOf(batch, length, vocabulary);
        const one = BeamSampler({ numBeams: 1, returnAllBeams: true }).sample(next, prompt, { index: 1 });
        // As many beams as there are beginnings: nothing is lost, and the best is the best of all texts.
        const all = BeamSampler({ numBeams: vocabulary ** 2, returnAllBeams: true }).sample(next, prompt, { index: 1 });
        const [greedy, scores] = await referenceDevice.evaluate([one[1], all[1]]);
        const beams = scores!.shape[1]!;
        greedy!.data.forEach((score: number, row: number) => {
          expect(scores!.data[row * beams]!).toBeGreaterThanOrEqual(score - 1e-5);
        });
        for (let i = 0; i < scores!.data.length; i++)
          if (i % beams !== 0) expect(scores!.data[i]!).toBeLessThanOrEqual(scores!.data[i - 1]!);
      }),
      { numRuns: 15 },
    ));

  it('S67: index, mask, prompt and options are checked', () => {
    const next = chain(
      constant([
        [0, 1],
        [1, 0],
      ]),
    );
    const sample = GreedySampler().sample;
    expect(() => sample(next, [[0, 1]], { index: 3 })).toThrow('greedy: expected index from 0 to');
    expect(() => sample(next, [0, 1])).toThrow('greedy: expected a prompt of [batch, length]');
    expect(() => sample(next, [[0, 1]], { mask: [[true]] })).toThrow('greedy: expected a mask');
    expect(() => sample(next, [[0, 1]], { from: 1 } as object)).toThrow('greedy: sample: expected options among');
    expect(() => ContrastiveSampler().sample(next, [[0, 1]], { index: 1 })).toThrow(
      'expected hiddenStates, the states',
    );
    const hiddenStates = constant([
      [
        [0, 1],
        [1, 0],
      ],
    ]);
    const bare: NextFunction = (ids, cache, index) => ({ logits: next(ids, cache, index).logits });
    expect(() => ContrastiveSampler({ k: 2 }).sample(bare, [[0, 1]], { index: 1, hiddenStates })).toThrow(
      'expected hiddenStates of next',
    );
  });

  it('S72: a full prompt comes back, in the form of all beams where they are asked for', async () => {
    const next = chain(logitsOf(5, 3));
    const prompt = promptOf(2, 4, 5);
    expect(await ids(GreedySampler().sample(next, prompt, { index: 4 }))).toEqual(await ids(prompt));
    const [all, scores] = BeamSampler({ numBeams: 3, returnAllBeams: true }).sample(next, prompt, { index: 4 });
    expect([all.shape, scores.shape]).toEqual([
      [2, 3, 4],
      [2, 3],
    ]);
    expect((await ids(all)).slice(4, 12)).toEqual([
      ...(await ids(prompt)).slice(0, 4),
      ...(await ids(prompt)).slice(0, 4),
    ]);
  });

  it('S67: next may give KerasHub’s triple', async () => {
    const next = chain(logitsOf(5, 3));
    const triple: NextFunction = (prompt, cache, index) => {
      const { logits, hiddenStates } = next(prompt, cache, index);
      return [logits, hiddenStates, cache];
    };
    const prompt = promptOf(2, 6, 5);
    const options = { index: 2, hiddenStates: take(logitsOf(5, 3), prompt) };
    for (const sampler of [GreedySampler(), ContrastiveSampler({ k: 3 }), BeamSampler({ numBeams: 2 })])
      expect(await ids(sampler.sample(triple, prompt, options))).toEqual(
        await ids(sampler.sample(next, prompt, options)),
      );
  });
});
