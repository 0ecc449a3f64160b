import { identityIntercept } from '../layers/intercept.ts';
import type { CausalModel } from '../models/causalModel.ts';
import { broadcastTo } from '../ops/broadcastTo.ts';
import { constant, tensor } from '../ops/constant.ts';
import { zeros } from '../ops/zeros.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { leaves, type Tree } from '../tensor/tree.ts';
import {
  type GenerationRequest,
  given,
  type Loop,
  type LoopState,
  type ModelCache,
  nothing,
  type PromptPiece,
  type PromptState,
  type TokenBatch,
} from './decodingLoop.ts';

/** Prompts, and their last pieces, are cut to a multiple of this, so that a few plans serve all of them. */
const STEP = 16;
/** Tokens that are read at once: of a row, of all rows together where a row still has `LEAST_TOKENS`. */
const MOST_TOKENS = 512;
const MOST_OF_ALL = 2048;
const LEAST_TOKENS = 64;

/** Tokens of each row that are read at once: what a layer computes of them has to have room beside weights and cache. */
export const pieceOf = (batch: number): number =>
  Math.max(LEAST_TOKENS, Math.min(MOST_TOKENS, Math.floor(MOST_OF_ALL / batch / STEP) * STEP));

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

const int32 = (data: Int32Array, shape: readonly number[]): Tensor => tensor(data, { shape });
const scalar = (value: number): Tensor => constant(value, { dtype: 'int32' });

/** Columns `from` to `from + width` of a prompt. */
const pieceAt = ({ tokenIds, batch, length }: TokenBatch, from: number, width: number): PromptPiece => {
  const own = new Int32Array(batch * width);
  for (let row = 0; row < batch; row++)
    own.set(tokenIds.subarray(row * length + from, row * length + from + width), row * width);
  return { tokenIds: int32(own, [batch, width]), from: scalar(from) };
};

/** What has been read before the first piece of a prompt: nothing, in caches as long as the rows. */
const emptyState = <Params extends Tree>(
  { model, params, sampler: { decoding }, prompt: { batch, length } }: GenerationRequest<Params>,
  memory: Tree,
): PromptState => {
  const empty = ({ cache: { layers, heads, headDim } }: Pick<CausalModel, 'cache'>): ModelCache => {
    const none = zeros([batch, length, heads, headDim]);
    return { layers: Array.from({ length: layers }, () => ({ key: none, value: none })) };
  };
  const widthOfStates = (): number => {
    const tokenIds = broadcastTo(scalar(0), [batch, 1]);
    return model.apply(params, { tokenIds }, { memory: given(memory) }).hidden.shape[2]!;
  };
  return {
    cache: empty(model),
    draftCache: decoding.draft === undefined ? nothing : empty(decoding.draft.backbone.model),
    hidden: decoding.readsStates === true ? zeros([batch, length, widthOfStates()]) : nothing,
  };
};

/** What the passes of a generation are given, each time. */
export interface HeldPrompt {
  /** Where the prompt has a token, `[batch, length]` bool. */
  readonly mask: Tensor;
  /** Ids that end a row, `[ids]` int32. */
  readonly stops: Tensor;
  /** What the model reads besides, or `nothing`. */
  readonly memory: Tree;
}

/**
 * Reads what all rows have given, and decides the first column. A long prompt is read piece by piece, each of which attends
 * to those before by the cache, so that memory does not grow with it. An intercept sees it whole.
 *
 * @param request - Its intercept is the one in force, with which the loop was compiled.
 */
export const readPrompt = async <Params extends Tree>(
  request: GenerationRequest<Params>,
  loop: Loop,
  { mask, stops, memory }: HeldPrompt,
): Promise<LoopState> => {
  const { device, prompt, keys, signal, intercept = identityIntercept } = request;
  const { batch, length, tokenIds } = prompt;
  const start = shortestPrompt(prompt);
  const piece = intercept === identityIntercept ? (request.piece ?? pieceOf(batch)) : start;
  let state: PromptState | undefined;
  let from = 0;
  try {
    for (; from + piece < start; from += piece) {
      signal?.throwIfAborted();
      state = await loop.piece.run(state ?? emptyState(request, memory), pieceAt(prompt, from, piece), memory);
    }
    // The last piece is another plan, whose memory takes the place of theirs.
    loop.piece.release();
    const width = Math.min(length - from, Math.ceil((start - from) / STEP) * STEP);
    return await loop.prefill.run(
      state ?? nothing,
      pieceAt(prompt, from, width),
      int32(tokenIds, [batch, length]),
      mask,
      stops,
      scalar(start),
      int32(keys, [batch, 2]),
      memory,
    );
  } finally {
    // Unless something failed, it was handed over.
    device.release(state === undefined ? [] : leaves(state));
  }
};
