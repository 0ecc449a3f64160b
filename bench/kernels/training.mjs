// @ts-check
// Times what a training step adds to a forward pass: `npm run build && node bench/kernels/training.mjs`.
// As matmul.mjs it times variants in turn, in short slices, and the fastest slice counts; the time is what the driver's
// threads spent on processors, or with --wall the wall clock's. A case's times stand beside the case of its group named
// first, its ratio last.
//   --only attention,products --rounds 6 --slice 60 --length 128
import { parseArgs } from 'node:util';
import { openLab } from './lab.mjs';

const dist = process.env.PURELM_DIST ?? new URL('../../dist/', import.meta.url).href;
const load = (/** @type {string} */ path) => import(new URL(path, dist).href);
const { formulaVjp, plan, prepare, pullback } = await load('internals.js');
const { tensor } = await load('index.js');
const ops = await load('ops/index.js');

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'attention,norms,losses,sums,products' },
    rounds: { type: 'string', default: '6' },
    slice: { type: 'string', default: '60' },
    length: { type: 'string', default: '128' },
    traits: { type: 'string', default: '{}' },
    wall: { type: 'boolean', default: false },
  },
});

const { gpu, spent, run } = await openLab(load, values);
const noise = (/** @type {number[]} */ ...shape) =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 0.37) / 8),
    { shape },
  );
/** The cotangents of `xs` for a drawn one of `y`. */
const backward = (/** @type {any} */ y, /** @type {any[]} */ xs) =>
  pullback('bench', [{ y, dy: noise(...y.shape) }], xs);

const batch = 2;
const length = Number(values.length);
const rows = batch * length;
/** @type {Record<string, () => Record<string, any[]>>} */
const groups = {
  attention: () => {
    const [q, k, v] = [0, 1, 2].map(() => noise(batch, length, 12, 64));
    const options = { causal: true };
    const composed = ([query, key, value] = [q, k, v]) => [
      ops.attend(ops.attentionPattern(ops.attentionScores(query, key, options), options), value),
    ];
    const y = ops.attention(q, k, v, options);
    const all = backward(y, [q, k, v]);
    return {
      forward: [y],
      'forward, composed': composed(),
      'query gradient': [all[0]],
      gradients: [...all],
      'gradients, composed': [...formulaVjp('bench', composed, [q, k, v], [noise(...y.shape)])],
    };
  },
  norms: () => {
    const result = /** @type {Record<string, any[]>} */ ({});
    for (const columns of [768, 3072]) {
      const [x, gamma, beta] = [noise(rows, columns), noise(columns), noise(columns)];
      const layer = ops.layerNorm(x, gamma, beta);
      const rms = ops.rmsNorm(x, gamma);
      const soft = ops.softmax(x);
      const logSoft = ops.logSoftmax(x);
      Object.assign(result, {
        [`layerNorm ${columns}`]: [layer],
        [`layerNorm ${columns} dx`]: backward(layer, [x]),
        [`layerNorm ${columns} all`]: backward(layer, [x, gamma, beta]),
        [`rmsNorm ${columns}`]: [rms],
        [`rmsNorm ${columns} dx`]: backward(rms, [x]),
        [`rmsNorm ${columns} all`]: backward(rms, [x, gamma]),
        [`softmax ${columns}`]: [soft],
        [`softmax ${columns} dx`]: backward(soft, [x]),
        [`logSoftmax ${columns} dx`]: backward(logSoft, [x]),
      });
    }
    return result;
  },
  losses: () => {
    const logits = noise(rows, 50257);
    const targets = tensor(
      Int32Array.from({ length: rows }, (_, i) => (i * 197) % 50257),
      { shape: [rows] },
    );
    const y = ops.sparseCategoricalCrossentropy(targets, logits);
    return { softmax: [ops.softmax(logits)], loss: [y], 'loss dx': backward(y, [logits]) };
  },
  sums: () =>
    Object.fromEntries(
      [768, 3072, 50257].flatMap((columns) => {
        const x = noise(rows, columns);
        return [
          [`negative ${columns}`, [ops.negative(x)]],
          [`sum over rows ${columns}`, [ops.sum(x, { axis: 0 })]],
        ];
      }),
    ),
  products: () => {
    const result = /** @type {Record<string, any[]>} */ ({});
    for (const [k = 1, n = 1] of [
      [768, 768],
      [768, 3072],
      [3072, 768],
    ]) {
      const [x, w] = [noise(rows, k), noise(k, n)];
      const y = ops.matmul(x, w);
      Object.assign(result, {
        [`${rows}x${k}x${n}`]: [y],
        [`${rows}x${k}x${n} dx`]: backward(y, [x]),
        [`${rows}x${k}x${n} dw`]: backward(y, [w]),
      });
    }
    return result;
  },
  head: () => {
    const [x, table] = [noise(rows, 768), noise(50257, 768)];
    const y = ops.matmul(x, ops.transpose(table));
    return { logits: [y], 'logits dx': backward(y, [x]), 'logits dtable': backward(y, [table]) };
  },
};

const cases = [];
for (const group of values.only.split(','))
  for (const [name, outputs] of Object.entries(groups[group]?.() ?? {})) {
    const made = plan(outputs, { traits: gpu.traits });
    const before = spent();
    const prepared = prepare(gpu, made);
    await run(prepared, 1);
    const first = spent() - before;
    const start = spent();
    await run(prepared, 1);
    const times = Math.max(1, Math.min(500, Math.round(Number(values.slice) / Math.max(0.02, spent() - start))));
    const kernels = made.steps.map((/** @type {any} */ step) => step.kernel.shader ?? 'generated').join(' ');
    cases.push({ group, name, first, prepared, times, kernels, all: /** @type {number[]} */ ([]) });
  }
for (let round = 0; round < Number(values.rounds); round++)
  for (const each of cases) {
    const start = spent();
    await run(each.prepared, each.times);
    each.all.push((spent() - start) / each.times);
  }
console.log(
  `${gpu.traits.name}, ${values.wall ? 'wall clock' : 'time of the driver threads'}, best of ${values.rounds}`,
);
let base = 1;
let current = '';
for (const { group, name, first, all, kernels } of cases) {
  const best = Math.min(...all);
  if (group !== current || !/ (dx|dw|all|dtable)$/.test(name))
    base = group === 'attention' && group === current ? base : best;
  current = group;
  console.log(
    `${`${group} ${name}`.padEnd(32)} ${best.toFixed(2).padStart(9)} ms ${(best / base).toFixed(2).padStart(6)}`,
    ` first ${first.toFixed(0).padStart(6)} ms  ${kernels}`,
  );
}
gpu.device.destroy();
