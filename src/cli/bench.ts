import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type AdapterLimits, measureLimits } from '../runtime/webgpu/limits.ts';
import { type LaunchTime, profile } from '../runtime/webgpu/profile.ts';
import { commonDType } from '../tasks/deviceBytes.ts';
import { leaves } from '../tensor/tree.ts';
import type { BenchArguments } from './commands.ts';
import { kernelChart } from './kernelChart.ts';
import { type KernelRow, kernelRows, kernelTable, threeDigits } from './kernelTable.ts';
import { load, nameOf } from './load.ts';
import { status } from './statusLine.ts';
import { runWorkload, type Spent, stopwatch, type Timed, timed } from './timings.ts';
import { DECODED, fitting, promptOf, type Workload } from './workloads.ts';

/** What a workload came to. Times are in milliseconds. */
type Figures =
  | {
      readonly workload: string;
      readonly loadMs: number;
      readonly quantizeMs?: number;
      readonly firstTokenMs: number;
      /** From the start of the process to the first token. */
      readonly processMs: number;
    }
  | {
      readonly workload: string;
      /** The middle one of `runs`. */
      readonly ms: number;
      readonly cpuMs: number;
      readonly tokensPerSecond: number;
      /** Of the run before, which is not counted. */
      readonly firstMs: number;
      readonly runs: readonly number[];
    };

/** The kernels of a workload. */
interface ProfiledWorkload {
  readonly workload: string;
  readonly launches: number;
  /** Of all launches together. */
  readonly ms: number;
  readonly kernels: readonly KernelRow[];
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

const timeWorkload = async (
  lm: Timed,
  workload: Workload,
  { reps }: BenchArguments,
  signal: AbortSignal,
): Promise<Figures> => {
  const { name, kind } = workload;
  status(`${name}: once before it counts`);
  const first = await runWorkload(lm, workload);
  status(`${name}: is it right?`);
  await lm.check(name, first.tokenIds, promptOf(workload));
  const runs: Spent[] = [];
  for (let rep = 1; rep <= reps; rep++) {
    signal.throwIfAborted();
    status(`${name}: ${rep} of ${reps}`);
    const { tokenIds, ...spent } = await runWorkload(lm, workload);
    const place = tokenIds.findIndex((id, at) => id !== first.tokenIds[at]);
    if (place !== -1)
      throw new Error(
        `${name}: expected the tokens of the run before, got ${tokenIds[place]} for ${first.tokenIds[place]} at place ${place}; these timings would mean nothing`,
      );
    runs.push(spent);
  }
  status('');
  const tokens = workload.rows * (kind === 'decode' ? DECODED : workload.count);
  const ms = median(runs.map((spent) => spent.ms));
  return {
    workload: name,
    ms,
    cpuMs: median(runs.map((spent) => spent.cpuMs)),
    tokensPerSecond: (1000 * tokens) / ms,
    firstMs: first.ms,
    runs: runs.map((spent) => spent.ms),
  };
};

/** The launches of a workload. */
const launchesOf = async (lm: Timed, workload: Workload): Promise<readonly LaunchTime[]> => {
  const { name, kind, count: size, rows } = workload;
  status(`${name}: launch by launch`);
  let launches: readonly LaunchTime[] = [];
  const around = async (work: () => Promise<unknown>): Promise<void> => {
    launches = (await profile(lm.device, work)).launches;
  };
  if (kind === 'decode') await lm.decode(promptOf(workload), DECODED, around, rows);
  else await around(() => lm.prefill(size, rows));
  status('');
  return launches;
};

const profiled = (workload: string, launches: readonly LaunchTime[], limits: AdapterLimits): ProfiledWorkload => ({
  workload,
  launches: launches.length,
  ms: launches.reduce((sum, { ms }) => sum + ms, 0),
  kernels: kernelRows(launches, limits),
});

const line = (figures: Figures): string => {
  const name = figures.workload.padEnd(12);
  if ('loadMs' in figures) {
    const { loadMs, quantizeMs, firstTokenMs, processMs } = figures;
    const quantized = quantizeMs === undefined ? '' : `, quantize ${threeDigits(quantizeMs)} ms`;
    return `${name}load ${threeDigits(loadMs)} ms${quantized}, first token ${threeDigits(firstTokenMs)} ms, process to first token ${threeDigits(processMs)} ms`;
  }
  const { ms, cpuMs, tokensPerSecond, firstMs } = figures;
  return `${name}${threeDigits(ms)} ms (cpu ${threeDigits(cpuMs)}), ${threeDigits(tokensPerSecond)} tokens/s; first ${threeDigits(firstMs)} ms`;
};

const heading = ({ workload, launches, ms }: ProfiledWorkload): string =>
  `${workload}: ${launches} launches, ${threeDigits(ms)} ms on the device`;

const limitsText = ({ gflops, gbs }: AdapterLimits): string =>
  `limits measured here: ${threeDigits(gflops)} GFLOPS, ${threeDigits(gbs)} GB/s`;

/** `purelm bench`: how fast a preset starts, reads and writes here, and with `--profile` which kernels take the time. */
export const bench = async (asked: BenchArguments, signal: AbortSignal): Promise<void> => {
  const { preset, quantize } = asked;
  const spent = stopwatch();
  const plain = await load({ ...asked, preprocessor: null }, signal);
  const loadMs = spent().ms;
  const parameters = plain.backbone.countParams();
  const quantizing = stopwatch();
  if (quantize !== undefined) status(`to ${quantize}`);
  const lm = quantize === undefined ? plain : await plain.quantize(quantize, { signal });
  const quantizeMs = quantizing().ms;
  const own = await timed(lm);
  const workloads = fitting(asked.only, lm.backbone.model.maxSequenceLength ?? Number.POSITIVE_INFINITY);
  // Whoever asks for a profile in vain is told before anything is timed.
  let best = asked.profile ? await measureLimits(own.device) : undefined;
  const model = `${nameOf(preset)}: ${lm.name}, ${threeDigits(parameters / 1e6)} M parameters, ${quantize ?? commonDType(leaves(lm.params))}`;
  const say = (text: string): void => void (asked.json || process.stdout.write(`${text}\n`));
  say(`${model}, on ${own.device.name}`);
  const all: Figures[] = [];
  const traces: (readonly [string, readonly LaunchTime[]])[] = [];
  for (const workload of workloads) {
    signal.throwIfAborted();
    let figures: Figures;
    if (workload.kind === 'start') {
      status('start: the first token');
      const { ms, tokenIds } = await own.prefill(workload.count);
      const processMs = performance.now();
      await own.check('start', tokenIds, workload.count);
      status('');
      const quantized = quantize === undefined ? {} : { quantizeMs };
      figures = { workload: 'start', loadMs, ...quantized, firstTokenMs: ms, processMs };
    } else {
      figures = await timeWorkload(own, workload, asked, signal);
      if (best !== undefined) {
        traces.push([workload.name, await launchesOf(own, workload)]);
        // What else the machine does comes and goes: the best of several moments is nearest to the limit.
        const again = await measureLimits(own.device);
        best = { gflops: Math.max(best.gflops, again.gflops), gbs: Math.max(best.gbs, again.gbs) };
      }
    }
    all.push(figures);
    say(line(figures));
  }
  const limits = best;
  const profiles = limits === undefined ? [] : traces.map(([name, launches]) => profiled(name, launches, limits));
  for (const each of profiles) say(['', heading(each), ...kernelTable(each.kernels)].join('\n'));
  if (limits !== undefined) say(`\n${limitsText(limits)}`);
  if (asked.json)
    process.stdout.write(
      `${JSON.stringify({
        preset,
        model: lm.name,
        parameters,
        dtype: quantize ?? commonDType(leaves(lm.params)),
        device: own.device.name,
        date: new Date().toISOString(),
        workloads: all,
        ...(limits === undefined ? {} : { limits, profiles }),
      })}\n`,
    );
  if (asked.svg !== undefined && limits !== undefined) {
    await mkdir(dirname(asked.svg), { recursive: true });
    await writeFile(
      asked.svg,
      kernelChart({
        title: `Time by kernel, ${model}`,
        subtitle: `${own.device.name} · ${limitsText(limits)} · ${new Date().toISOString().slice(0, 10)}`,
        parts: profiles.map((each) => ({ title: heading(each), rows: each.kernels })),
      }),
    );
  }
};
