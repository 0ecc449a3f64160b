import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CausalLM, read, referenceDevice, type UploadPresetOptions, uploadPreset } from '../../src/index.ts';
import { presetPath } from '../support/fixtures.ts';
import { quickPatience } from '../support/hubs/patience.ts';
import { goodToken, type Hubs, startHubs } from '../support/hubs/server.ts';

let hubs: Hubs;
let folder: string;
beforeAll(async () => {
  hubs = await startHubs({ partBytes: 10_000 });
  folder = mkdtempSync(join(tmpdir(), 'purelm-upload-'));
  vi.stubEnv('HF_ENDPOINT', hubs.endpoint);
  vi.stubEnv('HF_HOME', folder);
  vi.stubEnv('HF_TOKEN', goodToken);
  vi.stubEnv('HF_HUB_OFFLINE', '');
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await hubs.close();
  rmSync(folder, { recursive: true, force: true });
});

const options: UploadPresetOptions = { settings: { patience: quickPatience } };

const logitsOf = async (preset: string): Promise<Float32Array> => {
  const lm = await CausalLM.fromPreset(preset, { device: referenceDevice });
  return (await read(lm.score({ tokenIds: [[1, 2, 3]] }))).data as Float32Array;
};

describe('uploadPreset', () => {
  it('puts a saved preset on the hub, where fromPreset finds the same model', async () => {
    const task = await CausalLM.fromPreset(presetPath('keras/c_float32'), { device: referenceDevice });
    for (const format of ['keras', 'transformers'] as const) {
      const saved = join(folder, format);
      await task.saveToPreset(saved, { format });
      const { repo } = await uploadPreset(`hf://me/${format}`, saved, options);
      expect(await logitsOf(`hf://${repo}`)).toEqual(await logitsOf(presetPath('keras/c_float32')));
    }
  });

  it('takes a folder of sentence-transformers', async () => {
    await uploadPreset('hf://me/sentence', presetPath('sentence/mean'), options);
    expect(Object.keys(hubs.uploads.repos['me/sentence']!.files)).toContain('modules.json');
  });

  it('sends nothing that nobody could load', async () => {
    hubs.reset();
    const bare = join(folder, 'bare');
    cpSync(presetPath('keras/a_float32'), bare, { recursive: true, filter: (path) => !path.endsWith('.weights.h5') });
    await expect(uploadPreset('hf://me/x', bare, options)).rejects.toMatchObject({ _tag: 'MissingFile' });
    const mixed = join(folder, 'mixed');
    cpSync(presetPath('transformers/a_float32'), mixed, { recursive: true });
    cpSync(presetPath('transformers/b_float32/model.safetensors'), join(mixed, 'model.safetensors'));
    await expect(uploadPreset('hf://me/x', mixed, options)).rejects.toThrow('the weights do not fit the config');
    await expect(uploadPreset('hf://me/x', folder, options)).rejects.toMatchObject({ _tag: 'NotAPreset' });
    await expect(uploadPreset('hf://me/x', '', options)).rejects.toThrow('expected folder to be a text, got ""');
    const strange = { ...options, branch: 'x' } as UploadPresetOptions;
    await expect(uploadPreset('hf://me/x', bare, strange)).rejects.toThrow('got branch');
    await expect(uploadPreset('kaggle://a/b/c/d', presetPath('keras/a_float32'), options)).rejects.toThrow(/kagglehub/);
    expect(hubs.seen).toEqual([]);
  });
});
