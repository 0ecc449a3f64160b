import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { downloadBar, duration } from '../../src/cli/downloadBar.ts';
import { type Run, runCommand } from '../support/command.ts';
import { exampleRepos, wantedOfKeras } from '../support/hubs/models.ts';
import { goodToken, type Hubs, startHubs } from '../support/hubs/server.ts';
import { type BuiltPackage, buildPackage } from '../support/package.ts';

let built: BuiltPackage;
let hubs: Hubs;
let folder: string;
beforeAll(async () => {
  built = buildPackage();
  hubs = await startHubs({ repos: exampleRepos(100_000) });
  folder = mkdtempSync(join(tmpdir(), 'purelm-presets-'));
});
afterAll(async () => {
  built.remove();
  await hubs.close();
  rmSync(folder, { recursive: true, force: true });
});

const purelm = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> =>
  runCommand(built, args, {
    env: {
      HF_ENDPOINT: hubs.endpoint,
      HF_HOME: folder,
      KAGGLEHUB_CACHE: folder,
      HF_HUB_OFFLINE: '',
      HF_TOKEN: '',
      ...env,
    },
  });

describe('purelm presets', () => {
  it('S25: lists the built-in presets, with what they are and how large', async () => {
    const { status, stdout } = await purelm(['presets', 'gpt2']);
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(6);
    expect(lines[0]).toMatch(/^gpt2_tiny_en +\* {2}ships with the package$/);
    expect(lines[1]).toMatch(/^gpt2_base_en +124M +GPT-2 of 12 layers, cased, trained on WebText$/);
    const all = JSON.parse((await purelm(['presets', '--json'])).stdout) as readonly { readonly id: string }[];
    expect(all.length).toBeGreaterThanOrEqual(55);
    expect(all.find(({ id }) => id === 'gpt2_base_en')).toMatchObject({
      params: 124_439_808,
      kaggleHandle: 'kaggle://keras/gpt2/keras/gpt2_base_en/3',
    });
    expect((await purelm(['presets', 'no-such-thing'])).stderr).toContain('no built-in preset has "no-such-thing"');
  });

  it('fetches one, prints where it is and nothing else, and marks it from then on', async () => {
    const { status, stdout, stderr } = await purelm(['presets', 'pull', 'gpt2_base_en']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    for (const name of wantedOfKeras) expect(existsSync(join(stdout.trimEnd(), name)), name).toBe(true);
    expect((await purelm(['presets', 'gpt2_base_en'])).stdout).toMatch(/^gpt2_base_en +124M {2}\*/m);
    const offline = await purelm(['presets', 'pull', 'gpt2_base_en', '--json'], { HF_HUB_OFFLINE: '1' });
    expect(JSON.parse(offline.stdout)).toEqual({ preset: 'gpt2_base_en', folder: stdout.trimEnd() });
    expect((await purelm(['presets', 'pull', 'gpt2_tiny_en'])).stdout).toMatch(/presets.gpt2_tiny_en\n$/);
  });

  it('says what to do about a gated one, a misspelt one, and one that is not there', async () => {
    const gated = await purelm(['presets', 'pull', 'gemma_2b_en']);
    expect(gated).toMatchObject({ status: 1, stdout: '' });
    expect(gated.stderr).toMatch(
      /^purelm: gemma_2b_en: hf:\/\/keras\/gemma_2b_en: gated: open .* accept its terms.*HF_TOKEN/,
    );
    expect((await purelm(['presets', 'pull', 'gemma_2b_en'], { HF_TOKEN: goodToken })).status).toBe(0);
    expect((await purelm(['presets', 'pull', 'gpt2_base'])).stderr).toContain('closest ids: gpt2_base_en');
    expect((await purelm(['presets', 'pull', 'hf://someone/gpt2', '--revision', 'v9'])).stderr).toContain(
      'has no revision "v9"',
    );
  });
});

describe('the bar of a download', () => {
  const isTTY = process.stderr.isTTY;
  afterEach(() => {
    process.stderr.isTTY = isTTY;
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  it('shows file, bytes, rate and time left on a terminal, and is not there otherwise', () => {
    process.stderr.isTTY = false;
    expect(downloadBar().onDownload).toBeUndefined();
    process.stderr.isTTY = true;
    vi.stubEnv('HF_HUB_DISABLE_PROGRESS_BARS', '1');
    expect(downloadBar().onDownload).toBeUndefined();
    vi.stubEnv('HF_HUB_DISABLE_PROGRESS_BARS', '0');
    let text = '';
    vi.spyOn(process.stderr, 'write').mockImplementation((piece) => {
      text += String(piece);
      return true;
    });
    const bar = downloadBar();
    bar.onDownload?.({
      file: 'model.weights.h5',
      fileLoaded: 2 ** 20,
      fileTotal: 2 ** 23,
      loaded: 2 ** 20,
      total: 2 ** 23,
      rate: 2 ** 19,
      secondsLeft: 14,
    });
    bar.stop();
    expect(text).toMatch(/fetching model\.weights\.h5 .* 12% \| 1\.0 of 8\.0 MB \| 0\.5 MB\/s \| 14s left/);
  });

  it('says times as people do', () => {
    expect([0, 42, 60, 185, 7800].map(duration)).toEqual(['0s', '42s', '1m00s', '3m05s', '2h10m']);
  });
});
