/** Something that `purelm bench` times. */
export interface Workload {
  /** As it is asked for and shown: `start`, `prefill128`, `decode128`, `decode128x8`. */
  readonly name: string;
  readonly kind: 'start' | 'prefill' | 'decode';
  /** Tokens of the prompt of a prefill or of a start, or the place that decoded tokens lie around. */
  readonly count: number;
  /** Texts at once. */
  readonly rows: number;
}

/** Tokens that are decided when decoding is timed. */
export const DECODED = 32;

/** Tokens of the prompt before those that are decoded around a place. */
export const promptOf = ({ kind, count }: Workload): number =>
  kind === 'decode' ? Math.max(1, count - DECODED / 2) : count;

/** Tokens that a model has to be able to read for a workload. */
export const lengthOf = (workload: Workload): number =>
  promptOf(workload) + 1 + (workload.kind === 'decode' ? DECODED : 0);

/** What is timed unless something else is asked for. */
export const defaultWorkloads = 'start,prefill16,prefill128,prefill512,decode128';

/** What kernels are measured for unless something else is asked for. */
export const tunedWorkloads = 'prefill16,prefill128,prefill512,decode128';

/**
 * The workloads that a list with commas names.
 *
 * @throws {Error} If one has another name.
 */
export const workloadsOf = (list: string): readonly Workload[] =>
  list.split(',').map((name): Workload => {
    const [, kind, count, rows = '1'] = /^(prefill|decode)([1-9]\d{0,6})(?:x([1-9]\d{0,3}))?$/.exec(name.trim()) ?? [];
    if (kind === 'prefill' || kind === 'decode')
      return { name: name.trim(), kind, count: Number(count), rows: Number(rows) };
    if (name.trim() === 'start') return { name: 'start', kind: 'start', count: 16, rows: 1 };
    throw new Error(
      `--only: expected start, prefill and decode with a number of tokens (${defaultWorkloads}, decode128x8 for 8 texts), got ${name}`,
    );
  });

/** Those of the workloads asked for that a model of so many places is long enough for; said of the others. */
export const fitting = (asked: readonly Workload[], most: number): readonly Workload[] => {
  const tooLong = asked.filter((workload) => lengthOf(workload) > most);
  for (const { name } of tooLong) process.stderr.write(`${name} is left out: the model reads ${most} tokens at most\n`);
  if (tooLong.length === asked.length)
    throw new Error(`--only: expected a workload of at most ${most} tokens, which is all that the model reads`);
  return asked.filter((workload) => !tooLong.includes(workload));
};
