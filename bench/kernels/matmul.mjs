// @ts-check
// Times the kernels that matmul chooses on this machine's adapter: `npm run build && node bench/kernels/matmul.mjs`.
// Variants are timed in turn, in short slices, and the fastest slice counts, so that other work on the machine disturbs
// little. On Linux the time is what the driver's threads spent on processors (a software adapter computes in those);
// elsewhere, and with --wall, it is the wall clock's.
//   --m 1,16,128 --shapes 768x768,768x50257 --dtypes float32,bfloat16 --layouts rows,transposed --rounds 8 --slice 20
// A shape is `k x n`. A transposed b lies in memory as [n, k].
import { parseArgs } from 'node:util';
import { openLab } from './lab.mjs';

const dist = process.env.PURELM_DIST ?? new URL('../../dist/', import.meta.url).href;
const load = (/** @type {string} */ path) => import(new URL(path, dist).href);
const { plan, prepare } = await load('internals.js');
const { tensor } = await load('index.js');
const { matmul, transpose } = await load('ops/index.js');

const { values } = parseArgs({
  options: {
    m: { type: 'string', default: '1,16,128' },
    shapes: { type: 'string', default: '768x768,768x3072,3072x768' },
    dtypes: { type: 'string', default: 'float32,float16,bfloat16' },
    layouts: { type: 'string', default: 'rows,transposed' },
    rounds: { type: 'string', default: '8' },
    slice: { type: 'string', default: '20' },
    traits: { type: 'string', default: '{}' },
    wall: { type: 'boolean', default: false },
  },
});
const list = (/** @type {string} */ text) => text.split(',');

const { gpu, spent, run } = await openLab(load, values);
const numbers = (/** @type {number} */ length) => Float32Array.from({ length }, (_, i) => Math.sin(i * 0.37) / 8);

const cases = [];
for (const shape of list(values.shapes)) {
  const [k = 1, n = 1] = shape.split('x').map(Number);
  for (const dtype of list(values.dtypes))
    for (const layout of list(values.layouts)) {
      const stored = tensor(numbers(k * n), { shape: layout === 'rows' ? [k, n] : [n, k], dtype });
      for (const m of list(values.m).map(Number)) {
        const a = tensor(numbers(m * k), { shape: [m, k] });
        const made = plan([matmul(a, layout === 'rows' ? stored : transpose(stored))], { traits: gpu.traits });
        const kernels = [...new Set(made.steps.map((/** @type {any} */ step) => step.kernel.shader ?? 'generated'))];
        const before = spent();
        const prepared = prepare(gpu, made);
        await run(prepared, 1);
        const first = spent() - before;
        const start = spent();
        await run(prepared, 1);
        const times = Math.max(1, Math.min(2000, Math.round(Number(values.slice) / Math.max(0.02, spent() - start))));
        cases.push({ m, k, n, dtype, layout, kernel: kernels.join('+'), first, prepared, times, best: Infinity });
      }
    }
}
for (let round = 0; round < Number(values.rounds); round++)
  for (const each of cases) {
    const start = spent();
    await run(each.prepared, each.times);
    each.best = Math.min(each.best, (spent() - start) / each.times);
  }
console.log(
  `${gpu.traits.name}, ${values.wall ? 'wall clock' : 'time of the driver threads'}, best of ${values.rounds}`,
);
for (const { m, k, n, dtype, layout, kernel, first, best } of cases) {
  const bytes = k * n * (dtype === 'float32' ? 4 : 2);
  console.log(
    `${`${m}x${k}x${n}`.padEnd(15)} ${dtype.padEnd(8)} ${layout.padEnd(10)} ${best.toFixed(3).padStart(9)} ms`,
    `${((2 * m * k * n) / best / 1e6).toFixed(2).padStart(8)} GF/s ${(bytes / best / 1e6).toFixed(2).padStart(6)} GB/s`,
    ` first ${first.toFixed(0).padStart(5)} ms  ${kernel}`,
  );
}
gpu.device.destroy();
