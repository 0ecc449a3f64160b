import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as purelm from '../../src/index.ts';

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...parts: string[]
) => (...args: unknown[]) => Promise<unknown>;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'purelm-page-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Page {
  readonly first: { readonly history: purelm.History };
  readonly whole: { readonly history: purelm.History };
  readonly resumed: { readonly history: purelm.History };
  readonly lm: Awaited<ReturnType<typeof purelm.CausalLM.fromPreset>>;
  readonly loaded: Page['lm'];
  readonly merged: Page['lm'];
  readonly tuned: { readonly task: Page['lm'] };
  readonly texts: readonly string[];
  readonly shape: readonly number[];
  readonly loss: number;
  readonly saliency: purelm.NDArray;
  readonly taken: { readonly loss: purelm.Tensor };
}

describe('docs/training.md', () => {
  it('has code that runs as it stands', async () => {
    const page = await readFile(new URL('../../docs/training.md', import.meta.url), 'utf8');
    const code = [...page.matchAll(/```ts\n([\s\S]*?)```/g)]
      .map(([, block]) => block!.replace(/^import (\{[^}]*\}) from 'purelm';$/gm, 'const $1 = purelm;'))
      .join('\n')
      .replaceAll("'./runs/", `'${join(folder, 'runs').replaceAll('\\', '/')}/`);
    const names = 'first, whole, resumed, lm, loaded, merged, tuned, texts, shape, loss, saliency, taken'.split(', ');
    const printed: unknown[][] = [];
    const run = new AsyncFunction('purelm', 'console', `${code}; return { ${names.join(', ')} };`);
    const found = (await run(purelm, { log: (...values: unknown[]) => printed.push(values) })) as Page;

    expect(found.first.history.loss).toHaveLength(2);
    expect(found.loss).toBeLessThan(found.first.history.loss![0]!);
    expect(found.shape).toEqual([4, found.lm.preprocessor!.sequenceLength, 800]);
    expect(found.resumed.history).toEqual(found.whole.history);
    expect(printed.filter(([text]) => text === 'time for lunch')).toHaveLength(1);
    expect((await readFile(join(folder, 'runs/log.csv'), 'utf8')).split('\n')).toHaveLength(5);
    expect(found.saliency.shape).toEqual([1, 8]);
    expect(found.saliency.data.some((value) => value > 0)).toBe(true);
    expect((await purelm.read(found.taken.loss)).data.every(Number.isFinite)).toBe(true);
    // The file has no biases, which were trained too: it is nearly the same model, and better than the first.
    const [before, tuned, merged, loaded] = await Promise.all(
      [found.lm, found.tuned.task, found.merged, found.loaded].map((lm) => lm.evaluate(found.texts)),
    );
    expect(tuned!.loss).toBeLessThan(before!.loss!);
    expect(merged!.loss).toBeCloseTo(tuned!.loss!, 4);
    expect(loaded!.loss).toBeLessThan(before!.loss!);
  });
});
