import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Intercept, identityIntercept } from '../../src/layers/intercept.ts';
import type { CausalModel } from '../../src/models/causalModel.ts';
import { argmax } from '../../src/ops/argmax.ts';
import { tensor } from '../../src/ops/constant.ts';
import { zeros } from '../../src/ops/zeros.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import {
  BeamSampler,
  ContrastiveSampler,
  GreedySampler,
  RandomSampler,
  type Sampler,
  SpeculativeSampler,
  tokenSampler,
} from '../../src/samplers/index.ts';
import { BartBackbone } from '../../src/tasks/bart.ts';
import { type GenerationRequest, loopOf, nothing } from '../../src/tasks/decodingLoop.ts';
import { FalconBackbone } from '../../src/tasks/falcon.ts';
import { generateTokens } from '../../src/tasks/generation.ts';
import { GPT2Backbone, GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import { pieceOf, readPrompt } from '../../src/tasks/prompt.ts';
import { leaves, type Tree, withLeaves } from '../../src/tensor/tree.ts';
import { familyCases } from '../families/families.ts';
import { expectClose } from '../support/agree.ts';
import { unusedTestDevice, webgpuTestDevice } from '../support/device.ts';

const LENGTH = 16;

interface Drawn {
  readonly prompts: readonly (readonly number[])[];
  readonly piece: number;
}

/** What generates, without how: a request less what is drawn. */
type Subject = Pick<GenerationRequest<Tree>, 'device' | 'model' | 'params' | 'draftParams' | 'memory'>;

const requestOf = (
  subject: Subject,
  sampler: Sampler,
  { prompts }: Pick<Drawn, 'prompts'>,
): GenerationRequest<Tree> => ({
  ...subject,
  sampler,
  prompt: {
    tokenIds: Int32Array.from(prompts.flatMap((ids) => [...ids, ...new Array<number>(LENGTH - ids.length).fill(0)])),
    paddingMask: Uint8Array.from(prompts.flatMap((ids) => Array.from({ length: LENGTH }, (_, i) => +(i < ids.length)))),
    batch: prompts.length,
    length: LENGTH,
  },
  stopTokenIds: null,
  keys: Int32Array.from({ length: 2 * prompts.length }, (_, i) => 7 + i),
});

const tokensOf = async (request: GenerationRequest<Tree>): Promise<readonly number[]> => {
  const running = generateTokens(request);
  let next = await running.next();
  while (next.done !== true) next = await running.next();
  return Array.from(next.value.beams?.tokenIds ?? next.value.tokenIds);
};

/** Greedy, and keeps the logits that it has chosen from. */
const watching = (vocabularySize: number): Sampler =>
  tokenSampler({
    ...GreedySampler(),
    init: ({ keys }) => zeros([keys.shape[0]!, vocabularySize]),
    step: (_, logits) => [argmax(logits), logits],
  });

/** The logits of the first column that is decided. */
const firstLogits = async (request: GenerationRequest<Tree>) => {
  const { device, prompt } = request;
  const state = await readPrompt(request, loopOf(request, identityIntercept), {
    mask: tensor(prompt.paddingMask, { shape: [prompt.batch, LENGTH] }),
    stops: tensor([-1], { dtype: 'int32' }),
    memory: (await request.memory?.()) ?? nothing,
  });
  return (await device.evaluate([(state as unknown as { sampler: Tree }).sampler as never]))[0]!;
};

/** Rows of which the shortest has ten tokens or so, and pieces of all sizes. */
const drawn: fc.Arbitrary<Drawn> = fc.record({
  prompts: fc
    .tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 9, max: 13 }), fc.infiniteStream(fc.nat(96)))
    .map(([batch, length, ids]) => Array.from({ length: batch }, (_, row) => [...ids.take(length + row)])),
  piece: fc.integer({ min: 1, max: 7 }),
});

const subjectOf = ({ model, params }: { readonly model: CausalModel; readonly params: Tree }): Subject => ({
  device: referenceDevice,
  model,
  params,
});

const rotaryFalcon = FalconBackbone({
  vocabularySize: 97,
  numLayers: 2,
  numAttentionHeads: 4,
  numKeyValueHeads: 1,
  hiddenDim: 16,
  intermediateDim: 24,
  positions: 'rotary',
  parallelAttention: true,
  seed: 3,
});

/** BART's decoder, whose encoder has read two texts (or one). */
const bart = (rows: number): Subject => {
  const { model, params } = BartBackbone({
    vocabularySize: 97,
    numLayers: 1,
    numHeads: 2,
    hiddenDim: 8,
    intermediateDim: 12,
    maxSequenceLength: 32,
    seed: 5,
  });
  return {
    device: referenceDevice,
    model: model.decoder as unknown as CausalModel,
    params,
    memory: async () => {
      const tokenIds = tensor([5, 6, 7, 8, 9, 10].slice(0, 3 * rows), { shape: [rows, 3], dtype: 'int32' });
      const memory = model.remember(params, model.encode(params, { tokenIds }), undefined);
      return withLeaves(memory, await referenceDevice.realize(leaves(memory)));
    },
  };
};

describe('a prompt that is read in pieces', () => {
  it.each([
    ...familyCases.map(({ name, backbone }) => [name, () => subjectOf(backbone)] as const),
    ['Falcon, rotary', () => subjectOf(rotaryFalcon as never)] as const,
    ['BART', bart] as const,
  ])('S64: %s: gives the logits and the tokens of one that is read at once', (_, subject) =>
    fc.assert(
      fc.asyncProperty(drawn, async ({ prompts, piece }) => {
        const own = subject(prompts.length);
        const whole = requestOf(own, watching(own.model.vocabularySize), { prompts });
        const inPieces = { ...whole, piece };
        expectClose(await firstLogits(inPieces), await firstLogits(whole), { atol: 1e-5, rtol: 0 });
        expect(await tokensOf(inPieces)).toEqual(await tokensOf(whole));
      }),
      { numRuns: 3 },
    ),
  );

  const draft = GPT2CausalLM({
    backbone: GPT2Backbone({
      vocabularySize: 97,
      numLayers: 1,
      numHeads: 2,
      hiddenDim: 8,
      intermediateDim: 12,
      maxSequenceLength: 32,
      seed: 9,
    }),
  });
  const { backbone } = familyCases[0]!;

  it.each([
    RandomSampler({ temperature: 1.3 }),
    BeamSampler({ numBeams: 3, returnAllBeams: true }),
    ContrastiveSampler({ k: 3 }),
    SpeculativeSampler({ draft: draft as never, numSpeculativeTokens: 3 }),
  ])('S64 S71 S72 S73 S74: $name: goes on to the same text', (sampler) =>
    fc.assert(
      fc.asyncProperty(drawn, async ({ prompts, piece }) => {
        const whole = requestOf(
          { ...subjectOf(backbone), draftParams: draft.backbone.params as Tree },
          sampler as Sampler,
          { prompts },
        );
        expect(await tokensOf({ ...whole, piece })).toEqual(await tokensOf(whole));
      }),
      { numRuns: 2 },
    ),
  );

  it('S64: makes one plan of all pieces but the last, updates the cache where it lies, and leaves no buffer', async () => {
    const { gpu, device } = await unusedTestDevice();
    const params = withLeaves(backbone.params, await device.realize(leaves(backbone.params)));
    let passes: number[] = [];
    const counted: CausalModel = {
      ...backbone.model,
      apply: (own, inputs, context) => {
        passes.push(inputs.tokenIds.shape[1]!);
        return backbone.model.apply(own, inputs, context);
      },
    };
    const ids = Array.from({ length: 13 }, (_, i) => (i * 31) % 97);
    const whole = requestOf({ device, model: counted, params }, RandomSampler(), { prompts: [ids] });
    const before = gpu.memory().liveBuffers;
    const tokens = await tokensOf(whole);
    expect(passes).toEqual([16, 1]);
    passes = [];
    // Places 0, 4 and 8 by one plan, then 12 to the end of the row.
    expect(await tokensOf({ ...whole, piece: 4 })).toEqual(tokens);
    expect(passes).toEqual([4, 4]);
    expect(await tokensOf({ ...whole, piece: 4 })).toEqual(tokens);
    expect(passes).toEqual([4, 4]);
    expect(gpu.memory().liveBuffers).toBe(before);
    const logits = watching(97);
    const [own, others] = [
      await firstLogits({ ...whole, sampler: logits, piece: 4 }),
      await firstLogits({ ...whole, sampler: logits }),
    ];
    expectClose(own, others, { atol: 1e-5, rtol: 0 });
  });

  it('S64: an intercept in the prefill sees the whole prompt, however long', async () => {
    const seen: number[] = [];
    const intercept: Intercept = (x, { site, position }) => {
      if (site === 'embeddings' && position === undefined) seen.push(x.shape[1]!);
      return x;
    };
    const request = requestOf(subjectOf(backbone), GreedySampler(), { prompts: [Array.from({ length: 11 }, () => 5)] });
    const plain = await tokensOf({ ...request, piece: 4 });
    expect(await tokensOf({ ...request, piece: 4, intercept })).toEqual(plain);
    expect(seen).toEqual([16]);
    // Where it begins later, nobody looks.
    expect(await tokensOf({ ...request, piece: 4, intercept, when: (step) => step > 0 })).toEqual(plain);
    expect(seen).toEqual([16]);
  });

  it('ends between two pieces when a signal asks for it, and gives its memory back', async () => {
    const { gpu, device } = await unusedTestDevice();
    const ending = new AbortController();
    const stopping: Device = {
      ...device,
      compile: (f, options) => {
        const compiled = device.compile(f, options);
        return {
          ...compiled,
          run: (...args) => {
            ending.abort(new Error('enough'));
            return compiled.run(...args);
          },
        };
      },
    };
    const params = withLeaves(backbone.params, await device.realize(leaves(backbone.params)));
    const before = gpu.memory().liveBuffers;
    const request = requestOf({ device: stopping, model: backbone.model, params }, GreedySampler(), {
      prompts: [Array.from({ length: 11 }, () => 5)],
    });
    await expect(tokensOf({ ...request, piece: 4, signal: ending.signal })).rejects.toThrow('enough');
    expect(gpu.memory().liveBuffers).toBe(before);
  });

  it('S64: a thousand tokens go in three pieces where nothing else is said', async () => {
    const device = await webgpuTestDevice();
    const { model, params } = GPT2Backbone({
      vocabularySize: 97,
      numLayers: 1,
      numHeads: 2,
      hiddenDim: 16,
      intermediateDim: 16,
      maxSequenceLength: 1040,
      seed: 3,
    });
    const places: number[] = [];
    const counted: CausalModel = {
      ...(model as unknown as CausalModel),
      apply: (own, inputs, context) => {
        places.push(inputs.tokenIds.shape[1]!);
        return model.apply(own as typeof params, inputs, context);
      },
    };
    const held = withLeaves(params as Tree, await device.realize(leaves(params)));
    const request: GenerationRequest<Tree> = {
      ...requestOf({ device, model: counted, params: held }, RandomSampler(), { prompts: [[5]] }),
      prompt: {
        tokenIds: Int32Array.from({ length: 1036 }, (_, i) => (i * 31) % 97),
        paddingMask: new Uint8Array(1036).fill(1, 0, 1030),
        batch: 1,
        length: 1036,
      },
    };
    const tokens = await tokensOf(request);
    expect(places).toEqual([512, 12, 1]);
    expect(await tokensOf({ ...request, piece: 2000 })).toEqual(tokens);
    expect(places.slice(3)).toEqual([1036]);
  });

  it('has 512 tokens in a piece, and fewer of each row where there are many', () => {
    expect([1, 4, 5, 8, 32, 500].map(pieceOf)).toEqual([512, 512, 400, 256, 64, 64]);
  });
});
