import { join } from 'node:path/posix';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { type HubSettings, readSettings, type Variables } from '../../src/hub/index.ts';

const read = (variables: Variables, files: Readonly<Record<string, string>> = {}) =>
  readSettings({ variables, home: '/home/me', join, readText: (path) => files[path] });

const settings = (variables: Variables, files: Readonly<Record<string, string>> = {}): HubSettings => {
  const result = read(variables, files);
  if (E.isLeft(result)) throw new Error(result.left.message);
  return result.right;
};

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

describe('readSettings', () => {
  it('says where everything is when the environment says nothing', () => {
    expect(settings({})).toEqual({
      endpoint: 'https://huggingface.co',
      token: undefined,
      hubCache: '/home/me/.cache/huggingface/hub',
      offline: false,
      links: true,
      bars: true,
      kaggleEndpoint: 'https://www.kaggle.com',
      kaggleAuthorization: undefined,
      kaggleCache: '/home/me/.cache/kagglehub',
      patience: expect.objectContaining({ stall: 10_000 }),
    });
  });

  it('finds the cache of the hub as Python does: the nearest variable counts', () => {
    const all = { XDG_CACHE_HOME: '/x', HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/new' };
    expect(settings(all).hubCache).toBe('/new');
    expect(settings({ ...all, HF_HUB_CACHE: '' }).hubCache).toBe('/old');
    expect(settings({ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }).hubCache).toBe('/h/hub');
    expect(settings({ XDG_CACHE_HOME: '/x' }).hubCache).toBe('/x/huggingface/hub');
    expect(settings({ HF_HOME: '~/models', DATA: '/data' }).hubCache).toBe('/home/me/models/hub');
    expect(settings({ HF_HUB_CACHE: '$DATA/$' + '{NAME}/$NONE', DATA: '/data', NAME: 'n' }).hubCache).toBe(
      '/data/n/$NONE',
    );
    expect(settings({ KAGGLEHUB_CACHE: '/k' }).kaggleCache).toBe('/k');
  });

  it('finds the token in variables, then in the file that logging in writes', () => {
    const files = {
      '/home/me/.cache/huggingface/token': 'hf_file\n',
      '/elsewhere': ' hf_else ',
      '/h/token': 'hf_home',
    };
    expect(settings({ HF_TOKEN: ' hf_a\n', HUGGING_FACE_HUB_TOKEN: 'hf_b' }, files).token).toBe('hf_a');
    expect(settings({ HF_TOKEN: '', HUGGING_FACE_HUB_TOKEN: 'hf_b' }, files).token).toBe('hf_b');
    expect(settings({}, files).token).toBe('hf_file');
    expect(settings({ HF_HOME: '/h' }, files).token).toBe('hf_home');
    expect(settings({ HF_TOKEN_PATH: '/elsewhere' }, files).token).toBe('hf_else');
    expect(settings({ HF_TOKEN: 'hf_a', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, files).token).toBeUndefined();
  });

  it('reads switches by the words that Python takes for yes', () => {
    for (const yes of ['1', 'on', 'YES', 'True']) expect(settings({ HF_HUB_OFFLINE: yes }).offline).toBe(true);
    for (const no of ['0', 'false', '', 'off']) expect(settings({ HF_HUB_OFFLINE: no }).offline).toBe(false);
    expect(settings({ TRANSFORMERS_OFFLINE: '1' }).offline).toBe(true);
    expect(settings({ HF_HUB_DISABLE_SYMLINKS: '1', HF_HUB_DISABLE_PROGRESS_BARS: '1' })).toMatchObject({
      links: false,
      bars: false,
    });
    expect(settings({ HF_HUB_DOWNLOAD_TIMEOUT: '30' }).patience.stall).toBe(30_000);
  });

  it('takes a mirror, and no address that is none', () => {
    expect(settings({ HF_ENDPOINT: 'https://mirror.example/hub//' }).endpoint).toBe('https://mirror.example/hub');
    expect(settings({ KAGGLE_API_ENDPOINT: 'http://localhost:7777/' }).kaggleEndpoint).toBe('http://localhost:7777');
    for (const wrong of ['mirror.example', 'ftp://a', 'https://a?b', 'file:///etc'])
      expect(read({ HF_ENDPOINT: wrong })).toMatchObject({
        left: { message: expect.stringMatching(/^HF_ENDPOINT: expected an address like https:/) },
      });
  });

  it('finds credentials for Kaggle in kagglehub’s order', () => {
    const json = '{"username": "ann", "key": "k1"}';
    const files = {
      '/home/me/.kaggle/access_token': 'token-file\n',
      '/home/me/.kaggle/kaggle.json': json,
      '/c/kaggle.json': '{"username": "bob", "key": "k2"}',
      '/t': 'token-in-a-file',
    };
    const named = { KAGGLE_USERNAME: 'eve', KAGGLE_KEY: 'k3' };
    const header = (variables: Variables, there = files as Readonly<Record<string, string>>) =>
      settings(variables, there).kaggleAuthorization;
    expect(header({ KAGGLE_API_TOKEN: 'value', ...named })).toBe('Bearer value');
    expect(header({ KAGGLE_API_TOKEN: '/t' })).toBe('Bearer token-in-a-file');
    expect(header(named)).toBe('Bearer token-file');
    const { '/home/me/.kaggle/access_token': _, ...without } = files;
    expect(header(named, without)).toBe(basic('eve:k3'));
    expect(header({}, without)).toBe(basic('ann:k1'));
    expect(header({ KAGGLE_CONFIG_DIR: '/c' }, without)).toBe(basic('bob:k2'));
  });

  it('says which credentials file is broken, and not what is in it', () => {
    for (const text of ['{"username": "ann", "secret": "s3cret"}', 's3cret', '[]']) {
      const result = read({}, { '/home/me/.kaggle/kaggle.json': text });
      expect(result).toMatchObject({ left: { _tag: 'Unauthorized' } });
      const message = E.isLeft(result) ? result.left.message : '';
      expect(message).toMatch(/^\/home\/me\/\.kaggle\/kaggle\.json: expected JSON with "username" and "key"/);
      expect(message).not.toContain('s3cret');
    }
  });
});
