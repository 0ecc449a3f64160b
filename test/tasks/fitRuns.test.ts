import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import { backboneOf } from '../../src/tasks/backbone.ts';
import type { CausalLM } from '../../src/tasks/causalLM.ts';
import { writeCheckpoint } from '../../src/tasks/checkpoint.ts';
import { GPT2Backbone, GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import { leaves, paths } from '../../src/tensor/tree.ts';
import { EarlyStopping, ModelCheckpoint } from '../../src/training/callbacks.ts';
import { Adam, CosineDecay, SGD } from '../../src/training/index.ts';
import { unusedTestDevice, webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';
import { type BuiltPackage, buildPackage } from '../support/package.ts';

const devices: readonly (readonly [string, () => Promise<Device>])[] = [
  ['reference', async () => referenceDevice],
  ['WebGPU', webgpuTestDevice],
];

let folder: string;
let built: BuiltPackage;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'purelm-fit-'));
  built = buildPackage();
});
afterAll(async () => {
  built.remove();
  await rm(folder, { recursive: true, force: true });
});

/** A GPT-2 of the smallest kind; dropout 0.1, unless it is said otherwise. */
const tiny = (device: Device, dropout = 0.1) => {
  const { config, model, params } = GPT2Backbone({
    vocabularySize: 13,
    numLayers: 1,
    numHeads: 2,
    hiddenDim: 8,
    intermediateDim: 12,
    maxSequenceLength: 6,
    dropout,
    seed: 3,
  });
  return GPT2CausalLM({ backbone: backboneOf({ config, model, device }, params) });
};

/** Tokens that count on from a number that differs from row to row, which can be learnt. */
const examples = (rows: number, vocabularySize = 13, length = 5) => {
  const at = (row: number, place: number): number => (3 * row + 2 * place) % vocabularySize;
  const table = (shift: number): number[][] =>
    Array.from({ length: rows }, (_, row) => Array.from({ length }, (_, place) => at(row, place + shift)));
  return { x: { tokenIds: table(0) }, y: table(1) };
};

const numbers = async (device: Device, { params }: Pick<CausalLM, 'params'>): Promise<readonly (readonly number[])[]> =>
  (await device.evaluate(leaves(params))).map(({ data }) => Array.from(data));

const learning = Adam({ learningRate: 0.01 });

const interrupted = new Error('somebody said stop');

describe.each(devices)('fit on %s', (kind, open) => {
  it('S43: leaves the old task as it was, and goes on with the new one’s optimizer', async () => {
    const device = await open();
    const lm = tiny(device).compile({ optimizer: learning });
    const { x, y } = examples(6);
    const before = await numbers(device, lm);
    const judged = await lm.evaluate(x, { y });
    const first = await lm.fit(x, { y, batchSize: 2, epochs: 1, seed: 5 });
    expect(await numbers(device, lm)).toEqual(before);
    expect(await lm.evaluate(x, { y })).toEqual(judged);
    expect(await numbers(device, first.task)).not.toEqual(before);
    // Two epochs in one run are one epoch, and then one more: the same order, dropout and optimizer.
    const second = await first.task.fit(x, { y, batchSize: 2, initialEpoch: 1, epochs: 2, seed: 5 });
    const both = await lm.fit(x, { y, batchSize: 2, epochs: 2, seed: 5 });
    expect(await numbers(device, second.task)).toEqual(await numbers(device, both.task));
    expect({ loss: [...first.history.loss!, ...second.history.loss!] }).toEqual({ loss: both.history.loss });
    // Compiled anew, the optimizer begins anew.
    const fresh = await first.task
      .compile({ optimizer: learning })
      .fit(x, { y, batchSize: 2, initialEpoch: 1, epochs: 2, seed: 5 });
    expect(await numbers(device, fresh.task)).not.toEqual(await numbers(device, both.task));
    // The first task's own state was not used up.
    expect((await first.task.evaluate(x, { y })).loss).toBeLessThan(judged.loss!);
  });

  it('gives the same numbers for the same seed, and another order and dropout for another', async () => {
    const device = await open();
    const { x, y } = examples(6);
    const run = async (dropout: number, seed: number, shuffle = true) => {
      const lm = tiny(device, dropout).compile({ optimizer: learning });
      const { task, history } = await lm.fit(x, { y, batchSize: 2, epochs: 2, seed, shuffle });
      return { params: await numbers(device, task), history };
    };
    expect(await run(0.1, 1)).toEqual(await run(0.1, 1));
    expect(await run(0, 1)).not.toEqual(await run(0, 2));
    // Without shuffling, dropout alone depends on the seed.
    expect(await run(0, 1, false)).toEqual(await run(0, 2, false));
    expect(await run(0.1, 1, false)).not.toEqual(await run(0.1, 2, false));
  });

  it('learns with dropout', async () => {
    const lm = tiny(await open()).compile({ optimizer: Adam({ learningRate: 0.03 }) });
    const { x, y } = examples(13);
    const { history } = await lm.fit(x, { y, batchSize: 13, epochs: 20 });
    expect(history.loss!.at(-1)).toBeLessThan(0.8 * history.loss![0]!);
  });

  /** A run over five epochs of three steps that stops after its fourth epoch, with what is left of it. */
  const patient = (path: string, saveFreq: 'epoch' | number) => [
    EarlyStopping({ monitor: 'loss', minDelta: 0.05, patience: 2, restoreBestWeights: true }),
    ModelCheckpoint({ folder: path, saveFreq }),
  ];

  it.each([
    ['every 2 steps', 2, 5],
    ['every 3 steps, which is an epoch', 3, 5],
    ['every epoch', 'epoch' as const, 7],
    ['every epoch, in its first step', 'epoch' as const, 4],
  ])('goes on after an interruption to the same bits: a checkpoint %s', async (_, saveFreq, after) => {
    const device = await open();
    const lm = tiny(device).compile({ optimizer: learning });
    const { x, y } = examples(6);
    const at = join(folder, `${kind}-${saveFreq}-${after}`);
    const options = { y, batchSize: 2, epochs: 5, seed: 2, validationData: { x, y } };
    const whole = await lm.fit(x, { ...options, callbacks: patient(`${at}-whole`, saveFreq) });
    const stopping = new AbortController();
    let steps = 0;
    const cut = lm.fit(x, {
      ...options,
      callbacks: patient(at, saveFreq),
      signal: stopping.signal,
      onProgress: () => {
        if (++steps === after) stopping.abort(interrupted);
      },
    });
    await expect(cut).rejects.toBe(interrupted);
    expect(steps).toBe(after);
    let more = 0;
    const resumed = await lm.fit(x, {
      ...options,
      callbacks: patient(at, saveFreq),
      resumeFrom: at,
      onProgress: () => {
        more++;
      },
    });
    const total = 3 * whole.history.loss!.length;
    expect(more).toBe(total - (saveFreq === 'epoch' ? 3 * Math.floor((after - 0) / 3) : after - (after % saveFreq)));
    expect(resumed.history).toEqual(whole.history);
    expect(await numbers(device, resumed.task)).toEqual(await numbers(device, whole.task));
    // Both go on alike: the optimizer's state is the same too.
    const next = { y, batchSize: 3, shuffle: false };
    expect((await resumed.task.fit(x, next)).history).toEqual((await whole.task.fit(x, next)).history);
  });

  it('does not train on a run that had ended', async () => {
    const device = await open();
    const lm = tiny(device, 0).compile({ optimizer: SGD({ learningRate: 0 }) });
    const { x, y } = examples(2);
    // The same order every epoch: sums in another order may be less by a bit, which counts as better.
    const at = join(folder, `${kind}-ended`);
    const callbacks = [EarlyStopping({ monitor: 'loss', patience: 1 }), ModelCheckpoint({ folder: at })];
    const { history } = await lm.fit(x, { y, epochs: 9, shuffle: false, callbacks });
    expect(history.loss).toHaveLength(2);
    const resumed = await lm.fit(x, { y, epochs: 9, shuffle: false, callbacks, resumeFrom: at });
    expect(resumed.history).toEqual(history);
  });
});

describe('dropout in training', () => {
  it('drops the same places on both interpreters', async () => {
    const { tokenIds, y } = { ...examples(3, 97, 6).x, y: examples(3, 97, 6).y };
    const histories = await Promise.all(
      devices.map(async ([, open]) => {
        const device = await open();
        const lm = await GPT2CausalLM.fromPreset(presetPath('keras/a_float32'), { device });
        expect(lm.backbone.config.dropout).toBe(0.1);
        const compiled = lm.compile({ optimizer: SGD({ learningRate: 0.1 }) });
        const { history } = await compiled.fit({ tokenIds }, { y, batchSize: 3, epochs: 3, seed: 8 });
        const still = await compiled.fit({ tokenIds }, { y, batchSize: 3, epochs: 3, seed: 9 });
        return { loss: history.loss!, other: still.history.loss! };
      }),
    );
    const [reference, webgpu] = histories;
    // Sums in float32 against sums in double; another mask moves the loss by a hundredth and more.
    for (const [i, loss] of reference!.loss.entries()) {
      expect(Math.abs(webgpu!.loss[i]! - loss)).toBeLessThan(1e-4);
      expect(Math.abs(reference!.other[i]! - loss)).toBeGreaterThan(1e-3);
    }
  });
});

describe('a checkpoint', () => {
  const { x, y } = examples(4);
  const options = { y, batchSize: 2, epochs: 2 };
  const device = referenceDevice;
  const lm = tiny(device).compile({ optimizer: learning });
  let good: string;
  beforeAll(async () => {
    good = join(folder, 'good');
    await lm.fit(x, { ...options, callbacks: [ModelCheckpoint({ folder: good, saveFreq: 1 })] });
  });

  const copy = async (name: string): Promise<string> => {
    const to = join(folder, name);
    await mkdir(to);
    for (const file of await readdir(good)) await copyFile(join(good, file), join(to, file));
    return to;
  };
  const resume = (from: string, own = lm, more = {}) =>
    own.fit(x, {
      ...options,
      callbacks: [ModelCheckpoint({ folder: join(folder, 'next'), saveFreq: 1 })],
      resumeFrom: from,
      ...more,
    });

  it('holds the state and what the run knows of itself', async () => {
    expect((await readdir(good)).sort()).toEqual(['run.json', 'state.safetensors']);
    const record = JSON.parse(await readFile(join(good, 'run.json'), 'utf8'));
    expect(record).toMatchObject({ epoch: 1, step: 2, steps: 4, seed: 0, optimizer: 'adam', stopped: false });
    await expect(resume(good)).resolves.toBeDefined();
  });

  it('is refused when it was cut short, at whatever byte', async () => {
    const { size } = await stat(join(good, 'state.safetensors'));
    for (const bytes of [0, 1, 7, 8, 9, 100, Math.floor(size / 2), size - 4, size - 1]) {
      const at = await copy(`cut-${bytes}`);
      await truncate(join(at, 'state.safetensors'), bytes);
      await expect(resume(at), `${bytes} of ${size} bytes`).rejects.toThrow(at);
    }
    const json = await readFile(join(good, 'run.json'));
    for (const bytes of [0, 1, 20, json.length - 3]) {
      const at = await copy(`cut-json-${bytes}`);
      await truncate(join(at, 'run.json'), bytes);
      await expect(resume(at), `${bytes} of ${json.length} bytes`).rejects.toThrow(
        `${at}: expected a checkpoint with run.json`,
      );
    }
  });

  it('is refused without its files, or with those of something else', async () => {
    await expect(resume(join(folder, 'nowhere'))).rejects.toThrow('nowhere: expected a checkpoint with run.json');
    const bare = await copy('bare');
    await rm(join(bare, 'run.json'));
    await expect(resume(bare)).rejects.toThrow('expected a checkpoint with run.json');
    const half = await copy('half');
    await rm(join(half, 'state.safetensors'));
    await expect(resume(half)).rejects.toThrow('state.safetensors');
    const record = JSON.parse(await readFile(join(good, 'run.json'), 'utf8')) as object;
    for (const [name, foreign] of Object.entries({
      list: [],
      config: { model_type: 'gpt2' },
      format: { ...record, format: 'purelm training run 0' },
      epoch: { ...record, epoch: -1 },
      step: { ...record, step: 'two' },
      memories: { ...record, memories: [] },
      history: { ...record, history: { loss: 1 } },
    })) {
      const at = await copy(`foreign-${name}`);
      await writeFile(join(at, 'run.json'), JSON.stringify(foreign));
      await expect(resume(at)).rejects.toThrow("expected run.json of the format 'purelm training run 1'");
    }
  });

  it('is refused by a run of another model, optimizer, seed or callbacks', async () => {
    const wide = GPT2CausalLM({
      backbone: GPT2Backbone({
        vocabularySize: 13,
        numLayers: 1,
        numHeads: 2,
        hiddenDim: 8,
        intermediateDim: 16,
        maxSequenceLength: 6,
      }),
    });
    const other = GPT2CausalLM({
      backbone: backboneOf({ config: wide.backbone.config, model: wide.backbone.model, device }, wide.params),
    });
    await expect(resume(good, other.compile({ optimizer: learning }))).rejects.toThrow(
      'float32 [8, 16], got float32 [8, 12]; is it a run of another model or optimizer?',
    );
    await expect(resume(good, lm.compile({ optimizer: 'lion' }))).rejects.toThrow(/adam|another model or optimizer/);
    await expect(resume(good, lm, { seed: 1 })).rejects.toThrow('expected to resume with seed 0');
    await expect(resume(good, lm, { callbacks: [] })).rejects.toThrow(
      'expected to resume with the callbacks ModelCheckpoint, got (none)',
    );
  });

  const recordOf = (steps: number) => ({
    epoch: 0,
    step: steps,
    steps,
    stopped: false,
    seed: 0,
    optimizer: 'adam',
    history: {},
    memories: [],
    callbacks: [],
  });

  it('stays when writing the next one fails', async () => {
    const at = await copy('failing');
    const before = await readFile(join(at, 'state.safetensors'));
    const failing: Device = { ...device, evaluate: () => Promise.reject(new Error('the device is lost')) };
    await expect(writeCheckpoint(failing, at, lm.params, recordOf(9))).rejects.toThrow('the device is lost');
    expect(await readFile(join(at, 'state.safetensors'))).toEqual(before);
    expect((await readdir(folder)).filter((name) => name.startsWith('failing'))).toEqual(['failing']);
    await expect(resume(at)).resolves.toBeDefined();
  });

  it('stays when the process dies while the next one is written', async () => {
    const at = await copy('killed');
    const source = (path: string): string => JSON.stringify(pathToFileURL(join(built.folder, 'dist', path)).href);
    // Writes checkpoints without end, each of many small tensors; it is killed in the middle of whatever it does.
    const program = `
      const { referenceDevice, writeCheckpoint } = await import(${source('internals.js')});
      const { tensor } = await import(${source('index.js')});
      const state = Object.fromEntries(Array.from({ length: 50 }, (_, i) => ['p' + i, tensor(new Float32Array(1000).fill(i))]));
      for (let steps = 1; ; steps++) {
        const record = { ...${JSON.stringify(recordOf(0))}, steps };
        await writeCheckpoint(referenceDevice, ${JSON.stringify(at)}, state, record);
        if (steps === 1) process.stdout.write('written');
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`the child ended with ${code}`)));
    });
    await new Promise((resolve) => setTimeout(resolve, 150));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    // Whole: it is read to its end, and is found to be of another model, not broken.
    await expect(resume(at)).rejects.toThrow(/got nothing; is it a run of another model or optimizer\?/);
    const { steps } = JSON.parse(await readFile(join(at, 'run.json'), 'utf8')) as { readonly steps: number };
    expect(steps).toBeGreaterThanOrEqual(1);
    // What the dead process left beside it does not stand in the way of the next.
    await writeCheckpoint(device, at, lm.params, recordOf(1));
  });
});

describe('a loss that is no number', () => {
  it.each(devices)(
    'ends the run with the step and a parameter, the last good checkpoint intact, on %s',
    async (kind, open) => {
      const device = await open();
      const at = join(folder, `nan-${kind}`);
      const { x, y } = examples(8);
      const lm = tiny(device, 0).compile({ optimizer: SGD({ learningRate: 1e30 }) });
      const run = lm.fit(x, { y, batchSize: 2, callbacks: [ModelCheckpoint({ folder: at, saveFreq: 1 })] });
      const error: unknown = await run.catch((cause: unknown) => cause);
      expect(error).toMatchObject({
        name: 'NonFiniteLossError',
        message: expect.stringMatching(
          /^fit: expected a finite loss, got \S+ in step \d; the first parameter concerned is \w+/,
        ),
      });
      const { step, parameter } = error as { readonly step: number; readonly parameter: string };
      expect(step).toBeGreaterThan(1);
      expect(paths(lm.params).map(([path]) => path)).toContain(parameter);
      const record = JSON.parse(await readFile(join(at, 'run.json'), 'utf8')) as { readonly steps: number };
      expect(record.steps).toBe(step - 1);
    },
  );

  it('in a batch alone leaves parameters and optimizer as they were', async () => {
    const { x, y } = examples(6);
    const weights = new Array<number>(6).fill(1);
    const lm = tiny(referenceDevice, 0).compile({ optimizer: learning, stepsPerExecution: 3 });
    const broken = lm.fit(x, { y, sampleWeight: weights.with(2, Number.NaN), batchSize: 2, shuffle: false });
    // It was the second of three steps, between two looks; the mean tells.
    await expect(broken).rejects.toThrow('expected a finite loss');
  });
});

describe('data', () => {
  const { x, y } = examples(4);
  const lm = tiny(referenceDevice, 0).compile({ optimizer: learning });
  const batches = [0, 2].map((start) => ({
    x: { tokenIds: x.tokenIds.slice(start, start + 2) },
    y: y.slice(start, start + 2),
  }));
  const options = { epochs: 2 };

  it('S29: comes as arrays of batches, async iterables, or functions that give either', async () => {
    const { history } = await lm.fit(x, { y, batchSize: 2, shuffle: false, ...options });
    const stream = {
      [Symbol.asyncIterator]: () =>
        (async function* () {
          yield* batches;
        })(),
    };
    for (const dataset of [
      batches,
      batches.map((batch) => [batch.x, batch.y]),
      new Set(batches),
      stream,
      () => batches,
      function* () {
        yield* batches;
      },
      async function* () {
        yield* batches;
      },
    ])
      expect((await lm.fit(dataset, options)).history).toEqual(history);
  });

  it('cannot be read twice from a generator', async () => {
    const once = function* () {
      yield* batches;
    };
    expect((await lm.fit(once(), { epochs: 1 })).history.loss).toHaveLength(1);
    await expect(lm.fit(once(), options)).rejects.toThrow(
      'fit: expected batches in pass 2 through the dataset, got none; a generator can be read only once: pass a list, or a function that makes a new one',
    );
    await expect(lm.fit(() => [], options)).rejects.toThrow('fit: expected at least one batch, got an empty dataset');
  });

  it('goes on where it was with stepsPerEpoch, after an interruption too', async () => {
    const three = [...batches, { x: { tokenIds: [[9, 8, 7]] }, y: [[8, 7, 6]] }];
    const seen: string[] = [];
    const stream = async function* () {
      for (const [i, batch] of three.entries()) {
        seen.push(String(i));
        yield batch;
      }
    };
    const at = join(folder, 'stream');
    const callbacks = [ModelCheckpoint({ folder: at })];
    const whole = await lm.fit(stream, { epochs: 4, stepsPerEpoch: 2, callbacks });
    expect(seen.join('')).toBe('01201201');
    await lm.fit(stream, { epochs: 2, stepsPerEpoch: 2, callbacks });
    const resumed = await lm.fit(stream, { epochs: 4, stepsPerEpoch: 2, callbacks, resumeFrom: at });
    expect(resumed.history).toEqual(whole.history);
    const fewer = await lm.fit(x, {
      y,
      batchSize: 1,
      stepsPerEpoch: 3,
      shuffle: false,
      onProgress: ({ steps }) => expect(steps).toBe(3),
    });
    expect(fewer.history.loss).toHaveLength(1);
  });

  it('S28: has a batch axis', async () => {
    await expect(lm.fit({ tokenIds: [1, 2, 3] }, { y: [2, 3, 4] })).rejects.toThrow(
      'fit: expected x, y and sampleWeight to have a batch axis',
    );
    await expect(lm.fit('a text')).rejects.toThrow('fit: expected x to have a batch axis');
    await expect(lm.fit(x, { y: y.slice(1) })).rejects.toThrow("fit: expected y of tokenIds' shape [4, 5], got [3, 5]");
    await expect(lm.fit(x, { y, sampleWeight: [1, 2] })).rejects.toThrow(
      'fit: expected sampleWeight of shape [4, 5] or [4], got [2]',
    );
    await expect(lm.fit(x)).rejects.toThrow('fit: expected targets y for tokens, got none');
    await expect(lm.fit([])).rejects.toThrow('fit: expected at least one example, got none');
  });

  it('S29: brings its own targets, weights and batches', async () => {
    for (const extra of [{ y }, { sampleWeight: [1, 1] }, { batchSize: 2 }])
      await expect(lm.fit(batches, extra)).rejects.toThrow(
        `fit: expected no ${Object.keys(extra)[0]} with a dataset, whose batches bring their own, got one`,
      );
    await expect(lm.fit(batches, { validationSplit: 0.5 })).rejects.toThrow('got a dataset; pass validationData');
    await expect(lm.evaluate(batches, { y })).rejects.toThrow('evaluate: expected no y with a dataset');
  });

  it('S28: as texts bring their own targets', async () => {
    const texts = await GPT2CausalLM.fromPreset(presetPath('keras/c_float32'), { device: referenceDevice });
    await expect(texts.fit(['a'], { y: [[1]] })).rejects.toThrow('fit: expected no y with texts');
    await expect(texts.fit(['a'], { sampleWeight: [1] })).rejects.toThrow('fit: expected no sampleWeight with texts');
    await expect(lm.fit(['a'])).rejects.toThrow('no preprocessor');
  });
});

describe('options', () => {
  const { x, y } = examples(4);
  const lm = tiny(referenceDevice, 0).compile({ optimizer: learning });

  it('S30: takes 32 examples a batch, and validates every so many epochs on so many batches', async () => {
    const steps: (number | undefined)[] = [];
    const many = examples(33);
    await lm.fit(many.x, { y: many.y, onProgress: (progress) => steps.push(progress.steps) });
    expect(steps).toEqual([2, 2]);

    let drawn = 0;
    const judged = function* () {
      for (;;) {
        drawn++;
        yield [x, y];
      }
    };
    const { history } = await lm.fit(x, {
      y,
      epochs: 5,
      validationData: judged,
      validationSteps: 3,
      validationFreq: 2,
    });
    expect(history.loss).toHaveLength(5);
    expect(history.val_loss).toHaveLength(2);
    expect(drawn).toBe(6);
  });

  it.each<readonly [object, string]>([
    [{ batchsize: 2 }, 'fit: expected options among y, sampleWeight, batchSize'],
    [{ epochs: 1.5 }, 'fit: epochs: expected a whole number from 0, got 1.5'],
    [{ batchSize: 0 }, 'fit: batchSize: expected a whole number from 1, got 0'],
    [{ seed: 0.5 }, 'fit: expected seed to be a whole number, got 0.5'],
    [{ validationSplit: 1 }, 'fit: expected validationSplit from 0 to below 1, got 1'],
    [{ validationSplit: 0.1, y: y.slice(0, 1) }, "fit: expected y of tokenIds' shape"],
    [{ validationSplit: 0.999 }, 'fit: expected a validationSplit that leaves examples on both sides, got 0.999 of 4'],
    [{ validationSteps: 0 }, 'fit: validationSteps: expected a whole number from 1, got 0'],
    [{ stepsPerEpoch: 0 }, 'fit: stepsPerEpoch: expected a whole number from 1, got 0'],
  ])('refuses %j', async (wrong, message) => {
    await expect(lm.fit(x, { y, ...wrong })).rejects.toThrow(message);
  });

  it('S38: refuses unknown optimizers, losses, metrics and options of compile', () => {
    expect(() => lm.compile({ optimizer: 'adamant' as 'adam' })).toThrow(/adamant/);
    expect(() => lm.compile({ loss: 'regret' as 'auto' })).toThrow(/regret/);
    expect(() => lm.compile({ metrics: ['beauty' as 'accuracy'] })).toThrow(/beauty/);
    expect(() => lm.compile({ weightedMetrics: ['beauty' as 'accuracy'] })).toThrow(/beauty/);
    expect(() => lm.compile({ optimiser: 'adam' } as object)).toThrow('compile: expected options among sampler');
    expect(() => lm.compile({ stepsPerExecution: 0 })).toThrow('stepsPerExecution');
    expect(() => lm.compile({ lossWeights: Number.NaN })).toThrow('lossWeights');
  });

  it('looks at the loss every so many steps, and gives the same numbers', async () => {
    const looks: number[] = [];
    const run = async (stepsPerExecution: number) => {
      const { task, history } = await lm
        .compile({ optimizer: learning, stepsPerExecution })
        .fit(x, { y, batchSize: 1, epochs: 2, onProgress: ({ step }) => looks.push(step) });
      return { params: await numbers(referenceDevice, task), history };
    };
    const each = await run(1);
    looks.length = 0;
    expect(await run(3)).toEqual(each);
    expect(looks).toEqual([3, 4, 2, 4]);
  });

  it('does not begin when it is told to stop at once', async () => {
    await expect(lm.fit(x, { y, signal: AbortSignal.abort(interrupted) })).rejects.toBe(interrupted);
  });
});

describe('memory', () => {
  const collect = async (): Promise<() => Promise<void>> => {
    const [{ setFlagsFromString }, { runInNewContext }] = await Promise.all([import('node:v8'), import('node:vm')]);
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    return async () => {
      for (let i = 0; i < 3; i++) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
  };

  it('does not grow over 200 steps, on the device or on the host', async () => {
    const gc = await collect();
    const { gpu, device } = await unusedTestDevice();
    const lm = tiny(device).compile({ optimizer: learning });
    const { x, y } = examples(2);
    const buffers: number[] = [];
    const heap: number[] = [];
    await lm.fit(x, {
      y,
      epochs: 220,
      callbacks: [
        async function sample(event, { steps }) {
          if (event !== 'batchEnd' || ![20, 220].includes(steps)) return;
          await gc();
          buffers.push(gpu.memory().liveBuffers);
          heap.push(process.memoryUsage().heapUsed);
        },
      ],
    });
    expect(buffers).toEqual([buffers[0], buffers[0]]);
    // Nothing of a step is kept: 200 of them would be some 20 MB of expressions.
    expect(heap[1]! - heap[0]!).toBeLessThan(2e6);
  });

  it('leaves the new task’s parameters and optimizer, and nothing else', async () => {
    const gc = await collect();
    const { gpu, device } = await unusedTestDevice();
    const lm = tiny(device).compile({ optimizer: learning });
    const { x, y } = examples(4);
    await lm.evaluate(x, { y });
    const own = leaves(lm.params).length;
    let before = 0;
    const run = async (): Promise<void> => {
      const { task } = await lm.fit(x, {
        y,
        epochs: 3,
        validationSplit: 0.5,
        callbacks: [
          EarlyStopping({ patience: 1, restoreBestWeights: true }),
          ModelCheckpoint({ folder: join(folder, 'memory') }),
        ],
      });
      if (before === 0) return;
      // Parameters; two moments each, the count of steps and the learning rate.
      expect(gpu.memory().liveBuffers - before).toBeLessThanOrEqual(own + 2 * own + 2);
      device.release(leaves(task.params));
      expect(gpu.memory().liveBuffers - before).toBeLessThanOrEqual(2 * own + 2);
    };
    await run();
    await gc();
    before = gpu.memory().liveBuffers;
    await run();
    await gc();
    expect(gpu.memory().liveBuffers).toBe(before);
  });

  it('is given back when a run fails', async () => {
    const gc = await collect();
    const { gpu, device } = await unusedTestDevice();
    const lm = tiny(device, 0).compile({ optimizer: SGD({ learningRate: 1e30 }) });
    const { x, y } = examples(8);
    await lm.fit(x, { y, epochs: 0 });
    await gc();
    const before = gpu.memory().liveBuffers;
    await expect(lm.fit(x, { y, batchSize: 2 })).rejects.toThrow('expected a finite loss');
    await expect(lm.fit(x, { y, resumeFrom: join(folder, 'nowhere') })).rejects.toThrow('run.json');
    await gc();
    expect(gpu.memory().liveBuffers).toBe(before);
  });
});

describe('a schedule', () => {
  it('goes on over interruptions, and cannot be set', async () => {
    const { x, y } = examples(4);
    const lm = tiny(referenceDevice, 0).compile({
      optimizer: SGD({ learningRate: CosineDecay({ initialLearningRate: 0.1, decaySteps: 8 }) }),
    });
    const rates: number[] = [];
    await lm.fit(x, {
      y,
      batchSize: 1,
      epochs: 2,
      callbacks: [
        function rate(event, { learningRate }) {
          if (event === 'batchEnd') rates.push(learningRate);
        },
      ],
    });
    for (const [i, rate] of rates.entries())
      expect(rate).toBeCloseTo(0.05 * (1 + Math.cos((Math.PI * (i + 1)) / 8)), 6);
    const sets = lm.fit(x, { y, callbacks: [() => [{ do: 'setLearningRate', learningRate: 1 }]] });
    await expect(sets).rejects.toThrow('expected an optimizer whose learningRate is a number, got one with a schedule');
  });
});
