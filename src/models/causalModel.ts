import type { Cache, KeyValue } from '../layers/cache.ts';
import type { Intercept } from '../layers/intercept.ts';
import type { SiteInfo } from '../layers/sites.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import type { WeightTable } from './weightEntry.ts';

/** What a causal language model reads. */
export interface CausalInputs {
  /** `[batch, length]` int32. */
  readonly tokenIds: Tensor;
  /** Which places are real, `[batch, length]` bool; masks keys only. Default: all. */
  readonly paddingMask?: Tensor | undefined;
}

/** What one may hand to a forward pass besides its inputs. */
export interface CausalContext {
  /** Keys and values of earlier calls: the inputs are what comes next. */
  readonly cache?: Cache | undefined;
  /**
   * What a decoder reads besides its own tokens, such as an encoder's keys and values; each leaf's
   * first axis is the batch. A decoder without an encoder has none.
   */
  readonly memory?: Tree | undefined;
  /** Called with the activation at every site; what it returns is used from there on. */
  readonly intercept?: Intercept | undefined;
  /**
   * Dropout, as in training: a random key, int32 `[2]`, and the share that is dropped (default: the config's). Every
   * place of the model folds a number of its own into the key. Default: none.
   */
  readonly dropout?: { readonly key: Tensor; readonly rate?: number } | undefined;
}

/** What a forward pass gives. */
export interface CausalOutputs {
  /** After the final norm, `[batch, length, hiddenDim]` float32. */
  readonly hidden: Tensor;
  /** Keys and values of each layer: with a cache, the whole cache with the new ones written in. */
  readonly presents: readonly KeyValue[];
}

/**
 * A decoder as pure functions: all that generation, scoring and loading need to know of a family.
 *
 * @typeParam Params - The family's parameters, a tree of tensors.
 */
export interface CausalModel<Params extends Tree = Tree> {
  /** KerasHub's name of the backbone. */
  readonly name: string;
  /** Rows of the token table: ids are from 0 to one less. */
  readonly vocabularySize: number;
  /** Rows of the position table; undefined where there is none. */
  readonly maxSequenceLength: number | undefined;
  /** Keys' and values' heads of one layer, and how many layers. */
  readonly cache: { readonly layers: number; readonly heads: number; readonly headDim: number };
  /** Every parameter: place, shape, and name in each layout. */
  readonly weights: WeightTable;
  /** Where an intercept is called, in order. */
  readonly sites: readonly SiteInfo[];
  /** Random parameters from a seed, as expressions. */
  init(seed: number): Params;
  /** The forward pass, as an expression: the one that generation, scoring and training go through. */
  apply(params: Params, inputs: CausalInputs, context?: CausalContext): CausalOutputs;
  /** Logits of hidden states, `[batch, length, hiddenDim]` to `[batch, length, vocabularySize]`. */
  logits(params: Params, hidden: Tensor, context?: Pick<CausalContext, 'cache' | 'intercept'>): Tensor;
}
