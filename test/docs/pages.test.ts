import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as purelm from '../../src/index.ts';

const root = new URL('../../', import.meta.url);

const pageText = (name: string): string => readFileSync(new URL(name, root), 'utf8');

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...parts: string[]
) => (...args: unknown[]) => Promise<Record<string, unknown>>;

interface Ran {
  readonly values: Record<string, unknown>;
  /** What was written, piece by piece. */
  readonly printed: readonly string[];
}

/** Runs the ts blocks of a page one after the other, as one program, and gives some of its variables. */
const run = async (name: string, variables: readonly string[]): Promise<Ran> => {
  const code = [...pageText(name).matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block!).join('\n');
  const imported = [...code.matchAll(/^import \{([^}]*)\} from 'purelm';$/gm)].map(([, names]) => names!).join(',');
  const rest = code.replace(/^import .*$/gm, '');
  const printed: string[] = [];
  const program = new AsyncFunction(
    'purelm',
    'console',
    'process',
    `const { ${imported} } = purelm; ${rest}; return { ${variables.join(', ')} };`,
  );
  const print = (text: string) => printed.push(text);
  return { values: await program(purelm, { log: print }, { stdout: { write: print } }), printed };
};

describe('README', () => {
  it('has ten lines of code that run as they stand', async () => {
    const { values, printed } = await run('README.md', ['data', 'shape']);
    expect(printed[0]).toMatch(/^The old fox\b.{20}/);
    expect(printed.slice(1).join('')).toContain('.');
    expect(values.shape).toEqual([1, 3, 800]);
    expect((values.data as Float32Array).every(Number.isFinite)).toBe(true);
  });

  it('links, as the other pages do, to files that are there', () => {
    for (const page of [
      'README.md',
      'docs/architecture.md',
      'docs/gpt2.md',
      'docs/samplers.md',
      'docs/decisions.md',
      'docs/examples.md',
      'docs/encoders.md',
      'docs/falcon.md',
      'docs/gemma.md',
      'docs/bart.md',
      'docs/performance.md',
    ])
      for (const [, link] of pageText(page).matchAll(/\]\((?!https?:)([^)#]+)\)/g))
        expect(existsSync(new URL(link!, new URL(page, root))), `${page}: ${link}`).toBe(true);
  });
});

describe('docs/falcon.md', () => {
  it('runs as it stands, from the first block to the last', async () => {
    const { values } = await run('docs/falcon.md', ['text', 'drawn', 'hidden', 'shape']);
    expect([values.text, values.drawn].map((text) => String(text).startsWith('a quick'))).toEqual([true, true]);
    expect([(values.hidden as { shape: number[] }).shape, values.shape]).toEqual([
      [1, 3, 12],
      [1, 4, 12],
    ]);
  });
});

describe('docs/gemma.md', () => {
  it('runs as it stands, from the first block to the last', async () => {
    const { values } = await run('docs/gemma.md', ['text', 'drawn', 'beam', 'hidden', 'history', 'shape']);
    for (const name of ['text', 'drawn', 'beam']) expect(String(values[name])).toMatch(/^the fox and/);
    expect([(values.hidden as { shape: number[] }).shape, values.shape]).toEqual([
      [1, 3, 24],
      [2, 16, 16],
    ]);
    expect((values.history as { loss: number[] }).loss).toHaveLength(1);
  });
});

describe('docs/gpt2.md', () => {
  it('runs as it stands, from the first block to the last', async () => {
    const names = ['text', 'texts', 'tokenIds', 'paddingMask', 'lm', 'greedy', 'wild', 'own', 'shape', 'hidden'];
    const { values, printed } = await run('docs/gpt2.md', names);
    expect(values.text).toMatch(/^The old fox\b/);
    expect((values.texts as string[]).map((text) => text.slice(0, 7))).toEqual(['The old', 'One day']);
    expect(printed.length).toBeGreaterThan(1);
    const [ids, mask] = [values.tokenIds as purelm.NDArray, values.paddingMask as purelm.NDArray];
    expect([...ids.data.slice(0, 2)]).toEqual([299, 318]);
    expect([...mask.data]).toEqual([1, 1, 1, 1, 1]);
    const samplers = ['lm', 'greedy', 'wild'].map((name) => (values[name] as { sampler: purelm.Sampler }).sampler.name);
    expect(samplers).toEqual(['top_k', 'greedy', 'top_p']);
    expect(values.shape).toEqual([1, 3, 800]);
    expect((values.hidden as purelm.Tensor).shape).toEqual([1, 3, 96]);
  });

  it('S137 says what the page says: as it is, somebody else’s licence, and no weight for padding', () => {
    const page = pageText('docs/gpt2.md').replace(/\s+/g, ' ');
    for (const said of ['without any warranty', "somebody else's licence", 'padded tokens carry no weight'])
      expect(page).toContain(said);
  });
});

describe('docs/performance.md', () => {
  it('runs as it stands', async () => {
    const { values, printed } = await run('docs/performance.md', ['launches', 'total']);
    expect(values.launches).not.toHaveLength(0);
    expect(values.total).toBeGreaterThan(0);
    expect(printed[0]).toMatch(/^The old fox.*: \d+ launches, [\d.]+ ms; the longest is \w+/s);
  });
});

describe('docs/samplers.md', () => {
  it('S41 runs as it stands, from the first block to the last', async () => {
    const { values, printed } = await run('docs/samplers.md', ['best', 'fast', 'mine', 'turns', 'ids']);
    expect(String((values.best as purelm.Beam).text)).toMatch(/^The old fox\b/);
    expect(printed).toHaveLength(2);
    expect(String(values.fast)).toMatch(/^The old fox\b/);
    for (const name of ['mine', 'turns']) expect((values[name] as purelm.Sampler).name).toBe(name);
    expect([...(values.ids as Int32Array)]).toEqual([0, 1, 2, 0]);
  });
});

describe('docs/bart.md', () => {
  it('runs as it stands, from the first block to the last', async () => {
    const names = ['text', 'texts', 'begun', 'rest', 'beam', 'decoderTokenIds', 'history', 'looks'];
    const { values } = await run('docs/bart.md', names);
    expect([values.text, values.beam].map((text) => typeof text)).toEqual(['string', 'string']);
    expect([values.texts, values.rest].map((texts) => (texts as string[]).length)).toEqual([2, 2]);
    expect(String(values.begun).startsWith('a')).toBe(true);
    expect((values.decoderTokenIds as purelm.NDArray).shape).toEqual([1, 6]);
    expect((values.history as purelm.History).loss).toHaveLength(2);
    const { slope, pattern } = values.looks as Record<string, purelm.NDArray>;
    expect([slope!.shape, pattern!.shape]).toEqual([
      [1, 5, 12],
      [1, 3, 3, 5],
    ]);
  });
});

describe('docs/encoders.md', () => {
  it('runs as it stands, from the first block to the last', async () => {
    const names = ['learnt', 'scored', 'history', 'logits', 'pairs', 'points', 'near', 'shape'];
    const { values, printed } = await run('docs/encoders.md', names);
    expect(printed).toHaveLength(3);
    for (const line of printed) expect(line).toMatch(/^\S+ 0\.\d{3}: .*jumped/);
    expect((values.learnt as { history: purelm.History }).history.loss).toHaveLength(2);
    expect((values.scored as purelm.Tensor).shape).toEqual([1, 1]);
    expect((values.history as purelm.History).loss).toHaveLength(2);
    const shapes = ['logits', 'pairs', 'points', 'near'].map((name) => (values[name] as purelm.NDArray).shape);
    expect(shapes).toEqual([
      [2, 2],
      [2, 2],
      [4, 16],
      [1, 4],
    ]);
    expect(values.shape).toEqual([1, 4, 16]);
  });
});

interface Shipped {
  readonly greedy: readonly { readonly prompt: string; readonly text: string }[];
  readonly batch: {
    readonly prompts: readonly string[];
    readonly options: { readonly max_length: number };
    readonly texts: readonly string[];
  };
}

describe('the preset that ships', () => {
  it('takes less than 3 MB', () => {
    const folder = new URL('presets/gpt2_tiny_en/', root);
    const sizes = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) =>
      statSync(new URL(name, folder)),
    );
    expect(sizes.filter((stat) => stat.isFile()).reduce((sum, { size }) => sum + size, 0)).toBeLessThan(3e6);
  });

  it.each([
    ['webgpu', 12],
    ['reference', 4],
  ] as const)('writes what KerasHub writes, on %s', async (choice, texts) => {
    const { greedy, batch } = JSON.parse(
      readFileSync(new URL('../fixtures/gpt2_tiny_en.json', import.meta.url), 'utf8'),
    ) as Shipped;
    expect(greedy.length).toBe(12);
    const device = await purelm.getDevice(choice);
    const lm = await purelm.CausalLM.fromPreset('gpt2_tiny_en', { sampler: 'greedy', device });
    for (const { prompt, text } of greedy.slice(0, texts)) expect(await lm.generate(prompt)).toBe(text);
    expect(await lm.generate(batch.prompts, { maxLength: batch.options.max_length })).toEqual(batch.texts);
  });
});
