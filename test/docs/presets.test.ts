import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import * as hub from '../../src/hub/index.ts';
import * as web from '../../src/hub/web/index.ts';
import * as purelm from '../../src/index.ts';
import { type Files, goodToken, type Hubs, startHubs } from '../support/hubs/server.ts';

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...parts: string[]
) => (...args: unknown[]) => Promise<Record<string, unknown>>;

const tiny = fileURLToPath(new URL('../../presets/gpt2_tiny_en', import.meta.url));

const filesOf = (folder: string): Files =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(folder, name)).isFile())
      .map((name) => [name, readFileSync(join(folder, name))]),
  );

let hubs: Hubs;
let folder: string;
beforeAll(async () => {
  const files = filesOf(tiny);
  hubs = await startHubs({
    repos: { 'keras/gpt2_base_en': { files }, 'someone/gpt2': { files, branches: { v1: files } } },
  });
  folder = mkdtempSync(join(tmpdir(), 'purelm-page-'));
  vi.stubEnv('HF_ENDPOINT', hubs.endpoint).stubEnv('HF_HOME', folder).stubEnv('KAGGLEHUB_CACHE', folder);
  vi.stubEnv('HF_HUB_OFFLINE', '0').stubEnv('HF_TOKEN', goodToken);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await hubs.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A browser's caches and locks, in memory. */
const browser = () => {
  const entries = new Map<string, Uint8Array>();
  const cache = {
    match: async (url: string) => (entries.has(url) ? new Response(entries.get(url)!.slice()) : undefined),
    put: async (url: string, response: Response) => {
      entries.set(url, new Uint8Array(await response.arrayBuffer()));
    },
    delete: async (url: string) => entries.delete(url),
    keys: async () => [...entries.keys()].map((url) => ({ url })),
  };
  const locks = { request: (_: string, __: object, work: () => Promise<unknown>) => work() };
  // A page's fetch knows no HF_ENDPOINT: what it asks of the hub, the tests' hub answers.
  const original = globalThis.fetch;
  const fetch: typeof globalThis.fetch = (input, init) =>
    original(String(input).replace('https://huggingface.co', hubs.endpoint), init);
  return { caches: { open: async () => cache }, navigator: { locks }, fetch };
};

describe('docs/presets.md', () => {
  it('runs as it stands, from the first block to the last', async () => {
    const page = readFileSync(new URL('../../docs/presets.md', import.meta.url), 'utf8');
    const code = [...page.matchAll(/```ts\n([\s\S]*?)```/g)]
      .map(([, block]) => block!)
      .join('\n')
      .replaceAll("'./saved/", `'${join(folder, 'saved').replaceAll('\\', '/')}/`);
    const modules = { purelm, 'purelm/hub': hub, 'purelm/hub/web': web };
    const imports = [...code.matchAll(/^import \{([^}]*)\} from '([^']+)';$/gm)];
    expect([...new Set(imports.map(([, , name]) => name))]).toEqual(Object.keys(modules));
    const heads = imports.map(([, names, name]) => `const {${names}} = modules['${name}'];`).join('\n');
    const program = new AsyncFunction(
      ...['modules', 'console', 'caches', 'navigator'],
      `${heads}\n${code.replace(/^import .*$/gm, '')}\nreturn { lm, other, again, folder, state, preset, head, url };`,
    );
    const printed: string[] = [];
    const { caches, navigator, fetch } = browser();
    vi.stubGlobal('fetch', fetch);
    const values = await program(modules, { log: (text: string) => printed.push(text) }, caches, navigator).finally(
      () => vi.unstubAllGlobals(),
    );
    expect(printed.at(-1)).toMatch(/^\S+: (\d+) of \1 bytes, \d+ a second, 0 s left$/);
    expect(await (values.lm as purelm.CausalLM).generate('The old', { maxLength: 5 })).toMatch(/^The old/);
    expect(values.url).toBe(`${hubs.endpoint}/me/gpt2_of_mine`);
    expect(Object.keys(hubs.uploads.repos['me/gpt2_of_mine']!.files)).toContain('model.safetensors');
    expect((values.other as purelm.CausalLM).backbone.name).toBe('GPT2Backbone');
    expect(await (values.again as purelm.CausalLM).generate('The old', { maxLength: 5 })).toMatch(/^The old/);
    expect(readdirSync(join(folder, 'saved/keras'))).toContain('model.weights.h5');
    expect(values.folder).toContain(join('snapshots', String(values.state)));
    expect([...(values.head as Uint8Array)]).toEqual([...readFileSync(join(tiny, 'model.weights.h5')).subarray(0, 8)]);
  });
});
