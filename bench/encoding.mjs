// What a decoded token costs this process besides the device's own work: `node --expose-gc --max-semi-space-size=256
// bench/encoding.mjs`, after `npm run build`. BENCH_PRESET is a folder or an id (default gpt2_tiny_en), BENCH_DECODE the
// tokens of a short run; a long one has twice as many. One JSON line: JavaScript's time to encode a step and to submit it (of
// the fastest too, since other threads take the core away); calls that make objects of WebGPU, and bytes of JavaScript's
// heap, by token, where what a run costs once is left out.
import { CausalLM, getDevice } from '../dist/index.js';
import { timed } from '../dist/internals.js';
import { load } from './figures.mjs';

const tokens = Number(process.env.BENCH_DECODE ?? 32);
const preset = process.env.BENCH_PRESET ?? 'gpt2_tiny_en';
const device = await getDevice('webgpu');
const gpu = device.webgpu.device;
const lm = await timed(await CausalLM.fromPreset(preset, { preprocessor: null, device }));

/** Calls by name while they are counted, and times by name. */
const calls = new Map();
const times = { encode: [], submit: [] };
let began = 0;

const watch = (object, name, around) => {
  const plain = object[name].bind(object);
  object[name] = (...args) => {
    calls.set(name, (calls.get(name) ?? 0) + 1);
    return around === undefined ? plain(...args) : around(() => plain(...args), ...args);
  };
};

for (const name of ['createBuffer', 'createBindGroup', 'createBindGroupLayout', 'createPipelineLayout'])
  watch(gpu, name);
for (const name of ['createComputePipeline', 'createShaderModule', 'createQuerySet']) watch(gpu, name);
watch(gpu.queue, 'writeBuffer');
watch(gpu, 'createCommandEncoder', (make, { label }) => {
  const start = performance.now();
  const encoder = make();
  if (label !== 'evaluate') return encoder;
  began = start;
  watch(encoder, 'finish', (finish) => {
    const commands = finish();
    times.encode.push(performance.now() - began);
    return commands;
  });
  return encoder;
});
watch(gpu.queue, 'submit', (submit) => {
  const start = performance.now();
  submit();
  times.submit.push(performance.now() - start);
});

/** What a run of so many tokens comes to, after the first token. */
const measured = async (count) => {
  let heap = 0;
  let made = new Map();
  const { ms, cpuMs } = await lm.decode(16, count, async (work) => {
    calls.clear();
    times.encode = [];
    times.submit = [];
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    await work();
    heap = process.memoryUsage().heapUsed - before;
    made = new Map(calls);
  });
  return { ms, cpuMs, heap, made };
};

await measured(tokens);
const short = await measured(tokens);
const long = await measured(2 * tokens);
// What a run costs once is in both.
const perToken = (value) => Number(((value(long) - value(short)) / tokens).toFixed(2));
const sum = (values) => values.reduce((a, b) => a + b, 0);
/** By step: of all together, and of the fastest where each has a submission of its own. */
const micros = (values) => ({
  mean: Math.round((1000 * sum(values)) / (2 * tokens)),
  ...(values.length === 2 * tokens ? { least: Math.round(1000 * Math.min(...values)) } : {}),
});
console.log(
  JSON.stringify({
    workload: 'encoding',
    preset: preset.split('/').at(-1),
    tokens: 2 * tokens,
    submissions: times.encode.length,
    encode_us_per_step: micros(times.encode),
    submit_us_per_step: micros(times.submit),
    ms_per_token: perToken(({ ms }) => ms),
    cpu_ms_per_token: perToken(({ cpuMs }) => cpuMs),
    made_per_token: Object.fromEntries(
      [...long.made.keys()].map((name) => [name, perToken(({ made }) => made.get(name) ?? 0)]),
    ),
    heap_bytes_per_token: perToken(({ heap }) => heap),
    load1: load(),
  }),
);
process.exit();
