// @ts-check
// `node scripts/tuned.mjs FILE ...`: writes src/runtime/webgpu/tunedKernels.ts from what `purelm tune --json` printed, each
// run into a file of its own. For a class of shapes a kernel is taken whose shortest time over all runs is clearly below that
// of the usual one; entries of adapters of which there is no run stay.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {{ readonly shapes: string, readonly chosen: string,
 *   readonly kernels: readonly { readonly name: string, readonly ms: number | null }[] }} Measured
 * @typedef {{ readonly adapter: string, readonly classes: readonly Measured[] }} Run
 */

/** How much less time than the usual kernel another has to take, over all runs. */
const CLEARLY = 0.95;

const path = fileURLToPath(new URL('../src/runtime/webgpu/tunedKernels.ts', import.meta.url));

/**
 * The shortest time of each kernel over several runs, the usual one first; none that was wrong in one of them.
 *
 * @param {readonly Measured[]} runs - Of one class.
 */
const shortest = (runs) => {
  /** @type {Map<string, number>} */
  const times = new Map();
  for (const { kernels } of runs)
    for (const { name, ms } of kernels) times.set(name, Math.min(times.get(name) ?? Infinity, ms ?? Infinity));
  const wrong = runs.flatMap(({ kernels }) => kernels.filter(({ ms }) => ms === null).map(({ name }) => name));
  return [...times].filter(([name]) => !wrong.includes(name));
};

/**
 * The kernel for a class, if it is not the usual one.
 *
 * @param {readonly Measured[]} runs
 */
const better = (runs) => {
  const usual = runs[0]?.kernels[0]?.name;
  const times = shortest(runs);
  const [fastest] = [...times].sort(([, a], [, b]) => a - b);
  const least = times.find(([name]) => name === usual)?.[1] ?? Infinity;
  return fastest !== undefined && fastest[0] !== usual && fastest[1] < CLEARLY * least ? fastest[0] : undefined;
};

/** @type {typeof import('../src/internals.ts')} */
const { tunedKernels: known } = await import(new URL('../dist/internals.js', import.meta.url).href);
/** @type {Record<string, Record<string, string>>} */
const table = { ...known };
/** @type {readonly Run[]} */
const runs = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, 'utf8')));
for (const adapter of new Set(runs.map((run) => run.adapter))) {
  const classes = runs.filter((run) => run.adapter === adapter).flatMap((run) => run.classes);
  const names = [...new Set(classes.map(({ shapes }) => shapes))].sort();
  const entries = names.map((shapes) => [shapes, better(classes.filter((each) => each.shapes === shapes))]);
  table[adapter] = Object.fromEntries(entries.filter(([, name]) => name !== undefined));
}

const text = readFileSync(path, 'utf8');
const from = text.indexOf('= {');
writeFileSync(path, `${text.slice(0, from)}= ${JSON.stringify(table, undefined, 2)};\n`);
