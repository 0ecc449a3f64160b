import type { SiteInfo } from '../layers/sites.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import type { EncoderContext } from './seq2seqModel.ts';
import type { WeightTable } from './weightEntry.ts';

/** What an encoder reads. */
export interface EncoderInputs {
  /** `[batch, length]` int32. */
  readonly tokenIds: Tensor;
  /** Which text of a pair a token belongs to, `[batch, length]` int32. Default: 0; families without segments have none. */
  readonly segmentIds?: Tensor | undefined;
  /** Which places are real, `[batch, length]` bool; masks keys only. Default: all; FNet knows none. */
  readonly paddingMask?: Tensor | undefined;
}

/** What a forward pass through an encoder gives. */
export interface EncoderOutputs {
  /** Hidden states, `[batch, length, hiddenDim]` float32: KerasHub's `sequence_output`. */
  readonly sequence: Tensor;
  /** `tanh` of a dense layer over the first place, `[batch, hiddenDim]` float32; undefined in families without a pooler. */
  readonly pooled: Tensor | undefined;
}

/**
 * An encoder as pure functions: all that heads, training and loading need to know of a family.
 *
 * @typeParam Params - The family's parameters, a tree of tensors.
 */
export interface EncoderModel<Params extends Tree = Tree> {
  /** KerasHub's name of the backbone. */
  readonly name: string;
  /** Rows of the token table: ids are from 0 to one less. */
  readonly vocabularySize: number;
  /** The longest text in tokens: rows of the position table, or as far as relative positions go. */
  readonly maxSequenceLength: number;
  /** How many segments there are; undefined in families without segments. */
  readonly numSegments: number | undefined;
  /** Whether `paddingMask` is read. */
  readonly hasPaddingMask: boolean;
  /** Width of the hidden states. */
  readonly hiddenDim: number;
  /** Every parameter: place, shape, and name in each layout. */
  readonly weights: WeightTable;
  /** Where an intercept is called, in order. */
  readonly sites: readonly SiteInfo[];
  /** Random parameters from a seed, as expressions. */
  init(seed: number): Params;
  /** The forward pass, as an expression. */
  apply(params: Params, inputs: EncoderInputs, context?: EncoderContext): EncoderOutputs;
  /** The token table, `[vocabularySize, width]`: a masked LM's output table too. */
  tokenTable(params: Params): Tensor;
}
