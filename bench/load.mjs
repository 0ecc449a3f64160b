// How fast a checkpoint of 5.2 GB comes to the device, beside what the disk and the copy to the device can do:
// `node bench/load.mjs`. The folder is `bench/gemma.mjs`'s, and BENCH_FOLDER, BENCH_KEEP, BENCH_LAYERS and BENCH_VOCABULARY mean
// the same. BENCH_COLD=1 (as root, on Linux) has the system forget the file before each reading. One JSON line a workload:
// `read` reads the file in pieces and drops them, `upload` writes as many bytes of one array into buffers of the tensors' sizes,
// `load` is `fromPreset`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GemmaCausalLM, getDevice } from '../dist/index.js';
import { openSafetensors } from '../dist/weights/index.js';
import { cpuMs, load, peakMb } from './figures.mjs';
import { weightsFile, writeGemma } from './gemmaFolder.mjs';

const folder = process.env.BENCH_FOLDER ?? mkdtempSync(join(tmpdir(), 'purelm-bench-'));
const file = weightsFile(folder);
const rounds = Number(process.env.BENCH_ROUNDS ?? 2);
const isCold = process.env.BENCH_COLD === '1';
const PIECE = 4 * 2 ** 20;

/** Times a piece of work that moves bytes, and says so. */
const timed = async (workload, work) => {
  if (isCold && workload !== 'upload') writeFileSync('/proc/sys/vm/drop_caches', '3');
  const [start, cpu] = [performance.now(), cpuMs()];
  const { bytes, ...figures } = await work();
  const ms = performance.now() - start;
  console.log(
    JSON.stringify({
      workload: isCold && workload !== 'upload' ? `${workload}_cold` : workload,
      bytes,
      ms: Math.round(ms),
      gb_s: Math.round(bytes / ms / 1e4) / 100,
      cpu_ms: Math.round(cpuMs() - cpu),
      peak_rss_mb: peakMb(),
      ...figures,
      load1: load(),
    }),
  );
};

const read = async () => {
  const handle = await open(file);
  const { size } = await handle.stat();
  const piece = new Uint8Array(PIECE);
  for (let start = 0; start < size; start += PIECE) await handle.read(piece, 0, PIECE, start);
  await handle.close();
  return { bytes: size };
};

const upload = async (device) => {
  const gpu = device.webgpu.device;
  const { right } = await openSafetensors(file)();
  const piece = new Uint8Array(PIECE).fill(1);
  const buffers = [];
  let bytes = 0;
  for (const { byteLength } of right.tensors.values()) {
    const buffer = gpu.createBuffer({ size: Math.ceil(byteLength / 4) * 4, usage: 0x80 | 0x8 });
    buffers.push(buffer);
    for (let start = 0; start < byteLength; start += PIECE)
      gpu.queue.writeBuffer(buffer, start, piece, 0, Math.min(PIECE, byteLength - start));
    bytes += byteLength;
    if (bytes % 2 ** 28 < byteLength) await gpu.queue.onSubmittedWorkDone();
  }
  await gpu.queue.onSubmittedWorkDone();
  await right.close();
  for (const buffer of buffers) buffer.destroy();
  await gpu.queue.onSubmittedWorkDone();
  return { bytes };
};

const loadModel = async (device) => {
  let bytes = 0;
  const lm = await GemmaCausalLM.fromPreset(folder, {
    device,
    preprocessor: null,
    onProgress: (progress) => {
      bytes = progress.loaded;
    },
  });
  await device.evaluate([lm.params.finalNormalization.scale]);
  const { liveBytes, pooledBytes } = device.webgpu.memory();
  const deviceMb = Math.round((liveBytes + pooledBytes) / 2 ** 20);
  return { bytes, device_mb: deviceMb, host_mb: peakMb() - deviceMb };
};

try {
  writeGemma(folder);
  const device = await getDevice('webgpu');
  const only = process.env.BENCH_ONLY;
  if (only !== 'load')
    for (let round = 0; round < rounds; round++) {
      await timed('read', read);
      await timed('upload', () => upload(device));
    }
  // Once a process: the peak of its memory is that of this load.
  if (only === undefined || only === 'load') await timed('load', () => loadModel(device));
} finally {
  if (process.env.BENCH_KEEP === undefined) rmSync(file, { force: true });
}
process.exit();
