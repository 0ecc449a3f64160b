import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Intercept } from '../../src/layers/intercept.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import {
  BeamSampler,
  ContrastiveSampler,
  GreedySampler,
  RandomSampler,
  type Sampler,
  type SamplerLike,
  SpeculativeSampler,
  TopKSampler,
  TopPSampler,
} from '../../src/samplers/index.ts';
import type { CausalLM, GeneratedTokens } from '../../src/tasks/causalLM.ts';
import { GPT2Backbone, GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import { unusedTestDevice, webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';

/** A model of 97 tokens and 32 places without a preprocessor. */
const open = async (device: Device): Promise<CausalLM> =>
  (await GPT2CausalLM.fromPreset(presetPath('keras/a_float32'), { device, preprocessor: null })) as unknown as CausalLM;

/** Another model of the same vocabulary, with random parameters. */
const other = (vocabularySize = 97, maxSequenceLength = 32): CausalLM =>
  GPT2CausalLM({
    backbone: GPT2Backbone({
      vocabularySize,
      numLayers: 1,
      numHeads: 2,
      hiddenDim: 8,
      intermediateDim: 16,
      maxSequenceLength,
    }),
  }) as unknown as CausalLM;

interface Drawn {
  readonly prompts: readonly (readonly number[])[];
  readonly length: number;
  readonly seed: number;
}

const tokens = ({ prompts, length }: Drawn) => ({
  tokenIds: prompts.map((ids) => [...ids, ...new Array<number>(length - ids.length).fill(0)]),
  paddingMask: prompts.map((ids) => Array.from({ length }, (_, at) => at < ids.length)),
});

const run = async (lm: CausalLM, sampler: SamplerLike, drawn: Drawn): Promise<number[][]> => {
  const { tokenIds }: GeneratedTokens = await lm
    .compile({ sampler })
    .generate(tokens(drawn), { stopTokenIds: null, seed: drawn.seed });
  const all = Array.from(tokenIds.data);
  return drawn.prompts.map((_, row) => all.slice(row * drawn.length, (row + 1) * drawn.length));
};

const id = fc.integer({ min: 1, max: 96 });
/** Few lengths: on WebGPU each is another plan. */
const drawnCase = (ragged: boolean): fc.Arbitrary<Drawn> =>
  fc.record({
    prompts: fc
      .tuple(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.array(id, { minLength: 5, maxLength: 5 }), { minLength: 2, maxLength: 2 }),
      )
      .map(([cut, rows]) => rows.map((row, i) => (ragged && i === 0 ? row.slice(0, cut) : row))),
    length: fc.constant(12),
    seed: fc.integer({ min: 0, max: 2 ** 40 }),
  });

/** Samplers whose rows do not depend on each other, whatever their prompts' lengths. */
const independent: Readonly<Record<string, (draft: CausalLM) => SamplerLike>> = {
  greedy: () => 'greedy',
  top_k: () => 'top_k',
  top_p: () => TopPSampler({ p: 0.9 }),
  random: () => 'random',
  contrastive: () => ContrastiveSampler({ k: 3 }),
  speculative: (draft) => SpeculativeSampler({ draft, numSpeculativeTokens: 3 }),
  'speculative, random': (draft) => SpeculativeSampler({ draft, baseSampler: RandomSampler() }),
  own: () => (probabilities) => GreedySampler().step([], probabilities)[0],
};

describe.each([
  ['reference', async () => referenceDevice, 4],
  ['webgpu', webgpuTestDevice, 2],
] as const)('samplers in generate on %s', (kind, device, numRuns) => {
  for (const [name, make] of Object.entries(independent))
    it(`S62 S75: ${name}: a batch gives what its rows give, again and again`, async () => {
      const lm = await open(await device());
      const sampler = make(other());
      await fc.assert(
        fc.asyncProperty(drawnCase(true), async (drawn) => {
          const batch = await run(lm, sampler, drawn);
          expect(await run(lm, sampler, drawn)).toEqual(batch);
          for (const [row, prompt] of drawn.prompts.entries())
            expect((await run(lm, sampler, { ...drawn, prompts: [prompt] }))[0]).toEqual(batch[row]);
        }),
        { numRuns },
      );
    });

  it('S72: beams: a batch of prompts of one length gives what its rows give', async () => {
    const lm = await open(await device());
    const sampler = BeamSampler({ numBeams: 3 });
    await fc.assert(
      fc.asyncProperty(drawnCase(false), async (drawn) => {
        const batch = await run(lm, sampler, drawn);
        for (const [row, prompt] of drawn.prompts.entries())
          expect((await run(lm, sampler, { ...drawn, prompts: [prompt] }))[0]).toEqual(batch[row]);
      }),
      { numRuns },
    );
  });

  it('S72 S73 S74: one beam, one candidate, alpha 0 and a draft’s greedy guesses are greedy', async () => {
    const lm = await open(await device());
    const samplers: readonly Sampler[] = [
      BeamSampler({ numBeams: 1 }),
      ContrastiveSampler({ k: 1 }),
      ContrastiveSampler({ k: 3, alpha: 0 }),
      SpeculativeSampler({ draft: other(), numSpeculativeTokens: 4 }),
      // A draft that is always right, and one place less than it guesses.
      SpeculativeSampler({ draft: lm, numSpeculativeTokens: 12 }),
    ];
    await fc.assert(
      fc.asyncProperty(drawnCase(true), async (drawn) => {
        const greedy = await run(lm, 'greedy', drawn);
        for (const sampler of samplers) expect(await run(lm, sampler, drawn), sampler.name).toEqual(greedy);
      }),
      { numRuns },
    );
  });

  it('S74: guesses that stand save passes of the model', async () => {
    const lm = await open(await device());
    const drawn: Drawn = { prompts: [[5, 9]], length: 12, seed: 3 };
    const passesOf = async (sampler: SamplerLike): Promise<number> => {
      let last = 0;
      const when = (pass: number): boolean => {
        last = Math.max(last, pass);
        return true;
      };
      await lm.compile({ sampler }).generate(tokens(drawn), { stopTokenIds: null, intercept: (x) => x, when });
      return last;
    };
    expect(await passesOf('greedy')).toBe(9);
    // The prefill decides one of ten columns, a pass five at most.
    expect(await passesOf(SpeculativeSampler({ draft: lm, numSpeculativeTokens: 4 }))).toBe(2);
  });

  it('S74: a draft changes no seeded text of its base sampler', async () => {
    const lm = await open(await device());
    for (const baseSampler of [RandomSampler({ temperature: 1.3 }), TopKSampler({ k: 7 }), TopPSampler({ p: 0.8 })]) {
      const [mine, like] = [
        SpeculativeSampler({ draft: other(), baseSampler }),
        SpeculativeSampler({ draft: lm, baseSampler }),
      ];
      await fc.assert(
        fc.asyncProperty(drawnCase(true), async (drawn) => {
          const plain = await run(lm, baseSampler, drawn);
          expect(await run(lm, mine, drawn)).toEqual(plain);
          expect(await run(lm, like, drawn)).toEqual(plain);
        }),
        { numRuns: kind === 'reference' ? 4 : 1 },
      );
    }
  });

  it('an intercept sees every row: the identity changes nothing, another changes the text', async () => {
    const lm = await open(await device());
    const drawn: Drawn = { prompts: [[5, 9, 2], [7]], length: 10, seed: 3 };
    const samplers = [
      BeamSampler({ numBeams: 2 }),
      ContrastiveSampler({ k: 2 }),
      SpeculativeSampler({ draft: other(), numSpeculativeTokens: 2 }),
    ];
    for (const sampler of samplers) {
      const own = lm.compile({ sampler });
      const make = async (intercept?: Intercept): Promise<number[]> => {
        const options = { stopTokenIds: null, seed: 3, ...(intercept === undefined ? {} : { intercept }) };
        return Array.from((await own.generate(tokens(drawn), options)).tokenIds.data);
      };
      const plain = await make();
      expect(await make((x) => x), sampler.name).toEqual(plain);
      // The patterns are asked for, so that scores are made where keys are shared.
      const halved: Intercept = (x, { site }) => (site === 'scores' ? multiply(x, 1) : x);
      expect(await make(halved), sampler.name).toEqual(plain);
      const bent: Intercept = (x, { site }) => (site === 'logits' ? multiply(x, -1) : x);
      expect(await make(bent), sampler.name).not.toEqual(plain);
    }
  });
});

describe('memory', () => {
  it('live buffers are the same in number before and after, for every sampler, also when it ends early', async () => {
    const { gpu, device } = await unusedTestDevice();
    const lm = await open(device);
    const drawn: Drawn = { prompts: [[5, 9, 2], [7]], length: 10, seed: 3 };
    // Parameters of the draft stay with it.
    const draft = other();
    await run(lm, SpeculativeSampler({ draft, numSpeculativeTokens: 2 }), drawn);
    const before = gpu.memory().liveBuffers;
    for (const sampler of [
      BeamSampler({ numBeams: 2 }),
      ContrastiveSampler({ k: 2 }),
      SpeculativeSampler({ draft, numSpeculativeTokens: 2 }),
    ]) {
      await run(lm, sampler, drawn);
      const controller = new AbortController();
      const options = {
        stopTokenIds: null,
        signal: controller.signal,
        onTokens: () => controller.abort(new Error('enough')),
      };
      await expect(lm.compile({ sampler }).generate(tokens(drawn), options)).rejects.toThrow('enough');
    }
    expect(gpu.memory().liveBuffers).toBe(before);
    // The draft, and its parameters with it, is alive until here.
    await run(lm, SpeculativeSampler({ draft, numSpeculativeTokens: 2 }), drawn);
    expect(gpu.memory().liveBuffers).toBe(before);
  });
});

describe('samplers in generate', () => {
  const prompt = { prompts: [[5, 9]], length: 8, seed: 1 };

  it('S60 stream: pieces are the answer, for every sampler', async () => {
    const lm = await GPT2CausalLM.fromPreset(presetPath('keras/c_float32'), { device: referenceDevice });
    const samplers = [
      BeamSampler({ numBeams: 3 }),
      BeamSampler({ numBeams: 3, returnAllBeams: true }),
      ContrastiveSampler({ k: 3 }),
      SpeculativeSampler({ draft: lm as unknown as CausalLM, baseSampler: TopKSampler() }),
    ];
    for (const sampler of samplers)
      for (const text of ['again and', 'The hen replied,']) {
        const own = lm.compile({ sampler });
        const options = { maxLength: 22, seed: 5 };
        let pieces = '';
        for await (const piece of own.stream(text, options)) pieces += piece;
        const whole: unknown = await own.generate(text, { ...options, stripPrompt: true });
        expect(pieces).toBe(Array.isArray(whole) ? (whole as { text: string }[])[0]!.text : whole);
      }
  });

  it('S43 S122: one model is compiled greedy, then with two beams', async () => {
    const lm = await GPT2CausalLM.fromPreset(presetPath('keras/c_float32'), { device: referenceDevice });
    const greedy = lm.compile({ sampler: 'greedy' });
    const beams = greedy.compile({ sampler: BeamSampler({ numBeams: 2 }) });
    const [one, other] = [
      await greedy.generate('again and', { maxLength: 20 }),
      await beams.generate('again and', { maxLength: 20 }),
    ];
    expect([one, other].map((text) => text.startsWith('again and'))).toEqual([true, true]);
    expect(other).not.toBe(one);
    expect(await greedy.generate('again and', { maxLength: 20 })).toBe(one);
  });

  it('S47 S72: batches of prompts give a list of beams for each prompt', async () => {
    const lm = (await GPT2CausalLM.fromPreset(presetPath('keras/c_float32'), { device: referenceDevice })).compile({
      sampler: BeamSampler({ numBeams: 2, returnAllBeams: true }),
    });
    const made: unknown = await lm.generate([['a', 'The old'], ['a']].values(), { maxLength: 8 });
    const lists = made as readonly (readonly { text: string; logProb: number }[])[];
    expect(lists.map((beams) => beams.length)).toEqual([2, 2, 2]);
    expect(lists[2]!.map(({ text }) => text)).toEqual(lists[0]!.map(({ text }) => text));
    expect(lists[0]![0]!.logProb).toBeGreaterThanOrEqual(lists[0]![1]!.logProb);
  });

  it('a signal ends it, for every sampler', async () => {
    const lm = await open(referenceDevice);
    for (const sampler of [BeamSampler(), ContrastiveSampler(), SpeculativeSampler({ draft: other() })])
      await expect(
        lm
          .compile({ sampler })
          .generate(tokens(prompt), { stopTokenIds: null, signal: AbortSignal.abort(new Error('stop')) }),
      ).rejects.toThrow('stop');
  });

  it('a full prompt comes back as all beams, which have said nothing', async () => {
    const lm = (await open(referenceDevice)).compile({ sampler: BeamSampler({ numBeams: 2, returnAllBeams: true }) });
    const made = await lm.generate({ tokenIds: [[5, 9, 2]] }, { stopTokenIds: null });
    expect(made.tokenIds.shape).toEqual([1, 2, 3]);
    expect(Array.from(made.tokenIds.data)).toEqual([5, 9, 2, 5, 9, 2]);
    expect(Array.from(made.logProbs!.data)).toEqual([0, 0]);
  });

  it('S41: bad samplers are refused at the call', async () => {
    const lm = await open(referenceDevice);
    const refused = (sampler: unknown, message: string): void => {
      expect(() => lm.compile({ sampler: sampler as 'greedy' }), message).toThrow(message);
    };
    refused(
      'Beam',
      'sampler: expected one of greedy, top_k, top_p, random, beam, contrastive, speculative (lower case)',
    );
    refused('speculative', 'expected a draft model with speculative');
    refused({ className: 'BeamSampler', config: { beams: 3 } }, 'beam: expected options among');
    refused({ className: 'OwnSampler' }, 'sampler: expected one of greedy');
    refused({ name: 'greedy' }, 'sampler: expected a name');
    refused(null, 'sampler: expected a name');
    expect(() => BeamSampler({ numBeams: 0 })).toThrow('beam: expected numBeams to be a whole number from 1, got 0');
    expect(() => BeamSampler({ numBeams: 2.5 })).toThrow('got 2.5');
    expect(() => BeamSampler({ returnAllBeams: 1 as unknown as true })).toThrow(
      'expected returnAllBeams to be true or false',
    );
    expect(() => BeamSampler({ temperature: -1 })).toThrow('beam: expected a temperature above 0, got -1');
    expect(() => ContrastiveSampler({ k: 0 })).toThrow('contrastive: expected k to be a whole number from 1, got 0');
    expect(() => ContrastiveSampler({ alpha: Number.NaN })).toThrow('contrastive: expected alpha from 0 to 1, got NaN');
    expect(() => ContrastiveSampler({ beta: 1 } as object)).toThrow('contrastive: expected options among');
    expect(() => TopPSampler({ p: Number.NaN })).toThrow('top_p: expected p from 0 to 1, got NaN');
    expect(() => RandomSampler({ temperature: Number.NaN })).toThrow('random: expected a temperature above 0');
    expect(() => SpeculativeSampler({ numSpeculativeTokens: 0 })).toThrow('expected numSpeculativeTokens to be');
    expect(() => SpeculativeSampler({ baseSampler: BeamSampler() as never })).toThrow(
      'expected a baseSampler that chooses token by token',
    );
    expect(() => SpeculativeSampler({ draft: {} as never })).toThrow('expected a causal language model as draft');
    expect(() => SpeculativeSampler({ seed: 0.5 })).toThrow('speculative: expected a whole number as seed');
    refused(
      SpeculativeSampler({ draft: other(96) }),
      'speculative: expected a draft of the model’s vocabulary, 97 tokens'.replace('’', "'"),
    );
    const short = lm.compile({ sampler: SpeculativeSampler({ draft: other(97, 6) }) });
    await expect(short.generate(tokens(prompt), { stopTokenIds: null })).rejects.toThrow(
      'expected a length of at most 6',
    );
    for (const sampler of [ContrastiveSampler({ k: 98 }), TopKSampler({ k: 98 })])
      await expect(lm.compile({ sampler }).generate(tokens(prompt), { stopTokenIds: null })).rejects.toThrow('97');
  });

  it('S41: samplers that are written down are made', () => {
    const lm = other();
    expect(lm.compile({ sampler: { className: 'keras_hub>BeamSampler', config: { numBeams: 2 } } }).sampler.name).toBe(
      'beam',
    );
    expect(lm.compile({ sampler: { className: 'TopPSampler', config: { p: 0.5 } } }).sampler.name).toBe('top_p');
    for (const name of ['beam', 'contrastive'] as const) expect(lm.compile({ sampler: name }).sampler.name).toBe(name);
  });
});
