import { foldIn, key as randomKey, uniform } from '../ops/random.ts';
import { evaluateReference } from '../runtime/reference/evaluate.ts';
import { ArgumentError } from '../tensor/errors.ts';
import { type NDArray, ndarray } from '../tensor/ndarray.ts';

/** Examples on the host: arrays whose first axis counts them. */
export interface Batch {
  readonly x: Readonly<Record<string, NDArray>>;
  readonly y?: NDArray;
  readonly sampleWeight?: NDArray;
  /** What the mean over these arrays is to be multiplied by, where columns without weight were left out. Default 1. */
  readonly lossScale?: number;
}

/**
 * What a task makes batches of: texts, token records, or whatever its preprocessor reads. Where the preprocessor draws
 * random numbers, each example has a seed of its own.
 */
export type Prepare = (x: unknown, y?: unknown, sampleWeight?: unknown, seeds?: readonly number[]) => Batch;

/** The seed of an example's draws: one for each example of each epoch of each run. */
export const exampleSeed = (seed: number, epoch: number, example: number): number =>
  ((Math.abs(seed) % 2 ** 14) * 2 ** 16 + (epoch % 2 ** 16)) * 2 ** 22 + (example % 2 ** 22);

/** Batches, again and again: one run through them is an epoch. */
export interface Source {
  /** Batches of one epoch; unknown for streams until they were read once. */
  readonly steps: number | undefined;
  /** The batches of an epoch, from the `skip`th on. */
  batches(epoch: number, skip?: number): AsyncIterable<Batch>;
}

/** How examples become batches. */
export interface BatchOptions {
  readonly batchSize: number;
  /** Seed of a new order each epoch; undefined keeps the given order. */
  readonly shuffleSeed?: number | undefined;
}

/** How many examples arrays hold. */
export const sizeOf = ({ x }: Batch): number => Object.values(x)[0]?.shape[0] ?? 0;

/** Rows of an array, in the order of their numbers. */
const rows = ({ data, shape, dtype }: NDArray, order: readonly number[]): NDArray => {
  const width = shape.slice(1).reduce((a, b) => a * b, 1);
  const picked = new (data.constructor as { new (length: number): NDArray['data'] })(order.length * width);
  for (const [at, row] of order.entries()) picked.set(data.subarray(row * width, (row + 1) * width), at * width);
  return ndarray(picked, [order.length, ...shape.slice(1)], dtype);
};

/** Examples of a batch, by number. */
export const select = ({ x, y, sampleWeight }: Batch, order: readonly number[]): Batch => ({
  x: Object.fromEntries(Object.entries(x).map(([name, array]) => [name, rows(array, order)])),
  ...(y === undefined ? {} : { y: rows(y, order) }),
  ...(sampleWeight === undefined ? {} : { sampleWeight: rows(sampleWeight, order) }),
});

/** Lengths that batches are cut to are multiples of this, so that a few plans serve all. */
const TRIM_STEP = 32;

/** The first columns of an array `[batch, length]`. */
const firstColumns = ({ data, shape, dtype }: NDArray, length: number): NDArray => {
  const [batch = 0, width = 0] = shape;
  const kept = new (data.constructor as { new (length: number): NDArray['data'] })(batch * length);
  for (let row = 0; row < batch; row++) kept.set(data.subarray(row * width, row * width + length), row * length);
  return ndarray(kept, [batch, length], dtype);
};

/**
 * A batch for a model that reads from left to right, without the last columns if they weigh nothing: no earlier place
 * sees them, so all that is lost is the work. The mean loss is taken over all places still.
 *
 * @param batch - With inputs, targets and weights of `[batch, length]`; others are given back as they are.
 */
export const trimmed = (batch: Batch): Batch => {
  const { x, y, sampleWeight } = batch;
  if (y === undefined || sampleWeight === undefined) return batch;
  const arrays = [...Object.values(x), y, sampleWeight];
  const [rows = 0, length = 0] = sampleWeight.shape;
  if (!arrays.every(({ shape }) => shape.length === 2 && shape[0] === rows && shape[1] === length)) return batch;
  let last = 0;
  for (const [at, weight] of sampleWeight.data.entries()) if (weight !== 0) last = Math.max(last, (at % length) + 1);
  const kept = Math.min(length, Math.ceil(Math.max(1, last) / TRIM_STEP) * TRIM_STEP);
  if (kept === length) return batch;
  return {
    x: Object.fromEntries(Object.entries(x).map(([name, array]) => [name, firstColumns(array, kept)])),
    y: firstColumns(y, kept),
    sampleWeight: firstColumns(sampleWeight, kept),
    lossScale: kept / length,
  };
};

/** Numbers 0 to `size - 1` in an order that depends on seed and epoch alone. */
export const shuffled = (size: number, seed: number, epoch: number): readonly number[] => {
  const [{ data } = { data: new Float32Array(0) }] = evaluateReference([
    uniform(foldIn(randomKey(seed), epoch), [size]),
  ]);
  return Array.from({ length: size }, (_, i) => i).sort((a, b) => data[a]! - data[b]! || a - b);
};

/**
 * Batches of examples that are all there.
 *
 * @param at - Makes the examples of these numbers, for this epoch.
 */
export const indexedSource = (
  size: number,
  at: (order: readonly number[], epoch: number) => Batch,
  { batchSize, shuffleSeed }: BatchOptions,
): Source => ({
  steps: Math.ceil(size / batchSize),
  batches: async function* (epoch, skip = 0) {
    const order =
      shuffleSeed === undefined ? Array.from({ length: size }, (_, i) => i) : shuffled(size, shuffleSeed, epoch);
    for (let start = skip * batchSize; start < size; start += batchSize)
      yield at(order.slice(start, start + batchSize), epoch);
  },
});

/** Batches that come one by one: each a list of texts, a record of tokens, `{ x, y, sampleWeight }` or `[x, y, sampleWeight]`. */
export type Dataset = AsyncIterable<unknown> | Iterable<unknown> | (() => AsyncIterable<unknown> | Iterable<unknown>);

/** Whether a value is one text or pair of texts, as an entry of a list of samples. */
const isSample = (value: unknown): boolean =>
  typeof value === 'string' ||
  (typeof value === 'object' && value !== null && 'first' in value && typeof value.first === 'string');

/** Whether a value is a list of samples: texts, or pairs `{ first, second }`. Lists of lists are batches. */
export const isSamples = (value: unknown): value is readonly unknown[] =>
  Array.isArray(value) && value.length > 0 && isSample(value[0]);

/** Whether a value is a dataset: an iterable that is no list of samples, or a function that gives one. */
export const isDataset = (value: unknown): value is Dataset =>
  typeof value === 'function' ||
  (typeof value === 'object' &&
    value !== null &&
    (Symbol.asyncIterator in value || Symbol.iterator in value) &&
    !ArrayBuffer.isView(value) &&
    !(Array.isArray(value) && (value.length === 0 || isSamples(value))));

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** One item of a dataset as examples. */
const itemBatch = (item: unknown, prepare: Prepare, seeds: (x: unknown) => readonly number[] | undefined): Batch => {
  const [x, y, sampleWeight] =
    Array.isArray(item) && item.length > 0 && !isSamples(item)
      ? item
      : isRecord(item) && 'x' in item
        ? [item.x, item.y, item.sampleWeight]
        : [item];
  return prepare(x, y, sampleWeight, seeds(x));
};

/** Batches of a dataset; an epoch runs through it once. */
export const streamedSource = (name: string, data: Dataset, prepare: Prepare, seed = 0): Source => ({
  steps: Array.isArray(data) ? data.length : undefined,
  batches: async function* (epoch, skip = 0) {
    let count = 0;
    for await (const item of typeof data === 'function' ? data() : data)
      if (count++ >= skip) {
        const first = count * 2 ** 12;
        yield itemBatch(item, prepare, (x) =>
          isSamples(x) ? x.map((_, i) => exampleSeed(seed, epoch, first + i)) : undefined,
        );
      }
    if (count === 0)
      throw new ArgumentError(
        epoch === 0
          ? `${name}: expected at least one batch, got an empty dataset`
          : `${name}: expected batches in pass ${epoch + 1} through the dataset, got none; a generator can be read only once: pass a list, or a function that makes a new one`,
      );
  },
});
