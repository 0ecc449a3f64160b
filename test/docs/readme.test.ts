import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as purelm from '../../src/index.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** The ts blocks of a page, without their imports. */
const examples = (page: string): readonly string[] =>
  [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code!.replace(/^import .*$/gm, ''));

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...parts: string[]
) => (...args: unknown[]) => Promise<unknown>;

describe('README', () => {
  it('has ten lines of code that run as they stand', async () => {
    const [code] = examples(readme);
    const printed: string[] = [];
    const run = new AsyncFunction(
      'purelm',
      'console',
      'process',
      `const { CausalLM, read } = purelm; ${code}; return { data, shape };`,
    );
    const result = (await run(
      purelm,
      { log: (text: string) => printed.push(text) },
      { stdout: { write: (text: string) => printed.push(text) } },
    )) as { readonly data: Float32Array; readonly shape: readonly number[] };
    expect(printed[0]).toMatch(/^The old fox\b.{20}/);
    expect(printed.slice(1).join('')).toContain('.');
    expect(result.shape).toEqual([1, 3, 800]);
    expect(result.data.every(Number.isFinite)).toBe(true);
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
  it.each(['webgpu', 'reference'] as const)('writes what KerasHub writes, on %s', async (choice) => {
    const { greedy, batch } = JSON.parse(
      readFileSync(new URL('../fixtures/gpt2_tiny_en.json', import.meta.url), 'utf8'),
    ) as Shipped;
    expect(greedy.length).toBeGreaterThanOrEqual(12);
    const device = await purelm.getDevice(choice);
    const lm = await purelm.CausalLM.fromPreset('gpt2_tiny_en', { sampler: 'greedy', device });
    for (const { prompt, text } of greedy) expect(await lm.generate(prompt)).toBe(text);
    expect(await lm.generate(batch.prompts, { maxLength: batch.options.max_length })).toEqual(batch.texts);
  });
});
