// @ts-check
// `node scripts/tuned.mjs FILE ...`: writes src/runtime/webgpu/tunedKernels.ts from what `purelm tune --json` printed, each
// run into a file of its own. A kernel is taken for a class of shapes that was faster than the usual one in every run, and
// clearly so in the middle one; entries of adapters of which there is no run stay. `npm run format` after it.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {{ readonly shapes: string, readonly chosen: string,
 *   readonly kernels: readonly { readonly name: string, readonly ms: number | null }[] }} Measured
 * @typedef {{ readonly adapter: string, readonly classes: readonly Measured[] }} Run
 */

/** How much less time than the usual kernel another has to take, in the middle one of the runs. */
const CLEARLY = 0.95;

const path = fileURLToPath(new URL('../src/runtime/webgpu/tunedKernels.ts', import.meta.url));

/**
 * The kernel for a class, if it is not the usual one.
 *
 * @param {readonly Measured[]} runs
 */
const better = (runs) => {
  const usual = runs[0]?.kernels[0]?.name;
  /** Each kernel's shares of the usual one's time. @type {Map<string, number[]>} */
  const shares = new Map();
  for (const { kernels } of runs) {
    const whole = kernels.find(({ name }) => name === usual)?.ms ?? undefined;
    for (const { name, ms } of kernels)
      if (whole !== undefined) shares.set(name, [...(shares.get(name) ?? []), (ms ?? Infinity) / whole]);
  }
  const [fastest] = [...shares]
    .filter(([, own]) => own.every((share) => share < 1))
    .map(([name, own]) => ({ name, share: own.sort((a, b) => a - b)[own.length >> 1] ?? 1 }))
    .sort((a, b) => a.share - b.share);
  return fastest !== undefined && fastest.share < CLEARLY ? fastest.name : undefined;
};

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
