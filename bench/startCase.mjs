// @ts-check
// One process from its start to its second token, for bench/start.mjs: one JSON line. Reads BENCH_PRESET (a folder),
// BENCH_DTYPE and BENCH_PROMPT (ids of the prompt).
import { cpuMs, load, peakMb } from './figures.mjs';

/** Time by the clock and of the processor since the process began. */
const now = () => ({ ms: performance.now(), cpu: cpuMs() });
/** @type {{ readonly part: string, readonly ms: number, readonly cpu: number }[]} */
const parts = [];
let last = { ms: 0, cpu: 0 };
const mark = (/** @type {string} */ part) => {
  const here = now();
  parts.push({ part, ms: Math.round(here.ms - last.ms), cpu: Math.round(here.cpu - last.cpu) });
  last = here;
};

mark('node');
/** @type {typeof import('../src/index.ts')} */
const { GPT2CausalLM, getDevice } = await import(new URL('../dist/index.js', import.meta.url).href);
mark('imports');
const device = await getDevice('webgpu');
mark('device');

let pipelines = 0;
const prototype = Object.getPrototypeOf(device.webgpu?.device);
for (const name of ['createComputePipeline', 'createComputePipelineAsync']) {
  const create = prototype[name];
  prototype[name] = function (/** @type {unknown[]} */ ...args) {
    pipelines++;
    return create.apply(this, args);
  };
}

let isReading = false;
const dtype = process.env.BENCH_DTYPE ?? 'float32';
const lm = await GPT2CausalLM.fromPreset(process.env.BENCH_PRESET ?? '', {
  device,
  preprocessor: null,
  sampler: 'greedy',
  ...(dtype === 'float32' ? {} : { dtype: /** @type {'float16'} */ (dtype) }),
  onProgress: () => {
    if (!isReading) mark('files');
    isReading = true;
  },
});
mark('weights');
const loadMb = peakMb();

const count = Number(process.env.BENCH_PROMPT ?? 16);
const length = count + 2;
const tokenIds = Int32Array.from({ length }, (_, i) => (i < count ? (i * 7919 + 13) % 50257 : 0));
const paddingMask = Uint8Array.from({ length }, (_, i) => Number(i < count));
const shape = [1, length];
let whole = last;
let told = 0;
await lm.generate(
  { tokenIds: { data: tokenIds, shape, dtype: 'int32' }, paddingMask: { data: paddingMask, shape, dtype: 'bool' } },
  {
    stopTokenIds: null,
    onTokens: () => {
      mark(told++ === 0 ? 'first token' : 'second token');
      if (told === 1) whole = last;
    },
  },
);

const { liveBytes, pooledBytes } = device.webgpu?.memory() ?? { liveBytes: 0, pooledBytes: 0 };
console.log(
  JSON.stringify({
    peer: 'purelm',
    workload: 'start',
    dtype,
    prompt: count,
    to_first_token_ms: Math.round(whole.ms),
    to_first_token_cpu_ms: Math.round(whole.cpu),
    parts,
    pipelines,
    load_peak_rss_mb: loadMb,
    peak_rss_mb: peakMb(),
    device_mb: Math.round((liveBytes + pooledBytes) / 2 ** 20),
    load1: load(),
  }),
);
process.exit();
