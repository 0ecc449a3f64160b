// A model of Gemma-2-2B's shape with random bfloat16 weights, as a folder in transformers' layout: one file of 5.2 GB.
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { bfloat16Bits } from '../dist/internals.js';
import { gemmaPresets, gemmaWeights } from '../dist/models/index.js';

const full = gemmaPresets.get('gemma2_2b_en').config;
const numLayers = Number(process.env.BENCH_LAYERS ?? full.numLayers);
const vocabularySize = Number(process.env.BENCH_VOCABULARY ?? full.vocabularySize);

/** Its config; BENCH_LAYERS and BENCH_VOCABULARY make it smaller. */
export const config = { ...full, numLayers, vocabularySize, slidingLayers: full.slidingLayers.slice(0, numLayers) };

/** The file of the weights. */
export const weightsFile = (folder) => join(folder, 'model.safetensors');

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

/** Writes the model to a folder, unless its file is there. Returns the bytes written. */
export const writeGemma = (folder) => {
  if (existsSync(weightsFile(folder))) return undefined;
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
  const out = openSync(weightsFile(folder), 'w');
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
