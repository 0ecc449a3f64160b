import type { Cache, KeyValue } from '../layers/cache.ts';
import { type Intercept, identityIntercept } from '../layers/intercept.ts';
import type { CausalContext, CausalModel } from '../models/causalModel.ts';
import { add } from '../ops/add.ts';
import { arange } from '../ops/arange.ts';
import { broadcastTo } from '../ops/broadcastTo.ts';
import { constant, tensor } from '../ops/constant.ts';
import { less } from '../ops/less.ts';
import { multiply } from '../ops/multiply.ts';
import { reshape, squeeze } from '../ops/reshape.ts';
import { sliceUpdate } from '../ops/sliceUpdate.ts';
import { subtract } from '../ops/subtract.ts';
import { take } from '../ops/take.ts';
import { takeAlongAxis } from '../ops/takeAlongAxis.ts';
import { where } from '../ops/where.ts';
import { zeros } from '../ops/zeros.ts';
import type { Device } from '../runtime/device.ts';
import type { Compiled } from '../runtime/webgpu/compile.ts';
import type { Decoded, Decoder, Prefilled } from '../samplers/decoding.ts';
import { floorDivided } from '../samplers/sample.ts';
import type { Sampler } from '../samplers/sampler.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { leaves, mapTree, type Tree, withLeaves } from '../tensor/tree.ts';

/** Token ids and a mask on the host, `[batch, length]`, row-major. */
export interface TokenBatch {
  readonly tokenIds: Int32Array;
  /** 1 where a token is given and must stay. */
  readonly paddingMask: Uint8Array;
  readonly batch: number;
  readonly length: number;
}

/** Everything a generation depends on. */
export interface GenerationRequest<Params extends Tree> {
  readonly device: Device;
  readonly model: CausalModel<Params>;
  readonly params: Params;
  readonly sampler: Sampler;
  /** The parameters of the sampler's draft model, if it has one. */
  readonly draftParams?: Tree;
  readonly prompt: TokenBatch;
  /**
   * Computes what the model reads besides, as `context.memory`: tensors that the device holds, whose first axis is the
   * batch. Called when there is something to generate; they are released in the end.
   */
  readonly memory?: (() => Promise<Tree>) | undefined;
  /** Ids that end a row, each by itself; null fills every row. */
  readonly stopTokenIds: readonly number[] | null;
  /** Two words of a random key for each row. */
  readonly keys: Int32Array;
  /** Called while a pass is traced, once for each kind of pass. */
  readonly intercept?: Intercept | undefined;
  /** In which passes the intercept is in force: 0 is the prefill, 1 the first cached step. Default: in all. */
  readonly when?: ((step: number) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

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

type LoopState = Decoded & Tree;

interface Loop {
  /** (prompt ids of the prefill, all tokens, mask, stop ids, place of the first new token, keys, memory) to a state. */
  readonly prefill: Compiled<readonly [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tree], LoopState>;
  /** (state, mask, stop ids, memory) to the next state. */
  readonly step: Compiled<readonly [LoopState, Tensor, Tensor, Tree], LoopState>;
}

/** What stands for the memory of models that have none: a tree without tensors. */
const noMemory: Tree = [];

const given = (memory: Tree): Tree | undefined => (leaves(memory).length === 0 ? undefined : memory);

/** A model's cache, as decodings carry it along. */
type ModelCache = {
  readonly layers: readonly KeyValue[];
  /** Where rows share what they have in common: in which row's cache each place of a row is, `[rows, capacity]` int32. */
  readonly rows?: Tensor;
};

/** A model with parameters as something that decodes. */
const decoderOf = <Params extends Tree>(
  { model, params }: { readonly model: CausalModel<Params>; readonly params: Params },
  context: Pick<CausalContext, 'intercept' | 'memory'>,
): Decoder => {
  /** Reads `count` tokens from place `from` on. */
  const read = (tokens: Tensor, { layers, rows }: ModelCache, from: Tensor, count: number) => {
    const [batch = 0, capacity = 0] = tokens.shape;
    // What is read now, and whatever comes later, is each row's own.
    const shared = rows && where(less(arange(capacity), from), rows, reshape(arange(batch), [batch, 1]));
    const cache: Cache = {
      layers: shared === undefined ? layers : layers.map((layer) => ({ ...layer, rows: shared })),
      position: from,
    };
    const places = reshape(count === 1 ? from : add(arange(count), from), [1, count]);
    const tokenIds = takeAlongAxis(tokens, broadcastTo(places, [batch, count]));
    const { hidden, presents } = model.apply(params, { tokenIds }, { ...context, cache });
    const kept: ModelCache = {
      layers: presents.map(({ key, value }) => ({ key, value })),
      ...(shared === undefined ? {} : { rows: shared }),
    };
    return { hidden, logits: model.logits(params, hidden, { ...context, cache }), cache: kept };
  };
  return {
    next: (tokens, cache, index) => {
      const { hidden, logits, cache: kept } = read(tokens, cache as ModelCache, subtract(index, 1), 1);
      return { logits: squeeze(logits, { axis: 1 }), hidden: squeeze(hidden, { axis: 1 }), cache: kept };
    },
    verify: (tokens, cache, index, count) => read(tokens, cache as ModelCache, subtract(index, 1), count),
    reorder: (cache, parents) => {
      const { layers, rows } = cache as ModelCache;
      return rows === undefined ? { layers } : { layers, rows: take(rows, parents) };
    },
  };
};

/**
 * Keys and values of a prefill as a cache of `capacity` places, with entries for `copies` rows of each: the first has them,
 * and the others read them there.
 */
const grow = (presents: readonly KeyValue[], capacity: number, copies: number): ModelCache => {
  const [batch = 0, width = 0] = presents[0]?.key.shape ?? [];
  const whole = (fresh: Tensor): Tensor => {
    const rest = fresh.shape.slice(2);
    const first = [0, 0, ...rest.map(() => 0)];
    if (copies === 1) return width === capacity ? fresh : sliceUpdate(zeros([batch, capacity, ...rest]), first, fresh);
    const all = sliceUpdate(
      zeros([batch, copies, capacity, ...rest]),
      [0, ...first],
      reshape(fresh, [batch, 1, width, ...rest]),
    );
    return reshape(all, [batch * copies, capacity, ...rest]);
  };
  const firsts = Int32Array.from({ length: batch * copies }, (_, row) => row - (row % copies));
  return {
    layers: presents.map(({ key, value }) => ({ key: whole(key), value: whole(value) })),
    ...(copies === 1
      ? {}
      : { rows: broadcastTo(tensor(firsts, { shape: [batch * copies, 1] }), [batch * copies, capacity]) }),
  };
};

/** Every row of a tensor several times over. */
const repeated = (x: Tensor, times: number): Tensor => take(x, floorDivided(x.shape[0]! * times, times));

/** Logits of one place a row, `[batch, hiddenDim]` to `[batch, vocabularySize]`; an intercept sees a length of 1. */
const logitsOfPlace = <Params extends Tree>(
  { model, params }: Pick<GenerationRequest<Params>, 'model' | 'params'>,
  hidden: Tensor,
  context: CausalContext,
): Tensor => {
  const [batch = 0, width = 0] = hidden.shape;
  return reshape(model.logits(params, reshape(hidden, [batch, 1, width]), context), [batch, model.vocabularySize]);
};

/** Parameters are part of the traced functions, not arguments: views of stored tensors stay views. */
const compileLoop = <Params extends Tree>(
  { device, model, params, sampler, draftParams = [] }: GenerationRequest<Params>,
  intercept: Intercept,
): Loop => {
  const { decoding } = sampler;
  const own = { model, params };
  const wide = (memory: Tree | undefined): Tree | undefined =>
    memory && decoding.copies > 1 ? mapTree(memory, (leaf) => repeated(leaf, decoding.copies)) : memory;
  const draft = decoding.draft && { model: decoding.draft.backbone.model, params: draftParams };
  return {
    prefill: device.compile(
      (
        prompt: Tensor,
        tokens: Tensor,
        mask: Tensor,
        stops: Tensor,
        index: Tensor,
        keys: Tensor,
        memory: Tree,
      ): LoopState => {
        const [batch = 0, width = 0] = prompt.shape;
        const capacity = tokens.shape[1]!;
        const context = { intercept, memory: given(memory) };
        const { hidden, presents } = model.apply(params, { tokenIds: prompt }, context);
        // Rows of the last given token: only its logits are needed.
        const rows = add(multiply(arange(batch), width), subtract(index, 1));
        const last = take(reshape(hidden, [batch * width, hidden.shape[2]!]), rows);
        const guessed = draft?.model.apply(draft.params, { tokenIds: prompt });
        const known: Prefilled = {
          tokens,
          index,
          keys,
          logits: logitsOfPlace(own, last, context),
          hidden,
          cache: grow(presents, capacity, decoding.copies),
          draftCache: guessed === undefined ? [] : grow(guessed.presents, capacity, 1),
        };
        // What starts may already try several rows for each.
        return decoding.start(known, { mask, stops }, decoderOf(own, { ...context, memory: wide(given(memory)) }));
      },
    ),
    step: device.compile(
      (state: LoopState, mask: Tensor, stops: Tensor, memory: Tree): LoopState => {
        const decoder = decoderOf(own, { intercept, memory: given(memory) });
        return decoding.advance(state, { mask, stops }, decoder, draft && decoderOf(draft, {}));
      },
      { donate: [0] },
    ),
  };
};

const loops = new WeakMap<Device, WeakMap<object, WeakMap<Sampler, WeakMap<Intercept, Loop>>>>();

const remembered = <K extends object, V>(map: WeakMap<K, V>, key: K, make: () => V): V => {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
};

/** The compiled loop of a model's parameters, a sampler and an intercept: traced once, replayed by every later call. */
const loopOf = <Params extends Tree>(request: GenerationRequest<Params>, intercept: Intercept): Loop => {
  const { device, params, sampler } = request;
  const ofDevice = remembered(loops, device, () => new WeakMap<object, WeakMap<Sampler, WeakMap<Intercept, Loop>>>());
  const ofParams = remembered(ofDevice, params, () => new WeakMap<Sampler, WeakMap<Intercept, Loop>>());
  const ofSampler = remembered(ofParams, sampler, () => new WeakMap<Intercept, Loop>());
  return remembered(ofSampler, intercept, () => compileLoop(request, intercept));
};

/** Given tokens of the row that has fewest. */
export const shortestPrompt = ({ paddingMask, batch, length }: TokenBatch): number => {
  let shortest = length;
  for (let row = 0; row < batch; row++)
    shortest = Math.min(
      shortest,
      paddingMask.subarray(row * length, (row + 1) * length).reduce((sum, given) => sum + given, 0),
    );
  return shortest;
};

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

/** Prefills are cut to a multiple of this, so that a few plans serve all prompts. */
const PREFILL_STEP = 16;
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
 * cache, place and random state stay on the device, and several steps go in one submission.
 */
export async function* generateTokens<Params extends Tree>(
  request: GenerationRequest<Params>,
): AsyncGenerator<GenerationProgress, GenerationProgress> {
  const { device, prompt, stopTokenIds, keys, signal, intercept = identityIntercept, when } = request;
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
  const width = Math.min(length, Math.ceil(start / PREFILL_STEP) * PREFILL_STEP);
  const first = new Int32Array(batch * width);
  for (let row = 0; row < batch; row++)
    first.set(prompt.tokenIds.subarray(row * length, row * length + width), row * width);
  const int32 = (data: Int32Array, shape: readonly number[]): Tensor => tensor(data, { shape });
  // No id is negative, so that one stands for none.
  const ids = Int32Array.from(stopTokenIds === null || stopTokenIds.length === 0 ? [-1] : stopTokenIds);
  const [mask, stops] = (await device.realize([
    tensor(prompt.paddingMask, { shape: [batch, length] }),
    int32(ids, [ids.length]),
  ])) as readonly [Tensor, Tensor];
  let state: LoopState | undefined;
  let memory = noMemory;
  try {
    memory = (await request.memory?.()) ?? noMemory;
    state = await loopWith(interceptOf(0)).prefill.run(
      int32(first, [batch, width]),
      int32(prompt.tokenIds, [batch, length]),
      mask,
      stops,
      constant(start, { dtype: 'int32' }),
      int32(keys, [batch, 2]),
      memory,
    );
    if (copies > 1 && leaves(memory).length > 0) {
      const copied = await device.realize(leaves(memory).map((leaf) => repeated(leaf, copies)));
      device.release(leaves(memory));
      memory = withLeaves(memory, copied);
    }
    let passes = 1;
    let taken = 0;
    let steps = 1;
    let began = performance.now();
    for (;;) {
      const { tokens, index, logProbs } = state;
      const read = await device.evaluate([tokens, index, ...(logProbs === undefined ? [] : [logProbs])]);
      // A submission is as long as a listener will wait, judged by the last one.
      if (taken > 0)
        steps = Math.max(1, Math.min(MOST_STEPS, Math.floor((PATIENCE * taken) / (performance.now() - began))));
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
      began = performance.now();
      // One submission holds steps with the same intercept.
      const own = interceptOf(passes);
      // No step is run that might come after the end.
      const most = Math.min(steps, Math.ceil((length - end) / columns));
      taken = 1;
      while (taken < most && interceptOf(passes + taken) === own) taken++;
      state = await loopWith(own).step.repeat(taken, state, mask, stops, memory);
      passes += taken;
    }
  } finally {
    device.release([mask, stops, ...leaves(memory), ...(state === undefined ? [] : leaves(state))]);
    for (const { prefill, step } of used) {
      prefill.release();
      step.release();
    }
  }
}
