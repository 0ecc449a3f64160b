import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseCommand } from '../../src/cli/arguments.ts';
import { bench } from '../../src/cli/bench.ts';
import { kernelChart } from '../../src/cli/kernelChart.ts';
import { kernelRows, kernelTable, threeDigits } from '../../src/cli/kernelTable.ts';
import { timed } from '../../src/cli/timings.ts';
import { lengthOf, promptOf, workloadsOf } from '../../src/cli/workloads.ts';
import { CausalLM } from '../../src/index.ts';
import type { LaunchTime } from '../../src/runtime/webgpu/profile.ts';
import { elements } from '../support/xml.ts';

afterEach(() => vi.restoreAllMocks());

const launch = (kernel: string, op: string, ms: number, bytes: number, flops?: number): LaunchTime => ({
  kernel,
  op,
  workgroups: [1, 1, 1],
  ms,
  bytes,
  flops,
});

const launches = [
  launch('matmul', 'matmul [8, 8]', 2, 4e6, 1e8),
  launch('chain', 'add <8> & "8"', 3, 12e6),
  launch('matmul', 'matmul [8, 8]', 3, 6e6, 1e8),
  launch('matmul', 'matmul [8, 16]', 0, 6e6, 1e8),
];
const limits = { gflops: 100, gbs: 8 };

describe('the table of kernels', () => {
  it('adds up launches of one kernel and op, and sets rates beside the limits', () => {
    const [product, chain, unmeasured] = kernelRows(launches, limits);
    expect(product).toMatchObject({ kernel: 'matmul', op: 'matmul [8, 8]', launches: 2, ms: 5, share: 5 / 8 });
    expect(product).toMatchObject({ gflops: 40, gflopsOfLimit: 0.4, gbs: 2, gbsOfLimit: 0.25 });
    expect(chain).toMatchObject({ kernel: 'chain', gflops: null, gflopsOfLimit: null, gbs: 4, gbsOfLimit: 0.5 });
    expect(unmeasured).toMatchObject({ ms: 0, share: 0, gflops: 0, gbs: 0 });
    expect(kernelRows([], limits)).toEqual([]);
  });

  it('is aligned, and ends with what says little', () => {
    expect(kernelTable(kernelRows(launches.slice(0, 3), limits))).toEqual([
      'kernel  op             launches    ms  share  GFLOPS  of limit  GB/s  of limit',
      'matmul  matmul [8, 8]         2  5.00   63 %    40.0      40 %  2.00      25 %',
      'chain   add <8> & "8"         1  3.00   38 %                    4.00      50 %',
    ]);
    const many = Array.from({ length: 40 }, (_, i) => launch('chain', `add [${i}]`, 1, 1));
    expect(kernelTable(kernelRows(many, limits))).toHaveLength(26);
    expect(kernelTable(kernelRows(many, limits)).at(-1)).toMatch(/^16 more +16 +16\.0 +40 %$/);
  });

  it('writes numbers with three digits', () => {
    expect([0, 1e-9, 0.0123, 1.234, 45.67, 999.4, 1234].map(threeDigits)).toEqual([
      '0',
      '<0.001',
      '0.012',
      '1.23',
      '45.7',
      '999',
      '1234',
    ]);
  });
});

describe('the chart of kernels', () => {
  it('has a bar a kernel, in a whole document whatever names hold', () => {
    const rows = kernelRows(launches, limits);
    const svg = kernelChart({
      title: 'a <b>',
      subtitle: '&',
      parts: [
        { title: 'x', rows },
        { title: 'y', rows: [] },
      ],
    });
    // The page, two of the legend, and three bars.
    expect(elements(svg).filter((name) => name === 'rect')).toHaveLength(6);
    expect(svg).toContain('40.0 GFLOPS (40 %)');
    expect(svg).toContain('4.00 GB/s (50 %)');
  });
});

describe('workloads', () => {
  it('know how long a model has to read', () => {
    const [start, prefill, decode, early] = workloadsOf('start,prefill128,decode128,decode4');
    expect([start, prefill, decode, early].map((workload) => lengthOf(workload!))).toEqual([17, 129, 145, 34]);
    expect(promptOf(decode!)).toBe(112);
    expect([start, decode, ...workloadsOf('decode128x8')].map((workload) => workload!.rows)).toEqual([1, 1, 8]);
  });
});

describe('timed', () => {
  it('refuses tokens that the whole, read at once, does not give', async () => {
    const lm = await timed(await CausalLM.fromPreset('gpt2_tiny_en', { device: 'reference' }));
    const { tokenIds, ms } = await lm.decode(3, 2);
    expect(ms).toBeGreaterThan(0);
    expect((await lm.decode(3, 2, undefined, 2)).tokenIds).toEqual(tokenIds);
    await lm.check('decode', tokenIds, 3);
    tokenIds[4] = (tokenIds[4]! + 1) % 800;
    await expect(lm.check('decode', tokenIds, 3)).rejects.toThrow('decode: expected token');
  });
});

describe('purelm bench', () => {
  const run = async (...args: readonly string[]): Promise<string> => {
    const written: string[] = [];
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0);
    const command = parseCommand(['bench', ...args], () => 0);
    if (E.isLeft(command) || command.right.command !== 'bench') throw new Error('expected arguments of bench');
    await bench(command.right, new AbortController().signal);
    vi.restoreAllMocks();
    return written.join('');
  };

  it('times a preset and tells which kernels took the time', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'purelm-bench-'));
    try {
      const svg = join(folder, 'made/kernels.svg');
      const only = 'start,prefill16,decode24';
      const text = await run('--only', only, '--reps', '1', '--json', '--profile', '--svg', svg, '--device', 'webgpu');
      const { workloads, limits: measured, profiles, ...rest } = JSON.parse(text);
      expect(rest).toMatchObject({ preset: 'gpt2_tiny_en', model: 'GPT2CausalLM', dtype: 'float32' });
      expect(workloads.map(({ workload }: { workload: string }) => workload)).toEqual(only.split(','));
      expect(workloads[0]).toMatchObject({ firstTokenMs: expect.any(Number), processMs: expect.any(Number) });
      expect(workloads[2]).toMatchObject({ ms: expect.any(Number), runs: [expect.any(Number)] });
      expect(measured.gflops).toBeGreaterThan(0);
      expect(measured.gbs).toBeGreaterThan(0);
      const products = profiles[1].kernels.filter(({ op }: { op: string }) => op.startsWith('matmul'));
      // Four products a layer, and one for the vocabulary, 32 times, however they share out.
      expect(products.reduce((sum: number, each: { launches: number }) => sum + each.launches, 0)).toBeGreaterThan(
        32 * 5,
      );
      expect(elements(readFileSync(svg, 'utf8'))[0]).toBe('?xml');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('leaves out what is too long for the model, and says so where nothing is left', async () => {
    const text = await run('--only', 'prefill200,prefill2', '--reps', '1', '--device', 'reference');
    expect(text).toMatch(/^prefill200 is left out: the model reads 160 tokens at most\n/);
    expect(text).toMatch(/\nprefill2 +[\d.]+ ms \(cpu [\d.]+\), [\d.]+ tokens\/s; first [\d.]+ ms\n$/);
    await expect(run('--only', 'decode300', '--device', 'reference')).rejects.toThrow('of at most 160 tokens');
    await expect(run('--only', 'prefill2', '--profile', '--device', 'reference')).rejects.toThrow(
      'which has no launches',
    );
  });
});
