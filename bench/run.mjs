// `npm run bench`: bench/gpt2.mjs by itself, or in turn with other runtimes. See README.md beside this file.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeSafetensors } from '../dist/weights/index.js';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    only: { type: 'string' },
    dtype: { type: 'string' },
    reps: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    peers: { type: 'string' },
    with: { type: 'string', default: 'jax-js-webgpu,tfjs-webgpu,ort-node-webgpu-fused,ort-node-cpu-fused' },
    python: { type: 'string', default: 'python3' },
  },
});

const config = {
  model_type: 'gpt2',
  vocab_size: 50257,
  n_positions: 1024,
  n_embd: 768,
  n_layer: 12,
  n_head: 12,
  activation_function: 'gelu_new',
  layer_norm_epsilon: 1e-5,
};

/** GPT-2-small's tensors by transformers' names, with their shapes. */
const shapes = () => {
  const d = config.n_embd;
  const all = { 'wte.weight': [config.vocab_size, d], 'wpe.weight': [config.n_positions, d] };
  const norm = (name) => Object.assign(all, { [`${name}.weight`]: [d], [`${name}.bias`]: [d] });
  const dense = (name, from, to) => Object.assign(all, { [`${name}.weight`]: [from, to], [`${name}.bias`]: [to] });
  for (let i = 0; i < config.n_layer; i++) {
    norm(`h.${i}.ln_1`);
    dense(`h.${i}.attn.c_attn`, d, 3 * d);
    dense(`h.${i}.attn.c_proj`, d, d);
    norm(`h.${i}.ln_2`);
    dense(`h.${i}.mlp.c_fc`, d, 4 * d);
    dense(`h.${i}.mlp.c_proj`, 4 * d, d);
  }
  norm('ln_f');
  return all;
};

/** Roughly normal numbers from a small generator: four bytes of a 32-bit state summed. */
const randomWeights = (count, deviation, seed) => {
  const out = new Float32Array(count);
  let state = seed >>> 0;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const sum = (state & 255) + ((state >>> 8) & 255) + ((state >>> 16) & 255) + (state >>> 24);
    out[i] = ((sum - 510) / 147.8) * deviation;
  }
  return out;
};

/** The folder of a random GPT-2-small, written once. */
const randomPreset = async () => {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'purelm', 'bench', 'gpt2-small');
  const target = join(folder, 'model.safetensors');
  if (!existsSync(target)) {
    mkdirSync(folder, { recursive: true });
    console.error('bench: writing a random GPT-2-small (500 MB, once)');
    const tensors = Object.entries(shapes()).map(([name, shape], i) => {
      const count = shape.reduce((a, b) => a * b, 1);
      const isGain = /ln_\w+\.weight$/.test(name);
      const data = randomWeights(count, 0.02, i + 1);
      if (isGain) for (let j = 0; j < count; j++) data[j] += 1;
      return { name, shape, dtype: 'float32', data: new Uint8Array(data.buffer) };
    });
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    // Whole or not at all: that the file is there means that it is done.
    const result = await writeSafetensors(target, tensors)();
    if (result._tag === 'Left') throw new Error(result.left.message);
  }
  return folder;
};

/** A preset folder around somebody's weights.safetensors. */
const presetAround = (data) => {
  const folder = mkdtempSync(join(tmpdir(), 'purelm-bench-'));
  symlinkSync(resolve(data, 'weights.safetensors'), join(folder, 'model.safetensors'));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  return folder;
};

const start = (command, args, options) =>
  new Promise((done) => {
    spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options }).on('close', done);
  });

const preset = values.data === undefined ? await randomPreset() : presetAround(values.data);
const reference = values.data === undefined ? undefined : resolve(values.data, 'ref.json');
const env = {
  ...process.env,
  BENCH_PRESET: preset,
  BENCH_NAME: values.dtype === undefined ? 'purelm' : `purelm-${values.dtype}`,
  ...(values.only === undefined ? {} : { BENCH_ONLY: values.only }),
  ...(values.dtype === undefined ? {} : { BENCH_DTYPE: values.dtype }),
  ...(values.reps === undefined ? {} : { BENCH_REPS: values.reps }),
  ...(reference !== undefined && existsSync(reference) ? { BENCH_REF: reference } : {}),
};
const ours = fileURLToPath(new URL('gpt2.mjs', import.meta.url));

for (let round = 1; round <= Number(values.rounds); round++) {
  const status = await start(process.execPath, [ours], { env });
  if (status !== 0) process.exitCode = 1;
  if (values.peers === undefined) continue;
  for (const peer of values.with.split(',')) {
    const out = join(mkdtempSync(join(tmpdir(), 'purelm-peer-')), 'lines.jsonl');
    const only = values.only === undefined ? [] : ['--only', values.only];
    await start(
      process.execPath,
      [
        'run.mjs',
        '--data',
        resolve(values.data),
        '--out',
        out,
        '--rounds',
        '1',
        '--keep-cache',
        '--peers',
        peer,
        '--python',
        values.python,
        ...only,
      ],
      { cwd: values.peers, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    await start('cat', [out], {});
  }
}
