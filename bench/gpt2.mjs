// One process, all workloads asked for, one JSON line each. Started by run.mjs; reads its choices from the environment:
// BENCH_PRESET (a folder), BENCH_ONLY, BENCH_REPS, BENCH_DECODE (tokens a run), BENCH_NAME, BENCH_DTYPE (float16, bfloat16, or
// int8 and int4, which are made after loading), BENCH_REF (ids' arg-maxes to check against, as JSON).
import { readFileSync } from 'node:fs';
import { GPT2CausalLM, getDevice } from '../dist/index.js';
import { timed } from '../dist/internals.js';
import { cast, key, matmul, normal, transpose } from '../dist/ops/index.js';
import { cpuMs, load, median, peakMb } from './figures.mjs';

const name = process.env.BENCH_NAME ?? 'purelm';
const only = new Set((process.env.BENCH_ONLY ?? 'start,prefill16,prefill128,prefill512,decode128,gemm').split(','));
const reps = Number(process.env.BENCH_REPS ?? 3);
const decodeTokens = Number(process.env.BENCH_DECODE ?? 32);
const dtype = process.env.BENCH_DTYPE;
const reference = process.env.BENCH_REF === undefined ? {} : JSON.parse(readFileSync(process.env.BENCH_REF, 'utf8'));
const shapes = [
  [512, 768, 768],
  [128, 768, 3072],
  [1024, 1024, 1024],
  [1, 768, 50257],
];

const emit = (workload, figures) =>
  console.log(JSON.stringify({ peer: name, workload, ...figures, peak_rss_mb: peakMb(), load1: load() }));
const check = (count, id) => (reference[count] === undefined ? null : reference[count].argmax === id);

const device = await getDevice('webgpu');
const began = performance.now();
const isQuantized = dtype === 'int8' || dtype === 'int4';
const plain = (
  await GPT2CausalLM.fromPreset(process.env.BENCH_PRESET, {
    preprocessor: null,
    device,
    ...(dtype === undefined || isQuantized ? {} : { dtype }),
  })
).compile({
  sampler: 'greedy',
});
const lm = isQuantized ? await plain.quantize(dtype) : plain;
const loaded = performance.now();
const own = await timed(lm);

/** The token after a prompt of so many ids. */
const prefill = async (count) => (await own.prefill(count)).tokenIds[count];

if (only.has('start')) {
  const id = await prefill(16);
  emit('start', {
    load_ms: Math.round(loaded - began),
    first_token_ms: Math.round(performance.now() - loaded),
    process_to_first_token_ms: Math.round(performance.now()),
    ok: check(16, id),
  });
}

for (const count of [16, 128, 512])
  if (only.has(`prefill${count}`)) {
    const first = performance.now();
    let id = await prefill(count);
    const firstMs = performance.now() - first;
    const runs = [];
    const cpu = [];
    for (let i = 0; i < reps; i++) {
      const t = performance.now();
      const c = cpuMs();
      id = await prefill(count);
      runs.push(Number((performance.now() - t).toFixed(1)));
      cpu.push(Math.round(cpuMs() - c));
    }
    emit(`prefill${count}`, {
      ms: median(runs),
      cpu_ms: median(cpu),
      runs,
      first_ms: Number(firstMs.toFixed(1)),
      argmax: id,
      ok: check(count, id),
    });
  }

if (only.has('decode128')) {
  const runs = [];
  const cpu = [];
  let tokens = [];
  for (let i = 0; i <= reps; i++) {
    const result = await own.decode(112, decodeTokens);
    tokens = Array.from(result.tokenIds.slice(112));
    if (i === 0) continue;
    runs.push(Number(((1000 * decodeTokens) / result.ms).toFixed(2)));
    cpu.push(Number((result.cpuMs / decodeTokens).toFixed(1)));
  }
  emit('decode128', { tok_s: median(runs), cpu_ms_per_tok: median(cpu), runs, toks: tokens.slice(0, 8) });
}

if (only.has('gemm'))
  for (const [m, k, n] of shapes) {
    const isVector = m === 1;
    const held = await device.realize([
      normal(key(1), [m, k]),
      cast(normal(key(2), isVector ? [n, k] : [k, n]), isQuantized ? 'float32' : (dtype ?? 'float32')),
    ]);
    const product = device.compile((a, b) => matmul(a, isVector ? transpose(b) : b));
    const go = async (count) => {
      let last;
      for (let i = 0; i < count; i++) {
        if (last !== undefined) device.release([last]);
        last = await product.run(held[0], held[1]);
      }
      await device.webgpu.device.queue.onSubmittedWorkDone();
      device.release([last]);
    };
    await go(1);
    let count = 1;
    let ms = 0;
    let cpu = 0;
    for (;;) {
      const t = performance.now();
      const c = cpuMs();
      await go(count);
      ms = (performance.now() - t) / count;
      cpu = (cpuMs() - c) / count;
      if (ms * count > 600 || count >= 256) break;
      count = Math.min(256, Math.ceil((count * 700) / Math.max(1, ms * count)));
    }
    emit(`gemm_${m}x${k}x${n}`, {
      ms: Number(ms.toFixed(3)),
      cpu_ms: Number(cpu.toFixed(2)),
      gflops: Number(((2 * m * k * n) / ms / 1e6).toFixed(1)),
    });
    device.release(held);
  }
