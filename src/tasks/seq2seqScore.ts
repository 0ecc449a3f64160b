import {
  checkIntercept,
  compose,
  type Intercept,
  identityIntercept,
  type LayerIntercept,
  layerIntercept,
} from '../layers/intercept.ts';
import type { Stack } from '../layers/sites.ts';
import { applySeq2Seq, type Seq2SeqModel } from '../models/seq2seqModel.ts';
import { type TensorValues, tensor } from '../ops/constant.ts';
import { sparseCategoricalCrossentropy } from '../ops/sparseCategoricalCrossentropy.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import { boolean, checkMode, idTensor, sameAs } from './score.ts';
import { expectBothSides, type Seq2SeqBackboneInputs } from './seq2seqBackbone.ts';

/** What is scored, and who looks on. */
export interface Seq2SeqScoreInputs extends Seq2SeqBackboneInputs {
  /** Called with the decoder's embeddings (-1), then each of its layers' output (0, 1, …); what it returns is used. */
  readonly layerInterceptFn?: LayerIntercept | undefined;
  /** The same for the encoder, which comes before. */
  readonly encoderLayerInterceptFn?: LayerIntercept | undefined;
  /** Called with the activation at every site of both stacks, after the other two; see docs/sites.md. */
  readonly intercept?: Intercept | undefined;
}

/** A request for logits, or for losses, which need targets. */
export type Seq2SeqScoreRequest = Seq2SeqScoreInputs &
  (
    | {
        /** `'logits'` (the default): `[batch, length, vocabularySize]`. `'loss'`: `[batch, length]`. */
        readonly scoringMode?: 'logits' | undefined;
        readonly targetIds?: TensorValues | undefined;
      }
    | {
        readonly scoringMode: 'loss';
        /** The tokens that the decoder should have predicted at each place, `[batch, length]` int32. */
        readonly targetIds: TensorValues;
      }
  );

const layers = (f: LayerIntercept | undefined, stack: Stack): Intercept =>
  f === undefined ? identityIntercept : layerIntercept(f, stack);

/**
 * Scores of the decoder's given tokens, teacher-forced, without a cache: the logits of every place, or the cross entropy of
 * the target there, neither reduced nor masked. KerasHub scores causal models alone.
 *
 * @returns An expression: `[batch, length, vocabularySize]` or `[batch, length]`, float32.
 * @throws {ArgumentError} If the mode is no mode, targets are missing, or an intercept is for a site that is not there.
 * @throws {ShapeError} If inputs are not `[batch, length]`, or longer than their position table.
 * @throws {RangeError} If an id is outside the vocabulary.
 */
export const scoreSeq2Seq = <Params extends Tree>(
  model: Seq2SeqModel<Params>,
  params: Params,
  request: Seq2SeqScoreRequest,
): Tensor => {
  const { scoringMode = 'logits', targetIds } = request;
  checkMode(scoringMode, targetIds);
  expectBothSides('score', request);
  const encoderTokenIds = idTensor('encoderTokenIds', request.encoderTokenIds, model.vocabularySize);
  const decoderTokenIds = idTensor('decoderTokenIds', request.decoderTokenIds, model.vocabularySize);
  const mask = (stack: Stack, ids: Tensor, values: TensorValues | undefined): Tensor | undefined => {
    const name = `${stack}PaddingMask`;
    return values === undefined
      ? undefined
      : boolean(name, sameAs(ids, name, tensor(values, { dtype: 'bool' }), `${stack}TokenIds`));
  };
  const targets =
    scoringMode === 'loss' && targetIds !== undefined
      ? sameAs(decoderTokenIds, 'targetIds', idTensor('targetIds', targetIds, model.vocabularySize), 'decoderTokenIds')
      : undefined;
  const intercept = compose(
    layers(request.encoderLayerInterceptFn, 'encoder'),
    layers(request.layerInterceptFn, 'decoder'),
    request.intercept ?? identityIntercept,
  );
  checkIntercept(model.name, intercept, model.sites);
  const { decoderSequenceOutput } = applySeq2Seq(
    model,
    params,
    {
      encoderTokenIds,
      encoderPaddingMask: mask('encoder', encoderTokenIds, request.encoderPaddingMask),
      decoderTokenIds,
      decoderPaddingMask: mask('decoder', decoderTokenIds, request.decoderPaddingMask),
    },
    { intercept },
  );
  const logits = model.decoder.logits(params, decoderSequenceOutput, { intercept });
  return targets === undefined ? logits : sparseCategoricalCrossentropy(targets, logits);
};
