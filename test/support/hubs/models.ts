import { createHash } from 'node:crypto';
import type { Files, Model, Repo } from './server.ts';

/** Bytes that look like noise: the same for the same seed. */
export const noise = (size: number, seed: string): Uint8Array => {
  const bytes = new Uint8Array(size);
  for (let at = 0, i = 0; at < size; i++) {
    const block = createHash('sha256').update(`${seed} ${i}`).digest();
    bytes.set(block.subarray(0, Math.min(32, size - at)), at);
    at += 32;
  }
  return bytes;
};

/** A preset in KerasHub's layout, with weights of so many bytes, and things beside them that nobody needs. */
export const kerasFiles = (size: number, seed = 'keras'): Files => ({
  'README.md': `# ${seed}\n`,
  'assets/tokenizer/merges.txt': 'a b\n',
  'assets/tokenizer/vocabulary.json': `{"a": 0, "seed": "${seed}"}`,
  'config.json': JSON.stringify({ registered_name: 'keras_hub>GPT2Backbone', config: { seed } }),
  'metadata.json': '{}',
  'model.weights.h5': noise(size, seed),
  'preprocessor.json': '{}',
  'task.json': '{}',
  'tokenizer.json': JSON.stringify({ seed }),
});

/** A preset in transformers' layout, with two shards, and the same weights in other formats. */
export const transformersFiles = (size: number, seed = 'transformers'): Files => ({
  'README.md': `# ${seed}\n`,
  'config.json': JSON.stringify({ model_type: 'gpt2', seed }),
  'flax_model.msgpack': noise(100, 'flax'),
  'generation_config.json': '{}',
  'model-00001-of-00002.safetensors': noise(size, `${seed} 1`),
  'model-00002-of-00002.safetensors': noise(size + 1, `${seed} 2`),
  'model.safetensors.index.json': JSON.stringify({
    weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' },
  }),
  'onnx/model.onnx': noise(100, 'onnx'),
  'pytorch_model.bin': noise(100, 'bin'),
  'tokenizer.json': '{}',
});

/** What of `kerasFiles` is wanted. */
export const wantedOfKeras = [
  'assets/tokenizer/merges.txt',
  'assets/tokenizer/vocabulary.json',
  'config.json',
  'metadata.json',
  'model.weights.h5',
  'preprocessor.json',
  'task.json',
  'tokenizer.json',
];

/** The repositories that most tests use. */
export const exampleRepos = (size: number): Readonly<Record<string, Repo>> => ({
  'keras/gpt2_base_en': { files: kerasFiles(size) },
  'keras/gemma_2b_en': { files: kerasFiles(size, 'gemma'), access: 'terms' },
  'someone/gpt2': {
    files: transformersFiles(size),
    branches: {
      'refs/pr/1': transformersFiles(size, 'pr'),
      v1: { ...transformersFiles(size), 'config.json': '{"model_type":"gpt2"}' },
    },
  },
  'someone/hidden': { files: kerasFiles(size, 'hidden'), access: 'hidden' },
  'someone/pickled': { files: { 'config.json': '{"model_type":"gpt2"}', 'pytorch_model.bin': 'x' } },
  'someone/nothing': { files: { 'README.md': 'x' } },
  gpt2: { files: transformersFiles(size, 'bare') },
});

/** The Kaggle models that most tests use. */
export const exampleModels = (size: number): Readonly<Record<string, Model>> => ({
  'keras/gpt2/keras/gpt2_base_en': { versions: { 2: kerasFiles(size, 'two'), 3: kerasFiles(size, 'three') } },
  'keras/gemma/keras/gemma_2b_en': { versions: { 3: kerasFiles(size, 'gemma') }, access: 'terms' },
});
