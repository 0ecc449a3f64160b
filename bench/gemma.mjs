// Loads a model of Gemma-2-2B's shape and random bfloat16 weights (5.2 GB) through the streaming loader, and has it write ten
// tokens. Run by itself: `node bench/gemma.mjs`. Writes to BENCH_FOLDER (default: a temporary folder) and removes that file
// in the end, unless BENCH_KEEP is set. BENCH_LAYERS and BENCH_VOCABULARY make it smaller. One JSON line a workload;
// `host_mb` is what the process has resident beyond the buffers of a software adapter, which lie in the same memory.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GemmaCausalLM, getDevice } from '../dist/index.js';
import { cpuMs, load, peakMb } from './figures.mjs';
import { config, weightsFile, writeGemma } from './gemmaFolder.mjs';

const { vocabularySize } = config;
const tokens = Number(process.env.BENCH_TOKENS ?? 10);
const prompt = 16;

const folder = process.env.BENCH_FOLDER ?? mkdtempSync(join(tmpdir(), 'purelm-bench-'));

const emit = (workload, figures) => console.log(JSON.stringify({ workload, ...figures, load1: load() }));
const deviceMb = (device) => {
  const { liveBytes, pooledBytes } = device.webgpu.memory();
  return Math.round((liveBytes + pooledBytes) / 2 ** 20);
};
const memory = (device) => ({
  peak_rss_mb: peakMb(),
  device_mb: deviceMb(device),
  host_mb: peakMb() - deviceMb(device),
});

try {
  const began = performance.now();
  const bytes = writeGemma(folder);
  emit('write', { ms: Math.round(performance.now() - began), ...(bytes === undefined ? {} : { bytes }) });

  const device = await getDevice('webgpu');
  const [start, cpu] = [performance.now(), cpuMs()];
  let loaded = 0;
  const lm = await GemmaCausalLM.fromPreset(folder, {
    device,
    preprocessor: null,
    onProgress: (progress) => {
      loaded = progress.loaded;
    },
  });
  await device.evaluate([lm.params.finalNormalization.scale]);
  emit('load', {
    adapter: device.name,
    params: lm.backbone.countParams(),
    bytes: loaded,
    ms: Math.round(performance.now() - start),
    cpu_ms: Math.round(cpuMs() - cpu),
    ...memory(device),
  });

  const width = prompt + tokens;
  const tokenIds = [Array.from({ length: width }, (_, i) => (i < prompt ? (i * 7919 + 13) % vocabularySize : 0))];
  const paddingMask = [Array.from({ length: width }, (_, i) => i < prompt)];
  for (const run of ['first', 'second']) {
    const [from, cpuFrom] = [performance.now(), cpuMs()];
    const result = await lm.generate({ tokenIds, paddingMask }, { stopTokenIds: null });
    emit(`ten_tokens_${run}`, {
      ms: Math.round(performance.now() - from),
      cpu_ms: Math.round(cpuMs() - cpuFrom),
      tokens,
      ids: [...result.tokenIds.data].slice(prompt),
      ...memory(device),
    });
  }
} finally {
  if (process.env.BENCH_KEEP === undefined) rmSync(weightsFile(folder), { force: true });
}
process.exit();
