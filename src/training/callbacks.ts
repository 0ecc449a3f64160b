import { ArgumentError } from '../tensor/errors.ts';

/** What a callback remembers from event to event: plain data, since checkpoints keep it. */
export type Json = number | string | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** When a callback is asked. */
export type TrainingEvent = 'trainBegin' | 'epochBegin' | 'batchEnd' | 'epochEnd' | 'trainEnd';

/** Where a training run stands. */
export interface TrainingRun {
  /** The epoch under way, from 0. */
  readonly epoch: number;
  /** The epoch that the run ends before. */
  readonly epochs: number;
  /** Steps done so far in this epoch. */
  readonly step: number;
  /** Steps done so far in all. */
  readonly steps: number;
  /** Mean loss and metrics of the epoch so far; at `epochEnd` those of the validation data too, as `val_…`. */
  readonly logs: Readonly<Record<string, number>>;
  /** Names that the logs of an epoch have, `val_…` only where it is validated. */
  readonly monitors: readonly string[];
  /** One number an epoch of each of the logs, for the epochs before this one. */
  readonly history: Readonly<Record<string, readonly number[]>>;
  /** The optimizer's learning rate now. */
  readonly learningRate: number;
}

/** What a callback wants `fit` to do. */
export type TrainingAction =
  /** End the run after this event. */
  | { readonly do: 'stop'; readonly reason: string }
  /** Go on with another learning rate. */
  | { readonly do: 'setLearningRate'; readonly learningRate: number }
  /** Keep a copy of the parameters as they are now. */
  | { readonly do: 'keep' }
  /** Go back to the parameters that were kept. */
  | { readonly do: 'restore' }
  /** Write everything that the run can go on from into a folder. */
  | { readonly do: 'checkpoint'; readonly folder: string }
  /** Write a text file anew, or add to it; the header goes into a file that is empty. */
  | { readonly do: 'write' | 'append'; readonly path: string; readonly header: string; readonly text: string };

/** A callback's answer. */
export interface Reaction<Memory> {
  /** What to remember from now on; left out, what it remembered before. */
  readonly memory?: Memory;
  /** What to add to the epoch's logs. */
  /** Seen by the callbacks after this one, and in the history. */
  readonly logs?: Readonly<Record<string, number>>;
  /** What to do, in this order. */
  readonly actions?: readonly TrainingAction[];
}

/** A reducer over the events of a training run. */
export interface Callback<Memory extends Json = Json> {
  /** What errors and checkpoints call it. */
  readonly name: string;
  /** What it remembers at first. */
  readonly memory: Memory;
  /** From an event, where the run stands and what it remembers to its answer; undefined changes nothing. */
  readonly react: (
    event: TrainingEvent,
    run: TrainingRun,
    memory: Memory,
  ) => Reaction<Memory> | undefined | Promise<Reaction<Memory> | undefined>;
}

/** A callback, or a function that is told of every event and may answer with a list of actions. */
export type CallbackLike =
  | Callback
  | ((
      event: TrainingEvent,
      run: TrainingRun,
    ) => readonly TrainingAction[] | undefined | Promise<readonly TrainingAction[] | undefined>)
  | ((event: TrainingEvent, run: TrainingRun) => void);

/** A callback of whatever memory, as `fit` takes it. */
const callback = <Memory extends Json>(own: Callback<Memory>): Callback => Object.freeze(own) as unknown as Callback;

/** What was given as callback, as a reducer. */
export const getCallback = (given: CallbackLike): Callback =>
  typeof given === 'function'
    ? {
        name: given.name === '' ? 'function' : given.name,
        memory: null,
        react: async (event, run) => {
          const actions: unknown = await given(event, run);
          return Array.isArray(actions) ? { actions: actions as readonly TrainingAction[] } : undefined;
        },
      }
    : given;

/** Which way a logged number gets better. */
export type MonitorMode = 'auto' | 'min' | 'max';

/** A number of the logs that a callback watches. */
export interface MonitorOptions {
  /** Name among the logs. Default `val_loss`. */
  readonly monitor?: string;
  /** Default `auto`: losses, errors and perplexity down, accuracies up. */
  readonly mode?: MonitorMode;
  /** A smaller change is none. Default 0. */
  readonly minDelta?: number;
}

/** Whether `value` is better than `best`, which may not be known yet. */
const improvement = (
  name: string,
  { monitor = 'val_loss', mode = 'auto', minDelta = 0 }: MonitorOptions,
): ((value: number, best: number | null) => boolean) => {
  const metric = monitor.replace(/^val_/, '');
  const isDown = mode === 'min' || (mode === 'auto' && /loss|error|perplexity|crossentropy|entropy/.test(metric));
  const isUp = mode === 'max' || (mode === 'auto' && /accuracy|precision|recall/.test(metric));
  if (!isDown && !isUp)
    throw new ArgumentError(
      `${name}: expected mode 'min' or 'max' for monitor ${monitor}, whose direction is not known`,
    );
  const delta = Math.abs(minDelta);
  return (value, best) => best === null || (isDown ? value + delta < best : value - delta > best);
};

/** The number that is watched; undefined in an epoch without validation. */
const watched = (name: string, monitor: string, { logs, monitors }: TrainingRun): number | undefined => {
  const value = logs[monitor];
  if (value === undefined && !monitors.includes(monitor))
    throw new ArgumentError(
      `${name}: expected ${monitor} among the logs, got ${Object.keys(logs).join(', ')}; pass validationData, or another monitor`,
    );
  return value;
};

/** Options of `EarlyStopping`. */
export interface EarlyStoppingOptions extends MonitorOptions {
  /** Epochs without improvement before the run ends. Default 0. */
  readonly patience?: number;
  /** Improvements that do not beat it do not count as such. */
  readonly baseline?: number;
  /** End with the parameters of the best epoch. Default false. */
  readonly restoreBestWeights?: boolean;
  /** Epochs before this one are not judged. Default 0. */
  readonly startFromEpoch?: number;
}

/**
 * Ends the run when a logged number has stopped getting better.
 *
 * @throws {ArgumentError} If the direction of `monitor` is not known, or the logs lack it.
 * @see keras.callbacks.EarlyStopping
 */
export const EarlyStopping = (options: EarlyStoppingOptions = {}): Callback => {
  const { monitor = 'val_loss', patience = 0, baseline, restoreBestWeights = false, startFromEpoch = 0 } = options;
  const isBetter = improvement('EarlyStopping', options);
  return callback<{ readonly best: number | null; readonly wait: number; readonly kept: boolean }>({
    name: 'EarlyStopping',
    memory: { best: null, wait: 0, kept: false },
    react: (event, run, { best, wait, kept }) => {
      if (event === 'trainEnd' && kept) return { actions: [{ do: 'restore' }] };
      if (event !== 'epochEnd') return undefined;
      const value = watched('EarlyStopping', monitor, run);
      if (value === undefined || run.epoch < startFromEpoch) return undefined;
      const isImproved = isBetter(value, best);
      const keep = restoreBestWeights && (isImproved || !kept);
      const resets = isImproved && (baseline === undefined || isBetter(value, baseline));
      const memory = { best: isImproved ? value : best, wait: resets ? 0 : wait + 1, kept: kept || keep };
      const actions: TrainingAction[] = keep ? [{ do: 'keep' }] : [];
      if (!isImproved && memory.wait >= patience && run.epoch > 0)
        actions.push({ do: 'stop', reason: `${monitor} has not improved for ${memory.wait} epochs` });
      return { memory, actions };
    },
  });
};

/** Options of `ReduceLROnPlateau`. */
export interface ReduceLROnPlateauOptions extends MonitorOptions {
  /** What the learning rate is multiplied by, below 1. Default 0.1. */
  readonly factor?: number;
  /** Epochs without improvement before that. Default 10. */
  readonly patience?: number;
  /** Epochs after a change during which nothing is counted. Default 0. */
  readonly cooldown?: number;
  /** The learning rate does not go below it. Default 0. */
  readonly minLR?: number;
}

/**
 * Lowers the learning rate when a logged number has stopped getting better, and adds `learning_rate` to the logs;
 * `minDelta` is 1e-4 here.
 *
 * @throws {ArgumentError} If `factor` is not below 1, the direction of `monitor` is not known, or the logs lack it.
 * @see keras.callbacks.ReduceLROnPlateau
 */
export const ReduceLROnPlateau = (options: ReduceLROnPlateauOptions = {}): Callback => {
  const { monitor = 'val_loss', factor = 0.1, patience = 10, cooldown = 0, minLR = 0, minDelta = 1e-4 } = options;
  if (!(factor < 1)) throw new ArgumentError(`ReduceLROnPlateau: expected a factor below 1, got ${factor}`);
  const isBetter = improvement('ReduceLROnPlateau', { ...options, minDelta });
  return callback<{ readonly best: number | null; readonly wait: number; readonly cooling: number }>({
    name: 'ReduceLROnPlateau',
    memory: { best: null, wait: 0, cooling: 0 },
    react: (event, run, memory) => {
      if (event !== 'epochEnd') return undefined;
      const logs = { learning_rate: run.learningRate };
      const value = watched('ReduceLROnPlateau', monitor, { ...run, logs: { ...run.logs, ...logs } });
      if (value === undefined) return { logs };
      const cooling = Math.max(0, memory.cooling - 1);
      const wait = memory.cooling > 0 ? 0 : memory.wait;
      if (isBetter(value, memory.best)) return { logs, memory: { best: value, wait: 0, cooling } };
      if (cooling > 0) return { logs, memory: { ...memory, wait, cooling } };
      if (wait + 1 < patience || run.learningRate <= Math.fround(minLR))
        return { logs, memory: { ...memory, wait: wait + 1, cooling } };
      return {
        logs,
        memory: { ...memory, wait: 0, cooling: cooldown },
        actions: [{ do: 'setLearningRate', learningRate: Math.max(run.learningRate * factor, minLR) }],
      };
    },
  });
};

/**
 * Sets the learning rate at the beginning of each epoch, and adds `learning_rate` to the logs.
 *
 * @param schedule - From the epoch (from 0) and the learning rate so far to the next.
 * @see keras.callbacks.LearningRateScheduler
 */
export const LearningRateScheduler = (schedule: (epoch: number, learningRate: number) => number): Callback =>
  callback<null>({
    name: 'LearningRateScheduler',
    memory: null,
    react: (event, { epoch, learningRate }) =>
      event === 'epochBegin'
        ? { actions: [{ do: 'setLearningRate', learningRate: schedule(epoch, learningRate) }] }
        : event === 'epochEnd'
          ? { logs: { learning_rate: learningRate } }
          : undefined,
  });

/**
 * Writes the logs of each epoch as a line of a CSV file; `NA` stands where an epoch lacks one. A run that is resumed
 * writes each epoch once, unless it appends.
 *
 * @param path - The file.
 * @param options - `separator` (default a comma); `append` to keep what the file holds (default false).
 * @see keras.callbacks.CSVLogger
 */
export const CSVLogger = (
  path: string,
  { separator = ',', append = false }: { readonly separator?: string; readonly append?: boolean } = {},
): Callback =>
  callback<{ readonly names: readonly string[]; readonly lines: string }>({
    name: 'CSVLogger',
    memory: { names: [], lines: '' },
    react: (event, { epoch, logs, monitors }, { names: known, lines }) => {
      if (event !== 'epochEnd') return undefined;
      const names = known.length > 0 ? known : [...new Set([...monitors, ...Object.keys(logs)])].sort();
      const header = `${['epoch', ...names].join(separator)}\n`;
      const line = `${[epoch, ...names.map((name) => logs[name] ?? 'NA')].join(separator)}\n`;
      const text = append ? line : lines + line;
      return {
        memory: { names, lines: append ? '' : text },
        actions: [{ do: append ? 'append' : 'write', path, header, text }],
      };
    },
  });

/** Options of `ModelCheckpoint`. */
export interface ModelCheckpointOptions extends MonitorOptions {
  /** Where to; `{epoch}` in it is the epoch's number, from 1. */
  readonly folder: string;
  /** Only when `monitor` got better. Default false. */
  readonly saveBestOnly?: boolean;
  /** After each epoch, or every so many steps. Default `'epoch'`. */
  readonly saveFreq?: 'epoch' | number;
}

/**
 * Writes a checkpoint, from which `fit` can go on to the same numbers (`resumeFrom`). A checkpoint is written beside the
 * old one and takes its place when it is whole.
 *
 * @throws {ArgumentError} If `saveFreq` is no whole number from 1, or `saveBestOnly` has no direction, or is asked between
 *   epochs of what is known after one.
 * @see keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore
 */
export const ModelCheckpoint = (options: ModelCheckpointOptions): Callback => {
  const { folder, monitor = 'val_loss', saveBestOnly = false, saveFreq = 'epoch' } = options;
  if (saveFreq !== 'epoch' && !(Number.isInteger(saveFreq) && saveFreq >= 1))
    throw new ArgumentError(
      `ModelCheckpoint: expected saveFreq to be 'epoch' or a whole number from 1, got ${saveFreq}`,
    );
  if (saveFreq !== 'epoch' && saveBestOnly && monitor.startsWith('val_'))
    throw new ArgumentError(
      `ModelCheckpoint: expected saveFreq 'epoch' for saveBestOnly by ${monitor}, which is known after an epoch, got ${saveFreq}`,
    );
  const isBetter = saveBestOnly ? improvement('ModelCheckpoint', options) : () => true;
  return callback<number | null>({
    name: 'ModelCheckpoint',
    memory: null,
    react: (event, run, best) => {
      if (saveFreq === 'epoch' ? event !== 'epochEnd' : event !== 'batchEnd' || run.steps % saveFreq !== 0)
        return undefined;
      const value = saveBestOnly ? watched('ModelCheckpoint', monitor, run) : null;
      if (value === undefined || (value !== null && !isBetter(value, best))) return undefined;
      return {
        memory: value,
        actions: [{ do: 'checkpoint', folder: folder.replaceAll('{epoch}', String(run.epoch + 1)) }],
      };
    },
  });
};

/**
 * Ends the run, instead of rejecting, when a loss is no finite number.
 *
 * @see keras.callbacks.TerminateOnNaN
 */
export const TerminateOnNaN = (): Callback =>
  callback<null>({
    name: 'TerminateOnNaN',
    memory: null,
    react: (event, { logs, steps }) =>
      event === 'batchEnd' && !Number.isFinite(logs.loss ?? 0)
        ? { actions: [{ do: 'stop', reason: `the loss of step ${steps} is not finite` }] }
        : undefined,
  });
