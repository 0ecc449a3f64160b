import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import h5wasm from 'h5wasm/node';
import { describe, expect, it } from 'vitest';
import { CausalLM, GPT2Backbone, GPT2CausalLM, read } from '../../src/index.ts';
import { saveKerasPreset } from '../../src/tasks/saveKerasPreset.ts';
import { openH5 } from '../../src/weights/index.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { bytesOf, fixture, right, temporaryFolder } from '../weights/helpers.ts';

const folder = await temporaryFolder();
const sizes = { vocabularySize: 11, numLayers: 1, numHeads: 2, hiddenDim: 4, intermediateDim: 8, maxSequenceLength: 6 };

const filesOf = async (path: string): Promise<readonly string[]> => {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(path, join(entry.parentPath, entry.name)))
    .sort();
};

/** Every group, attribute and shape of an HDF5 file, and all bytes of its data, by path. */
const contentOf = async (path: string): Promise<readonly unknown[]> => {
  const checkpoint = right(await openH5(path)());
  const data = new Map<string, Uint8Array>();
  for (const [name, tensor] of checkpoint.tensors) data.set(name, await bytesOf(tensor));
  await checkpoint.close();
  const file = new h5wasm.File(path, 'r');
  try {
    return [...file.paths()].sort().map((name) => {
      const entity = file.get(name) as InstanceType<typeof h5wasm.Group | typeof h5wasm.Dataset>;
      const attributes = Object.entries(entity.attrs).map(([key, { value }]) => [key, value]);
      return [name, attributes, entity instanceof h5wasm.Dataset ? [entity.metadata, data.get(name)] : 'group'];
    });
  } finally {
    file.close();
  }
};

describe('saveKerasPreset', () => {
  it.each([
    'a_float32',
    'a_float32_dropout0',
    'a_float16',
    'b_float32',
    'c_float32',
    'c_bfloat16',
    'bart_a_float32',
    'bart_c_bfloat16',
    'gemma_a_float32',
    'gemma_b_float32',
    'gemma_c_float32',
  ])('S117: writes %s as KerasHub did, file for file', async (name) => {
    await h5wasm.ready;
    const source = fixture(`keras/${name}`);
    const target = join(folder, name);
    const lm = await CausalLM.fromPreset(source, { device: await webgpuTestDevice() });
    await saveKerasPreset(target, lm, { savedAt: new Date('2026-01-01T00:00:00Z') });
    expect(await filesOf(target)).toEqual(await filesOf(source));
    for (const file of await filesOf(source))
      if (file.endsWith('.h5'))
        expect(await contentOf(join(target, file))).toEqual(await contentOf(join(source, file)));
      else {
        // Python writes 0.0 and 1e-06 where JavaScript has 0 and 0.000001.
        const textOf = async (path: string): Promise<string> =>
          (await readFile(join(path, file), 'utf8')).replace(
            /": (\d[\d.e+-]*)/g,
            (_, digits) => `": ${Number(digits)}`,
          );
        expect(await textOf(target)).toBe(await textOf(source));
      }
  });

  it('writes what fromPreset reads back, to the same logits', async () => {
    const lm = GPT2CausalLM({ backbone: GPT2Backbone({ ...sizes, seed: 3 }), preprocessor: null });
    const target = join(folder, 'own');
    await saveKerasPreset(target, lm);
    const again = await CausalLM.fromPreset(target);
    const tokenIds = [[1, 2, 3, 10]];
    expect(again.backbone.config).toEqual(lm.backbone.config);
    expect((await read(again.apply({ tokenIds }))).data).toEqual((await read(lm.apply({ tokenIds }))).data);
  });

  it('replaces a preset, and nothing else', async () => {
    const lm = GPT2CausalLM({ backbone: GPT2Backbone(sizes), preprocessor: null });
    const target = join(folder, 'replaced');
    await saveKerasPreset(target, await GPT2CausalLM.fromPreset(fixture('keras/c_float32')));
    await saveKerasPreset(target, lm, { extra: [{ name: 'README.md', content: [new TextEncoder().encode('hello')] }] });
    expect(await filesOf(target)).toEqual([
      'README.md',
      'config.json',
      'metadata.json',
      'model.weights.h5',
      'task.json',
    ]);
    await writeFile(join(target, 'diary.txt'), 'dear');
    await expect(saveKerasPreset(target, lm)).rejects.toThrow('diary.txt');
  });

  it('refuses what KerasHub’s layout cannot say', async () => {
    const refused = (lm: GPT2CausalLM): Promise<void> => saveKerasPreset(join(folder, 'refused'), lm);
    const task = (backbone: GPT2Backbone): GPT2CausalLM => GPT2CausalLM({ backbone, preprocessor: null });
    await expect(refused(task(GPT2Backbone({ ...sizes, activation: 'relu' })))).rejects.toThrow(
      /expected activation "geluApproximate".* got "relu"; write transformers/,
    );
    await expect(refused(task(GPT2Backbone({ ...sizes, layerNormEpsilon: 1e-6 })))).rejects.toThrow('layerNormEpsilon');
    await expect(refused(task(GPT2Backbone(sizes)).enableLora({ rank: 1 }))).rejects.toThrow('mergeLora');
    expect(await readdir(folder)).not.toContain('refused');
  });
});
