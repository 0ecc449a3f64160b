import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { makeNodeHasher } from '../../src/hub/node/partial.ts';
import { type CacheLike, cacheStore, pageLocks } from '../../src/hub/web/cacheStore.ts';
import { makeWebHasher } from '../../src/hub/web/hasher.ts';
import { type BrowserPreset, type BrowserResolveOptions, resolveInBrowser } from '../../src/hub/web/index.ts';
import { kerasFiles, transformersFiles, wantedOfKeras } from '../support/hubs/models.ts';
import { commitOf, type Files, goodToken } from '../support/hubs/server.ts';
import { hubSetting } from '../support/hubs/setting.ts';

const size = 100_000;
const { hubs } = hubSetting(size);

/** A cache as browsers have it, in memory, that can be full. */
const fakeCache = (room = Number.POSITIVE_INFINITY): CacheLike & { readonly entries: Map<string, Uint8Array> } => {
  const entries = new Map<string, Uint8Array>();
  return {
    entries,
    match: async (url) => {
      const bytes = entries.get(url);
      return bytes === undefined ? undefined : new Response(bytes.slice());
    },
    put: async (url, response) => {
      expect(new URL(url).protocol).toBe('https:');
      const bytes = new Uint8Array(await response.arrayBuffer());
      const used = [...entries.values()].reduce((sum, { length }) => sum + length, 0);
      if (used + bytes.length > room) throw new DOMException('no room', 'QuotaExceededError');
      entries.set(url, bytes);
    },
    delete: async (url) => entries.delete(url),
    keys: async () => [...entries.keys()].map((url) => ({ url })),
  };
};

const part = 30_000;

const page = (cache: CacheLike) => {
  const resolve = resolveInBrowser({ cache, part });
  return (uri: string, { settings, ...options }: BrowserResolveOptions = {}) =>
    resolve(uri, {
      ...options,
      settings: {
        endpoint: hubs().endpoint,
        kaggleEndpoint: hubs().endpoint,
        patience: { tries: 3, wait: 5, longestWait: 20, longestAsked: 100, stall: 300 },
        ...settings,
      },
    })();
};

const right = (result: E.Either<{ readonly message: string }, BrowserPreset>): BrowserPreset => {
  if (E.isLeft(result)) throw new Error(result.left.message);
  return result.right;
};

const expectFiles = async (preset: BrowserPreset, files: Files, names: readonly string[]): Promise<void> => {
  expect([...preset.files].sort()).toEqual([...names].sort());
  for (const name of names) {
    const file = await preset.open(name);
    expect(Buffer.from(files[name]!).equals(await file.read(0, file.size)), name).toBe(true);
  }
};

describe('resolveInBrowser', () => {
  it('keeps a preset in the cache, whole, and asks for nothing that is there', async () => {
    const cache = fakeCache();
    const preset = right(await page(cache)('hf://keras/gpt2_base_en'));
    await expectFiles(preset, kerasFiles(size), wantedOfKeras);
    hubs().reset();
    const again = right(await page(cache)('gpt2_base_en'));
    expect(again.state).toBe(commitOf(kerasFiles(size)));
    expect(right(await page(cache)('hf://keras/gpt2_base_en', { offline: true })).state).toBe(again.state);
    expect(hubs().seen).toEqual([]);
    await page(cache)('hf://keras/gpt2_base_en');
    expect(hubs().seen).toHaveLength(1);
  });

  it('reads any range of a file, from the parts that it lies in', async () => {
    const preset = right(await page(fakeCache())('hf://keras/gpt2_base_en'));
    const bytes = Buffer.from(kerasFiles(size)['model.weights.h5']!);
    const file = await preset.open('model.weights.h5');
    expect(file.size).toBe(size);
    await fc.assert(
      fc.asyncProperty(fc.nat(size), fc.nat(size), async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        expect(bytes.subarray(start, end).equals(await file.read(start, end))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('takes sharded weights, revisions, and files that two revisions share', async () => {
    const cache = fakeCache();
    const main = right(await page(cache)('hf://someone/gpt2'));
    expect(main.files).toContain('model-00002-of-00002.safetensors');
    hubs().reset();
    const v1 = right(await page(cache)('hf://someone/gpt2@v1'));
    expect(
      hubs()
        .seen.filter(({ path }) => path.includes('/resolve/'))
        .map(({ path }) => path),
    ).toEqual([`/someone/gpt2/resolve/${v1.state}/config.json`]);
    const file = await v1.open('model-00001-of-00002.safetensors');
    const expected = Buffer.from(transformersFiles(size)['model-00001-of-00002.safetensors']!);
    expect(expected.equals(await file.read(0, file.size))).toBe(true);
  });

  it('goes on after a cut, and after the page was closed', async () => {
    const cache = fakeCache();
    const weights = /^\/lfs\//;
    hubs().fail(weights, { cut: 75_000 });
    hubs().failAlways(weights, { cut: 0 });
    expect(E.isLeft(await page(cache)('hf://keras/gpt2_base_en'))).toBe(true);
    hubs().reset();
    await expectFiles(right(await page(cache)('hf://keras/gpt2_base_en')), kerasFiles(size), wantedOfKeras);
    expect(hubs().seen.find(({ path }) => weights.test(path))!.headers.range).toMatch(/^bytes=[1-9]\d+-$/);
    // Headers that a page may not send without asking first are not sent.
    expect(hubs().seen.every(({ headers }) => headers['if-range'] === undefined)).toBe(true);
  });

  it('takes no wrong bytes, and says so when there is no room', async () => {
    hubs().failAlways(/^\/lfs\//, { bytes: new Uint8Array(size) });
    expect(await page(fakeCache())('hf://keras/gpt2_base_en')).toMatchObject({
      left: { _tag: 'Corrupt', message: expect.stringContaining('expected sha256') },
    });
    hubs().reset();
    expect(await page(fakeCache(50_000))('hf://keras/gpt2_base_en')).toMatchObject({
      left: { _tag: 'InputOutput', message: expect.stringContaining('QuotaExceededError') },
    });
  });

  it('keeps the token from the storage, and fetches once for two callers', async () => {
    const cache = fakeCache();
    const resolve = page(cache);
    const settings = { token: goodToken };
    const both = await Promise.all([1, 2].map(() => resolve('hf://keras/gemma_2b_en', { settings })));
    expect(both.every(E.isRight)).toBe(true);
    const stored = hubs().seen.filter(({ host }) => host === 'storage');
    expect(stored).toHaveLength(1);
    expect(stored[0]!.headers.authorization).toBeUndefined();
  });

  it('has no folders, and Kaggle where it may be asked', async () => {
    expect(await page(fakeCache())('./folder')).toMatchObject({ left: { _tag: 'UnknownPreset' } });
    const cache = fakeCache();
    const preset = right(await page(cache)('kaggle://keras/gpt2/keras/gpt2_base_en'));
    await expectFiles(preset, kerasFiles(size, 'three'), wantedOfKeras);
    expect(right(await page(cache)('kaggle://keras/gpt2/keras/gpt2_base_en', { offline: true })).state).toBe('3');
  });
});

describe('cacheStore', () => {
  it('holds what was appended, however it came, through closing and opening', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 25 }), { maxLength: 12 }),
        fc.array(fc.nat(11), { maxLength: 3 }),
        async (pieces, closings) => {
          const cache = fakeCache();
          const total = pieces.reduce((sum, { length }) => sum + length, 0);
          const file = { name: 'x', size: total };
          const store = cacheStore(cache, pageLocks(), { model: 'm', part: 10 });
          let partial = await store.begin('1', file);
          for (const [i, piece] of pieces.entries()) {
            await partial.append(piece);
            if (!closings.includes(i)) continue;
            await partial.close();
            partial = await store.begin('1', file);
          }
          expect(partial.size()).toBe(total);
          const seen: Uint8Array[] = [];
          for await (const bytes of partial.bytes()) seen.push(bytes);
          expect(Buffer.concat(seen).equals(Buffer.concat(pieces))).toBe(true);
          expect(await store.has('1', file)).toBe(false);
          await partial.finish();
          expect(await store.has('1', file)).toBe(true);
          const open = await store.open('1', 'x');
          expect(Buffer.concat(pieces).equals(await open.read(0, total))).toBe(true);
        },
      ),
      { numRuns: 100 },
    ));
});

describe('makeWebHasher', () => {
  it('says what the system’s library says', () =>
    fc.assert(
      fc.property(
        fc.constantFrom('sha256' as const, 'gitSha1' as const, 'md5' as const),
        fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }),
        (algorithm, pieces) => {
          const size = pieces.reduce((sum, { length }) => sum + length, 0);
          const [web, node] = [makeWebHasher(algorithm, size), makeNodeHasher(algorithm, size)];
          for (const piece of pieces) {
            web.update(piece);
            node.update(piece);
          }
          expect(web.hex()).toBe(node.hex());
        },
      ),
      { numRuns: 50 },
    ));
});
