import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exampleModels, exampleRepos, kerasFiles, transformersFiles, wantedOfKeras } from '../support/hubs/models.ts';
import { buildPrograms, type Programs } from '../support/hubs/programs.ts';
import { commitOf, type Files, type Hubs, startHubs } from '../support/hubs/server.ts';

const size = 400_000;

/** How often a process is killed. By hand: PURELM_KILLS=100. */
const kills = Number(process.env.PURELM_KILLS ?? 16);

let hubs: Hubs;
let programs: Programs;
let folder: string;
beforeAll(async () => {
  programs = buildPrograms();
  hubs = await startHubs({ repos: exampleRepos(size), models: exampleModels(size) });
  folder = mkdtempSync(join(tmpdir(), 'purelm-crash-'));
});
afterAll(async () => {
  await hubs.close();
  programs.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** The same numbers from 0 to below 1 each time: the test's moments are drawn once for all. */
const draws = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

const start = (cache: string, uris: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess =>
  spawn(process.execPath, [programs.pull, ...uris], {
    env: {
      ...process.env,
      HF_ENDPOINT: hubs.endpoint,
      KAGGLE_API_ENDPOINT: hubs.endpoint,
      HF_HOME: cache,
      KAGGLEHUB_CACHE: join(cache, 'kagglehub'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });

const ended = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    child.stdout!.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    child.on('close', () => resolve(text));
  });

const filesIn = (path: string): readonly string[] => {
  try {
    return readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) =>
      statSync(join(path, name)).isFile(),
    );
  } catch {
    return [];
  }
};

/** Whether each file that Python or we would take for whole is whole. */
const expectNoHalf = (cache: string, snapshot: string, files: Files, marked?: string): readonly string[] => {
  const there = filesIn(join(cache, snapshot));
  for (const name of there) {
    const isMarked = marked === undefined || filesIn(join(cache, marked)).includes(`${name}.complete`);
    if (isMarked) expect(Buffer.from(files[name]!).equals(readFileSync(join(cache, snapshot, name))), name).toBe(true);
  }
  return there;
};

describe('a process that is killed while it fetches', () => {
  const cases = [
    {
      uri: 'hf://keras/gpt2_base_en',
      files: kerasFiles(size),
      snapshot: `hub/models--keras--gpt2_base_en/snapshots/${commitOf(kerasFiles(size))}`,
      ref: 'hub/models--keras--gpt2_base_en/refs',
    },
    {
      uri: 'hf://someone/gpt2',
      files: transformersFiles(size),
      snapshot: `hub/models--someone--gpt2/snapshots/${commitOf(transformersFiles(size))}`,
      ref: 'hub/models--someone--gpt2/refs',
    },
    {
      uri: 'kaggle://keras/gpt2/keras/gpt2_base_en/3',
      files: kerasFiles(size, 'three'),
      snapshot: 'kagglehub/models/keras/gpt2/keras/gpt2_base_en/3',
      marked: 'kagglehub/models/keras/gpt2/keras/gpt2_base_en/.complete/3',
    },
    {
      uri: 'hf://keras/gpt2_base_en@main',
      files: kerasFiles(size),
      snapshot: `hub/models--keras--gpt2_base_en/snapshots/${commitOf(kerasFiles(size))}`,
      ref: 'hub/models--keras--gpt2_base_en/refs',
      env: { HF_HUB_DISABLE_SYMLINKS: '1' },
    },
  ];

  it(
    'leaves whole files and no half ones, and the next goes on from there',
    async () => {
      const draw = draws(7);
      const storage = /^\/(?:lfs|kaggle)\//;
      let finished = 0;
      let partly = 0;
      for (let kill = 0; kill < kills; kill++) {
        const { uri, files, snapshot, marked, ref, env } = cases[kill % cases.length]!;
        const cache = join(folder, `kill-${Math.floor(kill / (2 * cases.length)) % 4}-${kill % cases.length}`);
        hubs.reset();
        hubs.failAlways(storage, { slow: 40_000, pause: 10 });
        const child = start(cache, [uri], env);
        const done = ended(child);
        // Half of them as requests arrive, every other at once when the first large file is asked for; half at any moment.
        const [moment, requests, more] = [60 + draw() * 400, 2 + Math.floor(draw() * 8), draw() * 120];
        const isUnderWay = (): boolean =>
          kill % 4 === 0 ? hubs.seen.some(({ path }) => storage.test(path)) : hubs.seen.length >= requests;
        if (kill % 2 === 0) while (!isUnderWay() && child.exitCode === null) await delay(5);
        await Promise.race([delay(kill % 4 === 0 ? 0 : kill % 2 === 0 ? more : moment), done]);
        child.kill('SIGKILL');
        const text = await done;
        const there = expectNoHalf(cache, snapshot, files, marked);
        if (text !== '') finished++;
        else if (there.length > 0) partly++;
        // Where nothing was finished, nothing says that this is the current state, unless an earlier run was.
        if (ref !== undefined && there.length < 2) expect(filesIn(join(cache, ref))).toEqual([]);
        if (kill % (2 * cases.length) >= cases.length) {
          hubs.reset();
          const result = JSON.parse(await ended(start(cache, [uri], env))) as { readonly files?: readonly string[] };
          expect(result).toHaveProperty('files');
          expectNoHalf(cache, snapshot, files, marked);
          if (uri.includes('keras')) expect(result.files).toEqual(expect.arrayContaining(wantedOfKeras));
        }
      }
      // The moments must be such that something can go wrong.
      expect(partly).toBeGreaterThan(0);
      expect(finished).toBeLessThan(kills);
    },
    120_000 + kills * 10_000,
  );
});

describe('two processes at once', () => {
  it('fetch everything once', async () => {
    hubs.reset();
    hubs.failAlways(/^\/(?:lfs|kaggle)\//, { slow: 40_000, pause: 10 });
    const uris = ['hf://keras/gpt2_base_en', 'kaggle://keras/gpt2/keras/gpt2_base_en/3'];
    const cache = join(folder, 'two');
    const texts = await Promise.all([ended(start(cache, uris)), ended(start(cache, uris)), ended(start(cache, uris))]);
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]!.trim().split('\n')).toHaveLength(2);
    expect(texts[0]).not.toContain('problem');
    const fetched = hubs.seen.filter(({ path }) => /^\/(?:lfs|kaggle)\/|\/resolve\/.*(?:json|txt)$/.test(path));
    const paths = fetched.map(({ path }) => path);
    expect(paths.length).toBe(new Set(paths).size);
  });

  it('wait no longer than a moment for one that was killed', async () => {
    hubs.reset();
    const cache = join(folder, 'waiting');
    const uri = 'hf://keras/gpt2_base_en';
    hubs.fail(/^\/lfs\//, { slow: 10_000, pause: 20 });
    const first = start(cache, [uri]);
    while (!hubs.seen.some(({ path }) => path.startsWith('/lfs/'))) await delay(5);
    const second = ended(start(cache, [uri]));
    await delay(700);
    first.kill('SIGKILL');
    const killed = Date.now();
    expect(await second).toContain('model.weights.h5');
    expect(Date.now() - killed).toBeLessThan(10_000);
    expect(hubs.seen.filter(({ path }) => path.startsWith('/lfs/')).at(-1)!.headers.range).toMatch(/^bytes=\d+-$/);
  });
});
