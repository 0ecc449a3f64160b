import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BertBackbone, BertTokenizer, MaskedLM, RobertaTextClassifier, TextClassifier } from '../../src/index.ts';
import { saveKerasPreset } from '../../src/tasks/saveKerasPreset.ts';
import type { Tree } from '../../src/tensor/tree.ts';
import { leaves, paths } from '../../src/tensor/tree.ts';
import { openH5 } from '../../src/weights/index.ts';
import { encoderCases } from '../families/encoderFamilies.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';
import { bytesOf, right, temporaryFolder } from '../weights/helpers.ts';

const folder = await temporaryFolder();

const valuesOf = async (params: Tree): Promise<readonly (readonly [string, ArrayLike<number>])[]> => {
  const arrays = await (await webgpuTestDevice()).evaluate(leaves(params));
  return paths(params).map(([path], i) => [path, arrays[i]!.data]);
};

/** A file's tensors by name: shape, dtype and bytes; what an optimizer left there is passed over. */
const tensorsOf = async (path: string): Promise<readonly unknown[]> => {
  const { tensors, close } = right(await openH5(path)());
  const all: unknown[] = [];
  for (const [name, tensor] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (!name.startsWith('optimizer/')) all.push([name, tensor.shape, tensor.dtype, await bytesOf(tensor)]);
  await close();
  return all;
};

describe.each(encoderCases)("$name in KerasHub's layout", ({ family, backbone, maskedLM, textClassifier }) => {
  const path = (task: string): string => join(folder, `${family}_${task}`);

  it('S112 S118: a masked LM is read again to the bit, with its head', async () => {
    const lm = maskedLM({ backbone });
    await saveKerasPreset(path('lm'), lm);
    const loaded = await MaskedLM.fromPreset(path('lm'), { device: await webgpuTestDevice() });
    expect(loaded.name).toBe(lm.name);
    expect(loaded.backbone.config).toEqual(backbone.config);
    expect(await valuesOf(loaded.params)).toEqual(await valuesOf(lm.params));
  });

  it('S112 S118: a classifier is read again to the bit, with its head and what it was told', async () => {
    const classifier = textClassifier({ backbone, numClasses: 5, activation: 'softmax', dropout: 0.25 });
    await saveKerasPreset(path('classifier'), classifier);
    const loaded = await TextClassifier.fromPreset(path('classifier'), { device: await webgpuTestDevice() });
    expect([loaded.name, loaded.numClasses, loaded.activation, loaded.dropout]).toEqual([
      classifier.name,
      5,
      'softmax',
      0.25,
    ]);
    expect(await valuesOf(loaded.params)).toEqual(await valuesOf(classifier.params));
  });
});

describe('saveKerasPreset', () => {
  it.each([
    ['bert_masked_lm', MaskedLM],
    ['roberta_text_classifier', TextClassifier],
    ['bert_text_classifier_bfloat16', TextClassifier],
    ['albert_masked_lm', MaskedLM],
  ])('S112 S114 S117: writes what KerasHub wrote, file for file: %s', async (name, kind) => {
    const source = presetPath(`keras/${name}`);
    const target = join(folder, name);
    const task = await kind.fromPreset(source, { device: await webgpuTestDevice() });
    await saveKerasPreset(target, task, { savedAt: new Date('2026-01-01T00:00:00Z') });
    for (const file of ['model.weights.h5', 'task.weights.h5'])
      expect(await tensorsOf(join(target, file)), file).toEqual(await tensorsOf(join(source, file)));
    for (const file of ['config.json', 'task.json']) {
      const [own, theirs] = await Promise.all(
        [target, source].map(async (place) => JSON.parse(await readFile(join(place, file), 'utf8')) as unknown),
      );
      expect(own, file).toEqual(theirs);
    }
  });

  it('S24: a new head over a saved classifier, if told how many classes', async () => {
    const loaded = await RobertaTextClassifier.fromPreset(presetPath('keras/roberta_text_classifier'), {
      numClasses: 3,
      preprocessor: null,
    });
    expect(loaded.params.head.logits.kernel.shape.at(-1)).toBe(3);
  });

  it('S114: writes a WordPiece tokenizer that reads as it was', async () => {
    const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'fox', '##es', '東'];
    const { BertTextClassifier, BertTextClassifierPreprocessor } = await import('../../src/index.ts');
    const tokenizer = BertTokenizer({ vocabulary, lowercase: true, stripAccents: true });
    const backbone = BertBackbone({
      vocabularySize: 9,
      numLayers: 1,
      numHeads: 2,
      hiddenDim: 4,
      intermediateDim: 8,
      maxSequenceLength: 12,
    });
    const preprocessor = BertTextClassifierPreprocessor({ tokenizer, sequenceLength: 10 });
    const path = join(folder, 'words');
    await saveKerasPreset(path, BertTextClassifier({ backbone, numClasses: 2, preprocessor }));
    const loaded = await BertTextClassifier.fromPreset(path);
    expect(loaded.preprocessor?.sequenceLength).toBe(10);
    for (const text of ['A foxes fôx 東', '[MASK] fox'])
      expect(loaded.tokenizer!.tokenize(text)).toEqual(tokenizer.tokenize(text));
    expect(loaded.tokenizer!.vocabulary).toEqual(tokenizer.vocabulary);
  });
});
