// Embeddings by TextEmbedder as one process: one JSON line. Started by run.mjs; reads its choices from the environment:
// BENCH_BERT (a preset folder), BENCH_REPS (timed passes), BENCH_EMBEDDINGS (a folder for what came out), BENCH_NAME.
import { getDevice, TextEmbedder } from '../dist/index.js';
import { batch, folder, ids, length, mask, timeEmbeddings } from './encoderCase.mjs';

const device = await getDevice('webgpu');
const embedder = await TextEmbedder.fromPreset(folder, { preprocessor: null, device });
const rows = (values) => Array.from({ length: batch }, (_, row) => values.subarray(row * length, (row + 1) * length));
const inputs = {
  tokenIds: rows(ids).map((row) => Array.from(row)),
  paddingMask: rows(mask).map((row) => Array.from(row, Boolean)),
};
await timeEmbeddings(
  process.env.BENCH_NAME ?? 'purelm',
  async () => (await embedder.encodeText(inputs, { batchSize: batch })).data,
);
process.exit(0);
