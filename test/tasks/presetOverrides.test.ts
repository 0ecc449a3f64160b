import { describe, expect, it, vi } from 'vitest';
import {
  Backbone,
  BertBackbone,
  BertMaskedLMPreprocessor,
  BertTextClassifier,
  BertTextClassifierPreprocessor,
  type CausalBackbone,
  CausalLM,
  referenceDevice as device,
  GemmaBackbone,
  GPT2Backbone,
  GPT2CausalLM,
  GPT2CausalLMPreprocessor,
  GPT2Tokenizer,
  read,
  TextClassifier,
} from '../../src/index.ts';
import { paths } from '../../src/tensor/tree.ts';
import { presetPath } from '../support/fixtures.ts';

const gpt2 = presetPath('keras/a_float32');
const bert = presetPath('keras/bert_text_classifier');

const leavesOf = async (params: CausalBackbone['params']): Promise<unknown> =>
  (await read(paths(params).map(([, leaf]) => leaf))).map(({ data }) => Array.from(data));

describe('what fromPreset is told besides the preset', () => {
  it('S22: loadWeights false gives the same architecture with random weights of a seed', async () => {
    const saved = await GPT2Backbone.fromPreset(gpt2, { device });
    const [one, same, other] = await Promise.all(
      [0, 0, 1].map((seed) => GPT2Backbone.fromPreset(gpt2, { device, loadWeights: false, seed })),
    );
    expect(one!.config).toEqual(saved.config);
    expect(await leavesOf(one!.params)).toEqual(await leavesOf(same!.params));
    expect(await leavesOf(one!.params)).not.toEqual(await leavesOf(other!.params));
    expect(await leavesOf(one!.params)).not.toEqual(await leavesOf(saved.params));
  });

  it('S23: sizes and rates take the place of the saved ones; the weights are the saved ones as long as they fit', async () => {
    const saved = await GPT2Backbone.fromPreset(gpt2, { device });
    const changed = await GPT2Backbone.fromPreset(gpt2, { device, dropout: 0.3, layerNormEpsilon: 1e-3 });
    expect(changed.config).toEqual({ ...saved.config, dropout: 0.3, layerNormEpsilon: 1e-3 });
    expect(await leavesOf(changed.params)).toEqual(await leavesOf(saved.params));
    const tokenIds = [[1, 2, 3]];
    expect((await read(changed.apply({ tokenIds }))).data).not.toEqual((await read(saved.apply({ tokenIds }))).data);
    const [more, base] = await Promise.all([
      GPT2Backbone.fromPreset(gpt2, { device, loadWeights: false, numLayers: 3 }),
      Backbone.fromPreset(gpt2, { device, loadWeights: false, numLayers: 3 }),
    ]);
    expect(more.config).toEqual({ ...saved.config, numLayers: 3 });
    expect(base.config).toEqual(more.config);
    const gemma = await GemmaBackbone.fromPreset(presetPath('transformers/gemma_b_bfloat16'), { device, dropout: 0.5 });
    expect(gemma.config.dropout).toBe(0.5);
    await expect(GPT2Backbone.fromPreset(gpt2, { device, numLayers: 3 })).rejects.toThrow(/do not fit the config/);
    await expect(GPT2Backbone.fromPreset(gpt2, { device, dropout: 2 })).rejects.toThrow(/dropout/);
    const strange = { device, numExperts: 2 } as object;
    await expect(GPT2Backbone.fromPreset(gpt2, strange)).rejects.toThrow(/got numExperts/);
    await expect(Backbone.fromPreset(gpt2, strange as { readonly device: typeof device })).rejects.toThrow(
      /numExperts/,
    );
    await expect(Backbone.fromPreset(gpt2, { device, numSegments: 2 })).rejects.toThrow(
      /GPT2Backbone.*got numSegments/,
    );
  });

  it('S23: dtype stores the weights otherwise, and preprocessor null leaves tokens in and out', async () => {
    const half = await GPT2CausalLM.fromPreset(gpt2, { device, dtype: 'bfloat16', preprocessor: null });
    expect(new Set(paths(half.backbone.params).map(([, { dtype }]) => dtype))).toEqual(new Set(['bfloat16']));
    expect(half.preprocessor).toBeNull();
    const { preprocessor } = await CausalLM.fromPreset('gpt2_tiny_en', { device });
    const given = await CausalLM.fromPreset('gpt2_tiny_en', {
      device,
      preprocessor: preprocessor!.withSequenceLength(9),
    });
    expect(given.preprocessor!.sequenceLength).toBe(9);
  });

  it('S23: preprocessors take what their constructors take, tokenizers where their files are found', async () => {
    const own = await GPT2CausalLMPreprocessor.fromPreset('gpt2_tiny_en', { sequenceLength: 12, addEndToken: false });
    expect({ ...own }).toMatchObject({ sequenceLength: 12, addEndToken: false, addStartToken: true });
    expect({ ...(await BertTextClassifierPreprocessor.fromPreset(bert, { truncate: 'waterfall' })) }).toMatchObject({
      truncate: 'waterfall',
    });
    const masking = { maskSelectionRate: 0.3, maskSelectionLength: 5, maskTokenRate: 1, randomTokenRate: 0 };
    expect({ ...(await BertMaskedLMPreprocessor.fromPreset(bert, { ...masking, sequenceLength: 20 })) }).toMatchObject({
      ...masking,
      sequenceLength: 20,
    });
    await expect(
      BertTextClassifierPreprocessor.fromPreset(bert, { truncate: 'never' as 'waterfall' }),
    ).rejects.toMatchObject({ name: 'ArgumentError' });
    await expect(
      GPT2Tokenizer.fromPreset('gpt2_tiny_en', { signal: AbortSignal.timeout(9000) }),
    ).resolves.toBeDefined();
    await expect(GPT2Tokenizer.fromPreset('gpt2_tiny_en', { dtype: 'float16' } as object)).rejects.toThrow(/got dtype/);
  });

  it('S24: numClasses makes a new head; without it the head is the saved one', async () => {
    const saved = await TextClassifier.fromPreset(bert, { device });
    const fresh = await BertTextClassifier.fromPreset(bert, { device, numClasses: saved.numClasses });
    expect(fresh.numClasses).toBe(saved.numClasses);
    const [a, b] = await read([saved.params.head.logits.kernel, fresh.params.head.logits.kernel]);
    expect(a!.data).not.toEqual(b!.data);
    const backbone = presetPath('transformers/bert_backbone');
    await expect(TextClassifier.fromPreset(backbone, { device })).rejects.toThrow(/expected numClasses/);
    const three = await TextClassifier.fromPreset(backbone, {
      device,
      numClasses: 3,
      dropout: 0.5,
      activation: 'softmax',
    });
    expect(three).toMatchObject({ numClasses: 3, dropout: 0.5, activation: 'softmax' });
  });
});

describe('a mask for a model that reads none', () => {
  it('is left out, and that is said once', async () => {
    // Nobody has said it yet to a library that is just loaded.
    vi.resetModules();
    const { FNetBackbone, read, referenceDevice } = await import('../../src/index.ts');
    const options = { device: referenceDevice };
    const said: string[] = [];
    const original = console.warn;
    console.warn = (text: string) => said.push(text);
    try {
      const backbone = FNetBackbone({
        ...{ vocabularySize: 20, numLayers: 1, hiddenDim: 8, intermediateDim: 8, maxSequenceLength: 8, seed: 3 },
      });
      const tokenIds = [[1, 2, 3, 4]];
      const masked = backbone.apply({ tokenIds, paddingMask: [[true, true, false, false]] });
      backbone.apply({ tokenIds, paddingMask: [[true, true, true, true]] });
      const plain = backbone.apply({ tokenIds });
      expect((await read(masked.sequence, options)).data).toEqual((await read(plain.sequence, options)).data);
    } finally {
      console.warn = original;
    }
    expect(said).toEqual([
      'purelm: FNetBackbone: reads no paddingMask, so the one given is left out; padding counts as text does',
    ]);
    const bertBackbone = await BertBackbone.fromPreset(presetPath('keras/bert_masked_lm'), { device, dropout: 0 });
    expect(bertBackbone.config.dropout).toBe(0);
  });
});
