import type { AdapterLimits } from '../runtime/webgpu/limits.ts';
import type { LaunchTime } from '../runtime/webgpu/profile.ts';

/** All launches of one kernel for one op. */
export interface KernelRow {
  /** File name of the shader, or `chain`. */
  readonly kernel: string;
  /** The op, with the shape of its value. */
  readonly op: string;
  readonly launches: number;
  readonly ms: number;
  /** Of the time of all launches, from 0 to 1. */
  readonly share: number;
  /** Multiplications and additions, in 10^9 a second; null where they do not follow from the launch. */
  readonly gflops: number | null;
  /** Bytes that are read and written, in 10^9 a second, at most. */
  readonly gbs: number;
  /** What that is of the adapter's limit, from 0 to 1. */
  readonly gflopsOfLimit: number | null;
  readonly gbsOfLimit: number;
}

/** Launches by kernel and op, the longest first. */
export const kernelRows = (launches: readonly LaunchTime[], limits: AdapterLimits): readonly KernelRow[] => {
  const groups = new Map<string, LaunchTime[]>();
  for (const launch of launches) {
    const name = `${launch.kernel} ${launch.op}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [launch]);
    else group.push(launch);
  }
  const sum = (of: readonly LaunchTime[], value: (launch: LaunchTime) => number): number =>
    of.reduce((total, launch) => total + value(launch), 0);
  const all = sum(launches, ({ ms }) => ms);
  return [...groups.values()]
    .map((group): KernelRow => {
      const { kernel, op, flops } = group[0]!;
      const ms = sum(group, (launch) => launch.ms);
      // A clock that is too coarse says 0.
      const rate = (value: number): number => (ms === 0 ? 0 : value / ms / 1e6);
      const gflops = flops === undefined ? null : rate(sum(group, (launch) => launch.flops ?? 0));
      const gbs = rate(sum(group, ({ bytes }) => bytes));
      return {
        kernel,
        op,
        launches: group.length,
        ms,
        share: all === 0 ? 0 : ms / all,
        gflops,
        gbs,
        gflopsOfLimit: gflops === null ? null : gflops / limits.gflops,
        gbsOfLimit: gbs / limits.gbs,
      };
    })
    .sort((a, b) => b.ms - a.ms);
};

/** Three digits, and not more: `<0.001`, `0.012`, `1.23`, `12.3`, `1230`. */
export const threeDigits = (value: number): string => {
  if (value === 0) return '0';
  if (value < 0.001) return '<0.001';
  const places = 2 - Math.floor(Math.log10(value));
  return value.toFixed(Math.min(3, Math.max(0, places)));
};

/** A share, from 0 to 1, as a percentage. */
export const percent = (share: number): string => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

/** Rows that say little are one row together. */
const MOST_ROWS = 24;

const columns = ['kernel', 'op', 'launches', 'ms', 'share', 'GFLOPS', 'of limit', 'GB/s', 'of limit'] as const;

/** The rows as lines of a table, the first of which names the columns. */
export const kernelTable = (rows: readonly KernelRow[]): readonly string[] => {
  const shown = rows.slice(0, MOST_ROWS);
  const rest = rows.slice(MOST_ROWS);
  const total = (value: (row: KernelRow) => number): number => rest.reduce((sum, row) => sum + value(row), 0);
  const cells: (readonly string[])[] = shown.map((row) => [
    row.kernel,
    row.op,
    String(row.launches),
    threeDigits(row.ms),
    percent(row.share),
    row.gflops === null ? '' : threeDigits(row.gflops),
    row.gflopsOfLimit === null ? '' : percent(row.gflopsOfLimit),
    threeDigits(row.gbs),
    percent(row.gbsOfLimit),
  ]);
  if (rest.length > 0) {
    const launches = String(total((row) => row.launches));
    const ms = threeDigits(total((row) => row.ms));
    cells.push([`${rest.length} more`, '', launches, ms, percent(total((row) => row.share)), '', '', '', '']);
  }
  const lines = [[...columns], ...cells];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)));
  return lines.map((line) =>
    line
      .map((cell, at) => (at < 2 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('  ')
      .trimEnd(),
  );
};
