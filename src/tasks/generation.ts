import type { Cache, KeyValue } from '../layers/cache.ts';
import { type Intercept, identityIntercept } from '../layers/intercept.ts';
import type { CausalContext, CausalModel } from '../models/causalModel.ts';
import { add } from '../ops/add.ts';
import { arange } from '../ops/arange.ts';
import { broadcastTo } from '../ops/broadcastTo.ts';
import { constant, tensor } from '../ops/constant.ts';
import { multiply } from '../ops/multiply.ts';
import { notEqual } from '../ops/notEqual.ts';
import { expandDims, reshape } from '../ops/reshape.ts';
import { sliceUpdate } from '../ops/sliceUpdate.ts';
import { subtract } from '../ops/subtract.ts';
import { take } from '../ops/take.ts';
import { takeAlongAxis } from '../ops/takeAlongAxis.ts';
import { where } from '../ops/where.ts';
import type { Device } from '../runtime/device.ts';
import type { Compiled } from '../runtime/webgpu/compile.ts';
import type { Sampler } from '../samplers/sampler.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { leaves, type Tree } from '../tensor/tree.ts';

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
  readonly tokenIds: Int32Array;
  readonly end: number;
}

type LoopState = {
  readonly tokens: Tensor;
  readonly index: Tensor;
  readonly cache: readonly KeyValue[];
  readonly sampler: Tree;
};

interface Loop {
  /** (prompt ids of the prefill, all tokens, mask, place of the first new token, keys, memory) to a state. */
  readonly prefill: Compiled<readonly [Tensor, Tensor, Tensor, Tensor, Tensor, Tree], LoopState>;
  /** (state, mask, memory) to the next state. */
  readonly step: Compiled<readonly [LoopState, Tensor, Tree], LoopState>;
}

/** What stands for the memory of models that have none: a tree without tensors. */
const noMemory: Tree = [];

const given = (memory: Tree): Tree | undefined => (leaves(memory).length === 0 ? undefined : memory);

/** Column `index` of `x [batch, length]`, as `[batch, 1]`. */
const column = (x: Tensor, index: Tensor): Tensor =>
  takeAlongAxis(x, broadcastTo(reshape(index, [1, 1]), [x.shape[0]!, 1]));

/** `next` written into column `index`, where the prompt has nothing. */
const write = (tokens: Tensor, mask: Tensor, index: Tensor, next: Tensor): Tensor =>
  sliceUpdate(tokens, [0, index], where(notEqual(column(mask, index), 0), column(tokens, index), expandDims(next, -1)));

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
  { device, model, params, sampler }: Pick<GenerationRequest<Params>, 'device' | 'model' | 'params' | 'sampler'>,
  intercept: Intercept,
): Loop => ({
  prefill: device.compile((prompt: Tensor, tokens: Tensor, mask: Tensor, index: Tensor, keys: Tensor, memory: Tree) => {
    const [batch = 0, width = 0] = prompt.shape;
    const capacity = tokens.shape[1]!;
    const { hidden, presents } = model.apply(params, { tokenIds: prompt }, { intercept, memory: given(memory) });
    // Rows of the last given token: only its logits are needed.
    const rows = add(multiply(arange(batch), width), subtract(index, 1));
    const last = take(reshape(hidden, [batch * width, hidden.shape[2]!]), rows);
    const logits = logitsOfPlace({ model, params }, last, { intercept });
    const [next, state] = sampler.step(sampler.init({ keys, position: index }), logits);
    const grow = (fresh: Tensor): Tensor =>
      width === capacity
        ? fresh
        : sliceUpdate(broadcastTo(constant(0), [batch, capacity, ...fresh.shape.slice(2)]), [0, 0, 0, 0], fresh);
    return {
      tokens: write(tokens, mask, index, next),
      index: add(index, 1),
      cache: presents.map(({ key, value }) => ({ key: grow(key), value: grow(value) })),
      sampler: state,
    };
  }),
  step: device.compile(
    (state: LoopState, mask: Tensor, memory: Tree) => {
      const { tokens, index } = state;
      const position = subtract(index, 1);
      const cache: Cache = { layers: state.cache, position };
      const context: CausalContext = { cache, intercept, memory: given(memory) };
      const { hidden, presents } = model.apply(params, { tokenIds: column(tokens, position) }, context);
      const last = reshape(hidden, [hidden.shape[0]!, hidden.shape[2]!]);
      const [next, sampled] = sampler.step(state.sampler, logitsOfPlace({ model, params }, last, context));
      return { tokens: write(tokens, mask, index, next), index: add(index, 1), cache: presents, sampler: sampled };
    },
    { donate: [0] },
  ),
});

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

/**
 * Generates column by column, as KerasHub does: the cache is filled from what all rows have given, and from there on
 * every step decides one column for all rows, except where a row's own prompt still stands.
 *
 * Yields whenever columns were decided; ends when every row has generated a stop id, or all columns are full. Tokens,
 * cache, place and random state stay on the device, and several steps go in one submission.
 */
export async function* generateTokens<Params extends Tree>(
  request: GenerationRequest<Params>,
): AsyncGenerator<GenerationProgress, GenerationProgress> {
  const { device, prompt, stopTokenIds, keys, signal, intercept = identityIntercept, when } = request;
  const { batch, length } = prompt;
  const start = shortestPrompt(prompt);
  let progress: GenerationProgress = { tokenIds: prompt.tokenIds, end: start };
  signal?.throwIfAborted();
  if (start >= length) return progress;

  const interceptOf = (step: number): Intercept => (when === undefined || when(step) ? intercept : identityIntercept);
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
  const [mask] = await device.realize([int32(Int32Array.from(prompt.paddingMask), [batch, length])]);
  let state: LoopState | undefined;
  let memory = noMemory;
  try {
    memory = (await request.memory?.()) ?? noMemory;
    state = await loopWith(interceptOf(0)).prefill.run(
      int32(first, [batch, width]),
      int32(prompt.tokenIds, [batch, length]),
      mask!,
      constant(start, { dtype: 'int32' }),
      int32(keys, [batch, 2]),
      memory,
    );
    let end = start + 1;
    let taken = 0;
    let steps = 1;
    let began = performance.now();
    for (;;) {
      const [tokens] = await device.evaluate([state.tokens]);
      // A submission is as long as a listener will wait, judged by the last one.
      if (taken > 0)
        steps = Math.max(1, Math.min(MOST_STEPS, Math.floor((PATIENCE * taken) / (performance.now() - began))));
      const tokenIds = tokens!.data as Int32Array;
      const stops =
        stopTokenIds === null
          ? undefined
          : Array.from({ length: batch }, (_, row) => firstStop(tokenIds, prompt, row, end, stopTokenIds));
      const isDone = stops?.every((stop) => stop !== undefined) === true;
      // Several steps went at once: what came after the last row's stop was never asked for.
      if (isDone) {
        const last = 1 + Math.max(...stops.map((stop) => stop!));
        for (let row = 0; row < batch; row++)
          tokenIds.set(prompt.tokenIds.subarray(row * length + last, (row + 1) * length), row * length + last);
        progress = { tokenIds, end: last };
      } else progress = { tokenIds, end };
      yield progress;
      if (isDone || end >= length) return progress;
      signal?.throwIfAborted();
      began = performance.now();
      // One submission holds steps with the same intercept.
      const own = interceptOf(end - start);
      const most = Math.min(steps, length - end);
      taken = 1;
      while (taken < most && interceptOf(end - start + taken) === own) taken++;
      state = await loopWith(own).step.repeat(taken, state, mask!, memory);
      end += taken;
    }
  } finally {
    device.release([mask!, ...leaves(memory), ...(state === undefined ? [] : leaves(state))]);
    for (const { prefill, step } of used) {
      prefill.release();
      step.release();
    }
  }
}
