// Training steps as one process: one JSON line a workload. Reads its choices from the environment: BENCH_PRESET (a folder;
// left out: seeded random weights of GPT-2-small's shape), BENCH_TRAIN ('small,tiny'), BENCH_STEPS (timed steps),
// BENCH_NAME.
import { fileURLToPath } from 'node:url';
import { GPT2Backbone, GPT2CausalLM, getDevice } from '../dist/index.js';
import { bufferFigures, countBufferBytes } from './bufferBytes.mjs';
import { cpuMs, load, median, peakMb } from './figures.mjs';

const name = process.env.BENCH_NAME ?? 'purelm';
const only = (process.env.BENCH_TRAIN ?? 'small,tiny').split(',');
const timed = Number(process.env.BENCH_STEPS ?? 3);
const shapes = { small: { batch: 2, length: 128 }, tiny: { batch: 16, length: 128 } };

const emit = (workload, figures) =>
  console.log(JSON.stringify({ peer: name, workload, ...figures, peak_rss_mb: peakMb(), load1: load() }));

const device = await getDevice('webgpu');
const bytes = countBufferBytes(device.webgpu.device);
const withoutDropout = async (preset) => {
  const { config, params } = await GPT2Backbone.fromPreset(preset, { device });
  return GPT2Backbone({ ...config, dropout: 0 }).withParams(params);
};
const models = {
  small: () =>
    process.env.BENCH_PRESET === undefined
      ? GPT2Backbone({
          vocabularySize: 50257,
          numLayers: 12,
          numHeads: 12,
          hiddenDim: 768,
          intermediateDim: 3072,
          maxSequenceLength: 1024,
          dropout: 0,
        })
      : withoutDropout(process.env.BENCH_PRESET),
  tiny: () => withoutDropout(fileURLToPath(new URL('../presets/gpt2_tiny_en', import.meta.url))),
};

for (const shape of only) {
  const backbone = await models[shape]();
  const { batch, length } = shapes[shape];
  const lm = GPT2CausalLM({ backbone, preprocessor: null });
  // The ids of the inference benchmarks; what comes next is what is learnt.
  const row = (b) =>
    Array.from({ length: length + 1 }, (_, i) => ((b * 131 + i) * 7919 + 13) % backbone.model.vocabularySize);
  const rows = Array.from({ length: batch }, (_, b) => row(b));
  const runs = [];
  const cpu = [];
  let first;
  let before = performance.now();
  let beforeCpu = cpuMs();
  const { history } = await lm.fit(
    { tokenIds: rows.map((ids) => ids.slice(0, -1)) },
    {
      y: rows.map((ids) => ids.slice(1)),
      batchSize: batch,
      epochs: timed + 1,
      onProgress: ({ epoch }) => {
        const now = performance.now();
        const nowCpu = cpuMs();
        if (epoch === 0) first = now - before;
        else {
          runs.push(Number((now - before).toFixed(1)));
          cpu.push(Math.round(nowCpu - beforeCpu));
        }
        before = now;
        beforeCpu = nowCpu;
      },
    },
  );
  const ms = median(runs);
  emit(`train_${shape}_${batch}x${length}`, {
    ms,
    tok_s: Number(((1000 * batch * length) / ms).toFixed(1)),
    cpu_ms: median(cpu),
    runs,
    first_ms: Number(first.toFixed(1)),
    losses: history.loss.map((value) => Number(value.toFixed(5))),
    ...bufferFigures(bytes),
  });
}
process.exit(0);
