import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { DownloadProgress } from '../../src/hub/index.ts';
import { askedWait } from '../../src/hub/network.ts';
import { kerasFiles, noise, wantedOfKeras } from '../support/hubs/models.ts';
import { quickPatience } from '../support/hubs/patience.ts';
import { blobName, type Fault, type Seen } from '../support/hubs/server.ts';
import { hubSetting } from '../support/hubs/setting.ts';

const size = 300_000;
const { hubs, folder, have, problem } = hubSetting(size);

const uri = 'hf://keras/gpt2_base_en';
const weights = /^\/lfs\/.*model\.weights\.h5$/;
const files = kerasFiles(size);
const blob = (): string =>
  join(folder(), 'hub/models--keras--gpt2_base_en/blobs', blobName('model.weights.h5', files['model.weights.h5']!));
const incomplete = (): string => `${blob()}.purelm.incomplete`;

/** Requests for the weights' bytes. */
const asked = (): readonly Seen[] => hubs().seen.filter(({ path }) => weights.test(path));

/** Fetches the preset and looks at every byte. */
const haveWhole = async (preset = uri, expected = files): Promise<void> => {
  const { folder: at } = await have(preset);
  for (const name of wantedOfKeras)
    expect(Buffer.from(expected[name]!).equals(readFileSync(join(at, name))), name).toBe(true);
};

describe('a connection that breaks', () => {
  it('is taken up where it broke off, with the tag of what has come', async () => {
    hubs().fail(weights, { cut: 100_000 }, { cut: 50_000 });
    await haveWhole();
    const ranges = asked().map(({ headers }) => headers.range ?? 'whole');
    expect(ranges[0]).toBe('whole');
    expect(ranges.length).toBeGreaterThanOrEqual(3);
    const starts = ranges.slice(1).map((range) => Number(/^bytes=(\d+)-$/.exec(range)?.[1]));
    expect(starts.every((start, i) => start > (starts[i - 1] ?? 0))).toBe(true);
    expect(asked()[1]!.headers['if-range']).toMatch(/^"[0-9a-f]{32}"$/);
    expect(asked().every(({ headers }) => /^identity(?:, identity)?$/.test(headers['accept-encoding'] ?? ''))).toBe(
      true,
    );
  });

  it('or falls silent, is taken up too', async () => {
    hubs().fail(weights, { stall: 100_000 }, { stall: 0 });
    await have(uri, { settings: { patience: { ...quickPatience, stall: 300 } } });
    await haveWhole();
    expect(asked().length).toBeGreaterThanOrEqual(3);
  });

  it('may be slow, as long as something comes', async () => {
    hubs().fail(weights, { slow: 30_000, pause: 60 });
    await haveWhole();
    expect(asked()).toHaveLength(1);
  });

  it('is given up after five tries in vain, and what has come stays for the next time', async () => {
    hubs().fail(weights, { cut: 120_000 });
    hubs().failAlways(weights, { cut: 0 });
    const failed = await problem(uri);
    expect(failed).toMatchObject({ _tag: expect.stringMatching(/^(?:Server|Offline)$/) });
    expect(failed.message).toMatch(
      /model\.weights\.h5: given up after 5 tries .*what has come, \d+ of 300000 bytes, stays/,
    );
    const there = statSync(incomplete()).size;
    expect(there).toBeGreaterThan(0);
    expect(existsSync(blob())).toBe(false);
    hubs().reset();
    await haveWhole();
    expect(asked()[0]!.headers.range).toBe(`bytes=${there}-`);
    expect(hubs().sent()).toBeLessThan(size - there + 20_000);
    expect(existsSync(incomplete())).toBe(false);
  });

  it('is gone on from on Kaggle too, where the storage says a hash', async () => {
    const path = /^\/kaggle\/.*model\.weights\.h5$/;
    hubs().fail(path, { cut: 120_000 });
    hubs().failAlways(path, { cut: 0 });
    await problem('kaggle://keras/gpt2/keras/gpt2_base_en/3');
    hubs().reset();
    await haveWhole('kaggle://keras/gpt2/keras/gpt2_base_en/3', kerasFiles(size, 'three'));
    expect(hubs().seen.find((seen) => path.test(seen.path))!.headers.range).toMatch(/^bytes=[1-9]/);
  });
});

describe('a file of Kaggle whose storage says no hash', () => {
  it('is not gone on from after an earlier process, since nothing would judge the whole', async () => {
    const path = /^\/kaggle\/.*model\.weights\.h5$/;
    hubs().fail(path, { cut: 120_000 });
    hubs().failAlways(path, { cut: 0 });
    await problem('kaggle://keras/gpt2/keras/gpt2_base_en/3');
    hubs().reset();
    hubs().failAlways(path, { hashless: true });
    await haveWhole('kaggle://keras/gpt2/keras/gpt2_base_en/3', kerasFiles(size, 'three'));
    const ranges = hubs()
      .seen.filter((seen) => path.test(seen.path))
      .map(({ headers }) => headers.range);
    expect(ranges).toEqual([expect.stringMatching(/^bytes=[1-9]/), undefined]);
  });
});

describe('a server that is busy', () => {
  it.each([429, 500, 502, 503, 504, 408])('and says %i is asked again', async (status) => {
    hubs().fail(/revision\/main$/, { status }, { status });
    hubs().fail(weights, { status }, { status });
    await haveWhole();
    expect(asked()).toHaveLength(3);
  });

  it('and says when to come again is believed', async () => {
    const start = Date.now();
    hubs().fail(weights, { status: 429, headers: { 'retry-after': '1' } });
    await haveWhole();
    expect(Date.now() - start).toBeGreaterThanOrEqual(1000);
    const asks = (headers: Record<string, string>): number | undefined =>
      askedWait(new Headers(headers), Date.parse('2026-01-01T00:00:00Z'));
    expect(asks({ 'retry-after': '7' })).toBe(7000);
    expect(asks({ 'retry-after': 'Thu, 01 Jan 2026 00:00:05 GMT' })).toBe(5000);
    expect(asks({ 'retry-after': 'Wed, 31 Dec 2025 00:00:05 GMT' })).toBe(0);
    expect(asks({ 'retry-after': 'soon' })).toBeUndefined();
    expect(asks({ ratelimit: '"api";r=0;t=55', 'retry-after': '1' })).toBe(55_500);
    expect(asks({ ratelimit: '"api";r=3;t=55' })).toBeUndefined();
  });

  it('for longer than anybody waits is given up at once', async () => {
    hubs().fail(/revision/, { status: 429, headers: { 'retry-after': '4000' } });
    expect(await problem(uri)).toMatchObject({ _tag: 'Server', message: expect.stringContaining('429') });
    expect(hubs().seen).toHaveLength(1);
  });

  it('for ever is given up', async () => {
    hubs().failAlways(/revision/, { status: 503 });
    expect((await problem(uri)).message).toMatch(
      /gave up on us \(503 Service Unavailable\); nothing of it is in the cache/,
    );
    expect(hubs().seen).toHaveLength(5);
  });

  it.each([401, 403, 404, 410])('is something else than one that says no: %i is asked once', async (status) => {
    hubs().fail(/config\.json$/, { status });
    await problem(uri);
    expect(hubs().seen.filter(({ path }) => path.endsWith('/config.json'))).toHaveLength(1);
  });
});

describe('bytes that are not those that were announced', () => {
  const other = noise(size, 'other');
  const long = noise(size + 10_000, 'long');
  const short = noise(size - 10_000, 'short');
  const cases: readonly (readonly [string, Fault, string | RegExp])[] = [
    ['another hash', { bytes: other }, /expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}, twice/],
    ['too many', { bytes: long }, /expected 300000 bytes, as the hub announced|more than the 300000 bytes/],
    ['too few', { bytes: short }, /expected 300000 bytes, as the hub announced/],
  ];

  it.each(cases)('(%s) get no name', async (_, fault, message) => {
    hubs().failAlways(weights, fault);
    const failed = await problem(uri);
    expect(failed.message).toMatch(message);
    expect(existsSync(blob())).toBe(false);
    expect(readdirSync(join(folder(), 'hub/models--keras--gpt2_base_en'))).not.toContain('refs');
    hubs().reset();
    await haveWhole();
  });

  it.each(cases)('(%s) once are fetched anew', async (_, fault) => {
    hubs().fail(weights, fault);
    await haveWhole();
  });

  it('do not get in through a small file either: git’s hash judges it', async () => {
    hubs().failAlways(/\/tokenizer\.json$/, { bytes: new TextEncoder().encode('{"seed":"KERAS"}') });
    expect((await problem(uri)).message).toMatch(/tokenizer\.json: expected gitSha1 [0-9a-f]{40}, got/);
  });

  it('nor on Kaggle: the storage’s hash judges it', async () => {
    hubs().failAlways(/^\/kaggle\/.*config\.json$/, {
      bytes: new TextEncoder().encode(String(kerasFiles(size, 'three')['config.json']).replace('three', 'thrEE')),
    });
    expect((await problem('kaggle://keras/gpt2/keras/gpt2_base_en/3')).message).toMatch(/expected md5/);
    expect(existsSync(join(folder(), 'kagglehub/models/keras/gpt2/keras/gpt2_base_en/3'))).toBe(false);
  });

  it('nor where a part was asked for and another comes', async () => {
    hubs().fail(weights, { cut: 100_000 }, { shifted: 1 });
    await haveWhole();
    hubs().fail(weights, { cut: 100_000 }, { wholeOnly: true });
    await haveWhole();
  });
});

describe('what is no hub', () => {
  it.each(['<html>hello</html>', '{}', '[]', '{"sha": "../../x"}', 'null', '"x"'])(
    'and answers %s, is named',
    async (text) => {
      hubs().failAlways(/revision/, { text });
      expect(await problem(uri)).toMatchObject({
        _tag: 'Server',
        message: expect.stringMatching(/is not what a hub says; is HF_ENDPOINT right/),
      });
    },
  );

  it.each([
    '[{"type":"file","path":"../evil","size":1,"oid":"ce013625030ba8dba906f756967f9e9ca394464a"}]',
    '[{"type":"file","path":"/etc/passwd","size":1,"oid":"ce013625030ba8dba906f756967f9e9ca394464a"}]',
    '[{"type":"file","path":"a\\\\b","size":1,"oid":"ce013625030ba8dba906f756967f9e9ca394464a"}]',
    '[{"type":"file","path":"config.json","size":-1,"oid":"ce013625030ba8dba906f756967f9e9ca394464a"}]',
    '[{"type":"file","path":"config.json","size":1,"oid":"../../../evil"}]',
    '[{"type":"file","path":"config.json","size":1,"lfs":{"oid":"x","size":1}}]',
    '{"not": "a list"}',
  ])('and lists %s, gets nothing written', async (text) => {
    hubs().failAlways(/\/tree\//, { text });
    expect(await problem(uri)).toMatchObject({ _tag: 'Server' });
    expect(existsSync(join(folder(), 'hub'))).toBe(false);
  });

  it('and redirects out of the web or in circles, is left alone', async () => {
    for (const location of ['file:///etc/passwd', 'ftp://x/y', 'http://[']) {
      hubs().fail(/revision/, ...Array.from({ length: 5 }, () => ({ status: 302, headers: { location } })));
      expect((await problem(uri)).message).toMatch(/redirect/);
    }
    hubs().failAlways(/revision/, { status: 302, headers: { location: '/api/models/a/b/revision/main' } });
    expect((await problem(uri)).message).toContain('more than 10 redirects');
  });
});

describe('onProgress', () => {
  it('counts bytes of all files and of each, and ends with all', async () => {
    const seen: DownloadProgress[] = [];
    hubs().fail(weights, { slow: 30_000, pause: 30 });
    await have(uri, { onProgress: (progress) => seen.push(progress) });
    const total = wantedOfKeras
      .filter((name) => name !== 'config.json')
      .reduce((sum, name) => sum + files[name]!.length, 0);
    expect(seen.length).toBeGreaterThan(4);
    expect(seen.every((progress) => progress.total === total)).toBe(true);
    expect(seen.every(({ loaded }, i) => loaded >= (seen[i - 1]?.loaded ?? 0))).toBe(true);
    expect(seen.at(-1)).toMatchObject({ loaded: total, secondsLeft: 0 });
    const own = seen.filter(({ file }) => file === 'model.weights.h5');
    expect(own.at(-1)).toMatchObject({ fileLoaded: size, fileTotal: size });
    expect(own.some(({ rate, secondsLeft }) => rate > 0 && (secondsLeft ?? 0) > 0)).toBe(true);
  });

  it('counts what an earlier try left, and is silent where nothing is missing', async () => {
    hubs().fail(weights, { cut: 120_000 });
    hubs().failAlways(weights, { cut: 0 });
    await problem(uri);
    hubs().reset();
    const there = statSync(incomplete()).size;
    const seen: DownloadProgress[] = [];
    await have(uri, { onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)!.loaded).toBe(seen.at(-1)!.total);
    expect(seen.at(-1)!.total).toBeGreaterThanOrEqual(size);
    expect(seen.find(({ file }) => file === 'model.weights.h5')!.fileLoaded).toBeGreaterThanOrEqual(there);
    const none: DownloadProgress[] = [];
    await have(uri, { onProgress: (progress) => none.push(progress) });
    expect(none).toEqual([]);
  });
});

describe('the signal', () => {
  it('ends a download with its reason, at once, and what has come stays', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    hubs().fail(weights, { slow: 30_000, pause: 100 });
    const onProgress = ({ fileLoaded, file }: DownloadProgress): void => {
      if (file === 'model.weights.h5' && fileLoaded > 50_000) controller.abort(reason);
    };
    const start = Date.now();
    await expect(have(uri, { signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect(Date.now() - start).toBeLessThan(2000);
    expect(statSync(incomplete()).size).toBeGreaterThan(50_000);
    await haveWhole();
    expect(asked().at(-1)!.headers.range).toMatch(/^bytes=[1-9]/);
  });

  it('ends a wait, and what has not begun', async () => {
    const signal = AbortSignal.timeout(50);
    hubs().failAlways(/revision/, { status: 503, headers: { 'retry-after': '3' } });
    const start = Date.now();
    await expect(have(uri, { signal })).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(Date.now() - start).toBeLessThan(1500);
    hubs().reset();
    await expect(have(uri, { signal: AbortSignal.abort('no') })).rejects.toBe('no');
    expect(hubs().seen).toEqual([]);
  });
});

describe('several at once', () => {
  it('in one process fetch each file once', async () => {
    hubs().fail(weights, { slow: 50_000, pause: 50 });
    await Promise.all([have(uri), have(uri), have('gpt2_base_en')]);
    expect(asked()).toHaveLength(1);
    await haveWhole();
  });

  it('are no more files than were asked for', async () => {
    let now = 0;
    let most = 0;
    const counting: typeof fetch = async (input, init) => {
      now++;
      most = Math.max(most, now);
      await delay(20);
      try {
        return await original(input, init);
      } finally {
        now--;
      }
    };
    const original = globalThis.fetch;
    globalThis.fetch = counting;
    try {
      await have('kaggle://keras/gpt2/keras/gpt2_base_en/3', { parallel: 2 });
    } finally {
      globalThis.fetch = original;
    }
    expect(most).toBe(2);
  });

  it('end together when one fails', async () => {
    hubs().failAlways(/tokenizer\.json$/, { status: 404 });
    hubs().failAlways(weights, { slow: 1000, pause: 100 });
    const start = Date.now();
    expect(await problem(uri)).toMatchObject({ _tag: 'NotFound' });
    expect(Date.now() - start).toBeLessThan(3000);
  });
});
