// @ts-check
// Process start to the first token of a GPT-2-small, split into its parts: `node bench/start.mjs --data DIR`. Each process starts
// with an empty cache of the driver's shaders (`cold`) or with what the one before left there (`warm`). See README.md.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { adapterEnvironment, knownChoice } from '../scripts/setup/adapter.mjs';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    dtype: { type: 'string', default: 'float32,float16' },
    caches: { type: 'string', default: 'cold,warm' },
    reps: { type: 'string', default: '3' },
    prompt: { type: 'string', default: '16' },
  },
});

/** Where the folder with weights is: the one that is named, or one of random weights, which is written once. */
const presetFolder = async () => {
  const { presetAround, randomPreset } = await import('./folders.mjs');
  return values.data === undefined ? randomPreset() : presetAround(resolve(values.data));
};

const script = fileURLToPath(new URL('startCase.mjs', import.meta.url));
const preset = await presetFolder();
const cache = mkdtempSync(join(tmpdir(), 'purelm-start-'));
try {
  for (const dtype of values.dtype.split(','))
    for (const state of values.caches.split(','))
      for (let run = 0; run < Number(values.reps); run++) {
        const folder = join(cache, state === 'cold' ? `cold-${dtype}-${run}` : dtype);
        const env = {
          ...process.env,
          ...adapterEnvironment(knownChoice()),
          BENCH_PRESET: preset,
          BENCH_DTYPE: dtype,
          BENCH_PROMPT: values.prompt,
          MESA_SHADER_CACHE_DIR: folder,
        };
        const start = () => spawnSync(process.execPath, [script], { env, encoding: 'utf8' });
        if (state === 'warm' && run === 0) start();
        const { status, stdout, stderr } = start();
        if (status !== 0) throw new Error(`start of ${dtype}, ${state}: ${stderr}`);
        console.log(JSON.stringify({ cache: state, ...JSON.parse(stdout) }));
      }
} finally {
  rmSync(cache, { recursive: true, force: true });
}
