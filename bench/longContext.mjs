// What long texts cost: `node bench/longContext.mjs`, after `npm run build`. A GPT-2 of 4 layers, 256 wide, with random weights
// and 4,096 places. Each case has a process of its own, and prints rows and then one JSON line:
//   decode   processor time of a token by its place, from 16 to 4,096 in one generation; in windows of 256 places
//   cache    processor time of a token at 84 to 116, in a cache of 128 places and in one of 4,096, in turn
//   whole, pieces   a prompt of 4,000 tokens read at once, and in pieces: time, and peaks of memory
// BENCH_ONLY names some cases, BENCH_REPS how often cases in turn go round (default 5).
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bufferFigures, countBufferBytes } from './bufferBytes.mjs';
import { cpuMs, load, median, peakMb } from './figures.mjs';

const PLACES = 4096;
const PROMPT = 4000;
const WINDOW = 256;
const cases = ['decode', 'cache', 'whole', 'pieces'];
const only = process.env.BENCH_ONLY?.split(',') ?? cases;
const reps = Number(process.env.BENCH_REPS ?? 5);
const [asked] = process.argv.slice(2);

const two = (value) => Number(value.toFixed(2));
/** Of several times the least, which other load disturbs least, and the middle one. */
const ofTimes = (values) => ({ least: two(Math.min(...values)), median: two(median(values)) });
const emit = (figures) => console.log(JSON.stringify({ workload: asked, ...figures, load1: load() }));

if (asked === undefined) {
  const tokens = new Set();
  for (const name of only) {
    if (!cases.includes(name)) throw new Error(`BENCH_ONLY: expected some of ${cases.join(', ')}, got ${name}`);
    const told = execFileSync(process.execPath, [fileURLToPath(import.meta.url), name], {
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
    });
    process.stdout.write(told);
    const { token } = JSON.parse(told.trim().split('\n').at(-1));
    if (token !== undefined) tokens.add(token);
  }
  if (tokens.size > 1) throw new Error(`expected one token after the prompt, got ${[...tokens].join(' and ')}`);
  process.exit();
}

const { getDevice, GPT2CausalLM, GPT2Backbone } = await import('../dist/index.js');
const { generateTokens, heldParams } = await import('../dist/internals.js');

const device = await getDevice('webgpu');
const lm = GPT2CausalLM({
  backbone: GPT2Backbone({
    vocabularySize: 2048,
    numLayers: 4,
    numHeads: 4,
    hiddenDim: 256,
    intermediateDim: 1024,
    maxSequenceLength: PLACES,
    seed: 1,
  }),
}).compile({ sampler: 'greedy' });
const { model } = lm.backbone;
const params = await heldParams(device, lm.params);

/** Tokens after a prompt of `count` in rows of `length`. */
const run = (count, length, piece) => {
  const tokenIds = new Int32Array(length);
  for (let i = 0; i < count; i++) tokenIds[i] = (i * 7919 + 13) % model.vocabularySize;
  const paddingMask = new Uint8Array(length).fill(1, 0, count);
  return generateTokens({
    device,
    model,
    params,
    sampler: lm.sampler,
    prompt: { tokenIds, paddingMask, batch: 1, length },
    stopTokenIds: null,
    keys: Int32Array.of(0, 0),
    ...(piece === undefined ? {} : { piece }),
  });
};

/** Processor time of a token from place `from` to `to`, in a cache of `length` places. */
const perToken = async (from, to, length) => {
  const steps = run(from, length);
  await steps.next();
  const cpu = cpuMs();
  let end = from + 1;
  while (end < to) ({ end } = (await steps.next()).value);
  const taken = (cpuMs() - cpu) / (end - from - 1);
  await steps.return();
  return taken;
};

/** Several measurements in turn, after one of each that does not count. */
const inTurn = async (measures) => {
  const all = measures.map(() => []);
  for (let rep = 0; rep <= reps; rep++)
    for (const [i, measure] of measures.entries()) {
      const taken = await measure();
      if (rep > 0) all[i].push(taken);
    }
  return all;
};

if (asked === 'decode') {
  await perToken(16, 48, PLACES);
  const windows = Array.from({ length: PLACES / WINDOW }, () => ({ cpus: [], clocks: [] }));
  const steps = run(16, PLACES);
  await steps.next();
  let [last, cpu, ms] = [17, cpuMs(), performance.now()];
  const began = ms;
  for (let next = await steps.next(); ; next = await steps.next()) {
    const { end } = next.value;
    const [cpuNow, now] = [cpuMs(), performance.now()];
    // The end is told a second time.
    if (end > last) {
      const { cpus, clocks } = windows[Math.floor((end - 1) / WINDOW)];
      cpus.push((cpuNow - cpu) / (end - last));
      clocks.push((now - ms) / (end - last));
    }
    [last, cpu, ms] = [end, cpuNow, now];
    if (next.done) break;
  }
  const rows = windows.map(({ cpus, clocks }, i) => ({
    to: (i + 1) * WINDOW,
    cpu_ms: ofTimes(cpus),
    ms: ofTimes(clocks),
  }));
  console.log('places to   processor ms a token: least, median   clock: least, median');
  for (const { to, cpu_ms: own, ms: clock } of rows)
    console.log(
      `${String(to).padEnd(12)}${own.least.toFixed(2).padEnd(8)}${own.median.toFixed(2).padEnd(28)}${clock.least.toFixed(2).padEnd(8)}${clock.median.toFixed(2)}`,
    );
  emit({ total_s: two((performance.now() - began) / 1000), rows });
}

if (asked === 'cache') {
  const lengths = [128, PLACES];
  const all = await inTurn(lengths.map((length) => () => perToken(84, 116, length)));
  const rows = all.map((taken, i) => ({ cache: lengths[i], cpu_ms: ofTimes(taken) }));
  for (const { cache, cpu_ms: own } of rows)
    console.log(`cache of ${cache}: processor ms a token ${own.least} at least, median ${own.median}`);
  emit({ rows });
}

if (asked === 'whole' || asked === 'pieces') {
  const live = device.webgpu.memory().liveBytes;
  const bytes = countBufferBytes(device.webgpu.device);
  const piece = asked === 'whole' ? PLACES : undefined;
  const [ms, cpu] = [performance.now(), cpuMs()];
  const steps = run(PROMPT, PROMPT + 8, piece);
  const { tokenIds } = (await steps.next()).value;
  const figures = {
    first_ms: Math.round(performance.now() - ms),
    first_cpu_ms: Math.round(cpuMs() - cpu),
    weights_mb: Math.round(live / 2 ** 20),
    ...bufferFigures(bytes),
    peak_rss_mb: peakMb(),
    token: tokenIds[PROMPT],
  };
  await steps.return();
  const again = [];
  for (let rep = 0; rep < Math.min(1, reps); rep++) {
    const start = cpuMs();
    const repeated = run(PROMPT, PROMPT + 8, piece);
    const { tokenIds: own } = (await repeated.next()).value;
    again.push(cpuMs() - start);
    if (own[PROMPT] !== figures.token)
      throw new Error('expected the token of the run before: these timings would mean nothing');
    await repeated.return();
  }
  console.log(
    `prompt of ${PROMPT}, ${asked}: ${Math.round(Math.min(...again))} ms of the processor; device ${figures.device_peak_mb} MB beside weights of ${figures.weights_mb}, resident ${figures.peak_rss_mb} MB; token ${figures.token}`,
  );
  emit({ ...figures, cpu_ms: ofTimes(again) });
}

process.exit();
