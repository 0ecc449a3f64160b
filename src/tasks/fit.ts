import { appendFile, mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { identity } from '../ops/identity.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { leaves, type Tree, withLeaves } from '../tensor/tree.ts';
import {
  type Callback,
  type CallbackLike,
  getCallback,
  type TrainingAction,
  type TrainingEvent,
  type TrainingRun,
} from '../training/callbacks.ts';
import type { OptimizerState } from '../training/index.ts';
import type { Batch, Source } from './batches.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { evaluator, logNames, type Trained, type TrainerParts, type TrainState, trainer } from './trainer.ts';

/** A loss that is no finite number: training it further is of no use. */
export class NonFiniteLossError extends Error {
  override readonly name = 'NonFiniteLossError';
  /** The step, from 1. */
  readonly step: number;
  /** The first parameter that is not finite, else the first whose gradient is not, else the largest. */
  readonly parameter: string;

  constructor(step: number, loss: number, parameter: string) {
    super(
      `fit: expected a finite loss, got ${loss} in step ${step}; the first parameter concerned is ${parameter}; lower the learning rate, clip the gradients (clipnorm), or look at the data`,
    );
    this.step = step;
    this.parameter = parameter;
  }
}

/** How far a run is, told after every step. */
export interface FitProgress {
  /** From 0. */
  readonly epoch: number;
  /** The epoch that it ends before. */
  readonly epochs: number;
  /** Steps done in this epoch. */
  readonly step: number;
  /** Steps of an epoch; undefined for a stream in its first epoch. */
  readonly steps: number | undefined;
  /** Loss of the last step. */
  readonly loss: number;
  /** Mean loss and metrics of the epoch so far. */
  readonly logs: Readonly<Record<string, number>>;
  /** Targets that were learnt from since the last look: places whose weight is not 0. */
  readonly tokens: number;
  /** Seconds since the last look. */
  readonly seconds: number;
}

/** What a run is told to do. */
export interface RunOptions {
  readonly epochs: number;
  readonly initialEpoch: number;
  /** Steps between two looks of the host at the loss. */
  readonly stepsPerExecution: number;
  readonly validation: (() => AsyncIterable<Batch>) | undefined;
  readonly validationSteps: number | undefined;
  /** Validate after every so many epochs. */
  readonly validationFreq: number;
  readonly callbacks: readonly CallbackLike[];
  readonly resumeFrom: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: FitProgress) => void) | undefined;
}

/** One number an epoch for each of the logs. */
export type History = Readonly<Record<string, readonly number[]>>;

/** What a run leaves. */
export interface RunResult {
  readonly params: Trained;
  readonly optimizer: OptimizerState;
  readonly history: History;
}

/** How many targets of a batch have a weight. */
const countTargets = ({ y, sampleWeight }: Batch): number => {
  const places = y?.data.length ?? 0;
  if (sampleWeight === undefined) return places;
  let weighted = 0;
  for (const weight of sampleWeight.data) if (weight !== 0) weighted++;
  return weighted * (places / sampleWeight.data.length);
};

/** Text added to a file, after a header if the file is empty or not there. */
const append = async (path: string, header: string, text: string): Promise<void> => {
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  await mkdir(dirname(path), { recursive: true });
  await appendFile(path, size === 0 ? header + text : text);
};

/**
 * Trains: epochs of steps over a source, with validation and callbacks between them.
 *
 * @throws {NonFiniteLossError} By rejection, when a loss is not finite and no callback ended the run for it.
 */
export const runTraining = async (
  parts: TrainerParts,
  source: Source,
  options: RunOptions,
  optimizerState: OptimizerState | undefined,
): Promise<RunResult> => {
  const { device, setup, seed } = parts;
  const { epochs, signal, onProgress } = options;
  const callbacks: readonly Callback[] = options.callbacks.map(getCallback);
  const train = trainer(parts);
  const judge = evaluator(parts);
  let memories = callbacks.map(({ memory }) => memory);
  let history: Record<string, number[]> = {};
  let kept: Readonly<Record<string, Tensor>> | undefined;
  let epoch = options.initialEpoch;
  let step = 0;
  let steps = 0;
  let logs: Record<string, number> = {};
  let stopped = false;
  let isGood = true;
  const names = logNames(setup);
  const monitors = [...names, ...(options.validation === undefined ? [] : names.map((name) => `val_${name}`))];
  signal?.throwIfAborted();
  let state: TrainState = await train.begin(optimizerState);

  const rate = async (): Promise<number> => {
    const [value] = await device.evaluate([setup.optimizer.learningRate(state.optimizer)]);
    return value!.data[0]!;
  };
  let learningRate = 0;

  /** The same state with other tensors in some places, whose buffers are given back. */
  const replace = async (from: readonly Tensor[], tree: Tree): Promise<readonly Tensor[]> => {
    const fresh = await device.realize(leaves(tree).map((tensor) => identity(tensor)));
    device.release(from);
    return fresh;
  };

  const act = async (action: TrainingAction): Promise<void> => {
    switch (action.do) {
      case 'stop':
        stopped = true;
        break;
      case 'setLearningRate': {
        const own = state.optimizer;
        const [set] = await replace(
          [own.learningRate],
          setup.optimizer.withLearningRate(own, action.learningRate).learningRate,
        );
        state = { ...state, optimizer: { ...own, learningRate: set! } };
        learningRate = await rate();
        break;
      }
      case 'keep':
        kept = withLeaves(state.params, await replace(leaves(kept ?? {}), state.params));
        break;
      case 'restore':
        if (kept !== undefined)
          state = { ...state, params: withLeaves(state.params, await replace(leaves(state.params), kept)) };
        break;
      case 'checkpoint':
        break;
      case 'write':
        await mkdir(dirname(action.path), { recursive: true });
        await writeFile(action.path, action.header + action.text);
        break;
      case 'append':
        await append(action.path, action.header, action.text);
        break;
    }
  };

  const recordEpoch = (): void => {
    for (const [name, value] of Object.entries(logs)) history[name] = [...(history[name] ?? []), value];
  };

  const tell = async (event: TrainingEvent): Promise<void> => {
    if (callbacks.length === 0) {
      if (event === 'epochEnd') recordEpoch();
      return;
    }
    const actions: TrainingAction[] = [];
    const remembered = [...memories];
    for (const [i, callback] of callbacks.entries()) {
      const run: TrainingRun = { epoch, epochs, step, steps, logs, monitors, history, learningRate };
      const reaction = await callback.react(event, run, memories[i]!);
      if (reaction?.memory !== undefined) remembered[i] = reaction.memory;
      if (reaction?.logs !== undefined) logs = { ...logs, ...reaction.logs };
      actions.push(...(reaction?.actions ?? []));
    }
    memories = remembered;
    if (event === 'epochEnd') recordEpoch();
    for (const action of actions) await act(action);
    // Checkpoints come last, and hold what the others did. The last good one stays when the loss is no number.
    for (const action of actions)
      if (action.do === 'checkpoint' && isGood)
        await writeCheckpoint(device, action.folder, kept === undefined ? state : { ...state, kept }, {
          ...(event === 'epochEnd' ? { epoch: epoch + 1, step: 0 } : { epoch, step }),
          steps,
          stopped,
          seed,
          optimizer: setup.optimizer.name,
          history,
          memories,
          callbacks: callbacks.map(({ name }) => name),
        });
  };

  let isFinished = false;
  try {
    if (options.resumeFrom !== undefined) {
      const { state: found, record, kept: old } = await readCheckpoint(device, options.resumeFrom, state);
      device.release(leaves(state));
      state = found;
      if (record.seed !== seed || record.optimizer !== setup.optimizer.name)
        throw new ArgumentError(
          `fit: expected to resume with seed ${record.seed} and optimizer ${record.optimizer}, got seed ${seed} and ${setup.optimizer.name}`,
        );
      if (record.callbacks.join() !== callbacks.map(({ name }) => name).join())
        throw new ArgumentError(
          `fit: expected to resume with the callbacks ${record.callbacks.join(', ') || '(none)'}, got ${callbacks.map(({ name }) => name).join(', ') || '(none)'}`,
        );
      memories = [...record.memories];
      history = Object.fromEntries(Object.entries(record.history).map(([name, values]) => [name, [...values]]));
      kept = Object.keys(old).length === 0 ? undefined : old;
      ({ epoch, step, steps, stopped } = record);
      if (step > 0) logs = (await train.logs(state)).logs;
    }
    learningRate = await rate();
    if (options.resumeFrom === undefined) await tell('trainBegin');

    // A run that was stopped within an epoch, and then interrupted, still ends that epoch.
    while (epoch < epochs && !(stopped && step === 0)) {
      const skip = step;
      if (skip === 0) await tell('epochBegin');
      let before = performance.now();
      let tokens = 0;
      let isRead = true;
      let batch: Batch | undefined;
      const look = async (): Promise<void> => {
        const found = await train.logs(state);
        const { loss } = found;
        ({ logs, learningRate } = found);
        isRead = true;
        const now = performance.now();
        onProgress?.({ epoch, epochs, step, steps: source.steps, loss, logs, tokens, seconds: (now - before) / 1000 });
        before = now;
        tokens = 0;
        // The mean tells of the steps since the last look.
        isGood = Number.isFinite(loss) && Number.isFinite(logs.loss);
        if (!isGood) logs = { ...logs, loss: Number.isFinite(loss) ? logs.loss! : loss };
        await tell('batchEnd');
        if (!isGood && !stopped)
          throw new NonFiniteLossError(steps, logs.loss!, await train.findSuspect(state, batch!));
      };
      for await (const next of stopped ? [] : source.batches(epoch, skip)) {
        signal?.throwIfAborted();
        batch = next;
        state = await train.step(state, next, step === 0);
        step++;
        steps++;
        tokens += countTargets(next);
        isRead = false;
        if (steps % options.stepsPerExecution === 0) await look();
        if (stopped) break;
      }
      if (!isRead) await look();
      if (step === 0) throw new ArgumentError('fit: expected at least one batch in an epoch, got none');
      if (options.validation !== undefined && (epoch + 1) % options.validationFreq === 0) {
        const found = await judge.run(state.params, options.validation(), { steps: options.validationSteps, signal });
        logs = { ...logs, ...Object.fromEntries(Object.entries(found).map(([name, value]) => [`val_${name}`, value])) };
      }
      await tell('epochEnd');
      epoch++;
      step = 0;
    }
    await tell('trainEnd');
    const finished = setup.optimizer.finalize(state.params, state.optimizer);
    if (finished !== state.params)
      state = { ...state, params: withLeaves(state.params, await replace(leaves(state.params), finished)) };
    isFinished = true;
    return { params: state.params, optimizer: state.optimizer, history };
  } finally {
    train.release();
    judge.release();
    const { params, optimizer, ...rest } = state;
    device.release([...leaves(rest), ...leaves(kept ?? {}), ...(isFinished ? [] : leaves({ params, optimizer }))]);
  }
};
