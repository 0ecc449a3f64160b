import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import { backboneOf } from '../../src/tasks/backbone.ts';
import type { CausalLM } from '../../src/tasks/causalLM.ts';
import { GPT2Backbone, GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import { leaves } from '../../src/tensor/tree.ts';
import {
  type Callback,
  CSVLogger,
  EarlyStopping,
  type Json,
  LearningRateScheduler,
  ModelCheckpoint,
  ReduceLROnPlateau,
  TerminateOnNaN,
  type TrainingAction,
  type TrainingEvent,
} from '../../src/training/callbacks.ts';
import { SGD } from '../../src/training/index.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture } from '../support/fixtures.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'purelm-callbacks-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Case {
  readonly callback: 'EarlyStopping' | 'ReduceLROnPlateau' | 'ModelCheckpoint';
  readonly options: Readonly<Record<string, unknown>>;
  readonly monitor: string;
  readonly values: readonly number[];
  readonly learningRates: readonly number[];
  readonly saved: readonly number[];
  readonly epochs: number;
  readonly paramsOfEpoch: number;
}

/** An option by our name for it. */
const ownName = (name: string): string =>
  name === 'min_lr' ? 'minLR' : name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** A run whose only parameter is the number of its last epoch, and whose only log comes from a list. */
const drive = async (callback: Callback, monitor: string, values: readonly number[]) => {
  let memory: Json = callback.memory;
  let learningRate = Math.fround(0.1);
  let params = -1;
  let kept = -1;
  let isStopped = false;
  const learningRates: number[] = [];
  const saved: number[] = [];
  const act = (action: TrainingAction, epoch: number): void => {
    switch (action.do) {
      case 'stop':
        isStopped = true;
        break;
      case 'setLearningRate':
        learningRate = Math.fround(action.learningRate);
        break;
      case 'keep':
        kept = params;
        break;
      case 'restore':
        params = kept;
        break;
      case 'checkpoint':
        saved.push(epoch);
        break;
      default:
        throw new Error(`no ${action.do} is expected here`);
    }
  };
  const tell = async (event: TrainingEvent, epoch: number): Promise<void> => {
    const logs: Record<string, number> = event === 'epochEnd' ? { [monitor]: values[epoch]! } : {};
    const run = { epoch, epochs: values.length, step: 1, steps: epoch + 1, logs, history: {}, learningRate };
    const reaction = await callback.react(event, { ...run, monitors: [monitor] }, memory);
    memory = reaction?.memory ?? memory;
    for (const action of reaction?.actions ?? []) act(action, epoch);
  };
  await tell('trainBegin', 0);
  for (let epoch = 0; epoch < values.length && !isStopped; epoch++) {
    await tell('epochBegin', epoch);
    params = epoch;
    await tell('batchEnd', epoch);
    await tell('epochEnd', epoch);
    learningRates.push(learningRate);
  }
  await tell('trainEnd', learningRates.length);
  return { learningRates, saved, epochs: learningRates.length, paramsOfEpoch: params };
};

describe('callbacks do what Keras’s do', () => {
  const { cases } = fixture<{ readonly cases: readonly Case[] }>('training/callbacks');

  it.each(cases)('$callback $options', async ({ callback: name, options, monitor, values, ...expected }) => {
    const own = Object.fromEntries(Object.entries(options).map(([key, value]) => [ownName(key), value]));
    const callback = { EarlyStopping, ReduceLROnPlateau, ModelCheckpoint }[name]({ ...own, folder: 'anywhere' });
    const { learningRates, ...did } = await drive(callback, monitor, values);
    expect(did).toEqual({ saved: expected.saved, epochs: expected.epochs, paramsOfEpoch: expected.paramsOfEpoch });
    // Keras keeps the rate in float32 and multiplies in double.
    for (const [i, rate] of learningRates.entries())
      expect(Math.abs(rate - expected.learningRates[i]!)).toBeLessThan(1e-9);
  });
});

const tiny = (device: Device, learningRate: number) => {
  const { config, model, params } = GPT2Backbone({
    vocabularySize: 11,
    numLayers: 1,
    numHeads: 1,
    hiddenDim: 4,
    intermediateDim: 4,
    maxSequenceLength: 4,
    dropout: 0,
    seed: 3,
  });
  const lm = GPT2CausalLM({ backbone: backboneOf({ config, model, device }, params) });
  return lm.compile({ optimizer: SGD({ learningRate }) });
};

const x = {
  tokenIds: [
    [1, 2, 3],
    [7, 8, 9],
    [2, 5, 8],
  ],
};
const y = [
  [2, 3, 4],
  [8, 9, 10],
  [5, 8, 0],
];
const options = { y, batchSize: 2, shuffle: false };

const numbers = async (device: Device, { params }: Pick<CausalLM, 'params'>): Promise<readonly (readonly number[])[]> =>
  (await device.evaluate(leaves(params))).map(({ data }) => Array.from(data));

describe.each([
  ['reference', async () => referenceDevice],
  ['WebGPU', webgpuTestDevice],
] as readonly (readonly [string, () => Promise<Device>])[])('callbacks of a run on %s', (kind, open) => {
  it('EarlyStopping gives back the parameters of the best epoch', async () => {
    const device = await open();
    const lm = tiny(device, 1);
    const stopping = EarlyStopping({ patience: 2, restoreBestWeights: true });
    const { task, history } = await lm.fit(x, {
      ...options,
      epochs: 60,
      // What is learnt soon makes it worse.
      validationData: [x, y.toReversed()],
      callbacks: [stopping],
    });
    const losses = history.val_loss!;
    const best = losses.indexOf(Math.min(...losses));
    expect(losses).toHaveLength(best + 3);
    const upToBest = await lm.fit(x, { ...options, epochs: best + 1 });
    expect(await numbers(device, task)).toEqual(await numbers(device, upToBest.task));
  });

  it('LearningRateScheduler sets the rate of each epoch, and the history has it', async () => {
    const device = await open();
    const rates = [0.5, 0.25, 0.125];
    const { task, history } = await tiny(device, 9).fit(x, {
      ...options,
      epochs: 3,
      callbacks: [LearningRateScheduler((epoch) => rates[epoch]!)],
    });
    expect(history.learning_rate).toEqual(rates);
    let byHand = tiny(device, 9);
    for (const learningRate of rates)
      byHand = (await byHand.compile({ optimizer: SGD({ learningRate }) }).fit(x, options)).task;
    expect(await numbers(device, task)).toEqual(await numbers(device, byHand));
  });

  it('ReduceLROnPlateau lowers the rate from the next step on', async () => {
    const device = await open();
    const { history } = await tiny(device, 0.5).fit(x, {
      ...options,
      epochs: 5,
      callbacks: [
        ReduceLROnPlateau({ monitor: 'loss', minDelta: 100, patience: 2, factor: 0.5 }),
        CSVLogger(join(folder, `${kind}.csv`)),
      ],
    });
    // The first loss counts as the best, and none beats it by 100.
    expect(history.learning_rate).toEqual([0.5, 0.5, 0.5, 0.25, 0.25]);
    const [header, ...lines] = (await readFile(join(folder, `${kind}.csv`), 'utf8')).trimEnd().split('\n');
    expect(header).toBe('epoch,learning_rate,loss,sparse_categorical_accuracy');
    expect(lines.map((line) => line.split(',').map(Number))).toEqual(
      history.loss!.map((loss, epoch) => [
        epoch,
        history.learning_rate![epoch],
        loss,
        history.sparse_categorical_accuracy![epoch],
      ]),
    );
  });

  it('TerminateOnNaN ends the run without an error, with the parameters that led to it', async () => {
    const device = await open();
    const at = join(folder, `nan-${kind}`);
    const { task, history } = await tiny(device, 1e30).fit(x, {
      ...options,
      epochs: 9,
      callbacks: [TerminateOnNaN(), ModelCheckpoint({ folder: at, saveFreq: 1 })],
    });
    expect(history.loss!.length).toBeLessThan(9);
    expect(history.loss!.at(-1)).not.toSatisfy(Number.isFinite);
    expect((await numbers(device, task)).flat().every(Number.isFinite)).toBe(true);
    const { steps } = JSON.parse(await readFile(join(at, 'run.json'), 'utf8')) as { readonly steps: number };
    expect(steps).toBeGreaterThan(0);
  });
});

describe('CSVLogger', () => {
  const lm = tiny(referenceDevice, 0.1);

  it('writes NA where an epoch is not validated, and every epoch once in a run that is resumed', async () => {
    const path = join(folder, 'na.csv');
    const run = (resumeFrom?: string) =>
      lm.fit(x, {
        ...options,
        epochs: 4,
        validationData: [x, y],
        validationFreq: 2,
        callbacks: [
          CSVLogger(path, { separator: ';' }),
          ModelCheckpoint({ folder: join(folder, 'na-{epoch}'), saveBestOnly: true }),
          EarlyStopping(),
        ],
        ...(resumeFrom === undefined ? {} : { resumeFrom }),
      });
    const { history } = await run();
    const text = await readFile(path, 'utf8');
    const rows = text.trimEnd().split('\n');
    expect(rows[0]).toBe('epoch;loss;sparse_categorical_accuracy;val_loss;val_sparse_categorical_accuracy');
    expect(rows.map((row) => row.endsWith(';NA;NA'))).toEqual([false, true, false, true, false]);
    expect(history.val_loss).toHaveLength(2);
    await writeFile(path, `${text}9;lines;of;a;later epoch\n`);
    await run(join(folder, 'na-2'));
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  it('appends when asked to', async () => {
    const path = join(folder, 'append.csv');
    for (let time = 0; time < 2; time++)
      await lm.fit(x, { ...options, epochs: 2, callbacks: [CSVLogger(path, { append: true })] });
    const rows = (await readFile(path, 'utf8')).trimEnd().split('\n');
    expect(rows.map((row) => row.split(',')[0])).toEqual(['epoch', '0', '1', '0', '1']);
  });
});

describe('what callbacks refuse', () => {
  const lm = tiny(referenceDevice, 0.1);

  it.each<readonly [string, () => unknown, string]>([
    ['a monitor of no known direction', () => EarlyStopping({ monitor: 'beauty' }), "expected mode 'min' or 'max'"],
    ['a factor that is none', () => ReduceLROnPlateau({ factor: 1 }), 'expected a factor below 1, got 1'],
    ['half a step', () => ModelCheckpoint({ folder: 'x', saveFreq: 0.5 }), 'a whole number from 1, got 0.5'],
    [
      'the best of what is not yet known',
      () => ModelCheckpoint({ folder: 'x', saveFreq: 5, saveBestOnly: true }),
      "expected saveFreq 'epoch' for saveBestOnly by val_loss",
    ],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(message);
  });

  it('to watch what is not among the logs', async () => {
    for (const callback of [EarlyStopping(), ReduceLROnPlateau(), ModelCheckpoint({ folder, saveBestOnly: true })])
      await expect(lm.fit(x, { ...options, callbacks: [callback] })).rejects.toThrow(
        `${callback.name}: expected val_loss among the logs, got loss, sparse_categorical_accuracy`,
      );
  });
});

describe('a function as callback', () => {
  it('is told of every event, may wait, and may answer with actions', async () => {
    const events: string[] = [];
    const { history } = await tiny(referenceDevice, 0.1).fit(x, {
      ...options,
      epochs: 5,
      callbacks: [
        (event, { epoch, step }) => events.push(`${event} ${epoch} ${step}`),
        async (event, { steps }) => (event === 'batchEnd' && steps === 3 ? [{ do: 'stop', reason: 'enough' }] : []),
      ],
    });
    expect(history.loss).toHaveLength(2);
    expect(events).toEqual([
      ...['trainBegin 0 0', 'epochBegin 0 0', 'batchEnd 0 1', 'batchEnd 0 2', 'epochEnd 0 2'],
      ...['epochBegin 1 0', 'batchEnd 1 1', 'epochEnd 1 1', 'trainEnd 2 0'],
    ]);
  });
});
