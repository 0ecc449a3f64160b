import { describe, expect, it } from 'vitest';
import { at, compose, type Intercept, identityIntercept } from '../../src/layers/intercept.ts';
import { add } from '../../src/ops/add.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import { RandomSampler } from '../../src/samplers/samplers.ts';
import { GPT2CausalLM, type GPT2CausalLM as Task } from '../../src/tasks/gpt2.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { drawn } from '../support/draw.ts';
import { presetPath } from '../support/fixtures.ts';

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

const load = async (device: Device): Promise<Task> =>
  (await GPT2CausalLM.fromPreset(presetPath('keras/c_float32'), { device })).compile({ sampler: 'greedy' });

/** Strong enough to change what a tiny random model says. */
const vector = drawn([32], { low: -3, high: 3, seed: 4 });
const steer = at({ site: 'residualPost', layer: 1 }, (x) => add(x, vector));
/** Head 2 looks nowhere. */
const ablate = at({ site: 'pattern' }, (pattern) => multiply(pattern, tensor([1, 1, 0, 1], { shape: [4, 1, 1] })));
const everywhere = compose(
  steer,
  ablate,
  at({ site: ['key', 'value'], layer: [0, 2] }, (x) => multiply(x, 0.7)),
  at({ site: 'mlpNormScale' }, (scale) => multiply(scale, 1.3)),
  at({ site: ['finalNormalized', 'logits'] }, (x) => multiply(x, 1.1)),
);

/** Greedy continuation without a cache: a whole pass for each token. */
const uncached = async (
  lm: Task,
  device: Device,
  prompt: readonly number[],
  length: number,
  intercept: Intercept,
): Promise<number[]> => {
  const ids = [...prompt];
  while (ids.length < length) {
    const [logits] = await device.evaluate([lm.apply({ tokenIds: [ids] }, { intercept })]);
    const last = Array.from(logits!.data.slice(-lm.backbone.config.vocabularySize));
    ids.push(last.indexOf(Math.max(...last)));
  }
  return ids;
};

const prompt = [5, 300, 17];
const length = 14;
const given = (ids: readonly number[]) => ({
  tokenIds: [[...ids, ...new Array<number>(length - ids.length).fill(0)]],
  paddingMask: [Array.from({ length }, (_, i) => i < ids.length)],
});

const cached = async (lm: Task, options: Parameters<Task['generate']>[1] = {}): Promise<number[]> => [
  ...(await lm.generate(given(prompt), { stopTokenIds: null, ...options })).tokenIds.data,
];

describe.each(devices)('intercepts while generating, on %s', (_name, open) => {
  it.each([
    ['a steering vector', steer],
    ['an ablated head', ablate],
    ['many sites at once', everywhere],
  ] as const)('%s: with a cache as without', async (_what, intercept) => {
    const device = await open();
    const lm = await load(device);
    const changed = await cached(lm, { intercept });
    expect(changed).toEqual(await uncached(lm, device, prompt, length, intercept));
    expect(changed).not.toEqual(await cached(lm));
  });

  it('the identity gives the plain text', async () => {
    const lm = await load(await open());
    const plain = await cached(lm);
    expect(await cached(lm, { intercept: identityIntercept })).toEqual(plain);
    expect(await cached(lm, { intercept: (x) => x })).toEqual(plain);
  });

  it('are in force in the steps that when says: 0 is the prefill', async () => {
    const device = await open();
    const lm = await load(device);
    const plain = await cached(lm);
    expect(await cached(lm, { intercept: steer, when: () => false })).toEqual(plain);
    expect(await cached(lm, { intercept: steer, when: () => true })).toEqual(await cached(lm, { intercept: steer }));
    // Step s reads the place `prompt.length + s - 1`; the prefill reads all before.
    for (const when of [(step: number) => step === 0, (step: number) => step > 0 && step < 5]) {
      const places = (size: number): Tensor =>
        tensor(
          Float32Array.from({ length: size }, (_, place) => (when(Math.max(0, place - prompt.length + 1)) ? 1 : 0)),
          { shape: [size, 1] },
        );
      const masked = at({ site: 'residualPost', layer: 1 }, (x) => add(x, multiply(places(x.shape[1]!), vector)));
      expect(await cached(lm, { intercept: steer, when })).toEqual(await uncached(lm, device, prompt, length, masked));
    }
  });

  it('work for texts, batches and streams, and with samplers that draw', async () => {
    const lm = await load(await open());
    const options = { maxLength: 20, intercept: steer };
    const text = await lm.generate('The old', options);
    expect(text).not.toBe(await lm.generate('The old', { maxLength: 20 }));
    expect((await lm.generate(['a', 'The old'], options))[1]).toBe(text);
    let streamed = '';
    for await (const piece of lm.stream('The old', options)) streamed += piece;
    expect(streamed).toBe(await lm.generate('The old', { ...options, stripPrompt: true }));
    const random = lm.compile({ sampler: RandomSampler({ seed: 3 }) });
    expect(await random.generate('a', options)).toBe(await random.generate('a', options));
  });

  it('see the place of the first token, and a length of 1, in cached steps', async () => {
    const lm = await load(await open());
    const seen = new Set<string>();
    await cached(lm, {
      intercept: (x, { site, layer, position }) => {
        if (layer === undefined || layer === 1)
          seen.add(`${position === undefined ? 'prefill' : 'step'} ${site} [${x.shape.join(', ')}]`);
        return x;
      },
    });
    expect([...seen].filter((line) => /pattern|residualPost|key|logits|positionEmbedding/.test(line))).toEqual([
      // The prefill is as long as the prompt, up to the next multiple of 16 or the whole length.
      'prefill positionEmbedding [14, 32]',
      'prefill key [1, 14, 4, 8]',
      'prefill pattern [1, 4, 14, 14]',
      'prefill residualPost [1, 14, 32]',
      'prefill logits [1, 1, 420]',
      'step positionEmbedding [1, 32]',
      'step key [1, 1, 4, 8]',
      'step pattern [1, 4, 1, 14]',
      'step residualPost [1, 1, 32]',
      'step logits [1, 1, 420]',
    ]);
  });

  it('for a site that is not there are refused, as is when without an intercept', async () => {
    const lm = await load(await open());
    await expect(cached(lm, { intercept: at({ site: 'z', layer: 3 }, (x) => x) })).rejects.toThrow(
      "intercept: expected a layer of GPT2Backbone from 0 to 2, got { site: 'z', layer: 3 }; the nearest is { site: 'z', layer: 2 }",
    );
    await expect(cached(lm, { intercept: () => constant(0) })).rejects.toThrow('for tokenEmbedding, got []');
    await expect(cached(lm, { when: () => true })).rejects.toThrow(
      'generate: expected a function as when, together with an intercept, got no intercept',
    );
  });
});

describe('intercepts while generating', () => {
  it('give one text on both interpreters', async () => {
    const texts = await Promise.all(
      devices.map(async ([, open]) =>
        (await load(await open())).generate('The old', { maxLength: 30, intercept: steer }),
      ),
    );
    expect(texts[1]).toBe(texts[0]);
  });

  it('are called while a pass is traced, once for each kind of pass, and not when it is replayed', async () => {
    const lm = await load(await webgpuTestDevice());
    let calls = 0;
    const intercept = at({ site: 'logits' }, (x) => {
      calls++;
      return multiply(x, 2);
    });
    await cached(lm, { intercept });
    expect(calls).toBe(2);
    await cached(lm, { intercept });
    await cached(lm, { intercept, when: (step) => step % 2 === 0 });
    expect(calls).toBe(2);
  });
});
