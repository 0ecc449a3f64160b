// @ts-check
// `npm run train:tiny -- [--steps N] [--out FOLDER] [--resume]`: makes a preset as the shipped one is to be made. Installs,
// finds an adapter and builds as far as needed; writes the text, trains the model on it with the library's own `fit`, and
// writes the preset, to .cache/gpt2_tiny_en if no folder is given.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from '../build.mjs';
import { adapterEnvironment, chooseAdapter } from '../setup/adapter.mjs';
import { installPackages } from '../setup/packages.mjs';
import { runScript, say } from '../setup/process.mjs';
import { recipe as shipped } from './recipe.mjs';
import { inductionOf, trainModel } from './training.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const preset = join(root, 'presets', 'gpt2_tiny_en');
const written = join(root, '.cache', 'gpt2_tiny_en');
const checkpoint = join(root, '.cache', 'train-tiny');

const train = async () => {
  const { values } = parseArgs({
    options: { steps: { type: 'string' }, out: { type: 'string', default: written }, resume: { type: 'boolean' } },
  });
  const steps = Number(values.steps ?? shipped.steps);
  if (!Number.isInteger(steps) || steps < 1) {
    say(`train:tiny: expected a whole number from 1 as --steps, got ${values.steps}`);
    return 2;
  }
  if (!installPackages()) return 1;
  if (process.env.PURELM_DEVICE !== 'reference') Object.assign(process.env, adapterEnvironment(chooseAdapter()));
  const status = await build();
  if (status !== 0) return status;

  /** @type {typeof import('../../src/index.ts')} */
  const library = await import(new URL('../../dist/index.js', import.meta.url).href);
  /** @type {typeof import('../../src/internals.ts')} */
  const { saveKerasPreset, threefry2x32 } = await import(new URL('../../dist/internals.js', import.meta.url).href);

  const recipe = { ...shipped, steps, stepsPerEpoch: Math.min(steps, shipped.stepsPerEpoch) };
  const tokenizer = await library.GPT2Tokenizer.fromPreset(preset);
  const readme = await readFile(new URL('./PRESET.md', import.meta.url));
  const resume = values.resume === true && existsSync(checkpoint);
  const started = performance.now();
  const { task, history } = await trainModel(library, {
    threefry: threefry2x32,
    recipe,
    tokenizer,
    checkpoint,
    resume,
    onProgress: ({ epoch, step, logs, seconds }) => {
      if (step !== recipe.stepsPerEpoch) return;
      const done = (epoch + 1) * recipe.stepsPerEpoch;
      const minutes = ((performance.now() - started) / 60_000).toFixed(1);
      say(`step ${done} of ${steps}: loss ${logs.loss?.toFixed(4)}, ${seconds.toFixed(2)} s a step, ${minutes} min`);
    },
  });
  say(`losses: ${history.loss?.map((loss) => loss.toFixed(3)).join(' ')}`);
  await saveKerasPreset(values.out, task, {
    savedAt: new Date('2026-01-01T00:00:00Z'), // So that the same run gives the same folder.
    extra: [{ name: 'README.md', content: [readme] }],
  });
  for (const length of [8, 20, 40, 75]) {
    const { first, second } = await inductionOf(library, task, { threefry: threefry2x32, length });
    say(`${length} random tokens twice: loss ${first.toFixed(2)} the first time, ${second.toFixed(2)} the second`);
  }
  const greedy = task.compile({ sampler: 'greedy' });
  for (const prompt of ['Once', 'The quick brown fox', 'One morning, Anna']) say(`- ${await greedy.generate(prompt)}`);
  say(`wrote ${values.out}`);
  return 0;
};

await runScript(train);
