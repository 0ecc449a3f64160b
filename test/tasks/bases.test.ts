// The pages of Seq2SeqLM and MaskedLM, and the base classes that they and the others name.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import {
  Backbone,
  BertBackbone,
  BertMaskedLM,
  BertMaskedLMPreprocessor,
  BertTextClassifierPreprocessor,
  BertTokenizer,
  CausalLM,
  MaskedLM,
  Preprocessor,
  Seq2SeqLM,
  Task,
  TextClassifier,
  Tokenizer,
} from '../../src/index.ts';
import { saveKerasPreset } from '../../src/tasks/saveKerasPreset.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';
import { temporaryFolder } from '../weights/helpers.ts';

const folder = await temporaryFolder();
const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'the', 'quick', 'brown', 'fox', 'jumped', '.'];
const path = join(folder, 'bert_base_en');

/** A folder that stands for the page's bert_base_en. */
const saved = (async () => {
  const backbone = BertBackbone({
    vocabularySize: vocabulary.length,
    numLayers: 1,
    numHeads: 2,
    hiddenDim: 8,
    intermediateDim: 16,
    maxSequenceLength: 16,
  });
  const tokenizer = BertTokenizer({ vocabulary, lowercase: true });
  const preprocessor = BertMaskedLMPreprocessor({ tokenizer, sequenceLength: 12, maskSelectionLength: 4, seed: 5 });
  await saveKerasPreset(path, BertMaskedLM({ backbone, preprocessor }), { savedAt: new Date('2026-02-03T04:05:06Z') });
})();

const load = async () => {
  await saved;
  return MaskedLM.fromPreset(path, { device: await webgpuTestDevice() });
};

describe('MaskedLM', () => {
  it('S136: is loaded from a preset and fitted on a dataset of texts', async () => {
    const maskedLM = await load();
    const trainDs = [
      ['The quick brown fox jumped.', 'The fox jumped.'],
      ['The brown fox.', 'The quick fox jumped.'],
    ];
    const { task, history } = await maskedLM.fit(trainDs, { epochs: 2 });
    expect(Object.keys(history)).toEqual(['loss', 'sparse_categorical_accuracy']);
    expect(history.loss!.every(Number.isFinite)).toBe(true);
    expect(task.name).toBe('BertMaskedLM');
    // Which tokens are masked depends on seed, epoch and place: a run is the same again.
    expect((await maskedLM.fit(trainDs, { epochs: 2 })).history).toEqual(history);
  });

  it('S2: wraps a backbone and a preprocessor, and neither writes nor samples', async () => {
    const maskedLM = await load();
    expect(maskedLM.backbone.name).toBe('BertBackbone');
    const { sequenceLength, maskSelectionLength } = maskedLM.preprocessor!;
    expect([sequenceLength, maskSelectionLength]).toEqual([12, 4]);
    expect('generate' in maskedLM).toBe(false);
    expect(() => maskedLM.compile({ sampler: 'greedy' } as object)).toThrow('sampler');
  });

  it('S32: compile takes optimizer, loss and weighted metrics, and leaves the task as it was', async () => {
    const maskedLM = await load();
    const other = maskedLM.compile({
      optimizer: 'sgd',
      loss: 'sparse_categorical_crossentropy',
      weightedMetrics: ['perplexity'],
    });
    expect(other).not.toBe(maskedLM);
    expect(other.params.head).toBe(maskedLM.params.head);
    expect(() => maskedLM.compile({ optimiser: 'sgd' } as object)).toThrow('optimiser');
  });

  it('S115: metadata.json says versions, parameters, date and tasks', async () => {
    await saved;
    const metadata = JSON.parse(await readFile(join(path, 'metadata.json'), 'utf8')) as Record<string, unknown>;
    const { backbone } = await load();
    expect(metadata).toEqual({
      keras_version: '3.15.1',
      keras_hub_version: '0.32.0',
      parameter_count: backbone.countParams(),
      date_saved: '2026-02-03@04:05:06',
      tasks: ['MaskedLM', 'TextClassifier', 'TextEmbedder'],
    });
  });

  it('refuses tokens that cannot be, before anything runs', async () => {
    const maskedLM = await load();
    const learn = (x: object, y: unknown = [[5]]) => maskedLM.fit(x, { y });
    const tokens = { tokenIds: [[2, 5, 3]], maskPositions: [[1]] };
    await expect(learn({ ...tokens, maskPositions: [[3]] })).rejects.toThrow('rows have 3 tokens');
    await expect(learn({ ...tokens, segmentIds: [[0, 0, 2]] })).rejects.toThrow('2 segments');
    await expect(learn({ ...tokens, tokenIds: [[2, 11, 3]] })).rejects.toThrow('vocabularySize 11');
    await expect(learn(tokens, [[11]])).rejects.toThrow('vocabularySize 11');
    await expect(learn({ tokenIds: [[2, 5, 3]] })).rejects.toThrow('maskPositions');
    await expect(learn({ tokenIds: [new Array(17).fill(5)], maskPositions: [[1]] })).rejects.toThrow('at most 16');
    await expect(maskedLM.fillMask('the fox')).rejects.toThrow('[MASK]');
    await expect(maskedLM.fillMask('the [MASK]', { topK: 12 })).rejects.toThrow('topK from 1 to 11');
    await expect(BertMaskedLM({ backbone: maskedLM.backbone as never }).fillMask('the [MASK]')).rejects.toThrow(
      'no preprocessor',
    );
    expect(() => BertTokenizer({ vocabulary: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'fox'] })).toThrow('[MASK]');
  });
});

describe('TextClassifier', () => {
  it('asks how many classes there are, and refuses fewer than two, and labels outside them', async () => {
    await saved;
    await expect(TextClassifier.fromPreset(path)).rejects.toThrow('numClasses');
    for (const numClasses of [0, 1, 1.5])
      await expect(TextClassifier.fromPreset(path, { numClasses })).rejects.toThrow('from 2');
    const classifier = await TextClassifier.fromPreset(path, { numClasses: 2 });
    for (const label of [2, -1])
      await expect(classifier.fit(['the fox', 'the quick fox'], { y: [0, label] })).rejects.toThrow('numClasses 2');
    await expect(classifier.fit(['the fox', 'the quick fox'], { y: [0] })).rejects.toThrow('each of the 2 texts');
  });
});

describe('a text that is too long', () => {
  it('is cut as KerasHub cuts it, and that is said once for each task', async () => {
    await saved;
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    try {
      const preprocessor = BertTextClassifierPreprocessor({
        tokenizer: BertTokenizer({ vocabulary, lowercase: true }),
        sequenceLength: 6,
      });
      const classifier = await TextClassifier.fromPreset(path, { numClasses: 2, preprocessor });
      await classifier.predict(['the quick fox .']);
      expect(warn).not.toHaveBeenCalled();
      const [cut, long] = [
        await classifier.predict(['the quick brown fox']),
        await classifier.predict(['the quick brown fox jumped .', 'the quick brown fox jumped .']),
      ];
      expect(long.data.slice(0, 2)).toEqual(cut.data);
      expect(warn.mock.calls).toEqual([
        [
          "purelm: BertTextClassifier: texts are cut to the preprocessor's sequenceLength of 6 tokens; the first that was has 8 with its special tokens",
        ],
      ]);
    } finally {
      warn.mockRestore();
    }
  });
});

describe('base classes', () => {
  it('S1 S31: Seq2SeqLM wraps a backbone and a preprocessor, compiles and generates as CausalLM does', async () => {
    const lm = await Seq2SeqLM.fromPreset(presetPath('keras/bart_a_float32'), { device: await webgpuTestDevice() });
    expect(lm.backbone.name).toBe('BartBackbone');
    expect(lm.sampler.name).toBe('top_k');
    const other = lm.compile({ optimizer: 'adam', loss: 'auto', weightedMetrics: 'auto', sampler: 'greedy' });
    expect(other.sampler.name).toBe('greedy');
    expect(lm.sampler.name).toBe('top_k');
    expect(typeof lm.generate).toBe('function');
  });

  it('S21: Task and Preprocessor load nothing themselves, and say what does', async () => {
    await expect(Task.fromPreset('bert_base_en')).rejects.toThrow('MaskedLM.fromPreset');
    await expect(Preprocessor.fromPreset('bert_base_en')).rejects.toThrow('BertTextClassifierPreprocessor.fromPreset');
  });

  it('S6 S18: Backbone and Tokenizer find the family in the config', async () => {
    const device = await webgpuTestDevice();
    for (const [name, backbone] of [
      ['keras/a_float32', 'GPT2Backbone'],
      ['keras/gemma_a_float32', 'GemmaBackbone'],
      ['keras/bart_a_float32', 'BartBackbone'],
      ['keras/distil_bert_masked_lm', 'DistilBertBackbone'],
    ] as const)
      expect((await Backbone.fromPreset(presetPath(name), { device })).name).toBe(backbone);
    await saved;
    expect((await Tokenizer.fromPreset(path)).tokenize('the quick fox')).toEqual([5, 6, 8]);
    expect((await Tokenizer.fromPreset('gpt2_tiny_en')).vocabularySize).toBe(800);
  });

  it('S25: list the built-in presets of their families', () => {
    const has = (presets: ReadonlyMap<string, unknown>, ...ids: string[]) => ids.map((id) => presets.has(id));
    expect(has(MaskedLM.presets, 'bert_base_en', 'f_net_large_en', 'gpt2_base_en')).toEqual([true, true, false]);
    expect(has(TextClassifier.presets, 'roberta_base_en', 'bart_base_en')).toEqual([true, false]);
    expect(has(CausalLM.presets, 'gemma_2b_en', 'bart_base_en', 'bert_base_en')).toEqual([true, true, false]);
    expect(has(Seq2SeqLM.presets, 'bart_base_en', 'gpt2_base_en')).toEqual([true, false]);
    expect(has(Backbone.presets, 'gemma2_27b_en', 'albert_base_en_uncased', 'bart_base_en')).toEqual([
      true,
      true,
      true,
    ]);
  });
});
