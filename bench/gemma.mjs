// Loads a model of Gemma-2-2B's shape and random bfloat16 weights (5.2 GB) through the streaming loader, and has it write ten
// tokens. Run by itself: `node bench/gemma.mjs`. Writes to BENCH_FOLDER (default: a temporary folder) and removes that file
// in the end, unless BENCH_KEEP is set. BENCH_LAYERS and BENCH_VOCABULARY make it smaller. One JSON line a workload;
// `host_mb` is what the process has resident beyond the buffers of a software adapter, which lie in the same memory.
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GemmaCausalLM, getDevice } from '../dist/index.js';
import { gemmaPresets } from '../dist/models/gemma/presets.js';
import { gemmaWeights } from '../dist/models/gemma/weightNames.js';
import { bfloat16Bits } from '../dist/tensor/dtype.js';
import { cpuMs, load, peakMb } from './figures.mjs';

const full = gemmaPresets.get('gemma2_2b_en').config;
const numLayers = Number(process.env.BENCH_LAYERS ?? full.numLayers);
const vocabularySize = Number(process.env.BENCH_VOCABULARY ?? full.vocabularySize);
const config = { ...full, numLayers, vocabularySize, slidingLayers: full.slidingLayers.slice(0, numLayers) };
const tokens = Number(process.env.BENCH_TOKENS ?? 10);
const prompt = 16;

const folder = process.env.BENCH_FOLDER ?? mkdtempSync(join(tmpdir(), 'purelm-bench-'));
const file = join(folder, 'model.safetensors');

/** Roughly normal numbers as bfloat16, one piece after another of a pool that is drawn once. */
const pool = (() => {
  const out = new Uint16Array(2 ** 22);
  let state = 1;
  for (let i = 0; i < out.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const sum = (state & 255) + ((state >>> 8) & 255) + ((state >>> 16) & 255) + (state >>> 24);
    out[i] = bfloat16Bits(((sum - 510) / 147.8) * 0.02);
  }
  return new Uint8Array(out.buffer);
})();

const write = () => {
  mkdirSync(folder, { recursive: true });
  const settings = {
    model_type: 'gemma2',
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenDim,
    intermediate_size: config.intermediateDim / 2,
    num_hidden_layers: config.numLayers,
    num_attention_heads: config.numQueryHeads,
    num_key_value_heads: config.numKeyValueHeads,
    head_dim: config.headDim,
    query_pre_attn_scalar: config.headDim,
    sliding_window: config.slidingWindowSize,
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(settings));
  const header = {};
  let end = 0;
  for (const { sources } of gemmaWeights(config).entries) {
    const { name, shape } = sources.transformers;
    const start = end;
    end += 2 * shape.reduce((a, b) => a * b, 1);
    header[`model.${name}`] = { dtype: 'BF16', shape, data_offsets: [start, end] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const out = openSync(file, 'w');
  writeSync(out, length);
  writeSync(out, json);
  // An odd stride through the pool, so that tensors differ.
  for (let written = 0, from = 0; written < end; from = (from + 2 * 1_234_577) % pool.length) {
    const piece = pool.subarray(from, from + Math.min(pool.length - from, end - written));
    writeSync(out, piece);
    written += piece.length;
  }
  closeSync(out);
  return end;
};

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
  const isThere = existsSync(file);
  const bytes = isThere ? undefined : write();
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
  if (process.env.BENCH_KEEP === undefined) rmSync(file, { force: true });
}
process.exit();
