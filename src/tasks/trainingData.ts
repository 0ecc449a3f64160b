import { ArgumentError, ShapeError } from '../tensor/errors.ts';
import {
  type Batch,
  type Dataset,
  exampleSeed,
  indexedSource,
  isDataset,
  isSamples,
  type Prepare,
  type Source,
  select,
  sizeOf,
  streamedSource,
} from './batches.ts';
import { describe } from './inputs.ts';

/** An option that is to be a whole number. @throws {ArgumentError} If it is none, or below `least`. */
export const wholeNumber = (name: string, value: number, least: number): number => {
  if (!Number.isInteger(value) || value < least)
    throw new ArgumentError(`${name}: expected a whole number from ${least}, got ${value}`);
  return value;
};

/** Examples with what belongs to them. */
export interface LabelledData {
  readonly x: unknown;
  readonly y?: unknown;
  readonly sampleWeight?: unknown;
}

/** Examples that are all there, before they are batches. */
export interface Whole {
  readonly size: number;
  readonly at: (order: readonly number[], epoch: number) => Batch;
}

/** Labels or weights of some examples, where there are any and they can be picked apart. */
const picked = (values: unknown, order: readonly number[]): unknown =>
  Array.isArray(values) || ArrayBuffer.isView(values) ? order.map((i) => (values as ArrayLike<unknown>)[i]) : values;

/** Examples that are all there, of a user's data. @throws {ArgumentError} If they have no batch axis, or there are none. */
export const wholeOf = (what: string, { x, y, sampleWeight }: LabelledData, prepare: Prepare, seed: number): Whole => {
  if (typeof x === 'string' || x === undefined || x === null || typeof x !== 'object')
    throw new ArgumentError(
      `${what}: expected x to have a batch axis (a list of texts, or tokens of [batch, length]), got ${describe(x)}`,
    );
  if (Array.isArray(x) && x.length === 0) throw new ArgumentError(`${what}: expected at least one example, got none`);
  if (isSamples(x)) {
    for (const [name, values] of [
      ['y', y],
      ['sampleWeight', sampleWeight],
    ] as const)
      if (Array.isArray(values) && values.length !== x.length)
        throw new ShapeError(`${what}: expected ${name} for each of the ${x.length} texts, got ${values.length}`);
    return {
      size: x.length,
      at: (order, epoch) =>
        prepare(
          order.map((i) => x[i]),
          picked(y, order),
          picked(sampleWeight, order),
          order.map((i) => exampleSeed(seed, epoch, i)),
        ),
    };
  }
  const all = prepare(x, y, sampleWeight);
  return { size: sizeOf(all), at: (order) => select(all, order) };
};

/** Batches of whatever was given as data. */
export const sourceOf = (
  what: string,
  data: LabelledData,
  {
    batchSize,
    shuffleSeed,
    seed = 0,
  }: { readonly batchSize: number | undefined; readonly shuffleSeed?: number | undefined; readonly seed?: number },
  prepare: Prepare,
): Source => {
  if (isDataset(data.x)) {
    const extra = [
      ['y', data.y],
      ['sampleWeight', data.sampleWeight],
      ['batchSize', batchSize],
    ].find(([, value]) => value !== undefined);
    if (extra !== undefined)
      throw new ArgumentError(
        `${what}: expected no ${extra[0]} with a dataset, whose batches bring their own, got one; let the dataset give { x, y, sampleWeight }`,
      );
    return streamedSource(what, data.x as Dataset, prepare, seed);
  }
  const { size, at } = wholeOf(what, data, prepare, seed);
  return indexedSource(size, at, { batchSize: wholeNumber(`${what}: batchSize`, batchSize ?? 32, 1), shuffleSeed });
};

const isTokens = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && ('tokenIds' in value || 'decoderTokenIds' in value);

/** Validation data with its parts apart. */
export const labelled = (data: unknown): LabelledData => {
  if (typeof data === 'object' && data !== null && 'x' in data) return data as LabelledData;
  if (Array.isArray(data) && data.length >= 2 && data.length <= 3 && isTokens(data[0]) && !isTokens(data[1]))
    return { x: data[0], y: data[1], sampleWeight: data[2] };
  return { x: data };
};

/** The first batches of each epoch. */
export const cut = (source: Source, most: number): Source => ({
  steps: source.steps === undefined ? undefined : Math.min(source.steps, most),
  batches: async function* (epoch, skip = 0) {
    let count = skip;
    if (count >= most) return;
    for await (const batch of source.batches(epoch, skip)) {
      yield batch;
      if (++count >= most) return;
    }
  },
});

/** A source with so many steps an epoch. A stream goes on where it was, and begins anew when it ends. */
export const limited = (source: Source, stepsPerEpoch: number): Source => {
  if (source.steps !== undefined) return cut(source, stepsPerEpoch);
  const endless = async function* (): AsyncGenerator<Batch> {
    for (let pass = 0; ; pass++) yield* source.batches(pass);
  };
  let running: AsyncGenerator<Batch> | undefined;
  return {
    steps: stepsPerEpoch,
    batches: async function* (epoch, skip = 0) {
      if (running === undefined) {
        running = endless();
        for (let passed = 0; passed < epoch * stepsPerEpoch + skip; passed++) await running.next();
      }
      for (let count = skip; count < stepsPerEpoch; count++) {
        const next = await running.next();
        if (next.done === true) return;
        yield next.value;
      }
    },
  };
};
