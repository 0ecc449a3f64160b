// The page of FalconCausalLM, line by line, on a tiny preset in place of falcon_refinedweb_1b_en.
import { describe, expect, it } from 'vitest';
import {
  BeamSampler,
  CausalLM,
  FalconBackbone,
  FalconCausalLM,
  FalconCausalLMPreprocessor,
  FalconTokenizer,
  referenceDevice,
} from '../../src/index.ts';
import { countParams } from '../../src/models/weightEntry.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';

const preset = presetPath('keras/falcon_c_float32');
const features = ['The quick brown fox jumped.', 'I forgot my homework.'];

const load = async () => FalconCausalLM.fromPreset(preset, { device: await webgpuTestDevice() });

/** Sizes of a model that reads the page's token ids and is small otherwise. */
const small = { vocabularySize: 50304, numLayers: 1, numAttentionHeads: 2, hiddenDim: 8, intermediateDim: 4 * 8 };

/** The page's custom tokenizer, of four pieces. */
const tokenizer = FalconTokenizer({
  vocabulary: { '<|endoftext|>': 0, a: 4, Ġquick: 5, Ġfox: 6 },
  merges: ['Ġ q', 'u i', 'c k', 'ui ck', 'Ġq uick', 'Ġ f', 'o x', 'Ġf ox'],
});

describe('the page of FalconCausalLM', () => {
  it('S4 S42 S126 D1: generates from a string and from several, greedy unless told otherwise', async () => {
    const falconLM = await load();
    expect(falconLM.sampler.name).toBe('greedy');
    const text = await falconLM.generate('I want to say', { maxLength: 30 });
    expect(text.startsWith('I want to say')).toBe(true);
    expect(await falconLM.generate('I want to say', { maxLength: 30 })).toBe(text);
    const both = await falconLM.generate(['This is a', 'Where are you'], { maxLength: 30 });
    expect(both.map((one, i) => one.startsWith(['This is a', 'Where are you'][i]!))).toEqual([true, true]);
  });

  it('S126: compiles top-k, as KerasHub has it without being asked, and two beams', async () => {
    const falconLM = await load();
    const drawing = falconLM.compile({ sampler: 'top_k' });
    expect(drawing.sampler.name).toBe('top_k');
    const seeded = { maxLength: 30, seed: 3 };
    expect(await drawing.generate('I want to say', seeded)).toBe(await drawing.generate('I want to say', seeded));
    const searching = falconLM.compile({ sampler: BeamSampler({ numBeams: 2 }) });
    expect((await searching.generate('I want to say', { maxLength: 30 })).startsWith('I want to say')).toBe(true);
  });

  it('S55 S127 D3: generates from tokens, and gives back what leaves no place free', async () => {
    const falconLM = FalconCausalLM({ backbone: FalconBackbone({ ...small, seed: 1 }), preprocessor: null });
    const prompt = {
      tokenIds: [
        [50256, 17337, 292, 318],
        [50256, 17337, 292, 318],
      ],
      paddingMask: [
        [1, 1, 1, 1],
        [1, 1, 1, 1],
      ],
    };
    await expect(falconLM.generate(prompt)).rejects.toThrow(/stopTokenIds/);
    const { tokenIds, paddingMask } = await falconLM.generate(prompt, { stopTokenIds: null });
    expect([...tokenIds.data]).toEqual(prompt.tokenIds.flat());
    expect([...paddingMask.data].every(Boolean)).toBe(true);
  });

  it('fits a batch of strings', async () => {
    const { history } = await (await load()).fit(features, { batchSize: 2 });
    expect(history.loss!.length).toBe(1);
    expect(Number.isFinite(history.loss![0])).toBe(true);
  });

  it('S128: fits tokens with weights', async () => {
    const row = [50256, 17337, 292, 318, 2769, 4673, 5888, 50256, 0];
    const x = { tokenIds: [row, row], paddingMask: [row, row].map((ids) => ids.map((_, i) => i < 8)) };
    const y = [row, row].map(() => [17337, 292, 318, 2769, 4673, 5888, 50256, 0, 0]);
    const sampleWeight = y.map(() => [1, 1, 1, 1, 1, 1, 1, 0, 0]);
    const falconLM = FalconCausalLM({ backbone: FalconBackbone({ ...small, seed: 1 }), preprocessor: null });
    const { history } = await falconLM.fit(x, { y, sampleWeight, batchSize: 2 });
    // The mean over all places, of which 7 in 9 count: nearly the logarithm of the vocabulary's size.
    expect(history.loss![0]).toBeCloseTo((7 / 9) * Math.log(50304), 1);
  });

  it('S129 D4: takes a vocabulary and a backbone of one’s own', async () => {
    const preprocessor = FalconCausalLMPreprocessor({ tokenizer, sequenceLength: 128 });
    const sizes = {
      vocabularySize: 50304,
      numLayers: 24,
      numAttentionHeads: 64,
      hiddenDim: 2048,
      intermediateDim: 4 * 2048,
    };
    const whole = FalconBackbone(sizes);
    expect(countParams(whole.model.weights)).toBe(
      FalconCausalLM.presets.get('falcon_refinedweb_1b_en')!.metadata.params,
    );
    // As many heads, and otherwise small, so that this machine trains it in a moment.
    const narrow = { vocabularySize: 304, numLayers: 2, hiddenDim: 64, intermediateDim: 4 * 64 };
    const backbone = FalconBackbone({ ...sizes, ...narrow });
    const falconLM = FalconCausalLM({ backbone, preprocessor });
    expect(falconLM.tokenizer!.tokenize('a quick fox.')).toEqual([4, 5, 6]);
    const { task, history } = await falconLM.fit(features, { batchSize: 2 });
    expect(Number.isFinite(history.loss![0])).toBe(true);
    expect((await task.generate('a quick', { maxLength: 5 })).startsWith('a quick')).toBe(true);
  });

  it('S10 S18 S22: infers the class from the preset, and leaves weights out if told so', async () => {
    const causalLM = await CausalLM.fromPreset(preset, { device: referenceDevice });
    expect(causalLM.name).toBe('FalconCausalLM');
    const blank = await FalconCausalLM.fromPreset(preset, { device: referenceDevice, loadWeights: false });
    expect(blank.backbone.config).toEqual(causalLM.backbone.config);
    const [own, other] = [blank, causalLM].map((lm) => lm.apply({ tokenIds: [[1, 2]] }));
    const [a, b] = await referenceDevice.evaluate([own!, other!]);
    expect(a!.data).not.toEqual(b!.data);
    expect([...FalconCausalLM.presets.keys()]).toEqual(['falcon_refinedweb_1b_en']);
  });
});
