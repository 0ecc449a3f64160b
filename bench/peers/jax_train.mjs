// Training steps of GPT-2 in jax-js on WebGPU: one JSON line a workload, as bench/train.mjs prints them.
//
// Choices from the environment: BENCH_PEERS (a folder in which @jax-js/jax is installed), BENCH_SMALL and BENCH_TINY (folders
// with model.safetensors, by transformers' names, and config.json), BENCH_TRAIN ('small,tiny'), BENCH_STEPS (timed steps).
// One step is one function under jit: loss, gradients and Adam. @jax-js/optax has an Adam, which does the same piece by piece.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { create, globals } from 'webgpu';
import { bufferFigures, countBufferBytes } from '../bufferBytes.mjs';
import { cpuMs, load, median, peakMb } from '../figures.mjs';

const only = (process.env.BENCH_TRAIN ?? 'small,tiny').split(',');
const timed = Number(process.env.BENCH_STEPS ?? 3);
const shapes = { small: { batch: 2, length: 128 }, tiny: { batch: 16, length: 128 } };

// What a browser would offer.
Object.assign(globalThis, globals);
const gpu = create([]);
Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: 'node' }, configurable: true });
const bytes = countBufferBytes(GPUDevice.prototype);

const installed = resolve(process.env.BENCH_PEERS ?? '.', 'node_modules/@jax-js/jax');
const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
const jax = await import(pathToFileURL(join(installed, exports['.'].import)).href);
const { numpy: np, nn, tree } = jax;
if (!(await jax.init('webgpu')).includes('webgpu')) throw new Error('jax-js finds no WebGPU adapter');
jax.defaultDevice('webgpu');
const { maxStorageBufferBindingSize } = jax.getWebGPUDevice().limits;

/** The tensors of a safetensors file of float32 numbers, on the host, without transformers' prefix. */
const read = (folder) => {
  const file = readFileSync(join(folder, 'model.safetensors'));
  const start = 8 + Number(file.readBigUInt64LE(0));
  const head = JSON.parse(file.toString('utf8', 8, start));
  delete head.__metadata__;
  return Object.entries(head).map(
    ([
      name,
      {
        shape,
        data_offsets: [from, to],
      },
    ]) => ({
      name: name.replace(/^transformer\./, ''),
      shape,
      data: new Float32Array(file.buffer.slice(file.byteOffset + start + from, file.byteOffset + start + to)),
    }),
  );
};

const array = (data, shape, dtype = np.float32) => np.array(data, { shape, dtype });

/** Parameters on the device. The token table is a list of blocks of rows, each small enough to be bound to a shader. */
const place = (tensors) => {
  const p = {};
  for (const { name, shape, data } of tensors)
    if (name !== 'wte.weight') p[name] = array(data, shape);
    else {
      const [rows, width] = shape;
      const blocks = Math.ceil((4 * rows * width) / maxStorageBufferBindingSize);
      const each = Math.ceil(rows / blocks);
      p[name] = Array.from({ length: blocks }, (_, i) => {
        const [from, to] = [i * each, Math.min(rows, (i + 1) * each)];
        return array(data.slice(from * width, to * width), [to - from, width]);
      });
    }
  return p;
};

/** `table[ids]` of a table in blocks: a row comes from its own block and is 0 in all others. */
const embed = (blocks, ids) => {
  let from = 0;
  let sum;
  for (const block of blocks) {
    const [rows] = block.shape;
    const own = ids.ref.sub(from);
    const isHere = np.logicalAnd(own.ref.greaterEqual(0), own.ref.less(rows));
    const found = np.take(block, np.clip(own, 0, rows - 1), 0);
    const part = blocks.length === 1 ? found : np.where(np.expandDims(isHere, -1), found, 0);
    sum = sum === undefined ? part : sum.add(part);
    from += rows;
  }
  ids.dispose();
  return sum;
};

/** Mean cross-entropy of GPT-2 without dropout. Every array handed on is used up, so what is used again goes by `ref`. */
const lossOf = (config) => (p, ids, targets) => {
  const { n_embd: width, n_head: heads, n_layer: layers, layer_norm_epsilon: epsilon } = config;
  const [batch, length] = ids.shape;
  const norm = (name, x) => nn.standardize(x, -1, { epsilon }).mul(p[`${name}.weight`]).add(p[`${name}.bias`]);
  const dense = (name, x) => np.matmul(x, p[`${name}.weight`]).add(p[`${name}.bias`]);

  const table = p['wte.weight'];
  let x = embed(tree.ref(table), ids).add(p['wpe.weight'].slice([0, length]));
  for (let i = 0; i < layers; i++) {
    const [q, k, v] = np
      .split(dense(`h.${i}.attn.c_attn`, norm(`h.${i}.ln_1`, x.ref)), 3, -1)
      .map((part) => np.transpose(part.reshape([batch, length, heads, width / heads]), [0, 2, 1, 3]));
    // As nn.dotProductAttention, whose einsum needs a newer Node.
    const scores = np.matmul(q, np.transpose(k, [0, 1, 3, 2])).mul((width / heads) ** -0.5);
    const pattern = nn.softmax(np.where(np.tri(length, length, 0, { dtype: np.bool }), scores, -Infinity), -1);
    const z = np.transpose(np.matmul(pattern, v), [0, 2, 1, 3]).reshape([batch, length, width]);
    x = x.add(dense(`h.${i}.attn.c_proj`, z));
    const inner = nn.gelu(dense(`h.${i}.mlp.c_fc`, norm(`h.${i}.ln_2`, x.ref)), { approximate: true });
    x = x.add(dense(`h.${i}.mlp.c_proj`, inner));
  }
  const last = norm('ln_f', x).reshape([batch * length, width]);
  const parts = table.map((block) => np.matmul(last.ref, np.transpose(block)));
  last.dispose();
  const logits = parts.length === 1 ? parts[0] : np.concatenate(parts, 1);
  // Not np.takeAlongAxis: jit refuses the scatter of its gradient. A comparison becomes part of the sum's kernel.
  const vocabulary = np.arange(config.vocab_size).reshape([1, config.vocab_size]);
  const isTarget = targets.reshape([batch * length, 1]).equal(vocabulary);
  const own = np.where(isTarget, nn.logSoftmax(logits, -1), 0).sum(-1);
  return np.negative(np.mean(own));
};

/** One step of Adam at rate 2e-5, as Keras writes it; `rate` holds the correction of the step. */
const adam = (p, m, v, g, rate) => {
  const newM = m.add(g.ref.sub(m.ref).mul(0.1));
  const newV = v.add(g.ref.mul(g).sub(v.ref).mul(0.001));
  return [p.sub(newM.ref.mul(rate).div(np.sqrt(newV.ref).add(1e-7))), newM, newV];
};

const stepOf = (config) =>
  jax.jit((params, ms, vs, ids, targets, rate) => {
    const [loss, gradients] = jax.valueAndGrad(lossOf(config))(tree.ref(params), ids, targets);
    const [ps, structure] = tree.flatten(params);
    const [m, v, g] = [ms, vs, gradients].map((each) => tree.leaves(each));
    const next = ps.map((p, i) => adam(p, m[i], v[i], g[i], rate.ref));
    rate.dispose();
    return [
      loss,
      ...[0, 1, 2].map((part) =>
        tree.unflatten(
          structure,
          next.map((each) => each[part]),
        ),
      ),
    ];
  });

for (const shape of only) {
  const folder = process.env[`BENCH_${shape.toUpperCase()}`];
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  const { batch, length } = shapes[shape];
  const row = (b) => Array.from({ length: length + 1 }, (_, i) => ((b * 131 + i) * 7919 + 13) % config.vocab_size);
  const rows = Array.from({ length: batch }, (_, b) => row(b));
  const int = (values) => array(Int32Array.from(values.flat()), [batch, length], np.int32);

  let params = place(read(folder));
  let m = tree.map((p) => np.zeros(p.shape), params);
  let v = tree.map((p) => np.zeros(p.shape), params);
  const step = stepOf(config);
  const runs = [];
  const cpu = [];
  const losses = [];
  for (let t = 1; t <= timed + 1; t++) {
    const before = performance.now();
    const beforeCpu = cpuMs();
    const rate = array(Float32Array.of((2e-5 * Math.sqrt(1 - 0.999 ** t)) / (1 - 0.9 ** t)), []);
    const ids = int(rows.map((all) => all.slice(0, -1)));
    const targets = int(rows.map((all) => all.slice(1)));
    const [loss, ...state] = step(params, m, v, ids, targets, rate);
    [params, m, v] = state;
    await jax.blockUntilReady(state);
    losses.push(Number((await loss.data())[0].toFixed(5)));
    runs.push(Number((performance.now() - before).toFixed(1)));
    cpu.push(Math.round(cpuMs() - beforeCpu));
  }
  const ms = median(runs.slice(1));
  const figures = {
    ms,
    tok_s: Number(((1000 * batch * length) / ms).toFixed(1)),
    cpu_ms: median(cpu.slice(1)),
    runs: runs.slice(1),
    first_ms: runs[0],
    losses,
    ...bufferFigures(bytes),
  };
  const workload = `train_${shape}_${batch}x${length}`;
  console.log(JSON.stringify({ peer: 'jax-js-webgpu', workload, ...figures, peak_rss_mb: peakMb(), load1: load() }));
  tree.dispose([params, m, v]);
}
// Dawn's instance must outlive its devices.
setTimeout(() => process.exit(gpu === undefined ? 1 : 0), 50);
