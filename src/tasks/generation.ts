import { type Intercept, identityIntercept } from '../layers/intercept.ts';
import { tensor } from '../ops/constant.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { leaves, type Tree, withLeaves } from '../tensor/tree.ts';
import {
  type GenerationRequest,
  type Loop,
  type LoopState,
  loopOf,
  nothing,
  repeated,
  type TokenBatch,
} from './decodingLoop.ts';
import { readPrompt, shortestPrompt } from './prompt.ts';

/** How far a generation has come: columns before `end` are decided. */
export interface GenerationProgress {
  /** `[batch, length]`; of beams, the best as it stands. */
  readonly tokenIds: Int32Array;
  readonly end: number;
  /** All beams of all rows, when the generation has ended. */
  readonly beams?: Beams;
}

/** Alternatives for each row, best first. */
export interface Beams {
  /** How many there are of each row. */
  readonly count: number;
  /** `[batch * count, length]`. */
  readonly tokenIds: Int32Array;
  /** Sums of the logarithms of the tokens' probabilities, `[batch * count]`. */
  readonly logProbs: Float32Array;
}

/** The first place of a row, from `start` and before `end`, where a stop id was generated; undefined if none was. */
export const firstStop = (
  tokenIds: Int32Array,
  { paddingMask, length }: TokenBatch,
  row: number,
  end: number,
  stopTokenIds: readonly number[],
): number | undefined => {
  for (let at = 0; at < end; at++) {
    const place = row * length + at;
    if (paddingMask[place] === 0 && stopTokenIds.includes(tokenIds[place]!)) return at;
  }
  return undefined;
};

/** Steps in one submission, and the tokens, the place and the scores that they lead to. */
interface Submission {
  readonly taken: number;
  readonly values: Promise<readonly NDArray[]>;
}

/** How long one submission may keep a listener waiting, in milliseconds. */
const PATIENCE = 60;
const MOST_STEPS = 32;

/** The prompt with every row several times over. */
export const repeatRows = ({ tokenIds, paddingMask, batch, length }: TokenBatch, times: number): TokenBatch => {
  const rows = <A extends Int32Array | Uint8Array>(data: A): A => {
    const all = new (data.constructor as new (size: number) => A)(data.length * times);
    for (let row = 0; row < batch * times; row++) {
      const from = Math.floor(row / times) * length;
      all.set(data.subarray(from, from + length), row * length);
    }
    return all;
  };
  return times === 1
    ? { tokenIds, paddingMask, batch, length }
    : { tokenIds: rows(tokenIds), paddingMask: rows(paddingMask), batch: batch * times, length };
};

/** Beams of `[batch * count, length]`, those of a row sorted by their scores, largest first. */
const sortBeams = (tokenIds: Int32Array, logProbs: Float32Array, count: number, length: number): Beams => {
  const order = Array.from(logProbs, (_, at) => at).sort(
    (a, b) => Math.floor(a / count) - Math.floor(b / count) || logProbs[b]! - logProbs[a]! || a - b,
  );
  const sorted = new Int32Array(tokenIds.length);
  for (const [to, from] of order.entries())
    sorted.set(tokenIds.subarray(from * length, (from + 1) * length), to * length);
  return { count, tokenIds: sorted, logProbs: Float32Array.from(order, (at) => logProbs[at]!) };
};

/** The best beam of each row. */
const bestOf = ({ count, tokenIds }: Beams, length: number): Int32Array => {
  const best = new Int32Array(tokenIds.length / count);
  for (let at = 0; at < best.length; at += length) best.set(tokenIds.subarray(at * count, at * count + length), at);
  return best;
};

/** The first column, before `end`, in which some beams of a row differ: what comes before will not change. */
const settled = ({ count, tokenIds }: Beams, length: number, end: number): number => {
  for (let at = 0; at < end; at++)
    for (let row = 0; row * length < tokenIds.length; row++)
      if (tokenIds[row * length + at] !== tokenIds[(row - (row % count)) * length + at]) return at;
  return end;
};

/**
 * Generates column by column, as KerasHub does: the cache is filled from what all rows have given, and from there on
 * every step of the sampler's decoding decides a column (or more) for all rows, except where a row's own prompt still
 * stands.
 *
 * Yields whenever columns were decided; ends when every row has generated a stop id, or all columns are full. Tokens,
 * cache, place and random state stay on the device; several steps go in one submission, and one submission is ahead of the
 * tokens that are read.
 */
export async function* generateTokens<Params extends Tree>(
  request: GenerationRequest<Params>,
): AsyncGenerator<GenerationProgress, GenerationProgress> {
  const { device, prompt, stopTokenIds, signal, intercept = identityIntercept, when } = request;
  const { copies, columns = 1, beams: count = 1 } = request.sampler.decoding;
  const hasBeams = request.sampler.decoding.beams !== undefined;
  const { batch, length } = prompt;
  const start = shortestPrompt(prompt);
  const wide = repeatRows(prompt, count);
  signal?.throwIfAborted();
  if (start >= length) {
    const none = { count, tokenIds: wide.tokenIds, logProbs: new Float32Array(batch * count) };
    return { tokenIds: prompt.tokenIds, end: start, ...(hasBeams ? { beams: none } : {}) };
  }

  const interceptOf = (pass: number): Intercept => (when === undefined || when(pass) ? intercept : identityIntercept);
  const used = new Set<Loop>();
  const loopWith = (own: Intercept): Loop => {
    const loop = loopOf(request, own);
    used.add(loop);
    return loop;
  };
  // No id is negative, so that one stands for none.
  const ids = Int32Array.from(stopTokenIds === null || stopTokenIds.length === 0 ? [-1] : stopTokenIds);
  const [mask, stops] = (await device.realize([
    tensor(prompt.paddingMask, { shape: [batch, length] }),
    tensor(ids, { shape: [ids.length] }),
  ])) as readonly [Tensor, Tensor];
  let state: LoopState | undefined;
  let memory = nothing;
  try {
    memory = (await request.memory?.()) ?? nothing;
    const first = interceptOf(0);
    state = await readPrompt({ ...request, intercept: first }, loopWith(first), { mask, stops, memory });
    if (copies > 1 && leaves(memory).length > 0) {
      const copied = await device.realize(leaves(memory).map((leaf) => repeated(leaf, copies)));
      device.release(leaves(memory));
      memory = withLeaves(memory, copied);
    }
    let passes = 1;
    let steps = 1;
    /** Steps that were submitted, or none, and what they lead to, on its way to the host. */
    const reading = (taken: number, { tokens, index, logProbs }: LoopState): Submission => {
      const values = device.evaluate([tokens, index, ...(logProbs === undefined ? [] : [logProbs])]);
      values.catch(() => undefined); // Nobody may be left to ask for it.
      return { taken, values };
    };
    /** Submits steps after those by which `end` columns may be decided; none where one of them might come after the last. */
    const advance = async (end: number): Promise<Submission | undefined> => {
      const most = Math.min(steps, Math.ceil((length - end) / columns));
      if (most < 1) return undefined;
      // One submission holds steps with the same intercept.
      const own = interceptOf(passes);
      let taken = 1;
      while (taken < most && interceptOf(passes + taken) === own) taken++;
      passes += taken;
      state = await loopWith(own).step.repeat(taken, state!, mask, stops, memory);
      return reading(taken, state);
    };
    let present = reading(0, state);
    let following: Submission | undefined;
    let ended = performance.now();
    for (;;) {
      const read = await present.values;
      const before = ended;
      ended = performance.now();
      // A submission is as long as a listener will wait, judged by the last one.
      if (present.taken > 0)
        steps = Math.max(1, Math.min(MOST_STEPS, Math.floor((PATIENCE * present.taken) / (ended - before))));
      const all = read[0]!.data as Int32Array;
      const end = read[1]!.data[0]!;
      const scores = read[2]?.data as Float32Array | undefined;
      const beams = hasBeams && scores !== undefined ? sortBeams(all, scores, count, length) : undefined;
      const tokenIds = beams === undefined ? all : bestOf(beams, length);
      const ends =
        stopTokenIds === null
          ? undefined
          : Array.from({ length: batch * count }, (_, row) => firstStop(all, wide, row, end, stopTokenIds));
      const isDone = end >= length || ends?.every((stop) => stop !== undefined) === true;
      let progress: GenerationProgress;
      // Beams stand still when all of them have ended. Elsewhere several steps went at once: what came after the last
      // row's stop was never asked for.
      if (beams !== undefined)
        progress = isDone ? { tokenIds, end, beams } : { tokenIds, end: settled(beams, length, end) };
      else if (ends?.every((stop) => stop !== undefined) === true) {
        const last = 1 + Math.max(...ends.map((stop) => stop!));
        for (let row = 0; row < batch; row++)
          tokenIds.set(prompt.tokenIds.subarray(row * length + last, (row + 1) * length), row * length + last);
        progress = { tokenIds, end: last };
      } else progress = { tokenIds, end };
      yield progress;
      if (isDone) return progress;
      signal?.throwIfAborted();
      present = following ?? (await advance(end))!;
      // A GPU has the next steps before the tokens of these are asked for, so that it never waits: a stop wastes them.
      following = device.kind === 'webgpu' ? await advance(end + present.taken * columns) : undefined;
    }
  } finally {
    device.release([mask, stops, ...leaves(memory), ...(state === undefined ? [] : leaves(state))]);
    for (const { piece, prefill, step } of used) {
      piece.release();
      prefill.release();
      step.release();
    }
  }
}
