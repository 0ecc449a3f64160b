import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { SingleBar } from 'cli-progress';
import { cast } from '../ops/cast.ts';
import type { CausalBackbone } from '../tasks/backbone.ts';
import { type CausalLM, causalLM } from '../tasks/causalLM.ts';
import type { FitProgress, History } from '../tasks/fit.ts';
import { deviceOf } from '../tasks/heldParams.ts';
import { saveKerasPreset } from '../tasks/saveKerasPreset.ts';
import { mapTree } from '../tensor/tree.ts';
import { type Callback, type CallbackLike, CSVLogger, ModelCheckpoint } from '../training/callbacks.ts';
import { getOptimizer } from '../training/index.ts';
import { isPresetFile } from '../weights/index.ts';
import type { FitArguments } from './commands.ts';
import { readInput } from './input.ts';
import { load } from './load.ts';
import { lossCurve } from './lossCurve.ts';

const readText = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new Error(`--text ${path}: ${code === 'ENOENT' ? 'no such file' : message}`);
  }
};

/** Examples of files, in order; those that are only white space are left out. */
const examplesOf = async (
  { texts, separator }: Pick<FitArguments, 'texts' | 'separator'>,
  signal: AbortSignal,
): Promise<readonly string[]> => {
  const examples: string[] = [];
  for (const path of texts) {
    const text = path === '-' ? await readInput(signal) : await readText(path);
    const found = text
      .replaceAll('\r\n', '\n')
      .split(separator)
      .filter((example) => example.trim() !== '');
    if (found.length === 0) throw new Error(`--text ${path}: expected at least one example, got none`);
    examples.push(...found);
  }
  return examples;
};

/** A preset as it is to be trained. */
const prepared = (lm: CausalLM, asked: FitArguments): CausalLM => {
  const { sequenceLength, optimizer, learningRate, loraRank } = asked;
  if (lm.preprocessor === null)
    throw new Error(`${asked.preset}: expected a preset with a tokenizer, since texts are to be learnt`);
  const { backbone } = loraRank === undefined ? lm : lm.enableLora({ rank: loraRank, seed: asked.seed });
  const preprocessor =
    sequenceLength === undefined ? lm.preprocessor : lm.preprocessor.withSequenceLength(sequenceLength);
  return causalLM(lm.name, { backbone, preprocessor }).compile({
    optimizer:
      optimizer === undefined && learningRate === undefined
        ? 'auto'
        : getOptimizer({ name: optimizer ?? 'adam', ...(learningRate === undefined ? {} : { learningRate }) }),
  });
};

const shown = (value: number): string =>
  value === 0 || Math.abs(value) >= 1e-3 ? value.toFixed(4) : value.toExponential(2);

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** A bar on a terminal; nothing in a pipe. */
const progressBar = (): { readonly tell: (progress: FitProgress, rate: number) => void; readonly stop: () => void } => {
  if (!process.stderr.isTTY) return { tell: () => {}, stop: () => {} };
  const bar = new SingleBar({
    format: 'epoch {epoch}/{epochs} {bar} {value}/{total} | loss {loss} | {rate} tokens/s',
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  });
  return {
    tell: ({ epoch, epochs, step, steps = step, logs }, rate) => {
      const payload = { epoch: epoch + 1, epochs, loss: shown(logs.loss ?? Number.NaN), rate: rate.toFixed(0) };
      if (!bar.isActive) bar.start(steps, step, payload);
      else {
        bar.setTotal(steps);
        bar.update(step, payload);
      }
    },
    stop: () => bar.stop(),
  };
};

const LORA_FILE = 'lora.safetensors';

/** Refuses a folder that cannot become a preset, before the training and not after it. */
const checkOutput = async (folder: string, withLora: boolean): Promise<void> => {
  const names = existsSync(folder) ? await readdir(folder) : [];
  const foreign = names.find((name) => !isPresetFile(name) && !(withLora && name === LORA_FILE));
  if (foreign !== undefined)
    throw new Error(
      `--output ${folder}: expected a new folder, or one with a preset to replace, but it holds ${JSON.stringify(foreign)}`,
    );
};

/** The trained preset as a folder; with LoRA its kernels have taken up the factors, which stand in a file of their own too. */
const save = async (folder: string, backbone: CausalBackbone, given: CausalLM): Promise<void> => {
  // The preset's own length stays: that of the examples is no limit for what is generated.
  const write = (own: CausalBackbone, extra: readonly { readonly name: string; readonly content: Uint8Array[] }[]) =>
    saveKerasPreset(folder, given.withBackbone(own), { extra });
  if (backbone.lora === undefined) {
    await write(backbone, []);
    return;
  }
  const aside = await mkdtemp(join(tmpdir(), 'purelm-lora-'));
  try {
    const path = join(aside, LORA_FILE);
    await backbone.saveLoraWeights(path);
    const merged = backbone.mergeLora();
    // What was trained and merged is float32; a preset has one dtype.
    const params = mapTree(merged.params, (own) => cast(own, 'float32'));
    await write(merged.withParams(params), [{ name: LORA_FILE, content: [await readFile(path)] }]);
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
};

const writeText = async (path: string, text: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
};

/** A step and its loss. */
type Point = readonly [step: number, loss: number];

/** `purelm fit`: what each epoch came to on standard output, or the whole history as JSON. */
export const fitTexts = async (asked: FitArguments, signal: AbortSignal): Promise<void> => {
  const { checkpoint, resume, epochs, seed } = asked;
  if (asked.output !== undefined) await checkOutput(asked.output, asked.loraRank !== undefined);
  const examples = await examplesOf(asked, signal);
  const given = await load(asked, signal);
  const lm = prepared(given, asked);
  const device = await deviceOf(lm.backbone);
  const bar = progressBar();
  const losses: Point[] = [];
  const began = performance.now();
  let tokens = 0;
  let done = 0;
  let stepsPerEpoch = 0;
  let spent = 0;
  let epochTokens = 0;
  let epochSeconds = 0;

  /** Tells what each epoch came to, and has checkpoints keep what the curve is drawn from. */
  let isBegun = false;
  const report: Callback<readonly Point[]> = {
    name: 'report',
    memory: [],
    react: (event, { epoch, steps, logs }, known) => {
      if (!isBegun) for (const point of [...known, ...losses.splice(0)]) losses.push(point);
      isBegun = true;
      done = steps;
      if (event === 'epochEnd' && !asked.json) {
        bar.stop();
        const numbers = Object.entries(logs).map(([name, value]) => `${name} ${shown(value)}`);
        const rate = epochSeconds === 0 ? [] : [`${(epochTokens / epochSeconds).toFixed(0)} tokens/s`];
        process.stdout.write(`epoch ${epoch + 1}/${epochs}: ${[...numbers, ...rate].join(', ')}\n`);
        epochTokens = 0;
        epochSeconds = 0;
      }
      // One list for the whole run, to which every step adds.
      return asked.curve === undefined ? undefined : { memory: losses };
    },
  };
  /** An interruption leaves a checkpoint of the step that it came in. */
  const keepOnInterrupt: CallbackLike = function keepOnInterrupt(event) {
    return event === 'batchEnd' && signal.aborted && checkpoint !== undefined
      ? [{ do: 'checkpoint', folder: checkpoint }]
      : undefined;
  };

  const curve = (history: History): string => {
    // No step was left to do if the run had ended before.
    const perEpoch = stepsPerEpoch === 0 ? done / (history.loss?.length ?? 1) : stepsPerEpoch;
    const byEpoch = (means: readonly number[] = []) => means.map((mean, i) => [(i + 1) * perEpoch, mean] as const);
    // Of epochs whose steps no checkpoint has kept, only the means are known.
    const before = byEpoch(history.loss).filter(([step]) => step < (losses[0]?.[0] ?? done + 1));
    return lossCurve({
      title: `Loss of ${asked.preset}`,
      subtitle: [
        `${counted(done, 'step')} in ${counted(epochs, 'epoch')}`,
        `${counted(examples.length, 'example')}, ${asked.batchSize} a step`,
        `${asked.optimizer ?? 'adam'}, learning rate ${asked.learningRate ?? 'by default'}`,
        ...(asked.loraRank === undefined ? [] : [`LoRA of rank ${asked.loraRank}`]),
      ].join(' · '),
      series: [
        { name: 'training', points: [...before, ...losses] },
        { name: 'validation', points: byEpoch(history.val_loss) },
      ],
    });
  };

  try {
    const { task, history } = await lm.fit(examples, {
      epochs,
      seed,
      signal,
      batchSize: asked.batchSize,
      validationSplit: asked.validationSplit,
      ...(resume === undefined ? {} : { resumeFrom: resume }),
      callbacks: [
        report as unknown as Callback,
        ...(asked.log === undefined ? [] : [CSVLogger(asked.log)]),
        ...(checkpoint === undefined ? [] : [ModelCheckpoint({ folder: checkpoint }), keepOnInterrupt]),
      ],
      onProgress: (progress) => {
        tokens += progress.tokens;
        spent += progress.seconds;
        epochTokens += progress.tokens;
        epochSeconds += progress.seconds;
        stepsPerEpoch = progress.steps ?? progress.step;
        losses.push([progress.epoch * stepsPerEpoch + progress.step, progress.loss]);
        bar.tell(progress, epochTokens / epochSeconds);
      },
    });
    bar.stop();
    if (asked.output !== undefined) await save(asked.output, task.backbone, given);
    if (asked.curve !== undefined) await writeText(asked.curve, curve(history));
    const rate = spent === 0 ? 0 : tokens / spent;
    if (asked.json)
      process.stdout.write(
        `${JSON.stringify({
          preset: asked.preset,
          examples: examples.length,
          epochs,
          steps: done,
          seed,
          seconds: Number(((performance.now() - began) / 1000).toFixed(3)),
          tokensPerSecond: Number(rate.toFixed(1)),
          device: device.name,
          history,
        })}\n`,
      );
    process.stderr.write(
      `${counted(done, 'step')}, ${rate.toFixed(0)} tokens/s on ${device.name} (${device.reason}), seed ${seed}\n`,
    );
  } catch (cause) {
    bar.stop();
    if (!signal.aborted) throw cause;
    throw new Error(
      checkpoint !== undefined && existsSync(join(checkpoint, 'run.json'))
        ? `interrupted in step ${done + 1}; --resume ${checkpoint} with the same options goes on from ${checkpoint}`
        : `interrupted in step ${done + 1}; nothing is kept, since there is no checkpoint (--checkpoint FOLDER)`,
    );
  }
};
