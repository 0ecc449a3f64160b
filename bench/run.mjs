// `npm run bench`: bench/gpt2.mjs, with --train bench/train.mjs, or with --encoder bench/encoder.mjs, by itself or in turn
// with other runtimes. See README.md beside this file.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { presetAround, randomBert, randomPreset, tinyPreset } from './folders.mjs';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    only: { type: 'string' },
    dtype: { type: 'string' },
    reps: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    peers: { type: 'string' },
    with: { type: 'string', default: 'jax-js-webgpu,tfjs-webgpu,ort-node-webgpu-fused,ort-node-cpu-fused' },
    python: { type: 'string' },
    train: { type: 'boolean', default: false },
    encoder: { type: 'boolean', default: false },
  },
});

if ((values.train || values.encoder) && values.dtype !== undefined)
  throw new Error('bench: --train and --encoder are float32; leave --dtype out');

const start = (command, args, options) =>
  new Promise((done) => {
    spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options }).on('close', done);
  });

const gpt2Preset = () => (values.data === undefined ? randomPreset() : presetAround(values.data));
const beside = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Training steps: ours, torch's where a Python is named, and jax-js's where there is a folder it is installed in. */
const train = async () => {
  const preset = await gpt2Preset();
  const tiny = await tinyPreset();
  const env = {
    ...process.env,
    BENCH_PRESET: preset,
    BENCH_SMALL: preset,
    BENCH_TINY: tiny,
    ...(values.peers === undefined ? {} : { BENCH_PEERS: resolve(values.peers) }),
    BENCH_STEPS: values.reps ?? '3',
  };
  const runs = [
    [process.execPath, beside('train.mjs')],
    ...(values.python === undefined ? [] : [[values.python, beside('peers/torch_train.py')]]),
    ...(values.peers === undefined
      ? []
      : [[process.execPath, beside('peers/jax_train.mjs'), { small: { BENCH_STEPS: '1' } }]]),
  ];
  // A process a workload: its peak of memory is its own. A step that takes minutes is timed once a round.
  for (let round = 1; round <= Number(values.rounds); round++)
    for (const shape of (values.only ?? 'small,tiny').split(','))
      for (const [command, script, special = {}] of runs) {
        const status = await start(command, [script], { env: { ...env, BENCH_TRAIN: shape, ...special[shape] } });
        if (status !== 0) process.exitCode = 1;
      }
  rmSync(tiny, { recursive: true });
};

/** Prompts and tokens: ours, and those of a folder of peers. */
const generate = async () => {
  const preset = await gpt2Preset();
  const reference = values.data === undefined ? undefined : resolve(values.data, 'ref.json');
  const env = {
    ...process.env,
    BENCH_PRESET: preset,
    ...(values.only === undefined ? {} : { BENCH_ONLY: values.only }),
    ...(values.reps === undefined ? {} : { BENCH_REPS: values.reps }),
    ...(reference !== undefined && existsSync(reference) ? { BENCH_REF: reference } : {}),
  };
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const dtype of (values.dtype ?? 'float32').split(',')) {
      const own =
        dtype === 'float32' ? { BENCH_NAME: 'purelm' } : { BENCH_NAME: `purelm-${dtype}`, BENCH_DTYPE: dtype };
      const status = await start(process.execPath, [beside('gpt2.mjs')], { env: { ...env, ...own } });
      if (status !== 0) process.exitCode = 1;
    }
    if (values.peers === undefined) continue;
    for (const peer of values.with.split(',')) {
      const out = join(mkdtempSync(join(tmpdir(), 'purelm-peer-')), 'lines.jsonl');
      const options = ['--data', resolve(values.data), '--out', out, '--rounds', '1', '--keep-cache', '--peers', peer];
      const only = values.only === undefined ? [] : ['--only', values.only];
      await start(process.execPath, ['run.mjs', ...options, '--python', values.python ?? 'python3', ...only], {
        cwd: values.peers,
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      await start('cat', [out], {});
    }
  }
};

/** The lowest cosine of any row that two runtimes embedded, against the first of `names`. */
const agreement = (folder, names) => {
  const read = (name) => {
    const bytes = readFileSync(join(folder, name));
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  };
  const [first, ...others] = names.map(read);
  const rows = 8;
  const width = first.length / rows;
  return Object.fromEntries(
    others.map((other, i) => {
      const cosines = Array.from({ length: rows }, (_, row) => {
        let [product, a, b] = [0, 0, 0];
        for (let at = row * width; at < (row + 1) * width; at++) {
          product += first[at] * other[at];
          a += first[at] ** 2;
          b += other[at] ** 2;
        }
        return product / Math.sqrt(a * b);
      });
      // Something that is no number counts as 0.
      return [names[i + 1].replace('.f32', ''), Math.min(...cosines.map((value) => value || 0))];
    }),
  );
};

/** Embeddings: ours, and those of the runtimes that are named and installed. */
const embed = async () => {
  const bert = await randomBert(values.data === undefined ? undefined : resolve(values.data));
  const embeddings = mkdtempSync(join(tmpdir(), 'purelm-embeddings-'));
  const peers = values.peers === undefined ? undefined : resolve(values.peers);
  const env = { ...process.env, BENCH_BERT: bert, BENCH_EMBEDDINGS: embeddings, BENCH_PEERS: peers };
  const script = (name, special = {}) => [process.execPath, beside(`peers/${name}`), special];
  if (values.python !== undefined && !existsSync(join(bert, 'bert.onnx')))
    await start(values.python, [beside('peers/encoder_onnx.py')], { env });
  const graphs = ['bert', 'bert_fused'].filter((name) => existsSync(join(bert, `${name}.onnx`)));
  const ort = (provider, BENCH_REPS) =>
    graphs.map((graph) => script('ort_encoder.mjs', { BENCH_PROVIDER: provider, BENCH_GRAPH: graph, BENCH_REPS }));
  const BENCH_REPS = values.reps ?? '3';
  // A pass of another WebGPU runtime takes up to minutes on a software adapter, and is timed once a round.
  const runs = {
    purelm: [[process.execPath, beside('encoder.mjs'), { BENCH_REPS }]],
    'torch-cpu': values.python === undefined ? [] : [[values.python, beside('peers/torch_encoder.py'), { BENCH_REPS }]],
    'ort-cpu': peers === undefined ? [] : ort('cpu', BENCH_REPS),
    'ort-webgpu': peers === undefined ? [] : ort('webgpu', '1'),
    'tfjs-webgpu': peers === undefined ? [] : [script('tfjs_encoder.mjs', { BENCH_REPS: '1' })],
    'jax-js-webgpu': peers === undefined ? [] : [script('jax_encoder.mjs', { BENCH_REPS: '1' })],
  };
  const only = values.only?.split(',') ?? Object.keys(runs);
  for (let round = 1; round <= Number(values.rounds); round++)
    for (const [command, file, special] of only.flatMap((name) => runs[name] ?? []))
      if ((await start(command, [file], { env: { ...env, ...special } })) !== 0) process.exitCode = 1;
  const names = readdirSync(embeddings).sort((a, b) => Number(b === 'torch-cpu.f32') - Number(a === 'torch-cpu.f32'));
  if (names.length > 1) {
    const cosines = agreement(embeddings, names);
    const ok = Object.values(cosines).every((cosine) => cosine > 0.9999);
    if (!ok) process.exitCode = 1;
    console.log(JSON.stringify({ check: 'embeddings', against: names[0].replace('.f32', ''), cosines, ok }));
  }
  rmSync(embeddings, { recursive: true });
};

await (values.train ? train() : values.encoder ? embed() : generate());
