import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import {
  type DownloadProgress,
  type HubProblem,
  type Uploaded,
  type UploadFolderOptions,
  uploadFolder,
} from '../../src/hub/index.ts';
import { noise } from '../support/hubs/models.ts';
import { quickPatience } from '../support/hubs/patience.ts';
import { goodToken, poorToken } from '../support/hubs/server.ts';
import { hubSetting } from '../support/hubs/setting.ts';

const { hubs, folder, have } = hubSetting();

/** A folder with small files, a large one of one part, and one of four. */
const preset = (): string => {
  const own = join(folder(), 'preset');
  mkdirSync(join(own, 'assets/tokenizer'), { recursive: true });
  mkdirSync(join(own, '.cache'), { recursive: true });
  writeFileSync(join(own, 'config.json'), '{ "registered_name": "keras_hub>GPT2Backbone" }');
  writeFileSync(join(own, 'README.md'), '# Mine\n');
  writeFileSync(join(own, 'empty.txt'), '');
  writeFileSync(join(own, '.cache/hidden'), 'x');
  writeFileSync(join(own, 'assets/tokenizer/vocabulary.spm'), noise(5000, 'vocabulary'));
  writeFileSync(join(own, 'model.weights.h5'), noise(350_000, 'weights'));
  return own;
};

const upload = (
  uri: string,
  own = preset(),
  { settings, ...options }: UploadFolderOptions = {},
): Promise<E.Either<HubProblem, Uploaded>> =>
  uploadFolder(uri, own, {
    ...options,
    settings: {
      ...{ endpoint: hubs().endpoint, token: goodToken, offline: false, patience: quickPatience },
      ...settings,
    },
  })();

const done = async (...args: Parameters<typeof upload>): Promise<Uploaded> => {
  const result = await upload(...args);
  if (E.isLeft(result)) throw new Error(result.left.message);
  return result.right;
};

const refused = async (...args: Parameters<typeof upload>): Promise<HubProblem> => {
  const result = await upload(...args);
  if (E.isRight(result)) throw new Error('expected a problem');
  return result.left;
};

const asked = (path: RegExp): number => hubs().seen.filter((one) => path.test(one.path)).length;

const remote = (repo: string): readonly string[] => Object.keys(hubs().uploads.repos[repo]!.files).sort();

describe('an upload', () => {
  it('makes the repository, sends large files in parts and the rest in one commit, and can be fetched again', async () => {
    const seen: DownloadProgress[] = [];
    const { repo, commit, url } = await done('hf://me/first', undefined, {
      private: true,
      onProgress: (progress) => seen.push(progress),
    });
    expect({ repo, url }).toEqual({ repo: 'me/first', url: `${hubs().endpoint}/me/first` });
    expect(remote('me/first')).toEqual([
      ...['.gitattributes', 'README.md', 'assets/tokenizer/vocabulary.spm', 'config.json'],
      ...['empty.txt', 'model.weights.h5'],
    ]);
    expect(hubs().uploads.secret.has('me/first')).toBe(true);
    expect(asked(/^\/put\/[0-9a-f]+\/\d$/)).toBe(4);
    expect(seen.at(-1)).toMatchObject({ loaded: 350_000 + 5000 + 47 + 7, total: 350_000 + 5000 + 47 + 7 });
    const fetched = await have('hf://me/first', { settings: { token: goodToken } });
    expect(fetched).toMatchObject({ state: commit });
    // The token went to the hub and to nobody else.
    for (const { host, headers } of hubs().seen)
      expect(headers.authorization).toBe(
        host === 'hub' && headers.authorization !== undefined ? `Bearer ${goodToken}` : undefined,
      );
  });

  it('goes to the user whom the token belongs to, where the handle names none', async () => {
    expect((await done('hf://own')).repo).toBe('me/own');
  });

  it('sends nothing twice, keeps the card that people wrote, and takes away weights that are old', async () => {
    hubs().uploads.repos['me/second'] = {
      files: {
        'README.md': '# Theirs\n',
        'model.safetensors': noise(10, 'old'),
        'notes.md': 'kept',
        'config.json': '{}',
      },
    };
    await done('hf://me/second');
    const again = asked(/^\/put\//);
    await done('hf://me/second', undefined, { message: 'Once more' });
    expect(asked(/^\/put\//)).toBe(again);
    const { files } = hubs().uploads.repos['me/second']!;
    expect(files['README.md']).toBe('# Theirs\n');
    expect(Object.keys(files)).toContain('notes.md');
    expect(Object.keys(files)).not.toContain('model.safetensors');
    await done('hf://me/second', undefined, { replaceModelCard: true });
    expect(String(hubs().uploads.repos['me/second']!.files['README.md'])).toBe('# Mine\n');
  });

  it('tries again what breaks, whatever part of it that is', async () => {
    hubs().fail(/^\/api\/repos\/create$/, { status: 503 });
    hubs().fail(/preupload/, { status: 500 }, { status: 429, headers: { 'retry-after': '0' } });
    hubs().fail(/^\/put\/[0-9a-f]+\/2$/, { cut: 1000 }, { status: 503 }, { cut: 1000 });
    hubs().fail(/^\/complete\//, { status: 502 });
    hubs().fail(/\/commit\/main$/, { status: 504 });
    hubs().uploads.objects.clear();
    let loaded = 0;
    await done('hf://me/third', undefined, {
      onProgress: (progress) => {
        loaded = progress.loaded;
      },
    });
    expect(loaded).toBe(350_000 + 5000 + 47 + 7);
    const sent = Buffer.from(hubs().uploads.repos['me/third']!.files['model.weights.h5'] as Uint8Array);
    expect(createHash('sha256').update(sent).digest('hex')).toBe(
      createHash('sha256').update(noise(350_000, 'weights')).digest('hex'),
    );
  });

  it('leaves the repository as it was when it is given up or ended', async () => {
    hubs().uploads.objects.clear();
    const before = { files: { 'config.json': 'old' } };
    hubs().uploads.repos['me/fourth'] = before;
    hubs().failAlways(/^\/put\//, { status: 503 });
    const given = await refused('hf://me/fourth');
    expect(given).toMatchObject({ _tag: 'Server', message: expect.stringMatching(/vocabulary\.spm.*gave up.*503/) });
    hubs().reset();
    const ending = new AbortController();
    const ended = upload('hf://me/fourth', undefined, {
      signal: ending.signal,
      onProgress: () => ending.abort(new Error('enough')),
    });
    await expect(ended).rejects.toThrow('enough');
    expect(hubs().uploads.repos['me/fourth']).toBe(before);
  });

  it('says what it needs: a token that may write, a repository’s handle, the network', async () => {
    expect(await refused('hf://me/x', undefined, { settings: { token: undefined } })).toMatchObject({
      _tag: 'Unauthorized',
      message: expect.stringMatching(/^hf:\/\/me\/x: uploading needs a token .*HF_TOKEN/),
    });
    expect(await refused('hf://me/x', undefined, { settings: { token: poorToken } })).toMatchObject({
      _tag: 'Unauthorized',
      message: expect.stringContaining('may not write there (You do not have the rights to write here)'),
    });
    expect((await refused('kaggle://me/gpt2/keras/mine')).message).toContain('kagglehub.model_upload');
    expect((await refused('./folder')).message).toContain("expected a Hugging Face handle like 'hf://user/repo'");
    expect(await refused('hf://me/x', undefined, { settings: { offline: true } })).toMatchObject({ _tag: 'Offline' });
    expect(await refused('hf://me/x', join(folder(), 'nowhere'))).toMatchObject({ _tag: 'InputOutput' });
  });
});
