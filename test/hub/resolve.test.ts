import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kerasFiles, transformersFiles, wantedOfKeras } from '../support/hubs/models.ts';
import { blobName, commitOf, type Files, goodToken, poorToken } from '../support/hubs/server.ts';
import { hubSetting } from '../support/hubs/setting.ts';

const size = 100_000;
const { hubs, folder, have, problem } = hubSetting(size);

const namesIn = (path: string): readonly string[] =>
  readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => !lstatSync(join(path, name)).isDirectory())
    .sort();

const expectFiles = (path: string, files: Files, names: readonly string[]): void => {
  expect(namesIn(path)).toEqual([...names].sort());
  for (const name of names) expect(Buffer.from(files[name]!).equals(readFileSync(join(path, name))), name).toBe(true);
};

const downloads = (): readonly string[] =>
  hubs()
    .seen.filter(({ host, path }) => host === 'storage' || path.includes('/resolve/') || path.includes('/download/'))
    .map(({ path }) => path);

describe('hf://user/repo', () => {
  it('S13: brings the files that are needed into the cache that Python uses: blobs, a ref, links', async () => {
    const files = kerasFiles(size);
    const commit = commitOf(files);
    const got = await have('hf://keras/gpt2_base_en');
    const storage = join(folder(), 'hub', 'models--keras--gpt2_base_en');
    expect(got).toEqual({
      uri: 'hf://keras/gpt2_base_en',
      kind: 'hub',
      state: commit,
      files: expect.arrayContaining(wantedOfKeras),
      folder: join(storage, 'snapshots', commit),
    });
    expectFiles(got.folder, files, wantedOfKeras);
    expect(readFileSync(join(storage, 'refs', 'main'), 'utf8')).toBe(commit);
    expect(readdirSync(join(storage, 'blobs')).sort()).toEqual(
      [...new Set(wantedOfKeras.map((name) => blobName(name, files[name]!)))].sort(),
    );
    expect(readlinkSync(join(got.folder, 'assets/tokenizer/merges.txt'))).toBe(
      `../../../../blobs/${blobName('merges.txt', files['assets/tokenizer/merges.txt']!)}`,
    );
    expect(readFileSync(join(folder(), 'hub', 'CACHEDIR.TAG'), 'utf8')).toMatch(/^Signature: 8a477f59/);
    expect(namesIn(join(folder(), 'hub', '.locks'))).toEqual([]);
  });

  it('asks one question where everything is there, and none when offline', async () => {
    await have('hf://keras/gpt2_base_en');
    hubs().reset();
    await have('hf://keras/gpt2_base_en');
    expect(hubs().seen.map(({ path }) => path)).toEqual(['/api/models/keras/gpt2_base_en/revision/main']);
    hubs().reset();
    await have('hf://keras/gpt2_base_en', { offline: true });
    await have('hf://keras/gpt2_base_en', { settings: { offline: true } });
    await have(`hf://keras/gpt2_base_en@${commitOf(kerasFiles(size))}`);
    expect(hubs().seen).toEqual([]);
  });

  it('takes from a transformers folder the shards that its index names, and no other formats', async () => {
    const files = transformersFiles(size);
    const got = await have('hf://someone/gpt2');
    expectFiles(got.folder, files, [
      'config.json',
      'generation_config.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
      'tokenizer.json',
    ]);
  });

  it('leaves weights where they are when they are not wanted, and brings them when they are', async () => {
    const without = await have('hf://keras/gpt2_base_en', { weights: false });
    expect(namesIn(without.folder)).not.toContain('model.weights.h5');
    await have('hf://keras/gpt2_base_en', { weights: false, offline: true });
    hubs().reset();
    await have('hf://keras/gpt2_base_en');
    expect(downloads().filter((path) => path.startsWith('/keras'))).toHaveLength(1);
  });

  it('knows revisions: branches, pull requests and commits, and fetches what differs alone', async () => {
    const main = await have('hf://someone/gpt2');
    hubs().reset();
    const v1 = await have('hf://someone/gpt2@v1');
    expect(downloads()).toEqual([`/someone/gpt2/resolve/${v1.state}/config.json`]);
    expect(v1.folder).not.toBe(main.folder);
    const request = await have('hf://someone/gpt2', { revision: 'refs/pr/1' });
    expect(request.state).toBe(commitOf(transformersFiles(size, 'pr')));
    expect(readFileSync(join(folder(), 'hub/models--someone--gpt2/refs/refs/pr/1'), 'utf8')).toBe(request.state);
    expect((await have('hf://someone/gpt2', { revision: request.state! })).folder).toBe(request.folder);
    expect(await problem('hf://someone/gpt2@v2')).toMatchObject({
      _tag: 'NotFound',
      message: expect.stringContaining('has no revision "v2"'),
    });
  });

  it('follows a repository that has got another name, and takes one without an owner', async () => {
    expect((await have('hf://old/gpt2')).folder).toContain('models--old--gpt2');
    expect((await have('hf://gpt2')).folder).toContain('models--gpt2');
  });

  it('copies where links are not to be made', async () => {
    const got = await have('hf://keras/gpt2_base_en', { settings: { links: false } });
    expectFiles(got.folder, kerasFiles(size), wantedOfKeras);
    for (const name of wantedOfKeras) expect(lstatSync(join(got.folder, name)).isSymbolicLink()).toBe(false);
    hubs().reset();
    await have('hf://keras/gpt2_base_en', { settings: { links: false } });
    expect(downloads()).toEqual([]);
  });

  it('mends a cache in which a file is cut or missing', async () => {
    const got = await have('hf://keras/gpt2_base_en');
    const blob = blobName('model.weights.h5', kerasFiles(size)['model.weights.h5']!);
    writeFileSync(join(folder(), 'hub/models--keras--gpt2_base_en/blobs', blob), 'half');
    await have('hf://keras/gpt2_base_en');
    expectFiles(got.folder, kerasFiles(size), wantedOfKeras);
  });

  it('takes what is in the cache when the hub cannot be reached or is out of order', async () => {
    const got = await have('hf://keras/gpt2_base_en');
    expect((await have('hf://keras/gpt2_base_en', { settings: { endpoint: 'http://127.0.0.1:9' } })).folder).toBe(
      got.folder,
    );
    hubs().failAlways(/revision/, { status: 503 });
    expect((await have('hf://keras/gpt2_base_en')).folder).toBe(got.folder);
  });

  it('says what the cache lacks when there is no network', async () => {
    const unreachable = { settings: { endpoint: 'http://127.0.0.1:9' } };
    expect(await problem('hf://keras/gpt2_base_en', unreachable)).toMatchObject({
      _tag: 'Offline',
      message: expect.stringMatching(/127\.0\.0\.1:9 cannot be reached \(.+\); nothing of it is in the cache \(.+\)/),
    });
    await have('hf://keras/gpt2_base_en', { weights: false });
    expect(await problem('hf://keras/gpt2_base_en', { offline: true })).toMatchObject({
      _tag: 'Offline',
      message: expect.stringMatching(/lacks model\.weights\.h5, and HF_HUB_OFFLINE is set/),
    });
  });
});

describe('access', () => {
  it('S13: says how to accept the terms of a gated repository, with a token and without', async () => {
    const without = await problem('hf://keras/gemma_2b_en');
    expect(without).toMatchObject({ _tag: 'Gated' });
    expect(without.message).toContain(
      `open ${hubs().endpoint}/keras/gemma_2b_en in a browser, log in and accept its terms`,
    );
    expect(without.message).toContain('HF_TOKEN');
    const withPoor = await problem('hf://keras/gemma_2b_en', { settings: { token: poorToken } });
    expect(withPoor.message).toContain('with the account that the token belongs to');
    await have('hf://keras/gemma_2b_en', { settings: { token: goodToken } });
  });

  it('sends the token to the hub and to nobody else', async () => {
    await have('hf://keras/gemma_2b_en', { settings: { token: goodToken } });
    const withToken = hubs().seen.filter(({ headers }) => headers.authorization !== undefined);
    expect(new Set(withToken.map(({ host }) => host))).toEqual(new Set(['hub']));
    expect(hubs().seen.some(({ host }) => host === 'storage')).toBe(true);
    hubs().reset();
    hubs().fail(/config\.json/, { status: 302, headers: { location: `${hubs().storage}/elsewhere` } });
    await problem('hf://someone/hidden', { settings: { token: goodToken } });
    expect(hubs().seen.find(({ path }) => path === '/elsewhere')?.headers.authorization).toBeUndefined();
  });

  it('tells a hidden repository from none no better than the hub does, and a wrong token', async () => {
    expect((await problem('hf://someone/hidden')).message).toMatch(/no such repository .*not logged in.*HF_TOKEN/);
    await have('hf://someone/hidden', { settings: { token: goodToken } });
    expect(await problem('hf://someone/hidden', { settings: { token: 'hf_wrong' } })).toMatchObject({
      _tag: 'Unauthorized',
      message: expect.stringContaining('does not take the token'),
    });
    expect(await problem('hf://nobody/nothing')).toMatchObject({ _tag: 'NotFound' });
  });

  it('S17: says what it found where there is no preset', async () => {
    expect(await problem('hf://someone/nothing')).toMatchObject({
      message: 'hf://someone/nothing: has no config.json',
    });
    expect((await problem('hf://someone/pickled')).message).toMatch(/found only pytorch_model\.bin/);
  });
});

describe('kaggle://owner/model/framework/variation', () => {
  it('S12: brings a version, or the newest, into the cache that kagglehub uses, with its markers', async () => {
    const newest = await have('kaggle://keras/gpt2/keras/gpt2_base_en');
    const variation = join(folder(), 'kagglehub/models/keras/gpt2/keras/gpt2_base_en');
    expect(newest).toMatchObject({ kind: 'kaggle', state: '3', folder: join(variation, '3') });
    expectFiles(newest.folder, kerasFiles(size, 'three'), wantedOfKeras);
    expect(namesIn(join(variation, '.complete', '3'))).toEqual(wantedOfKeras.map((name) => `${name}.complete`).sort());
    const second = await have('kaggle://keras/gpt2/keras/gpt2_base_en/2');
    expectFiles(second.folder, kerasFiles(size, 'two'), wantedOfKeras);
    hubs().reset();
    await have('kaggle://keras/gpt2/keras/gpt2_base_en/2');
    expect((await have('kaggle://keras/gpt2/keras/gpt2_base_en', { offline: true })).state).toBe('3');
    expect(hubs().seen).toEqual([]);
  });

  it('takes a bundle that kagglehub fetched whole, and no file without a marker', async () => {
    const variation = join(folder(), 'kagglehub/models/keras/gpt2/keras/gpt2_base_en');
    const files = kerasFiles(size, 'three');
    for (const name of wantedOfKeras) {
      mkdirSync(join(variation, '3', name, '..'), { recursive: true });
      writeFileSync(join(variation, '3', name), files[name]!);
    }
    expect(await problem('kaggle://keras/gpt2/keras/gpt2_base_en/3', { offline: true })).toMatchObject({
      _tag: 'Offline',
    });
    writeFileSync(join(variation, '3.complete'), '');
    await have('kaggle://keras/gpt2/keras/gpt2_base_en/3', { offline: true });
    expect(hubs().seen).toEqual([]);
  });

  it('S12: says how to accept the terms, and what is not there', async () => {
    const gated = await problem('kaggle://keras/gemma/keras/gemma_2b_en');
    expect(gated).toMatchObject({ _tag: 'Gated' });
    expect(gated.message).toMatch(/open .*\/models\/keras\/gemma in a browser.*KAGGLE_API_TOKEN/);
    await have('kaggle://keras/gemma/keras/gemma_2b_en', { settings: { kaggleAuthorization: `Bearer ${goodToken}` } });
    expect(
      hubs().seen.filter(({ host, headers }) => host === 'storage' && headers.authorization !== undefined),
    ).toEqual([]);
    expect(await problem('kaggle://keras/none/keras/none')).toMatchObject({ _tag: 'NotFound' });
    expect(await problem('kaggle://keras/gpt2/keras/gpt2_base_en/9')).toMatchObject({ _tag: 'NotFound' });
  });
});

describe('a built-in id', () => {
  it('S11: comes from its mirror on the hub, and costs no request from then on', async () => {
    const got = await have('gpt2_base_en');
    expect(got).toMatchObject({ uri: 'hf://keras/gpt2_base_en', kind: 'hub' });
    hubs().reset();
    expect((await have('gpt2_base_en')).folder).toBe(got.folder);
    expect(hubs().seen).toEqual([]);
  });

  it('is taken from the cache of kagglehub first', async () => {
    await have('gpt2_base_en');
    await have('kaggle://keras/gpt2/keras/gpt2_base_en/3');
    expect((await have('gpt2_base_en')).kind).toBe('kaggle');
    expect((await have('gpt2_base_en', { revision: 'main' })).kind).toBe('hub');
  });

  it('comes from Kaggle when that is asked for', async () => {
    expect(await have('gpt2_base_en', { source: 'kaggle' })).toMatchObject({ kind: 'kaggle', state: '3' });
    expect(hubs().seen.every(({ path }) => !path.startsWith('/api/models/'))).toBe(true);
  });

  it('names the other place where it is to be had when one fails', async () => {
    const failed = await problem('gpt2_base_en', { offline: true });
    expect(failed.message).toMatch(/^gpt2_base_en: hf:\/\/keras\/gpt2_base_en: nothing of it is in the cache/);
    expect(failed.message).toContain('kaggle://keras/gpt2/keras/gpt2_base_en/3 has it too');
  });
});

describe('S14: a folder', () => {
  it('is taken as it is, also where it has the name of an id', async () => {
    expect(await have(folder())).toMatchObject({ kind: 'folder', folder: folder(), state: undefined });
    expect(existsSync('gpt2_base_en')).toBe(false);
    expect(hubs().seen).toEqual([]);
  });

  it('S16: that is not there gets the forms and the ids that come closest', async () => {
    const missing = await problem('gpt2_bse_en');
    expect(missing).toMatchObject({ _tag: 'UnknownPreset' });
    expect(missing.message).toMatch(/closest ids: gpt2_base_en, .*kaggle:\/\/.*hf:\/\/user\/repo.*folder/);
  });
});
