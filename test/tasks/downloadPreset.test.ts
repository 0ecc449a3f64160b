import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type DownloadProgress, HubError } from '../../src/hub/index.ts';
import { CausalLM, GPT2CausalLM, GPT2Tokenizer, PresetError, TextEmbedder } from '../../src/index.ts';
import { presetPath } from '../support/fixtures.ts';
import { type Files, type Hubs, startHubs } from '../support/hubs/server.ts';

/** The files of a folder as a hub has them. */
const filesOf = (folder: string): Files =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(folder, name)).isFile())
      .map((name) => [name, readFileSync(join(folder, name))]),
  );

const tiny = filesOf(fileURLToPath(new URL('../../presets/gpt2_tiny_en', import.meta.url)));

/** A folder of sentence-transformers as older versions wrote it: the encoder in a folder of its own. */
const nested: Files = Object.fromEntries(
  Object.entries(filesOf(presetPath('sentence/mean'))).map(([name, content]) =>
    name === 'modules.json'
      ? [name, String(content).replace('"path": ""', '"path": "0_Transformer"')]
      : [name.includes('/') || name === 'config_sentence_transformers.json' ? name : `0_Transformer/${name}`, content],
  ),
);

let hubs: Hubs;
let folder: string;
beforeAll(async () => {
  const files = { ...tiny, 'README.md': 'x', 'pytorch_model.bin': 'x' };
  hubs = await startHubs({
    repos: {
      'keras/gpt2_base_en': { files },
      'someone/sentence': { files: nested },
      'someone/sharded': { files: filesOf(presetPath('transformers/c_float32')), branches: { other: files } },
    },
    models: { 'keras/gpt2/keras/gpt2_base_en': { versions: { 3: files } } },
  });
});
afterAll(() => hubs.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'purelm-download-'));
  vi.stubEnv('HF_ENDPOINT', hubs.endpoint).stubEnv('KAGGLE_API_ENDPOINT', hubs.endpoint);
  vi.stubEnv('HF_HOME', folder).stubEnv('KAGGLEHUB_CACHE', join(folder, 'kagglehub')).stubEnv('HF_HUB_OFFLINE', '0');
});
afterEach(() => {
  vi.unstubAllEnvs();
  hubs.reset();
  rmSync(folder, { recursive: true, force: true });
});

const device = 'reference';
const bodies = (): readonly string[] =>
  hubs.seen.filter(({ path }) => /\/resolve\/|^\/(?:lfs|kaggle)\//.test(path)).map(({ path }) => path);

describe('fromPreset', () => {
  it('S13: finds the encoder of sentence-transformers in a folder of its own, and again without the network', async () => {
    const texts = ['the old fox', 'a b'];
    const own = await TextEmbedder.fromPreset(presetPath('sentence/mean'), { device });
    const embedder = await TextEmbedder.fromPreset('hf://someone/sentence', { device });
    expect((await embedder.encodeText(texts)).data).toEqual((await own.encodeText(texts)).data);
    expect(bodies().some((path) => path.endsWith('config_sentence_transformers.json'))).toBe(false);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const offline = await TextEmbedder.fromPreset('hf://someone/sentence', { device });
    expect(offline.poolingMode).toBe('mean');
  });

  it.each(['gpt2_base_en', 'hf://keras/gpt2_base_en', 'kaggle://keras/gpt2/keras/gpt2_base_en'])(
    'S11, S12, S13: fetches %s and writes what the same folder writes',
    async (uri) => {
      const progress: DownloadProgress[] = [];
      const lm = await CausalLM.fromPreset(uri, {
        device,
        sampler: 'greedy',
        onDownload: (step) => progress.push(step),
      });
      const own = await CausalLM.fromPreset('gpt2_tiny_en', { device, sampler: 'greedy' });
      const [fetched, expected] = [lm, own].map((task) => task.generate('The old fox', { maxLength: 8 }));
      expect(await fetched).toBe(await expected);
      expect(progress.at(-1)!.loaded).toBe(progress.at(-1)!.total);
      expect(bodies().some((path) => /README|pytorch/.test(path))).toBe(false);
    },
  );

  it('fetches no weights for a tokenizer, nor where none are to be loaded', async () => {
    const tokenizer = await GPT2Tokenizer.fromPreset('gpt2_base_en');
    const own = await GPT2Tokenizer.fromPreset('gpt2_tiny_en');
    expect(tokenizer.tokenize('The old fox')).toEqual(own.tokenize('The old fox'));
    await GPT2CausalLM.fromPreset('gpt2_base_en', { device, loadWeights: false });
    expect(bodies().some((path) => path.includes('weights'))).toBe(false);
  });

  it('takes a revision, and refuses one for a folder', async () => {
    const lm = await CausalLM.fromPreset('hf://someone/sharded', { device, revision: 'other' });
    expect(lm.backbone.config).toMatchObject({ vocabularySize: 800 });
    await expect(CausalLM.fromPreset('gpt2_tiny_en', { revision: 'x' })).rejects.toThrow('expected no revision');
  });

  it('S16: names forms, the closest ids and the preset that ships, where there is no such thing', async () => {
    const refused = expect(CausalLM.fromPreset('gpt2_base')).rejects;
    await refused.toThrow(/^"gpt2_base": .*closest ids: gpt2_base_en.*hf:\/\/user\/repo.*gpt2_tiny_en ships/);
    await expect(CausalLM.fromPreset('gpt2_base')).rejects.toBeInstanceOf(HubError);
    await expect(CausalLM.fromPreset('./gpt2_base')).rejects.toBeInstanceOf(PresetError);
    await expect(CausalLM.fromPreset('hf://nobody/nothing')).rejects.toThrow(/no such repository/);
    expect(hubs.seen.length).toBeLessThan(3);
  });

  it('ends when the signal says so', async () => {
    hubs.failAlways(/^\/lfs\//, { slow: 1000, pause: 50 });
    const controller = new AbortController();
    const reason = new Error('enough');
    const onDownload = (): void => controller.abort(reason);
    const loading = CausalLM.fromPreset('gpt2_base_en', { device, signal: controller.signal, onDownload });
    await expect(loading).rejects.toBe(reason);
  });
});
