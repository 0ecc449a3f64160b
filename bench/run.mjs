// `npm run bench`: bench/gpt2.mjs, or with --train bench/train.mjs, by itself or in turn with other runtimes. See README.md
// beside this file.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { presetAround, randomPreset, tinyPreset } from './folders.mjs';

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
  },
});

if (values.train && values.dtype !== undefined) throw new Error('bench: --train is float32; leave --dtype out');

const start = (command, args, options) =>
  new Promise((done) => {
    spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options }).on('close', done);
  });

const preset = values.data === undefined ? await randomPreset() : presetAround(values.data);
const beside = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Training steps: ours, torch's where a Python is named, and jax-js's where there is a folder it is installed in. */
const train = async () => {
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
  for (let round = 1; round <= Number(values.rounds); round++) {
    const status = await start(process.execPath, [beside('gpt2.mjs')], { env });
    if (status !== 0) process.exitCode = 1;
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

await (values.train ? train() : generate());
