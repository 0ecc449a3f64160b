// The page of GPT2CausalLM, line by line, as far as it needs no training and no download.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import {
  CausalLM,
  GPT2Backbone,
  GPT2CausalLM,
  GPT2CausalLMPreprocessor,
  GPT2Tokenizer,
  GreedySampler,
  RandomSampler,
  read,
  referenceDevice,
  TopKSampler,
  TopPSampler,
} from '../../src/index.ts';
import type { CausalModel } from '../../src/models/causalModel.ts';
import type { GPT2Params } from '../../src/models/gpt2/params.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';

const load = async () =>
  GPT2CausalLM.fromPreset(presetPath('keras/c_float32'), { device: await webgpuTestDevice(), sampler: 'greedy' });

/** Sizes of a model that reads all of GPT-2's vocabulary and is small otherwise. */
const small = {
  vocabularySize: 50257,
  numLayers: 1,
  numHeads: 2,
  hiddenDim: 8,
  intermediateDim: 16,
  maxSequenceLength: 16,
};

/** The page's custom model, with its vocabulary of four pieces. */
const custom = () => {
  const tokenizer = GPT2Tokenizer({
    vocabulary: { '<|endoftext|>': 0, a: 4, Ġquick: 5, Ġfox: 6 },
    merges: ['Ġ q', 'u i', 'c k', 'ui ck', 'Ġq uick', 'Ġ f', 'o x', 'Ġf ox'],
  });
  const preprocessor = GPT2CausalLMPreprocessor({ tokenizer, sequenceLength: 128 });
  const backbone = GPT2Backbone({
    vocabularySize: 30552,
    numLayers: 4,
    numHeads: 4,
    hiddenDim: 256,
    intermediateDim: 512,
    maxSequenceLength: 128,
  });
  return GPT2CausalLM({ backbone, preprocessor, sampler: 'greedy' });
};

describe('the parts of a task', () => {
  it('S3 S9 are a backbone and, if wanted, a preprocessor; built, it is ready to generate', async () => {
    const { backbone, preprocessor } = await load();
    const lm = GPT2CausalLM({ backbone, preprocessor });
    expect(lm.name).toBe('GPT2CausalLM');
    expect([lm.backbone, lm.preprocessor, lm.tokenizer]).toEqual([backbone, preprocessor, preprocessor!.tokenizer]);
    expect((await lm.generate('The old', { maxLength: 12 })).startsWith('The old')).toBe(true);
    const bare = GPT2CausalLM({ backbone });
    expect([bare.preprocessor, bare.tokenizer]).toEqual([null, null]);
    const { tokenIds } = await bare.generate(
      { tokenIds: [[1, 2, 0, 0]], paddingMask: [[true, true, false, false]] },
      { stopTokenIds: null },
    );
    expect(tokenIds.shape).toEqual([1, 4]);
  });

  it('S7 a backbone can be read, and used alone', async () => {
    const { backbone } = await load();
    const alone = await GPT2Backbone.fromPreset(presetPath('keras/c_float32'), { device: await webgpuTestDevice() });
    const tokenIds = [[1, 2, 3]];
    const [own, other] = await read([backbone.apply({ tokenIds }), alone.apply({ tokenIds })]);
    expect(own!.shape).toEqual([1, 3, backbone.config.hiddenDim]);
    expect(own!.data).toEqual(other!.data);
    expect(backbone.countParams()).toBe(alone.countParams());
  });

  it('S42 draws from the five likeliest tokens unless told otherwise (GPT-2)', async () => {
    const { backbone, preprocessor } = await load();
    const byDefault = GPT2CausalLM({ backbone, preprocessor });
    expect(byDefault.sampler.name).toBe('top_k');
    const options = { maxLength: 24, seed: 3 };
    expect(await byDefault.generate('The old', options)).toBe(
      await byDefault.compile({ sampler: TopKSampler({ k: 5 }) }).generate('The old', options),
    );
  });
});

describe('fromPreset', () => {
  const folder = mkdtempSync(join(tmpdir(), 'purelm-seed-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(() => void vi.unstubAllEnvs());

  it('S11 knows where a built-in id comes from', async () => {
    vi.stubEnv('HF_HUB_OFFLINE', '1').stubEnv('HF_HOME', folder).stubEnv('KAGGLEHUB_CACHE', folder);
    for (const [id, { kaggleHandle }] of GPT2CausalLM.presets) {
      expect(kaggleHandle).toMatch(new RegExp(`^kaggle://keras/gpt2/keras/${id}/\\d+$`));
      const refused = expect(GPT2CausalLM.fromPreset(id)).rejects;
      await refused.toThrow(`hf://keras/${id}: nothing of it is in the cache`);
    }
  });

  it('S19 a class takes presets of its own backbone, S20 and refuses others by name', async () => {
    expect((await GPT2CausalLM.fromPreset(presetPath('transformers/a_float32'))).backbone.name).toBe('GPT2Backbone');
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ registered_name: 'keras_hub>T5Backbone' }));
    for (const { fromPreset } of [GPT2CausalLM, GPT2Backbone, GPT2Tokenizer, CausalLM])
      await expect(fromPreset(folder)).rejects.toThrow(/GPT2Backbone.*keras_hub>T5Backbone/);
  });
});

describe('the examples of the page', () => {
  it('S121 generate: a text, and a batch', async () => {
    const lm = await CausalLM.fromPreset('gpt2_tiny_en');
    const text = await lm.generate('I want to say', { maxLength: 30 });
    expect(text.startsWith('I want to say')).toBe(true);
    expect(lm.tokenizer!.tokenize(text).length).toBeLessThanOrEqual(30);
    const prompts = ['This is a', 'Where are you'];
    const texts = await lm.generate(prompts, { maxLength: 30 });
    expect(texts.map((own, i) => own.startsWith(prompts[i]!))).toEqual([true, true]);
  });

  it('S123 generate without preprocessing: refused as it stands, and full to the end without stop ids', async () => {
    const prompt = {
      tokenIds: [
        [5338, 318, 0, 0, 0],
        [5338, 318, 0, 0, 0],
      ],
      paddingMask: [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
      ],
    };
    const lm = GPT2CausalLM({ backbone: GPT2Backbone(small), preprocessor: null });
    await expect(lm.generate(prompt)).rejects.toThrow("stopTokenIds 'auto', got none; pass stopTokenIds: null");
    const { tokenIds, paddingMask } = await lm.generate(prompt, { stopTokenIds: null, seed: [1, 2] });
    expect([tokenIds.shape, tokenIds.dtype, paddingMask.dtype]).toEqual([[2, 5], 'int32', 'bool']);
    expect([tokenIds.data[0], tokenIds.data[1], tokenIds.data[5], tokenIds.data[6]]).toEqual([5338, 318, 5338, 318]);
    expect([...paddingMask.data]).toEqual(new Array(10).fill(1));
    expect(tokenIds.data.every((id) => id >= 0 && id < 50257)).toBe(true);
  });

  it('S125 a backbone and a vocabulary of one’s own', async () => {
    const lm = custom();
    const layer = 4 * (256 * 256 + 256) + 2 * 512 + (256 * 512 + 512) + (512 * 256 + 256);
    expect(lm.backbone.countParams()).toBe((30552 + 128) * 256 + 4 * layer + 512);
    const texts = await lm.generate(['a quick fox.', 'a fox quick.'], { maxLength: 12 });
    // The dot is in no piece of the vocabulary, and so are most tokens of the backbone.
    expect(texts.map((text, i) => text.startsWith(['a quick fox', 'a fox quick'][i]!))).toEqual([true, true]);
  });
});

describe('generate', () => {
  it('S44 has the defaults of the page', async () => {
    const lm = await load();
    const { sequenceLength } = lm.preprocessor!;
    expect(await lm.generate('The old')).toBe(
      await lm.generate('The old', { maxLength: sequenceLength, stopTokenIds: 'auto', stripPrompt: false }),
    );
    expect(await lm.generate('The old')).toBe(
      await lm.generate('The old', { stopTokenIds: [lm.tokenizer!.endTokenId] }),
    );
  });

  it('S75 writes one text for one seed on both interpreters', async () => {
    const [webgpu, reference] = await Promise.all(
      [await webgpuTestDevice(), referenceDevice].map((device) =>
        GPT2CausalLM.fromPreset(presetPath('keras/c_float32'), { device }),
      ),
    );
    for (const sampler of [TopKSampler({ k: 20 }), TopPSampler({ p: 0.9 }), RandomSampler({ temperature: 1.3 })])
      for (const seed of [1, 2, 3]) {
        const options = { maxLength: 32, seed, stopTokenIds: null };
        expect(await webgpu!.compile({ sampler }).generate('The old', options)).toBe(
          await reference!.compile({ sampler }).generate('The old', options),
        );
      }
  });

  it('S51 S53 cuts a long text to the length asked for, and refuses ids beyond the position table', async () => {
    const lm = await load();
    const long = 'The old '.repeat(60);
    const text = await lm.generate(long, { maxLength: 20 });
    expect(long.startsWith(text)).toBe(true);
    await expect(lm.generate({ tokenIds: [new Array<number>(49).fill(1)] })).rejects.toThrow(
      "expected token ids of at most 48 (the model's maxSequenceLength), got 49",
    );
  });

  it('S41 refuses options that nobody knows, before anything runs', async () => {
    const lm = await load();
    const wrong = { max_length: 10, temprature: 1, loadWeigths: false, hiddenSize: 8 };
    const attempts: readonly (readonly [keyof typeof wrong, (options: object) => unknown])[] = [
      ['max_length', (options) => lm.generate('The old', options)],
      ['max_length', (options) => lm.generate({ tokenIds: [[1, 2]] }, options)],
      ['max_length', (options) => lm.stream('The old', options).next()],
      ['max_length', (options) => lm.compile(options)],
      ['temprature', (options) => TopKSampler(options)],
      ['temprature', (options) => GreedySampler(options)],
      ['loadWeigths', (options) => GPT2CausalLM.fromPreset('gpt2_tiny_en', options)],
      ['loadWeigths', (options) => CausalLM.fromPreset('gpt2_tiny_en', options)],
      ['loadWeigths', (options) => GPT2Backbone.fromPreset('gpt2_tiny_en', options)],
      ['hiddenSize', (options) => GPT2Backbone({ ...small, ...options })],
    ];
    for (const [name, attempt] of attempts)
      await expect((async () => attempt({ [name]: wrong[name] }))(), name).rejects.toThrow(
        new RegExp(`expected options among .*, got ${name}$`),
      );
  });

  it('S59 goes on past places that are empty, where the stop id is the padding id', async () => {
    const lm = custom();
    expect([lm.tokenizer!.endTokenId, lm.tokenizer!.padTokenId]).toEqual([0, 0]);
    const prompt = lm.preprocessor!.generatePreprocess(['a quick fox'], { sequenceLength: 16 });
    const [stopped, full] = await Promise.all([lm.generate(prompt), lm.generate(prompt, { stopTokenIds: null })]);
    const end = Array.from(full.tokenIds.data).findIndex((id, place) => place >= 4 && id === 0);
    const last = end === -1 ? 16 : end + 1;
    expect(last).toBeGreaterThan(5);
    expect([...stopped.tokenIds.data.slice(0, last)]).toEqual([...full.tokenIds.data.slice(0, last)]);
    expect(Array.from(stopped.paddingMask.data).reduce((sum, real) => sum + real, 0)).toBe(last);
  });

  it('S64 fills the cache by one pass over the prompt and goes on with one token a step', async () => {
    const { backbone } = await load();
    const passes: { readonly tokens: readonly number[]; readonly cached: readonly number[] | undefined }[] = [];
    const model: CausalModel<GPT2Params> = {
      ...backbone.model,
      apply: (params, inputs, context) => {
        passes.push({ tokens: inputs.tokenIds.shape, cached: context?.cache?.layers[0]?.key.shape });
        const outputs = backbone.model.apply(params, inputs, context);
        expect(outputs.presents.length).toBe(backbone.config.numLayers);
        return outputs;
      },
    };
    const lm = GPT2CausalLM({ backbone: { ...backbone, model }, sampler: 'greedy' });
    const rows = [1, 2, 3].map((id) => [id, id, id, ...new Array<number>(21).fill(0)]);
    const paddingMask = rows.map((row) => row.map((id) => id !== 0));
    await lm.generate({ tokenIds: rows, paddingMask }, { stopTokenIds: null });
    const { numHeads, hiddenDim } = backbone.config;
    // Traced once each: the plan of a step is replayed for all 20 others. Prompts are rounded up to 16 places.
    expect(passes).toEqual([
      { tokens: [3, 16], cached: undefined },
      { tokens: [3, 1], cached: [3, 24, numHeads, hiddenDim / numHeads] },
    ]);
  });
});
