import type { CausalModel } from '../models/causalModel.ts';
import { add } from '../ops/add.ts';
import { broadcastTo } from '../ops/broadcastTo.ts';
import { expandDims, reshape } from '../ops/reshape.ts';
import { sliceUpdate } from '../ops/sliceUpdate.ts';
import { subtract } from '../ops/subtract.ts';
import { takeAlongAxis } from '../ops/takeAlongAxis.ts';
import { where } from '../ops/where.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import type { TokenSampler } from './sampler.ts';

/** What a model says of the token at one place. */
export interface Predicted {
  /** `[rows, vocabulary]`. */
  readonly logits: Tensor;
  /** The hidden state that they come from, that of the token before: `[rows, hiddenDim]`, after the final norm. */
  readonly hidden: Tensor;
  /** What the model keeps of all tokens that it has read. */
  readonly cache: Tree;
}

/** What the decoding of tokens may ask of a model; tokens are `[rows, length]`, and a cache has an entry for each row. */
export interface Decoder {
  /** Reads the token before place `index`, and predicts the one at it. */
  next(tokens: Tensor, cache: Tree, index: Tensor): Predicted;
  /**
   * Reads `count` tokens, those from `index - 1` on, in one pass, and predicts the one after each:
   * logits `[rows, count, vocabulary]`.
   */
  verify(tokens: Tensor, cache: Tree, index: Tensor, count: number): Pick<Predicted, 'logits' | 'cache'>;
  /** The cache in which each row goes on from the row of which `parents`, `[rows]` int32, says the number. */
  reorder(cache: Tree, parents: Tensor): Tree;
}

/** What stays the same throughout a generation. */
export interface Given {
  /** Where the prompt has a token, which stays: `[batch, length]` bool. */
  readonly mask: Tensor;
  /** Ids that end a row, `[ids]` int32; a negative one never does. */
  readonly stops: Tensor;
}

/** What is known when the tokens that all rows have were read. */
export interface Prefilled {
  /** Ids of the prompt, and room: `[batch, length]` int32. */
  readonly tokens: Tensor;
  /** The first place that is to be decided, int32 scalar. */
  readonly index: Tensor;
  /** A random key for each row, `[batch, 2]` int32. */
  readonly keys: Tensor;
  /** Of the token at `index`, `[batch, vocabulary]`. */
  readonly logits: Tensor;
  /**
   * For a decoding that `readsStates`: those of the tokens that were read, from place 0 on, `[batch, places, hiddenDim]`;
   * what `index` and later hold is void.
   */
  readonly hidden: Tensor;
  /** Of the model, with as many entries for each row as the decoding has copies. */
  readonly cache: Tree;
  /** Of the draft model, if there is one. */
  readonly draftCache: Tree;
}

/** How far a decoding has come. */
export type Decoded = {
  /** Ids before `index` are decided, `[rows, length]` int32. */
  readonly tokens: Tensor;
  /** int32 scalar. */
  readonly index: Tensor;
  /** Of alternatives, the sum of the logarithms of their tokens' probabilities, `[rows]`. */
  readonly logProbs?: Tensor;
};

/**
 * A rule by which columns of tokens are decided, as a pure reducer: a state of tensors, and a function to the next one. The
 * states all have one form.
 */
export interface Decoding<State extends Decoded & Tree = Decoded & Tree> {
  /** Entries of the model's cache for each row of the prompt. */
  readonly copies: number;
  /**
   * Alternatives kept of each row of the prompt, which may change until the end; undefined where there are none, and a
   * column once decided stays as it is.
   */
  readonly beams?: number;
  /** Whether all beams are asked for, or the best. */
  readonly isAll?: boolean;
  /** The most columns that a step decides. Default 1. */
  readonly columns?: number;
  /** Whether it compares the states of what the model has read. */
  readonly readsStates?: boolean;
  /** The model that guesses what the model will say. */
  readonly draft?: Draft;
  /** The first column decided (or more). */
  start(prefilled: Prefilled, given: Given, decoder: Decoder): State;
  /** The next column decided (or more). */
  advance(state: State, given: Given, decoder: Decoder, draft?: Decoder): State;
}

/** A smaller model that guesses ahead: a causal language model, as far as it matters here. */
export interface Draft {
  /** The name of its class, for messages. */
  readonly name: string;
  /** The model with its parameters. */
  readonly backbone: { readonly model: CausalModel; readonly params: Tree };
}

/** Column `index` of `x [rows, length]`, as `[rows, 1]`. */
export const column = (x: Tensor, index: Tensor): Tensor =>
  takeAlongAxis(x, broadcastTo(reshape(index, [1, 1]), [x.shape[0]!, 1]));

/** Whether the prompt has a token at `index`, for each of `rows` rows, equally many of each of the mask's: bool `[rows, 1]`. */
export const isGivenAt = (mask: Tensor, index: Tensor, rows: number): Tensor => {
  const batch = mask.shape[0]!;
  const own = column(mask, index);
  return rows === batch ? own : reshape(broadcastTo(own, [batch, rows / batch]), [rows, 1]);
};

/** The prompt's token where it has one at `index`, elsewhere `chosen [rows]`; `[rows, 1]`. */
export const unlessGiven = (tokens: Tensor, mask: Tensor, index: Tensor, chosen: Tensor): Tensor =>
  where(isGivenAt(mask, index, tokens.shape[0]!), column(tokens, index), expandDims(chosen, -1));

/** `chosen`, `[rows]`, written into column `index`, where the prompt has nothing. */
export const write = (tokens: Tensor, mask: Tensor, index: Tensor, chosen: Tensor): Tensor =>
  sliceUpdate(tokens, [0, index], unlessGiven(tokens, mask, index, chosen));

type TokenState<State extends Tree> = {
  readonly tokens: Tensor;
  readonly index: Tensor;
  readonly cache: Tree;
  readonly sampler: State;
};

/** One column after the other, each by a step of a sampler. */
export const tokenByToken = <State extends Tree>({
  init,
  step,
}: Pick<TokenSampler<State>, 'init' | 'step'>): Decoding => {
  const choose = (
    { tokens, index, cache, sampler }: TokenState<State>,
    logits: Tensor,
    { mask }: Given,
  ): TokenState<State> => {
    const [chosen, next] = step(sampler, logits, { tokenIds: tokens, position: index });
    // Places are told from the last one, so that `index` is read by then, and the kernel that looks at the prompt writes the next.
    const last = subtract(index, 1);
    return { tokens: write(tokens, mask, add(last, 1), chosen), index: add(last, 2), cache, sampler: next };
  };
  const own: Decoding<TokenState<State>> = {
    copies: 1,
    start: ({ tokens, index, keys, logits, cache }, given) =>
      choose({ tokens, index, cache, sampler: init({ keys, position: index }) }, logits, given),
    advance: (state, given, decoder) => {
      const { logits, cache } = decoder.next(state.tokens, state.cache, state.index);
      return choose({ ...state, cache }, logits, given);
    },
  };
  return own as unknown as Decoding;
};
