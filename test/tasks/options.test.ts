import { describe, expect, it } from 'vitest';
import { argmax } from '../../src/ops/argmax.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import { CustomSampler, GreedySampler, RandomSampler, TopKSampler, TopPSampler } from '../../src/samplers/samplers.ts';
import { CausalLM } from '../../src/tasks/fromPreset.ts';
import type { GPT2CausalLM as Task } from '../../src/tasks/gpt2.ts';
import { GPT2Backbone, GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import { unusedTestDevice, webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';

const open = async (device: Device): Promise<Task> =>
  GPT2CausalLM.fromPreset(presetPath('keras/c_float32'), { device });

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

const collect = async (pieces: AsyncIterable<string>): Promise<string[]> => {
  const all: string[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
};

describe.each(devices)('generate on %s', (_name, device) => {
  it('S75 one seed gives one text, alone and in any batch', async () => {
    const lm = (await open(await device())).compile({ sampler: RandomSampler() });
    const options = { maxLength: 24, seed: 7 };
    const alone = await lm.generate('The old', options);
    expect(await lm.generate('The old', options)).toBe(alone);
    expect((await lm.generate(['a', 'The old', 'again and'], options))[1]).toBe(alone);
    expect(await lm.generate('The old', { ...options, seed: 8 })).not.toBe(alone);
  });

  it('takes a seed for each row, and permuted rows give permuted texts', async () => {
    const lm = (await open(await device())).compile({ sampler: TopKSampler({ k: 20 }) });
    const prompts = ['a', 'The old', 'a'];
    const texts = await lm.generate(prompts, { maxLength: 20, seed: [1, 2, 3] });
    const back = await lm.generate([...prompts].reverse(), { maxLength: 20, seed: [3, 2, 1] });
    expect([...back].reverse()).toEqual(texts);
    expect(texts[0]).not.toBe(texts[2]);
  });

  it('uses the seed of the sampler where none is given', async () => {
    const lm = (await open(await device())).compile({ sampler: TopPSampler({ p: 0.9, seed: 5 }) });
    expect(await lm.generate('a', { maxLength: 16 })).toBe(await lm.generate('a', { maxLength: 16, seed: 5 }));
  });

  it('streams pieces that make up the answer, whole characters only', async () => {
    const lm = (await open(await device())).compile({ sampler: 'greedy' });
    for (const options of [{ maxLength: 40 }, { maxLength: 30, stopTokenIds: null }] as const) {
      const pieces = await collect(lm.stream('The old', options));
      expect(pieces.join('')).toBe(await lm.generate('The old', { ...options, stripPrompt: true }));
      expect(pieces.length).toBeGreaterThan(1);
    }
  });

  it('S47 takes batches from an iterable, and joins what they give', async () => {
    const lm = (await open(await device())).compile({ sampler: 'greedy' });
    const batches = async function* () {
      yield ['The old', 'a'];
      yield 'again and';
    };
    expect(await lm.generate(batches(), { maxLength: 16 })).toEqual([
      ...(await lm.generate(['The old', 'a'], { maxLength: 16 })),
      await lm.generate('again and', { maxLength: 16 }),
    ]);
  });

  it('ends when its signal is aborted, with the reason', async () => {
    const lm = (await open(await device())).compile({ sampler: 'greedy' });
    await expect(lm.generate('a', { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    const controller = new AbortController();
    const running = collect(
      (async function* () {
        for await (const piece of lm.stream('a', { signal: controller.signal, stopTokenIds: null })) {
          controller.abort(new Error('enough'));
          yield piece;
        }
      })(),
    );
    await expect(running).rejects.toThrow('enough');
    await expect(
      GPT2CausalLM.fromPreset(presetPath('keras/c_float32'), { signal: AbortSignal.abort(new Error('no')) }),
    ).rejects.toThrow('no');
  });

  it('S41 takes a sampler of one’s own: a function, or one from nextToken', async () => {
    const lm = await open(await device());
    const greedy = await lm.compile({ sampler: GreedySampler() }).generate('The old', { maxLength: 20 });
    expect(await lm.compile({ sampler: (p) => argmax(p) }).generate('The old', { maxLength: 20 })).toBe(greedy);
    const own = CustomSampler({ nextToken: (p) => argmax(p), temperature: 2 });
    expect(await lm.compile({ sampler: own }).generate('The old', { maxLength: 20 })).toBe(greedy);
  });

  it('S43 compile gives a new task and leaves the old one as it was', async () => {
    const lm = await open(await device());
    const greedy = lm.compile({ sampler: 'greedy' });
    expect([lm.sampler.name, greedy.sampler.name, greedy.compile().sampler.name]).toEqual(['top_k', 'greedy', 'top_k']);
    expect(Object.isFrozen(greedy)).toBe(true);
  });

  it('S22 S118 loadWeights: false gives seeded random weights of the same architecture', async () => {
    const options = { device: await device(), loadWeights: false, preprocessor: null } as const;
    const [a, b, c] = await Promise.all(
      [1, 1, 2].map((seed) => GPT2CausalLM.fromPreset(presetPath('keras/a_float32'), { ...options, seed })),
    );
    const [x, y, z] = await Promise.all(
      [a!, b!, c!].map(async (lm) => (await (await device()).evaluate([lm.apply({ tokenIds: [[1, 2, 3]] })]))[0]!.data),
    );
    expect(x).toEqual(y);
    expect(x).not.toEqual(z);
  });

  it('a backbone of one’s own writes, from random weights', async () => {
    const backbone = GPT2Backbone({
      vocabularySize: 31,
      numLayers: 2,
      numHeads: 2,
      hiddenDim: 10,
      intermediateDim: 20,
      maxSequenceLength: 12,
    });
    const lm = GPT2CausalLM({ backbone, sampler: 'greedy' });
    const prompt = { tokenIds: [[1, 2, 0, 0, 0]], paddingMask: [[true, true, false, false, false]] };
    const { tokenIds, paddingMask } = await lm.generate(prompt, { stopTokenIds: null });
    expect([...tokenIds.data.slice(0, 2)]).toEqual([1, 2]);
    expect([...paddingMask.data]).toEqual([1, 1, 1, 1, 1]);
    expect(backbone.countParams()).toBe(31 * 10 + 12 * 10 + 2 * (4 * 110 + 2 * 20 + 220 + 210) + 20);
  });
});

describe('generate refuses, before anything runs', () => {
  const refusals: readonly (readonly [string, (lm: Task) => Promise<unknown>, string | RegExp])[] = [
    ['maxLength of 0', (lm) => lm.generate('a', { maxLength: 0 }), 'a whole number from 1, got 0'],
    ['S53 maxLength over the position table', (lm) => lm.generate('a', { maxLength: 49 }), /at most 48 .* got 49/],
    ['an empty list', (lm) => lm.generate([]), 'at least one prompt, got an empty list'],
    ['something that is no prompt', (lm) => lm.generate(5 as unknown as string), 'expected a string, a list'],
    [
      'ids outside the vocabulary',
      (lm) => lm.generate({ tokenIds: [[1, 420, 0]] }),
      'expected token ids from 0 to 419 (vocabularySize 420), got 420 at place 1 of row 0',
    ],
    [
      'a mask of another shape',
      (lm) => lm.generate({ tokenIds: [[1, 2]], paddingMask: [[true]] }),
      "expected paddingMask of tokenIds' shape [1, 2], got [1, 1]",
    ],
    [
      'a row without a token',
      (lm) => lm.generate({ tokenIds: [[1, 2]], paddingMask: [[false, false]] }),
      'at least one given token in every row',
    ],
    ['S57 stop ids that are none', (lm) => lm.generate('a', { stopTokenIds: [1.5] }), "'auto', null or a list of ids"],
    ['a seed that is none', (lm) => lm.generate('a', { seed: 1.5 }), 'a whole number as seed'],
    ['too few seeds', (lm) => lm.generate(['a', 'b'], { seed: [1] }), 'one for each of the 2 rows'],
    [
      'S41 an unknown sampler',
      async (lm) => lm.compile({ sampler: 'best' as 'greedy' }),
      'greedy, top_k, top_p, random',
    ],
    ['S41 an upper-case name', async (lm) => lm.compile({ sampler: 'Greedy' as 'greedy' }), 'lower case'],
    ['a temperature of 0', async () => TopKSampler({ temperature: 0 }), 'a temperature above 0'],
    ['k of 0', async () => TopKSampler({ k: 0 }), 'whole number from 1'],
    ['p over 1', async () => TopPSampler({ p: 1.5 }), 'p from 0 to 1'],
    [
      'k over the vocabulary',
      (lm) => lm.compile({ sampler: TopKSampler({ k: 421 }) }).generate('a', { maxLength: 8 }),
      'k from 1 to the 420 candidates, got 421',
    ],
    ['S45 a stream of two prompts', (lm) => collect(lm.stream(['a'] as unknown as string)), 'one prompt as a string'],
  ];

  it.each(refusals)('%s', async (_name, attempt, message) => {
    const lm = await open(referenceDevice);
    await expect((async () => attempt(lm))()).rejects.toThrow(message);
  });

  it('S55 text without a preprocessor, and auto stop ids without one', async () => {
    const lm = await GPT2CausalLM.fromPreset(presetPath('keras/a_float32'), {
      device: referenceDevice,
      preprocessor: null,
    });
    await expect(lm.generate('a')).rejects.toThrow('no preprocessor');
    await expect(lm.generate({ tokenIds: [[1, 0]], paddingMask: [[true, false]] })).rejects.toThrow(
      'pass stopTokenIds: null',
    );
  });
});

describe('fromPreset', () => {
  it('S18 CausalLM finds the family; S10 S14 a folder is a preset', async () => {
    const lm = await CausalLM.fromPreset(presetPath('transformers/c_float32'), { device: referenceDevice });
    expect(lm.name).toBe('GPT2CausalLM');
    expect(lm.backbone.name).toBe('GPT2Backbone');
    expect(lm.preprocessor?.sequenceLength).toBe(48);
  });

  it('S8 preprocessor: null turns preprocessing off', async () => {
    const lm = await GPT2CausalLM.fromPreset(presetPath('keras/c_float32'), {
      device: referenceDevice,
      preprocessor: null,
    });
    expect([lm.preprocessor, lm.tokenizer]).toEqual([null, null]);
  });

  it('S23 dtype stores the weights narrower', async () => {
    const device = await webgpuTestDevice();
    const wide = await open(device);
    const narrow = await GPT2CausalLM.fromPreset(presetPath('keras/c_float32'), { device, dtype: 'bfloat16' });
    expect(narrow.params.tokenEmbedding.embeddings.dtype).toBe('bfloat16');
    const [a, b] = await device.evaluate([wide, narrow].map((lm) => lm.apply({ tokenIds: [[1, 2, 3]] })));
    const spread = Math.max(...a!.data) - Math.min(...a!.data);
    const worst = Math.max(...Array.from(a!.data, (value, i) => Math.abs(value - b!.data[i]!)));
    // Two hundredths of the spread is what narrow storage is held to.
    expect(worst).toBeLessThan(2e-2 * spread);
    expect(worst).toBeGreaterThan(0);
  });

  it('S12 S13 S16 says what forms there are when a preset is none of them', async () => {
    await expect(GPT2CausalLM.fromPreset('no_such_preset')).rejects.toThrow('no such preset');
    await expect(GPT2CausalLM.fromPreset('gpt2_base_eng')).rejects.toThrow('gpt2_base_en');
    await expect(GPT2CausalLM.fromPreset('./no_such_folder')).rejects.toThrow('expected a folder with a preset');
    await expect(GPT2CausalLM.fromPreset('')).rejects.toThrow('expected the id of a preset or a folder');
  });

  it('S25 lists its presets', () => {
    expect([...GPT2CausalLM.presets.keys()]).toEqual([
      'gpt2_base_en',
      'gpt2_medium_en',
      'gpt2_large_en',
      'gpt2_extra_large_en',
      'gpt2_base_en_cnn_dailymail',
    ]);
  });
});

describe('memory', () => {
  it('live buffers are the same in number before and after generate, also when it ends early', async () => {
    const { gpu, device } = await unusedTestDevice();
    const lm = (await open(device)).compile({ sampler: TopKSampler({ seed: 1 }) });
    const before = gpu.memory().liveBuffers;
    await lm.generate(['The old', 'a'], { maxLength: 24 });
    for await (const _piece of lm.stream('a', { stopTokenIds: null, maxLength: 40 })) break;
    await expect(lm.generate('a', { maxLength: 30, signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow();
    expect(gpu.memory().liveBuffers).toBe(before);
  });
});
