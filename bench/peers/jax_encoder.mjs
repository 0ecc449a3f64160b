// Embeddings by a plain BERT in jax-js on WebGPU, one function under jit: one JSON line, as bench/encoder.mjs prints it.
//
// Choices from the environment: BENCH_PEERS (a folder in which @jax-js/jax is installed), BENCH_BERT (a folder with
// model.safetensors and config.json), BENCH_REPS, BENCH_EMBEDDINGS.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { create, globals } from 'webgpu';
import { batch, config, ids, length, mask, readWeights, timeEmbeddings } from '../encoderCase.mjs';

// What a browser would offer.
Object.assign(globalThis, globals);
const gpu = create([]);
Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: 'node' }, configurable: true });

const installed = resolve(process.env.BENCH_PEERS ?? '.', 'node_modules/@jax-js/jax');
const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
const jax = await import(pathToFileURL(join(installed, exports['.'].import)).href);
const { numpy: np, nn, tree } = jax;
if (!(await jax.init('webgpu')).includes('webgpu')) throw new Error('jax-js finds no WebGPU adapter');
jax.defaultDevice('webgpu');

const array = (data, shape, dtype = np.float32) => np.array(data, { shape, dtype });
const weights = Object.fromEntries(
  Object.entries(readWeights())
    .filter(([name]) => !name.startsWith('pooler.'))
    .map(([name, { data, shape }]) => [name, array(data, shape)]),
);
const { hidden_size: width, num_attention_heads: heads, num_hidden_layers: layers, layer_norm_eps: epsilon } = config;

// Every array handed on is used up, so what is used again goes by `ref`.
const embed = jax.jit((p, tokenIds, real) => {
  const norm = (name, x) => nn.standardize(x, -1, { epsilon }).mul(p[`${name}.weight`]).add(p[`${name}.bias`]);
  const dense = (name, x) => np.matmul(x, np.transpose(p[`${name}.weight`])).add(p[`${name}.bias`]);
  const split = (x) => np.transpose(x.reshape([batch, length, heads, width / heads]), [0, 2, 1, 3]);
  const tokens = np.take(p['embeddings.word_embeddings.weight'], tokenIds, 0).reshape([batch, length, width]);
  const places = p['embeddings.position_embeddings.weight'].slice([0, length]);
  const segments = p['embeddings.token_type_embeddings.weight'].slice([0, 1]);
  const hidden = real.ref.sub(1).mul(1e9).reshape([batch, 1, 1, length]);
  let x = norm(
    'embeddings.LayerNorm',
    tokens
      .add(places)
      .add(segments)
      .reshape([batch * length, width]),
  );
  for (let i = 0; i < layers; i++) {
    const at = (name) => `encoder.layer.${i}.${name}`;
    const [q, k, v] = ['query', 'key', 'value'].map((name) => split(dense(at(`attention.self.${name}`), x.ref)));
    const scores = np.matmul(q, np.transpose(k, [0, 1, 3, 2])).mul((width / heads) ** -0.5);
    const pattern = nn.softmax(scores.add(hidden.ref), -1);
    const z = np.transpose(np.matmul(pattern, v), [0, 2, 1, 3]).reshape([batch * length, width]);
    const h = norm(at('attention.output.LayerNorm'), x.add(dense(at('attention.output.dense'), z)));
    const inner = nn.gelu(dense(at('intermediate.dense'), h.ref), { approximate: false });
    x = norm(at('output.LayerNorm'), h.add(dense(at('output.dense'), inner)));
  }
  hidden.dispose();
  const counted = real.reshape([batch, length, 1]);
  const summed = x.reshape([batch, length, width]).mul(counted).sum(1);
  // The mean's divisor goes with the length.
  return summed.ref.div(np.sqrt(summed.ref.mul(summed).sum(-1, { keepdims: true })));
});

await timeEmbeddings('jax-js-webgpu', async () => {
  const tokenIds = array(ids, [batch * length], np.int32);
  return embed(tree.ref(weights), tokenIds, array(Float32Array.from(mask), [batch, length])).data();
});
// Dawn's instance must outlive its devices.
setTimeout(() => process.exit(gpu === undefined ? 1 : 0), 50);
