// @ts-check
// What every runtime of the encoder timings embeds, and how it reports.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpuMs, load, median, peakMb } from './figures.mjs';

/** The folder of the weights, with model.safetensors and config.json. */
export const folder = process.env.BENCH_BERT ?? '';
export const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
export const batch = 8;
export const length = 128;

/** Token ids, `[batch, length]`. */
export const ids = Int32Array.from(
  { length: batch * length },
  (_, at) => ((Math.floor(at / length) * 131 + (at % length)) * 7919 + 13) % config.vocab_size,
);

/** Which places are real: all, but for the last 28 of the last row, so that nobody gets by without a mask. */
export const mask = Int32Array.from({ length: batch * length }, (_, at) => Number(at < batch * length - 28));

/** The tensors of a safetensors file of float32 numbers, by name. */
export const readWeights = () => {
  const file = readFileSync(join(folder, 'model.safetensors'));
  const start = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__: _, ...head } = JSON.parse(file.toString('utf8', 8, start));
  /** @type {Record<string, { shape: number[], data: Float32Array }>} */
  const tensors = {};
  for (const [name, entry] of Object.entries(head)) {
    const [from, to] = entry.data_offsets;
    const data = new Float32Array(file.buffer.slice(file.byteOffset + start + from, file.byteOffset + start + to));
    tensors[name] = { shape: entry.shape, data };
  }
  return tensors;
};

/**
 * Times a runtime after a pass that is not counted, keeps what it embedded for comparison, and prints its line.
 *
 * @param {string} peer
 * @param {() => Promise<ArrayLike<number>>} embed - From ids on the host to embeddings on the host.
 */
export const timeEmbeddings = async (peer, embed) => {
  const runs = [];
  const cpu = [];
  /** @type {ArrayLike<number>} */
  let embeddings = [];
  for (let run = 0; run <= Number(process.env.BENCH_REPS ?? 3); run++) {
    const before = performance.now();
    const beforeCpu = cpuMs();
    embeddings = await embed();
    runs.push(Number((performance.now() - before).toFixed(1)));
    cpu.push(Math.round(cpuMs() - beforeCpu));
  }
  if (process.env.BENCH_EMBEDDINGS !== undefined)
    writeFileSync(join(process.env.BENCH_EMBEDDINGS, `${peer}.f32`), Float32Array.from(embeddings));
  const [first_ms, ...timed] = runs;
  const ms = median(timed) ?? 0;
  const figures = {
    ms,
    embeddings_s: Number(((1000 * batch) / ms).toFixed(3)),
    cpu_ms: median(cpu.slice(1)),
    runs: timed,
    first_ms,
    peak_rss_mb: peakMb(),
    load1: load(),
  };
  console.log(JSON.stringify({ peer, workload: `bert_base_${batch}x${length}`, ...figures }));
};
