import {
  checkIntercept,
  compose,
  type Intercept,
  identityIntercept,
  type LayerIntercept,
  layerIntercept,
} from '../layers/intercept.ts';
import type { CausalModel } from '../models/causalModel.ts';
import { leafStorage, type TensorValues, tensor } from '../ops/constant.ts';
import { sparseCategoricalCrossentropy } from '../ops/sparseCategoricalCrossentropy.ts';
import { ArgumentError, DTypeError, ShapeError } from '../tensor/errors.ts';
import { formatShape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';

/** Who looks on while something is scored. */
export interface ScoreIntercepts {
  /** Called with the embeddings (-1), then each layer's output (0, 1, …); what it returns is used from there on. */
  readonly layerInterceptFn?: LayerIntercept | undefined;
  /** Called with the activation at every site, after `layerInterceptFn` where both are; see docs/sites.md. */
  readonly intercept?: Intercept | undefined;
}

/** What is scored, and who looks on. */
export interface ScoreInputs extends ScoreIntercepts {
  /** Usually prompt and answer, `[batch, length]` int32. */
  readonly tokenIds: TensorValues;
  /**
   * Which places are real, `[batch, length]` bool. Default: all. With padding on the right it changes nothing at real
   * places; scores at padded ones do depend on it.
   */
  readonly paddingMask?: TensorValues | undefined;
}

/** A request for logits, or for losses, which need targets. */
export type ScoreRequest = ScoreInputs &
  (
    | {
        /** `'logits'` (the default): `[batch, length, vocabularySize]`. `'loss'`: `[batch, length]`. */
        readonly scoringMode?: 'logits' | undefined;
        readonly targetIds?: TensorValues | undefined;
      }
    | {
        readonly scoringMode: 'loss';
        /** The tokens that should have been predicted at each place, `[batch, length]` int32. */
        readonly targetIds: TensorValues;
      }
  );

/** Ids as a tensor; those on the host are checked, since shaders hold ids within the vocabulary without a word. */
export const idTensor = (what: string, values: TensorValues, vocabularySize: number): Tensor => {
  const ids = tensor(values, { dtype: 'int32' });
  if (ids.shape.length !== 2 || ids.shape.includes(0))
    throw new ShapeError(
      `score: expected ${what} of shape [batch, length] with at least one token, got ${formatShape(ids.shape)}`,
    );
  if (ids.dtype !== 'int32')
    throw new DTypeError(`score: expected ${what} of dtype int32, got ${ids.dtype}; make them with dtype: 'int32'`);
  const storage = leafStorage(ids);
  if (storage?.kind === 'host') {
    const { data } = storage.array;
    const wrong = data.findIndex((id) => id < 0 || id >= vocabularySize);
    const length = ids.shape[1]!;
    if (wrong !== -1)
      throw new RangeError(
        `score: expected ${what} from 0 to ${vocabularySize - 1} (vocabularySize ${vocabularySize}), got ${data[wrong]} at place ${wrong % length} of row ${Math.floor(wrong / length)}; was the text encoded by another tokenizer?`,
      );
  }
  return ids;
};

/** A tensor, if its shape is that of the ids, which `name` names in the message. */
export const sameAs = (tokenIds: Tensor, what: string, x: Tensor, name = 'tokenIds'): Tensor => {
  if (!sameShape(x.shape, tokenIds.shape))
    throw new ShapeError(
      `score: expected ${what} of ${name}' shape ${formatShape(tokenIds.shape)}, got ${formatShape(x.shape)}`,
    );
  return x;
};

/** A tensor, if it holds truth values. */
export const boolean = (what: string, x: Tensor): Tensor => {
  if (x.dtype !== 'bool')
    throw new DTypeError(`score: expected ${what} of dtype bool, got ${x.dtype}; compare with notEqual`);
  return x;
};

/**
 * Checks what is asked for.
 *
 * @param wanted - What targets are, for the message.
 * @throws {ArgumentError} If the mode is no mode, or targets are missing.
 */
export const checkMode = (
  scoringMode: unknown,
  targetIds: unknown,
  wanted = 'target token ids as targetIds, [batch, length]',
): void => {
  if (scoringMode !== 'logits' && scoringMode !== 'loss')
    throw new ArgumentError(
      `score: unsupported scoringMode ${JSON.stringify(scoringMode)}; it must be one of 'logits' or 'loss'`,
    );
  if (scoringMode === 'loss' && targetIds === undefined)
    throw new ArgumentError(`score: cannot compute the loss without targets; provide ${wanted}`);
};

/** The two kinds of intercepts as one, KerasHub's first. */
export const interceptOf = ({ layerInterceptFn, intercept = identityIntercept }: ScoreIntercepts): Intercept =>
  compose(layerInterceptFn === undefined ? identityIntercept : layerIntercept(layerInterceptFn), intercept);

/**
 * Scores of given tokens, teacher-forced, without a cache: the logits of every place, or the cross entropy of the target
 * there, `-log softmax(logits)[target]`, neither reduced nor masked.
 *
 * @returns An expression: `[batch, length, vocabularySize]` or `[batch, length]`, float32.
 * @throws {ArgumentError} If the mode is no mode, targets are missing, or the intercept is for a site that is not there.
 * @throws {ShapeError} If inputs are not `[batch, length]`, or longer than the position table.
 * @throws {RangeError} If an id is outside the vocabulary.
 * @see keras_hub.models.GPT2CausalLM.score
 */
export const score = <Params extends Tree>(
  model: CausalModel<Params>,
  params: Params,
  request: ScoreRequest,
): Tensor => {
  const { tokenIds, paddingMask, scoringMode = 'logits', targetIds } = request;
  checkMode(scoringMode, targetIds);
  const ids = idTensor('tokenIds', tokenIds, model.vocabularySize);
  const targets =
    scoringMode === 'loss' && targetIds !== undefined
      ? sameAs(ids, 'targetIds', idTensor('targetIds', targetIds, model.vocabularySize))
      : undefined;
  const mask =
    paddingMask === undefined
      ? undefined
      : boolean('paddingMask', sameAs(ids, 'paddingMask', tensor(paddingMask, { dtype: 'bool' })));
  const context = { intercept: interceptOf(request) };
  checkIntercept(model.name, context.intercept, model.sites);
  const { hidden } = model.apply(params, { tokenIds: ids, paddingMask: mask }, context);
  const logits = model.logits(params, hidden, context);
  return targets === undefined ? logits : sparseCategoricalCrossentropy(targets, logits);
};
