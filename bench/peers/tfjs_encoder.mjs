// Embeddings by a plain BERT in tfjs on WebGPU: one JSON line, as bench/encoder.mjs prints it.
//
// Choices from the environment: BENCH_PEERS (a folder in which @tensorflow/tfjs and @tensorflow/tfjs-backend-webgpu are
// installed), BENCH_BERT (a folder with model.safetensors and config.json), BENCH_REPS, BENCH_EMBEDDINGS. Products take their
// bias as they write (tf.fused.matMul), as tfjs's own models do; kernels are turned once, to the order that tfjs stores.
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { create, globals } from 'webgpu';
import { batch, config, ids, length, mask, readWeights, timeEmbeddings } from '../encoderCase.mjs';

// What a browser would offer.
Object.assign(globalThis, globals);
const gpu = create([]);
Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: 'node' }, configurable: true });
// tfjs 4.22 puts a list into the list of features, which browsers turn into text.
const { requestDevice } = GPUAdapter.prototype;
GPUAdapter.prototype.requestDevice = function (wanted = {}) {
  const limits = Object.entries(wanted.requiredLimits ?? {}).filter(([, value]) => value !== undefined);
  const requiredFeatures = (wanted.requiredFeatures ?? []).flat();
  return requestDevice.call(this, { ...wanted, requiredFeatures, requiredLimits: Object.fromEntries(limits) });
};

const require = createRequire(resolve(process.env.BENCH_PEERS ?? '.', 'package.json'));
const tf = require('@tensorflow/tfjs');
require('@tensorflow/tfjs-backend-webgpu');
await tf.setBackend('webgpu');
await tf.ready();
if (tf.getBackend() !== 'webgpu') throw new Error(`tfjs finds no WebGPU adapter, got ${tf.getBackend()}`);

const weights = readWeights();
const held = (name) => tf.tensor(weights[name].data, weights[name].shape);
const turned = (name) => tf.tidy(() => held(name).transpose());
const p = Object.fromEntries(
  Object.keys(weights)
    .filter((name) => !name.startsWith('pooler.'))
    .map((name) => [name, /(query|key|value|dense)\.weight$/.test(name) ? turned(name) : held(name)]),
);

const { hidden_size: width, num_attention_heads: heads, num_hidden_layers: layers, layer_norm_eps: epsilon } = config;
const norm = (name, x) => {
  const centred = x.sub(x.mean(-1, true));
  const scale = centred.square().mean(-1, true).add(epsilon).rsqrt();
  return centred.mul(scale).mul(p[`${name}.weight`]).add(p[`${name}.bias`]);
};
const dense = (name, x) => tf.fused.matMul({ a: x, b: p[`${name}.weight`], bias: p[`${name}.bias`] });
const gelu = (x) => x.mul(0.5).mul(x.mul(Math.SQRT1_2).erf().add(1));
const split = (x) => x.reshape([batch, length, heads, width / heads]).transpose([0, 2, 1, 3]);

const embed = () =>
  tf.tidy(() => {
    const real = tf.tensor2d(Float32Array.from(mask), [batch, length]);
    const hidden = real.sub(1).mul(1e9).reshape([batch, 1, 1, length]);
    const tokens = tf.gather(p['embeddings.word_embeddings.weight'], tf.tensor1d(ids, 'int32'));
    const places = p['embeddings.position_embeddings.weight'].slice([0, 0], [length, width]);
    const segments = p['embeddings.token_type_embeddings.weight'].slice([0, 0], [1, width]);
    const summed = tokens.reshape([batch, length, width]).add(places).add(segments);
    let x = norm('embeddings.LayerNorm', summed.reshape([batch * length, width]));
    for (let i = 0; i < layers; i++) {
      const at = (name) => `encoder.layer.${i}.${name}`;
      const [q, k, v] = ['query', 'key', 'value'].map((name) => split(dense(at(`attention.self.${name}`), x)));
      const scores = tf.matMul(q, k, false, true).mul((width / heads) ** -0.5);
      const z = tf
        .matMul(tf.softmax(scores.add(hidden)), v)
        .transpose([0, 2, 1, 3])
        .reshape([batch * length, width]);
      const h = norm(at('attention.output.LayerNorm'), x.add(dense(at('attention.output.dense'), z)));
      const inner = gelu(dense(at('intermediate.dense'), h));
      x = norm(at('output.LayerNorm'), h.add(dense(at('output.dense'), inner)));
    }
    const counted = real.expandDims(-1);
    const mean = x.reshape([batch, length, width]).mul(counted).sum(1).div(counted.sum(1));
    return mean.div(mean.square().sum(-1, true).sqrt());
  });

await timeEmbeddings('tfjs-webgpu', async () => {
  const embeddings = embed();
  const values = await embeddings.data();
  embeddings.dispose();
  return values;
});
// Dawn's instance must outlive its devices.
setTimeout(() => process.exit(gpu === undefined ? 1 : 0), 50);
