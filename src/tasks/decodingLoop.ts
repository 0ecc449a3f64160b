import type { Cache, KeyValue } from '../layers/cache.ts';
import type { Intercept } from '../layers/intercept.ts';
import type { CausalContext, CausalModel } from '../models/causalModel.ts';
import { add } from '../ops/add.ts';
import { arange } from '../ops/arange.ts';
import { broadcastTo } from '../ops/broadcastTo.ts';
import { tensor } from '../ops/constant.ts';
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
import { leaves, mapTree, type Tree } from '../tensor/tree.ts';
import { remembered } from './remembered.ts';

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
  /** Tokens of each row that are read at once, where the prompt has more. Default: as many as `pieceOf` says. */
  readonly piece?: number | undefined;
  /** Called while a pass is traced, once for each kind of pass. */
  readonly intercept?: Intercept | undefined;
  /** In which passes the intercept is in force: 0 is the prefill, 1 the first cached step. Default: in all. */
  readonly when?: ((step: number) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a decoding carries from step to step. */
export type LoopState = Decoded & Tree;

/** What was read of a prompt before its last piece. */
export type PromptState = {
  /** Of the model, `[batch, capacity, heads, headDim]` in each layer. */
  readonly cache: Tree;
  /** Of the draft model, if there is one. */
  readonly draftCache: Tree;
  /** Where the decoding compares states: those of the places that were read, `[batch, capacity, hiddenDim]`, else nothing. */
  readonly hidden: Tree;
};

/** A piece of a prompt, and where it stands. */
export type PromptPiece = {
  /** `[batch, width]` int32. */
  readonly tokenIds: Tensor;
  /** Place of the first, int32 scalar. */
  readonly from: Tensor;
};

/** The compiled passes of a generation. */
export interface Loop {
  /** A piece of the prompt that is not the last. (what was read before, piece, memory) to what has then been read. */
  readonly piece: Compiled<readonly [PromptState, PromptPiece, Tree], PromptState>;
  /**
   * The prompt, or its last piece. (what was read before: nothing, or a `PromptState`; piece, all tokens, mask, stop ids,
   * place of the first new token, keys, memory) to a state.
   */
  readonly prefill: Compiled<readonly [Tree, PromptPiece, Tensor, Tensor, Tensor, Tensor, Tensor, Tree], LoopState>;
  /** (state, mask, stop ids, memory) to the next state. */
  readonly step: Compiled<readonly [LoopState, Tensor, Tensor, Tree], LoopState>;
}

/** What stands for the memory of models that have none, and for what was read before a whole prompt: a tree without tensors. */
export const nothing: Tree = [];

/** A tree, unless it is nothing. */
export const given = (tree: Tree): Tree | undefined => (leaves(tree).length === 0 ? undefined : tree);

/** A model's cache, as decodings carry it along. */
export type ModelCache = {
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

/** A prompt's tokens, or a piece of them that goes on from a cache. */
const continued = <Params extends Tree>(
  { model, params }: { readonly model: CausalModel<Params>; readonly params: Params },
  cache: Tree | undefined,
  { tokenIds, from }: PromptPiece,
  context: Pick<CausalContext, 'intercept' | 'memory'>,
): { readonly hidden: Tensor; readonly cache: ModelCache } => {
  const { hidden, presents } = model.apply(
    params,
    { tokenIds },
    cache === undefined ? context : { ...context, cache: { layers: (cache as ModelCache).layers, position: from } },
  );
  return { hidden, cache: { layers: presents } };
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
export const repeated = (x: Tensor, times: number): Tensor => take(x, floorDivided(x.shape[0]! * times, times));

/** Logits of one place a row, `[batch, hiddenDim]` to `[batch, vocabularySize]`; an intercept sees a length of 1. */
const logitsOfPlace = <Params extends Tree>(
  { model, params }: Pick<GenerationRequest<Params>, 'model' | 'params'>,
  hidden: Tensor,
  context: CausalContext,
): Tensor => {
  const [batch = 0, width = 0] = hidden.shape;
  return reshape(model.logits(params, reshape(hidden, [batch, 1, width]), context), [batch, model.vocabularySize]);
};

/** States of a prompt's places with those of a piece written in. */
const withStates = (before: Tree, from: Tensor, hidden: Tensor): Tensor =>
  sliceUpdate(before as Tensor, [0, from, 0], hidden);

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
    piece: device.compile(
      ({ cache, draftCache, hidden }: PromptState, piece: PromptPiece, memory: Tree): PromptState => {
        const read = continued(own, cache, piece, { intercept, memory: given(memory) });
        return {
          cache: read.cache,
          draftCache: draft === undefined ? nothing : continued(draft, draftCache, piece, {}).cache,
          hidden: given(hidden) === undefined ? nothing : withStates(hidden, piece.from, read.hidden),
        };
      },
      { donate: [0] },
    ),
    prefill: device.compile(
      (
        before: Tree,
        piece: PromptPiece,
        tokens: Tensor,
        mask: Tensor,
        stops: Tensor,
        index: Tensor,
        keys: Tensor,
        memory: Tree,
      ): LoopState => {
        const { tokenIds, from } = piece;
        const [batch = 0, width = 0] = tokenIds.shape;
        const capacity = tokens.shape[1]!;
        const context = { intercept, memory: given(memory) };
        const earlier = given(before) as PromptState | undefined;
        const read = continued(own, earlier?.cache, piece, context);
        // Rows of the last given token: only its logits are needed.
        const rows = add(multiply(arange(batch), width), subtract(subtract(index, 1), from));
        const last = take(reshape(read.hidden, [batch * width, read.hidden.shape[2]!]), rows);
        const guessed = draft && continued(draft, earlier?.draftCache, piece, {});
        const known: Prefilled = {
          tokens,
          index,
          keys,
          logits: logitsOfPlace(own, last, context),
          hidden:
            earlier === undefined || given(earlier.hidden) === undefined
              ? read.hidden
              : withStates(earlier.hidden, from, read.hidden),
          cache: grow(read.cache.layers, capacity, decoding.copies),
          draftCache: guessed === undefined ? [] : grow(guessed.cache.layers, capacity, 1),
        };
        // What starts may already try several rows for each.
        return decoding.start(known, { mask, stops }, decoderOf(own, { ...context, memory: wide(given(memory)) }));
      },
      { donate: [0] },
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

/** The compiled loop of a model's parameters, a sampler and an intercept: traced once, replayed by every later call. */
export const loopOf = <Params extends Tree>(request: GenerationRequest<Params>, intercept: Intercept): Loop => {
  const { device, params, sampler } = request;
  const ofDevice = remembered(loops, device, () => new WeakMap<object, WeakMap<Sampler, WeakMap<Intercept, Loop>>>());
  const ofParams = remembered(ofDevice, params, () => new WeakMap<Sampler, WeakMap<Intercept, Loop>>());
  const ofSampler = remembered(ofParams, sampler, () => new WeakMap<Intercept, Loop>());
  return remembered(ofSampler, intercept, () => compileLoop(request, intercept));
};
