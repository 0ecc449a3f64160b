import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import * as purelm from '../../src/index.ts';
import {
  BertBackbone,
  BertTextClassifier,
  BertTextClassifierPreprocessor,
  FalconBackbone,
  FalconCausalLM,
  GPT2Backbone,
  GPT2CausalLM,
  RobertaBackbone,
  RobertaMaskedLM,
  read,
  TextEmbedder,
} from '../../src/index.ts';
import { cast } from '../../src/ops/cast.ts';
import { tensor } from '../../src/ops/constant.ts';
import { referenceDevice } from '../../src/runtime/device.ts';
import { deviceBytes } from '../../src/tasks/deviceBytes.ts';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import { leaves, paths, type Tree } from '../../src/tensor/tree.ts';
import { filesOf, hashOf } from '../support/folders.ts';
import {
  openSaved,
  type SavedCase,
  type SavedModel,
  savedCases,
  savedInputs,
  savedTexts,
} from '../support/savedPresets.ts';
import { fixture, temporaryFolder } from '../weights/helpers.ts';

const temporary = await temporaryFolder();

/** Where check_saved.py looks: PURELM_SAVED_FOLDER=written npx vitest run test/tasks/saveToPreset.test.ts */
const kept = process.env.PURELM_SAVED_FOLDER;
const folder = kept ?? temporary;
const savedAt = new Date('2026-01-01T00:00:00Z');

interface Expected {
  readonly kind: SavedCase['kind'];
  readonly shape: readonly number[];
  readonly outputs: readonly number[];
  readonly ids: readonly (readonly number[])[] | null;
}

/** What Python should find in the folders, by layout and name. */
const expected: Record<string, Expected> = {};

/** Of every saved folder, one hash of all its files. */
const digests: Record<string, string> = {};

afterAll(() => {
  if (kept === undefined) return;
  mkdirSync(kept, { recursive: true });
  const facts = { ...savedInputs, texts: savedTexts, expected, digests };
  writeFileSync(join(kept, 'expected.json'), JSON.stringify(facts));
});

/** Why one of the layouts cannot hold what some recorded presets are; the other can. */
const refused: Readonly<Record<'transformers' | 'keras', readonly (readonly [name: RegExp, reason: RegExp])[]>> = {
  transformers: [
    [/^keras\/(albert|bert|deberta_v3|distil_bert|f_net)_masked_lm$/, /expected .*headLayerNormEpsilon.* got .*keras/],
    [/^keras\/falcon_/, /expected .*positions "alibiBfloat16".* got .*"alibi".*keras/],
    [/^keras\/xlm_roberta_text_classifier$/, /expected activation "linear".* got "softmax".*keras/],
  ],
  keras: [
    [/^transformers\/bart_b/, /write transformers' layout instead|transformers/],
    [/^transformers\/falcon_/, /write transformers' layout instead|transformers/],
    [/^transformers\/gemma_(own|b)/, /write transformers' layout instead|transformers/],
    [
      /^transformers\/(albert|bert|deberta_v3|distil_bert|f_net|roberta|xlm_roberta)_/,
      /transformers' layout|no embedder/,
    ],
    [/^sentence\//, /transformers' layout/],
  ],
};

/** A model's parameters by path. */
const valuesOf = async (params: Tree): Promise<ReadonlyMap<string, NDArray>> => {
  const values = await referenceDevice.evaluate(leaves(params));
  return new Map(paths(params).map(([path], i) => [path, values[i]!]));
};

const same = (a: NDArray, b: NDArray): void => {
  expect(a.shape).toEqual(b.shape);
  expect(a.data).toEqual(b.data);
};

/** Whether a saved tokenizer.json says what a SentencePiece file beside it says, but for odd texts. */
const expectSameIdsByJson = async (target: string, own: SavedCase, model: SavedModel): Promise<void> => {
  const names = await readdir(target);
  const file = names.find((name) => name.endsWith('.model'));
  if (file === undefined || !names.includes('tokenizer.json')) return;
  const alone = join(temporary, 'alone');
  await cp(target, alone, { recursive: true });
  await rm(join(alone, file));
  const { tokenizer } = await openSaved(alone, own);
  for (const at of [0, 3] as const)
    expect(tokenizer!.tokenize(savedTexts[at])).toEqual(model.tokenizer!.tokenize(savedTexts[at]));
  await rm(alone, { recursive: true });
};

describe.each(['transformers', 'keras'] as const)('saveToPreset in the layout of %s', (format) => {
  // KerasHub's layout is looked at file for file elsewhere, too.
  const cases = savedCases.filter(({ name }) => format === 'transformers' || /^keras|c_float32|roberta/.test(name));

  it.each(cases)('S26, S118: $name is read back to the bit, and written twice to the byte', async (own) => {
    const target = join(folder, format, own.name.replace('/', '__'));
    const model = await openSaved(fixture(own.name), own);
    const reason = refused[format].find(([name]) => name.test(own.name))?.[1];
    const options = { format, savedAt };
    try {
      await model.saveToPreset(target, options);
    } catch (cause) {
      if (reason === undefined) throw cause;
      expect(String(cause)).toMatch(reason);
      expect(await readdir(join(target, '..')).catch(() => [])).not.toContain(target.split('/').at(-1));
      return;
    }
    const files = filesOf(target);
    const again = await openSaved(target, own);
    expect(await valuesOf(again.params)).toEqual(await valuesOf(model.params));
    const outputs = await model.run();
    same(await again.run(), outputs);
    expect(again.tokenizer === null).toBe(model.tokenizer === null);
    const idsOf = ({ tokenizer }: typeof model) =>
      tokenizer && savedTexts.map((text) => tokenizer.tokenize(text) as number[]);
    const ids = idsOf(again);
    // Each library cuts odd texts its own way, which saving says once.
    const isOwn = own.name.startsWith('keras') === (format === 'keras');
    if (isOwn) expect(ids).toEqual(idsOf(model));
    else for (const at of [0, 3]) expect(ids?.[at]).toEqual(idsOf(model)?.[at]);
    const key = `${format}/${own.name.replace('/', '__')}`;
    expected[key] = { kind: own.kind, shape: outputs.shape, outputs: [...outputs.data], ids };
    digests[key] = hashOf(target);

    if (format === 'transformers') await expectSameIdsByJson(target, own, model);

    // Each kind of file once: what a disk takes for each is long.
    if (!/float32$|_classifier$|mean$/.test(own.name)) return;
    await again.saveToPreset(`${target}.twice`, options);
    const twice = filesOf(`${target}.twice`);
    expect([...twice.keys()]).toEqual([...files.keys()]);
    for (const [name, bytes] of files) expect(twice.get(name)!.equals(bytes), name).toBe(true);
  });
});

/** A family's classes, by the name of its recordings. */
const classesOf = (name: string) => {
  const prefix = classPrefixes[name]!;
  const own = purelm as unknown as Record<string, never>;
  return {
    Backbone: own[`${prefix}Backbone`] as unknown as typeof purelm.BertBackbone,
    Tokenizer: own[`${prefix}Tokenizer`] as unknown as typeof purelm.BertTokenizer,
    Preprocessor: own[`${prefix}TextClassifierPreprocessor`] as unknown as typeof purelm.BertTextClassifierPreprocessor,
  };
};

const classPrefixes: Readonly<Record<string, string>> = {
  bert: 'Bert',
  roberta: 'Roberta',
  xlm_roberta: 'XLMRoberta',
  distil_bert: 'DistilBert',
  albert: 'Albert',
  deberta_v3: 'DebertaV3',
  f_net: 'FNet',
};

const sizes = {
  vocabularySize: 60,
  numLayers: 2,
  numHeads: 2,
  hiddenDim: 8,
  intermediateDim: 12,
  maxSequenceLength: 16,
};
const gpt2 = (seed = 1) => GPT2CausalLM({ backbone: GPT2Backbone({ ...sizes, seed }), preprocessor: null });
const device = referenceDevice;

describe('saveToPreset', () => {
  it('S26: saves an embedder as KerasHub does, and as sentence-transformers does', async () => {
    const source = fixture('keras/bert_text_classifier');
    const embedder = TextEmbedder({
      backbone: await BertBackbone.fromPreset(source, { device }),
      preprocessor: await BertTextClassifierPreprocessor.fromPreset(source, { sequenceLength: 12 }),
      poolingMode: 'max',
      normalize: false,
    });
    const { tokenIds, paddingMask } = savedInputs;
    const run = ({ apply }: Pick<typeof embedder, 'apply'>) => read(apply({ tokenIds, paddingMask }), { device });
    const outputs = await run(embedder);
    for (const format of ['transformers', 'keras'] as const) {
      const target = join(folder, format, 'embedder');
      await embedder.saveToPreset(target, { format, savedAt });
      const again = await TextEmbedder.fromPreset(target, { device });
      expect([again.poolingMode, again.normalize, again.preprocessor?.sequenceLength]).toEqual(['max', false, 12]);
      same(await run(again), outputs);
      if (format === 'keras') {
        const ids = savedTexts.map((text) => again.tokenizer!.tokenize(text) as number[]);
        expected['keras/embedder'] = { kind: 'embedder', shape: outputs.shape, outputs: [...outputs.data], ids };
        digests['keras/embedder'] = hashOf(target);
      }
    }
  });

  it('S26: saves a backbone and a tokenizer into one folder, in any order, as both libraries have it', async () => {
    const source = fixture('keras/bert_text_classifier');
    const backbone = await BertBackbone.fromPreset(source, { device });
    const tokenizer = await purelm.BertTokenizer.fromPreset(source);
    const preprocessor = await BertTextClassifierPreprocessor.fromPreset(source, { sequenceLength: 7 });
    for (const format of ['transformers', 'keras'] as const) {
      const folders = ['first', 'last'].map((name) => join(temporary, `${format}-${name}`)) as [string, string];
      for (const part of [backbone, tokenizer, preprocessor]) await part.saveToPreset(folders[0], { format, savedAt });
      for (const part of [preprocessor, backbone]) await part.saveToPreset(folders[1], { format, savedAt });
      expect(filesOf(folders[1])).toEqual(filesOf(folders[0]));
      const again = await BertTextClassifier.fromPreset(folders[0], { device, numClasses: 2 });
      expect(await valuesOf(again.backbone.params)).toEqual(await valuesOf(backbone.params));
      expect(again.preprocessor!.sequenceLength).toBe(7);
      const other = format === 'keras' ? 'transformers' : 'keras';
      await expect(tokenizer.saveToPreset(folders[0], { format: other })).rejects.toThrow(
        `got one in that of ${format}; save with { format: '${format}' }`,
      );
    }
  });

  it('reads a large tensor in pieces, whatever its dtype', async () => {
    const own = tensor(
      Array.from({ length: 7 }, (_, i) => [i, -i, i / 3]),
      { dtype: 'float32' },
    );
    for (const dtype of ['float32', 'bfloat16', 'float16'] as const) {
      const gathered = async (most?: number): Promise<readonly Uint8Array[]> => {
        const pieces: Uint8Array[] = [];
        for await (const piece of deviceBytes(device, cast(own, dtype), undefined, most)()) pieces.push(piece);
        return pieces;
      };
      const [whole, pieces] = [await gathered(), await gathered(24)];
      expect([whole.length, pieces.length]).toEqual([1, dtype === 'float32' ? 4 : 2]);
      expect(Buffer.concat(pieces)).toEqual(Buffer.from(whole[0]!));
    }
  });

  it('S113: writes weights above the limit in several files, in both layouts', async () => {
    await gpt2().saveToPreset(join(temporary, 'whole'));
    const model = await GPT2CausalLM.fromPreset(join(temporary, 'whole'), { device });
    const before = await valuesOf(model.params);
    const shards = async (format: 'transformers' | 'keras', maxShardBytes: number): Promise<readonly string[]> => {
      const target = join(folder, `sharded-${format}`);
      await model.saveToPreset(target, { format, maxShardBytes, savedAt });
      const again = await GPT2CausalLM.fromPreset(target, { device });
      expect(await valuesOf(again.params)).toEqual(before);
      return (await readdir(target)).filter((name) => name.startsWith('model')).sort();
    };
    expect(await shards('transformers', 3000)).toEqual([
      'model-00001-of-00003.safetensors',
      'model-00002-of-00003.safetensors',
      'model-00003-of-00003.safetensors',
      'model.safetensors.index.json',
    ]);
    expect(await shards('keras', 3000)).toEqual([
      'model.weights.json',
      'model_00000.weights.h5',
      'model_00001.weights.h5',
      'model_00002.weights.h5',
    ]);
    // A smaller one leaves no file of the larger behind.
    expect(await shards('transformers', 1e6)).toEqual(['model.safetensors']);
    expect(await shards('keras', 1e6)).toEqual(['model.weights.h5']);
  });

  it('saves what was quantized as the floats that it stands for where transformers has no other way, and what was trained as it is', async () => {
    const tokenIds = [[1, 2, 3, 4, 5, 6]];
    await gpt2(3).saveToPreset(join(temporary, 'exact'));
    const exact = await GPT2CausalLM.fromPreset(join(temporary, 'exact'), { device });
    const y = [[2, 3, 4, 5, 6, 0]];
    const { task: trained } = await exact.fit({ tokenIds }, { y, epochs: 1 });
    for (const model of [await exact.quantize('int8'), trained]) {
      await model.saveToPreset(join(temporary, 'changed'));
      const again = await GPT2CausalLM.fromPreset(join(temporary, 'changed'), { device });
      expect(await valuesOf(again.params)).toEqual(await valuesOf(model.params));
      expect(await valuesOf(again.params)).not.toEqual(await valuesOf(exact.params));
    }
  });

  it('leaves the old folder as it was where it is aborted, and where there is something else', async () => {
    const target = join(temporary, 'aborted');
    await gpt2(1).saveToPreset(target);
    const before = filesOf(target);
    const controller = new AbortController();
    // Before the first tensor is on the disk.
    const impatient: typeof device = {
      ...device,
      evaluate: (outputs) => {
        controller.abort(new Error('enough'));
        return device.evaluate(outputs);
      },
    };
    const loaded = await GPT2CausalLM.fromPreset(target, { device: impatient });
    await expect(loaded.saveToPreset(target, { signal: controller.signal })).rejects.toThrow('enough');
    expect(filesOf(target)).toEqual(before);
    await expect(gpt2(2).saveToPreset(target, { signal: AbortSignal.abort(new Error('never')) })).rejects.toThrow(
      'never',
    );
    await writeFile(join(target, 'diary.txt'), 'dear');
    await expect(gpt2(2).saveToPreset(target)).rejects.toThrow('diary.txt');
    await rm(join(target, 'diary.txt'));
    expect(filesOf(target)).toEqual(before);
    expect((await readdir(temporary)).filter((name) => /tmp$|old$/.test(name))).toEqual([]);
  });

  it('writes a model card, and keeps the one that somebody wrote', async () => {
    const target = join(temporary, 'card');
    await gpt2().saveToPreset(target);
    const card = await readFile(join(target, 'README.md'), 'utf8');
    expect(card).toContain('library_name: transformers');
    expect(card).toContain("await CausalLM.fromPreset('path/to/this/folder')");
    expect(card).toContain('| n_embd | 8 |');
    await writeFile(join(target, 'README.md'), '# Mine');
    for (const format of ['transformers', 'keras'] as const) {
      await gpt2(2).saveToPreset(target, { format });
      expect(await readFile(join(target, 'README.md'), 'utf8')).toBe('# Mine');
    }
  });

  it('S26: refuses LoRA that is not merged, and what transformers cannot say, with a way out', async () => {
    const target = join(temporary, 'refused');
    const refusedWith = (saved: { readonly saveToPreset: (path: string) => Promise<void> }) =>
      expect(saved.saveToPreset(target)).rejects;
    const lora = gpt2().enableLora({ rank: 1 });
    await refusedWith(lora).toThrow(/without LoRA.*mergeLora.*saveLoraWeights/);
    await refusedWith(lora.backbone).toThrow('mergeLora');
    await lora.mergeLora().saveToPreset(join(temporary, 'merged'));
    const falcon = { vocabularySize: 60, numLayers: 1, numAttentionHeads: 2, hiddenDim: 8, intermediateDim: 12 };
    await refusedWith(FalconCausalLM({ backbone: FalconBackbone(falcon), preprocessor: null })).toThrow(
      /expected positions "alibiBfloat16".* got "alibi"; save it with \{ format: 'keras' \}/,
    );
    const backbone = BertBackbone(sizes);
    await refusedWith(BertTextClassifier({ backbone, numClasses: 2, activation: 'softmax' })).toThrow(
      /expected activation "linear".* got "softmax"; save it with \{ format: 'keras' \}/,
    );
    // Its head is not read.
    await BertTextClassifier({ backbone, numClasses: 2 }).saveToPreset(join(temporary, 'bert'));
    const roberta = RobertaBackbone({ ...sizes, headLayerNormEpsilon: 1e-3 });
    await refusedWith(RobertaMaskedLM({ backbone: roberta })).toThrow(/headLayerNormEpsilon 0.00001.* got 0.001/);
    await roberta.saveToPreset(join(temporary, 'roberta'));
    await expect(gpt2().saveToPreset('')).rejects.toThrow('expected the path of a folder');
    await expect(gpt2().saveToPreset(target, { format: 'onnx' as 'keras' })).rejects.toThrow(
      "'transformers' or 'keras'",
    );
    await expect(gpt2().saveToPreset(target, { maxShardBytes: 0 })).rejects.toThrow('maxShardBytes');
    expect(await readdir(temporary)).not.toContain('refused');
  });

  it('S26: saves backbones, tokenizers and preprocessors by themselves, which are read back', async () => {
    for (const encoder of ['bert', 'roberta', 'xlm_roberta', 'distil_bert', 'albert', 'deberta_v3', 'f_net']) {
      const source = fixture(`keras/${encoder}_text_classifier`);
      const { Backbone, Tokenizer, Preprocessor } = classesOf(encoder);
      const backbone = await Backbone.fromPreset(source, { device });
      const tokenizer = await Tokenizer.fromPreset(source);
      const preprocessor = await Preprocessor.fromPreset(source, { sequenceLength: 11 });
      for (const format of ['transformers', 'keras'] as const) {
        const at = (part: string) => join(temporary, `${encoder}-${part}-${format}`);
        await backbone.saveToPreset(at('backbone'), { format });
        const again = await Backbone.fromPreset(at('backbone'), { device });
        expect(await valuesOf(again.params)).toEqual(await valuesOf(backbone.params));
        await tokenizer.saveToPreset(at('tokenizer'), { format });
        await preprocessor.withSequenceLength(9).saveToPreset(at('preprocessor'), { format });
        const own = await Tokenizer.fromPreset(at('tokenizer'));
        expect(own.tokenize(savedTexts[0])).toEqual(tokenizer.tokenize(savedTexts[0]));
        expect((await Preprocessor.fromPreset(at('preprocessor'))).sequenceLength).toBe(9);
      }
    }
  });
});

interface PythonRecord {
  readonly date: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly texts: number;
  readonly cases: Readonly<
    Record<
      string,
      {
        readonly digest: string;
        readonly transformers?: { readonly distance: number; readonly ids?: Readonly<Record<string, number>> };
        readonly kerasHub?: { readonly distance?: number; readonly ids?: number | string; readonly error?: string };
      }
    >
  >;
}

const { date, versions, texts, cases } = JSON.parse(
  readFileSync(new URL('../fixtures/saved.json', import.meta.url), 'utf8'),
) as PythonRecord;

describe(`what Python made of these folders (transformers ${versions.transformers}, keras-hub ${versions['keras-hub']}, ${date})`, () => {
  it('S26, S118: was of these very files', () => {
    for (const [name, digest] of Object.entries(digests)) expect([name, cases[name]?.digest]).toEqual([name, digest]);
  });

  it('S26: is the same logits and token ids in transformers, of every family and task', () => {
    const found = Object.entries(cases).filter(([name]) => name.startsWith('transformers/'));
    expect(found.length).toBeGreaterThan(70);
    for (const [name, { transformers }] of found) {
      expect(transformers!.distance, name).toBeLessThan(1e-5);
      // Where SentencePiece sees no white space in a tab, tokenizer.json has no way to say so.
      const isOdd = /keras__(albert|deberta_v3|f_net)/.test(name);
      for (const [by, same] of Object.entries(transformers!.ids ?? {}))
        expect(same, `${name}, ${by}`).toBe(isOdd ? texts - 1 : texts);
    }
  });

  it('S118: is the same logits in KerasHub, of every family and task in its layout', () => {
    const found = Object.entries(cases).filter(([name, { kerasHub }]) => name.startsWith('keras/') && kerasHub);
    expect(found.length).toBeGreaterThan(30);
    for (const [name, { kerasHub }] of found) {
      expect(kerasHub!.distance, name).toBeLessThan(2e-5);
      // KerasHub's byte-level BPE cuts odd white space its own way.
      if (typeof kerasHub!.ids === 'number') expect(kerasHub!.ids, name).toBeGreaterThanOrEqual(texts - 2);
    }
    // Of folders in transformers' layout it converts what it has a converter for, and computes as it does itself.
    for (const family of ['a_float32', 'gemma_b_float32', 'bart_a_float32'])
      expect(cases[`transformers/keras__${family}`]!.kerasHub!.distance, family).toBeLessThan(1e-5);
  });
});
