// @ts-check
// What every timing reports besides its time.
import { readFileSync } from 'node:fs';

/** Processor time of this process so far over all threads, in milliseconds. */
export const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** @param {readonly number[]} values */
export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** The peak of resident memory, in MiB; 0 where the system does not tell. */
export const peakMb = () =>
  Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024);

/** The machine's load over the last minute. */
export const load = () => Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]);
