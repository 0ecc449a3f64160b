// Folders of weights that every runtime reads alike: model.safetensors by transformers' names, and config.json.
import { copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GPT2Backbone, getDevice } from '../dist/index.js';
import { bertWeights, gpt2Weights } from '../dist/models/index.js';
import { writeSafetensors } from '../dist/weights/index.js';

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

/** Whole or not at all: that the file is there means that it is done. */
const write = async (folder, settings, tensors) => {
  writeFileSync(join(folder, 'config.json'), JSON.stringify(settings));
  const result = await writeSafetensors(join(folder, 'model.safetensors'), tensors)();
  if (result._tag === 'Left') throw new Error(result.left.message);
};

const float32 = (name, shape, data) => ({ name, shape, dtype: 'float32', data: new Uint8Array(data.buffer) });

const cached = (name) => join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'purelm', 'bench', name);

/** The folder of a random GPT-2-small, written once. */
export const randomPreset = async () => {
  const folder = cached('gpt2-small');
  if (!existsSync(join(folder, 'model.safetensors'))) {
    mkdirSync(folder, { recursive: true });
    console.error('bench: writing a random GPT-2-small (500 MB, once)');
    const tensors = Object.entries(shapes()).map(([name, shape], i) => {
      const count = shape.reduce((a, b) => a * b, 1);
      const isGain = /ln_\w+\.weight$/.test(name);
      const data = randomWeights(count, 0.02, i + 1);
      if (isGain) for (let j = 0; j < count; j++) data[j] += 1;
      return float32(name, shape, data);
    });
    await write(folder, config, tensors);
  }
  return folder;
};

/** BERT-base's sizes, as transformers writes them. */
const bertBase = {
  model_type: 'bert',
  architectures: ['BertModel'],
  vocab_size: 30522,
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  hidden_act: 'gelu',
  max_position_embeddings: 512,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  pad_token_id: 0,
};

/**
 * The folder of a random BERT-base without a vocabulary, written once. Kernels are twice as wide as at the start of a
 * training, and gains and offsets are not 1 and 0, so that embeddings of different texts differ.
 */
export const randomBert = async (folder = cached('bert-base'), settings = bertBase) => {
  if (!existsSync(join(folder, 'model.safetensors'))) {
    mkdirSync(folder, { recursive: true });
    console.error('bench: writing a random BERT (438 MB for BERT-base, once)');
    const { entries } = bertWeights({
      vocabularySize: settings.vocab_size,
      maxSequenceLength: settings.max_position_embeddings,
      numSegments: settings.type_vocab_size,
      hiddenDim: settings.hidden_size,
      intermediateDim: settings.intermediate_size,
      numLayers: settings.num_hidden_layers,
      numHeads: settings.num_attention_heads,
    });
    const tensors = entries.map(({ sources: { transformers } }, i) => {
      const { name, shape } = transformers;
      const count = shape.reduce((a, b) => a * b, 1);
      const data = randomWeights(count, 0.04, i + 1);
      if (name.endsWith('LayerNorm.weight')) for (let j = 0; j < count; j++) data[j] += 1;
      return float32(name, shape, data);
    });
    await write(folder, settings, tensors);
  }
  return folder;
};

/** A preset folder around somebody's weights.safetensors. */
export const presetAround = (data) => {
  const folder = mkdtempSync(join(tmpdir(), 'purelm-bench-'));
  const [from, to] = [resolve(data, 'weights.safetensors'), join(folder, 'model.safetensors')];
  // A link that leads out of a preset's folder is refused; a second name for the file is none.
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  return folder;
};

/** The shipped preset by transformers' names, for runtimes that know no other. */
export const tinyPreset = async () => {
  const shipped = fileURLToPath(new URL('../presets/gpt2_tiny_en', import.meta.url));
  const device = await getDevice('reference');
  const { config: own, params } = await GPT2Backbone.fromPreset(shipped, { device });
  const { entries } = gpt2Weights(own);
  const values = await device.evaluate(entries.map(({ path }) => path.reduce((tree, step) => tree[step], params)));
  const stored = new Map();
  entries.forEach(({ sources: { transformers } }, i) => {
    const { name, shape, part } = transformers;
    const count = shape.reduce((a, b) => a * b, 1);
    const whole = stored.get(name) ?? { shape, data: new Float32Array(count) };
    stored.set(name, whole);
    const columns = shape.at(-1);
    const { start: first = 0, end = columns } = part.slice ?? {};
    const each = end - first;
    const { data } = values[i];
    for (let row = 0; row < count / columns; row++)
      whole.data.set(data.subarray(row * each, (row + 1) * each), row * columns + first);
  });
  const folder = mkdtempSync(join(tmpdir(), 'purelm-bench-'));
  const settings = {
    ...config,
    vocab_size: own.vocabularySize,
    n_positions: own.maxSequenceLength,
    n_embd: own.hiddenDim,
    n_inner: own.intermediateDim,
    n_layer: own.numLayers,
    n_head: own.numHeads,
    layer_norm_epsilon: own.layerNormEpsilon,
  };
  await write(
    folder,
    settings,
    [...stored].map(([name, { shape, data }]) => float32(name, shape, data)),
  );
  return folder;
};
