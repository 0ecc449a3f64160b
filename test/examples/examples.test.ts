import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { GPT2CausalLM, type NDArray, ops, read, type Tensor } from '../../src/index.ts';
import type { GPT2Params } from '../../src/models/gpt2/params.ts';

const folder = new URL('../../examples/', import.meta.url);
const names = readdirSync(folder).flatMap((file) => (file.endsWith('.ts') ? [file.slice(0, -3)] : []));

/** Runs a program anew on a device, and gives what it exports and what it prints. */
const run = async <Exports>(name: string, device: string) => {
  vi.stubEnv('PURELM_DEVICE', device);
  const print = vi.spyOn(console, 'log').mockImplementation(() => {});
  const exports = (await import(/* @vite-ignore */ `../../examples/${name}.ts?on=${device}`)) as Exports;
  return { exports, printed: print.mock.calls.map((line) => line.join(' ')) };
};

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0);

describe('every example', () => {
  it.each(names)('%s has fewer than 40 lines of code, and imports the package alone', (name) => {
    const text = readFileSync(new URL(`${name}.ts`, folder), 'utf8');
    const code = text.split('\n').filter((line) => !/^\s*(\/\/.*|\/\*\*.*\*\/)?$/.test(line));
    expect(code.length).toBeLessThan(40);
    for (const [, from] of text.matchAll(/ from '([^']*)'/g)) expect(from).toMatch(/^purelm(\/training)?$/);
  });

  it('has a section on its page, with what it prints', () => {
    const page = readFileSync(new URL('../../docs/examples.md', import.meta.url), 'utf8');
    expect([...page.matchAll(/^npm run example -- (\w+)$/gm)].map(([, name]) => name).sort()).toEqual(
      [...names].sort(),
    );
  });
});

const both = ['webgpu', 'reference'];

describe('the program', () => {
  it.each(both)(
    'linearProbe on %s: from the last layer, but not from the embeddings, girls and boys of new names can be told apart',
    async (device) => {
      const { exports, printed } = await run<{ accuracy: number[] }>('linearProbe', device);
      const { accuracy } = exports;
      expect(accuracy[0]).toBe(0.5);
      expect(accuracy.at(-1)).toBeGreaterThan(0.85);
      expect(printed.length).toBe(accuracy.length);
    },
  );

  it.each(both)(
    'integratedGradients on %s: attributions add up to the difference, the closer the more points there are',
    async (device) => {
      type Attribution = { readonly attributions: readonly number[]; readonly change: number };
      const { exports, printed } = await run<{ attribute: (points: number) => Promise<Attribution> }>(
        'integratedGradients',
        device,
      );
      const error = async (points: number) => {
        const { attributions, change } = await exports.attribute(points);
        expect(attributions[0]).toBe(0); // The start token is the baseline's.
        return Math.abs(sum(attributions) - change) / Math.abs(change);
      };
      // The midpoint rule's error is of the order of 1 / points^2: below 1 % at 64 points.
      const [coarse, fine] = [await error(4), await error(64)];
      expect(fine).toBeLessThan(0.01);
      expect(fine).toBeLessThan(coarse);
      expect(printed.at(-1)).toContain('together');
    },
  );

  it.each(both)('activationPatching on %s: everything brings all back, nothing nothing', async (device) => {
    const { exports, printed } = await run<{
      recovery: (layer: number, tokens: readonly (readonly boolean[])[]) => Tensor;
      table: readonly NDArray[];
    }>('activationPatching', device);
    const { recovery, table } = exports;
    const length = table[0]!.data.length;
    const [none, all, others] = [() => false, () => true, (_: unknown, i: number) => i < length - 1].map((isPatched) =>
      Array.from({ length }, isPatched),
    ) as [boolean[], boolean[], boolean[]];
    for (const layer of table.keys()) {
      const { data } = await read(recovery(layer, [none, all]));
      expect(data[0]).toBeCloseTo(0, 4);
      expect(data[1]).toBeCloseTo(1, 4);
    }
    // After the last layer, the last token alone matters.
    const last = table.at(-1)!.data;
    expect(last.at(-1)).toBeCloseTo(1, 4);
    for (const value of last.subarray(0, -1)) expect(value).toBeCloseTo(0, 4);
    expect((await read(recovery(table.length - 1, [others]))).data[0]).toBeCloseTo(0, 4);
    // Before they part, the two prompts are one: there is nothing to bring back.
    for (const { data } of table) expect(data[0]).toBeCloseTo(0, 4);
    expect(printed.length).toBe(1 + length);
  });

  // On the reference interpreter, all heads of two stories take half a minute.
  it.each(['webgpu'])(
    'headAblation on %s: a head that writes nothing is not missed, and the order is the same every time',
    async (device) => {
      type Ablation = { readonly layer: number; readonly head: number; readonly change: number };
      const { exports, printed } = await run<{
        ablateHeads: (lm: GPT2CausalLM, texts: readonly string[]) => Promise<readonly Ablation[]>;
      }>('headAblation', device);
      const lm = await GPT2CausalLM.fromPreset('gpt2_tiny_en');
      const { numLayers, numHeads } = lm.backbone.config;
      const texts = ['One day, the fox was very hungry.'];
      const found = await exports.ablateHeads(lm, texts);
      expect(found.length).toBe(numLayers * numHeads);
      expect(printed.length).toBe(found.length);
      expect(await exports.ablateHeads(lm, texts)).toEqual(found);
      for (const [i, { change }] of found.entries())
        expect(change).toBeLessThanOrEqual(found[i - 1]?.change ?? Infinity);
      expect(found[0]!.change).toBeGreaterThan(0);

      const silent = { layer: 1, head: 2 };
      const isSpoken = ops.reshape(ops.notEqual(ops.arange(numHeads), silent.head), [numHeads, 1, 1]);
      const params: GPT2Params = {
        ...lm.params,
        transformerLayers: lm.params.transformerLayers.map((layer, i) => {
          const { output } = layer.selfAttention;
          const kernel = ops.where(isSpoken, output.kernel, 0); // [heads, headDim, hiddenDim]
          return i === silent.layer
            ? { ...layer, selfAttention: { ...layer.selfAttention, output: { ...output, kernel } } }
            : layer;
        }),
      };
      const again = await exports.ablateHeads(lm.withParams(params), texts);
      const { change } = again.find(({ layer, head }) => layer === silent.layer && head === silent.head)!;
      expect(Math.abs(change)).toBeLessThan(1e-6);
    },
  );

  it.each(both)(
    'inductionHeads on %s: some heads look back where tokens repeat, and the second round is easier',
    async (device) => {
      const { exports, printed } = await run<{ scores: readonly NDArray[]; first: NDArray; second: NDArray }>(
        'inductionHeads',
        device,
      );
      const { scores, first, second } = exports;
      for (const { data } of scores) expect(data.every((score) => score > -1 && score < 1)).toBe(true);
      expect(Math.max(...scores.flatMap(({ data }) => [...data]))).toBeGreaterThan(0.2);
      expect(second.data[0]! / first.data[0]!).toBeLessThan(0.6);
      expect(printed.length).toBe(scores.length + 1);
    },
  );

  it.each(both)('steering on %s: nothing added changes nothing, much changes the text', async (device) => {
    const { exports, printed } = await run<{ steered: (prompt: string, times: number) => Promise<string> }>(
      'steering',
      device,
    );
    const lm = await GPT2CausalLM.fromPreset('gpt2_tiny_en', { sampler: 'greedy' });
    const prompt = 'One day, Leo lost';
    expect(await exports.steered(prompt, 0)).toBe(await lm.generate(prompt, { maxLength: 32 }));
    expect(await exports.steered(prompt, 8)).not.toBe(await exports.steered(prompt, 0));
    expect(printed.length).toBe(4);
  });
});
