// Embeddings by onnxruntime-node: one JSON line, as bench/encoder.mjs prints it.
//
// Choices from the environment: BENCH_PEERS (a folder in which onnxruntime-node is installed), BENCH_BERT (a folder with the
// graphs of encoder_onnx.py), BENCH_PROVIDER ('cpu' or 'webgpu'), BENCH_GRAPH ('bert' or 'bert_fused'), BENCH_REPS,
// BENCH_EMBEDDINGS.
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { batch, folder, ids, length, mask, timeEmbeddings } from '../encoderCase.mjs';

const ort = createRequire(resolve(process.env.BENCH_PEERS ?? '.', 'package.json'))('onnxruntime-node');
const provider = process.env.BENCH_PROVIDER ?? 'cpu';
const graph = process.env.BENCH_GRAPH ?? 'bert';
const session = await ort.InferenceSession.create(join(folder, `${graph}.onnx`), {
  executionProviders: [provider],
  intraOpNumThreads: availableParallelism(),
  graphOptimizationLevel: 'all',
});
const long = (values) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [batch, length]);
await timeEmbeddings(`ort-node-${provider}${graph === 'bert' ? '' : '-fused'}`, async () => {
  const { embeddings } = await session.run({ ids: long(ids), mask: long(mask) });
  return embeddings.data;
});
process.exit(0);
