import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import h5wasm from 'h5wasm/node';
import { describe, expect, it } from 'vitest';
import { saveKerasPreset } from '../../src/tasks/saveKerasPreset.ts';
import { leaves, paths } from '../../src/tensor/tree.ts';
import { openH5 } from '../../src/weights/index.ts';
import { encoderCases } from '../families/encoderFamilies.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { bytesOf, fixture, right, temporaryFolder } from '../weights/helpers.ts';

const folder = await temporaryFolder();

const filesOf = async (path: string): Promise<readonly string[]> => {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(path, join(entry.parentPath, entry.name)))
    .sort();
};

/**
 * Every group that has data below it, attribute and shape of an HDF5 file, and all bytes of its data, by path; but for the
 * optimizer's.
 */
const contentOf = async (path: string): Promise<readonly unknown[]> => {
  const checkpoint = right(await openH5(path)());
  const data = new Map<string, Uint8Array>();
  for (const [name, tensor] of checkpoint.tensors) data.set(name, await bytesOf(tensor));
  await checkpoint.close();
  const file = new h5wasm.File(path, 'r');
  try {
    return [...file.paths()]
      .filter((name) => [...data.keys()].some((own) => own.startsWith(name)) && !name.startsWith('optimizer'))
      .sort()
      .map((name) => {
        const entity = file.get(name) as InstanceType<typeof h5wasm.Group | typeof h5wasm.Dataset>;
        const attributes = Object.entries(entity.attrs).map(([key, { value }]) => [key, value]);
        return [name, attributes, entity instanceof h5wasm.Dataset ? [entity.metadata, data.get(name)] : 'group'];
      });
  } finally {
    file.close();
  }
};

/** What a JSON file holds; KerasHub lists its unsplittable tokens in no order. */
const jsonOf = async (path: string): Promise<unknown> =>
  JSON.parse(await readFile(path, 'utf8'), (key, value) => (key === 'unsplittable_tokens' ? [...value].sort() : value));

describe.each(encoderCases)('$name in KerasHub’s layout', (encoder) => {
  const { name, openMaskedLM, openTextClassifier } = encoder;

  it.each([
    ['masked_lm', openMaskedLM],
    ['text_classifier', openTextClassifier],
  ] as const)('S117: a recorded %s is written as KerasHub did, file for file', async (kind, open) => {
    await h5wasm.ready;
    const source = fixture(`keras/${name}_${kind}`);
    const target = join(folder, `${name}_${kind}`);
    const task = await open(source, { device: await webgpuTestDevice() });
    await saveKerasPreset(target, task, { savedAt: new Date('2026-01-01T00:00:00Z') });
    expect(await filesOf(target)).toEqual(await filesOf(source));
    for (const file of await filesOf(source))
      if (file.endsWith('.h5'))
        expect(await contentOf(join(target, file)), file).toEqual(await contentOf(join(source, file)));
      else if (file.endsWith('.json'))
        expect(await jsonOf(join(target, file)), file).toEqual(await jsonOf(join(source, file)));
      else expect((await readFile(join(target, file))).equals(await readFile(join(source, file))), file).toBe(true);
  });

  it.each(['masked LM', 'text classifier'] as const)(
    'S118: a random %s, written and read again, is the same to the bit',
    async (kind) => {
      const { backbone } = encoder;
      const device = await webgpuTestDevice();
      const path = join(folder, `${name} ${kind}`);
      const [task, loaded] =
        kind === 'masked LM'
          ? await (async () => {
              const own = encoder.maskedLM({ backbone, headSeed: 4 });
              await saveKerasPreset(path, own);
              return [own, await openMaskedLM(path, { device })] as const;
            })()
          : await (async () => {
              const own = encoder.textClassifier({ backbone, headSeed: 4, numClasses: 3 });
              await saveKerasPreset(path, own);
              return [own, await openTextClassifier(path, { device })] as const;
            })();
      expect(loaded.preprocessor).toBeNull();
      expect(loaded.backbone.config).toEqual(backbone.config);
      expect(paths(loaded.params).map(([place]) => place)).toEqual(paths(task.params).map(([place]) => place));
      const before = await device.evaluate(leaves(task.params));
      const after = await device.evaluate(leaves(loaded.params));
      for (const [i, { data }] of before.entries()) expect(after[i]!.data).toEqual(data);
    },
  );
});
