import type { SiteInfo } from '../layers/sites.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import type { CausalContext, CausalInputs, CausalModel } from './causalModel.ts';
import type { WeightTable } from './weightEntry.ts';

/** What one may hand to an encoder besides its inputs. */
export type EncoderContext = Pick<CausalContext, 'intercept' | 'dropout'>;

/**
 * An encoder and a decoder as pure functions: all that generation, scoring and loading need to know of a family.
 *
 * A forward pass is `encode`, then `remember`, then `decoder.apply` with what `remember` gave as `context.memory`: the first
 * two are done once a text, the last one once a token.
 *
 * @typeParam Params - The family's parameters, a tree of tensors: of both stacks.
 */
export interface Seq2SeqModel<Params extends Tree = Tree> {
  /** KerasHub's name of the backbone. */
  readonly name: string;
  /** Rows of the token table: ids are from 0 to one less. */
  readonly vocabularySize: number;
  /** Rows of each stack's position table; undefined where there is none. */
  readonly maxSequenceLength: number | undefined;
  /** Every parameter: place, shape, and name in each layout. */
  readonly weights: WeightTable;
  /** Where an intercept is called, in order: encoder, memory, decoder, logits. */
  readonly sites: readonly SiteInfo[];
  /** Random parameters from a seed, as expressions. */
  init(seed: number): Params;
  /** Hidden states of the encoder, `[batch, encoderLength, hiddenDim]` float32. */
  encode(params: Params, inputs: CausalInputs, context?: EncoderContext): Tensor;
  /**
   * What the decoder reads of an encoded text: a tree whose leaves' first axis is the batch.
   *
   * @param paddingMask - Which places of the encoder are real, `[batch, encoderLength]` bool. Default: all.
   */
  remember(
    params: Params,
    encoded: Tensor,
    paddingMask: Tensor | undefined,
    context?: Pick<CausalContext, 'intercept'>,
  ): Tree;
  /** The decoder, which asks for what `remember` gave as `context.memory`. */
  readonly decoder: CausalModel<Params>;
}

/** What a model of two stacks reads. */
export interface Seq2SeqInputs {
  /** `[batch, encoderLength]` int32. */
  readonly encoderTokenIds: Tensor;
  /** Which places are real, `[batch, encoderLength]` bool; masks keys only. Default: all. */
  readonly encoderPaddingMask?: Tensor | undefined;
  /** `[batch, length]` int32. */
  readonly decoderTokenIds: Tensor;
  /** Which places are real, `[batch, length]` bool; masks keys only. Default: all. */
  readonly decoderPaddingMask?: Tensor | undefined;
}

/** What a forward pass through both stacks gives. */
export interface Seq2SeqOutputs {
  /** The encoder's hidden states, `[batch, encoderLength, hiddenDim]` float32. */
  readonly encoderSequenceOutput: Tensor;
  /** The decoder's hidden states, `[batch, length, hiddenDim]` float32. */
  readonly decoderSequenceOutput: Tensor;
}

/**
 * The forward pass of a model with its `params` through both stacks, without a cache.
 *
 * @see keras_hub.models.BartBackbone
 */
export const applySeq2Seq = <Params extends Tree>(
  model: Seq2SeqModel<Params>,
  params: Params,
  { encoderTokenIds, encoderPaddingMask, decoderTokenIds, decoderPaddingMask }: Seq2SeqInputs,
  context: EncoderContext = {},
): Seq2SeqOutputs => {
  const encoded = model.encode(params, { tokenIds: encoderTokenIds, paddingMask: encoderPaddingMask }, context);
  const memory = model.remember(params, encoded, encoderPaddingMask, context);
  const { hidden } = model.decoder.apply(
    params,
    { tokenIds: decoderTokenIds, paddingMask: decoderPaddingMask },
    { ...context, memory },
  );
  return { encoderSequenceOutput: encoded, decoderSequenceOutput: hidden };
};
