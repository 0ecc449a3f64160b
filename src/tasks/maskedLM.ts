import type { Head, MaskedLMHeadInputs, MaskedLMHeadParams } from '../models/encoder/heads.ts';
import type { EncoderContext } from '../models/seq2seqModel.ts';
import { type TensorValues, tensor } from '../ops/constant.ts';
import { softmax } from '../ops/softmax.ts';
import { topK } from '../ops/topK.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import type { MaskedLMPreprocessor } from '../tokenizers/maskedLMPreprocessor.ts';
import type { MaskTokenizer } from '../tokenizers/maskTokenizer.ts';
import type { TextSamples } from '../tokenizers/textSegments.ts';
import type { OptimizerState } from '../training/index.ts';
import type { Prepare } from './batches.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import { encoderArrays, encoderTensors, isTokens, type MaskedLMTokens, targetsOf, weightsOf } from './encoderInputs.ts';
import { type EncoderScore, scoreEncoder } from './encoderScore.ts';
import { type EncoderTask, type EncoderTaskChanges, encoderTask } from './encoderTask.ts';
import { describe, forTexts } from './inputs.ts';
import {
  type CompiledTraining,
  type CompileTrainingOptions,
  compileTraining,
  compileTrainingOptions,
} from './training.ts';
import { tellTruncation } from './truncation.ts';

/** A preprocessor of a masked LM, whatever its family reads besides tokens. */
export type AnyMaskedLMPreprocessor<T extends MaskTokenizer = MaskTokenizer> = MaskedLMPreprocessor<T, never>;

/** A token that may stand for a mask. */
export interface FilledMask {
  /** The text with the token in the mask's place, other masks as they were. */
  readonly sequence: string;
  /** The token as text. */
  readonly token: string;
  /** Its id. */
  readonly tokenId: number;
  /** Its probability there. */
  readonly score: number;
}

/** Options of `fillMask`. */
export interface FillMaskOptions {
  /** How many tokens for each mask, likeliest first. Default 5. */
  readonly topK?: number;
}

/** A request for the logits of masked places, or for losses, which need targets. */
export interface MaskedLMScoreRequest extends MaskedLMTokens, EncoderScore {
  /** `'logits'` (the default): `[batch, positions, vocabularySize]`. `'loss'`: `[batch, positions]`. */
  readonly scoringMode?: 'logits' | 'loss' | undefined;
  /** The tokens that should stand there, `[batch, positions]` int32; for `'loss'`. */
  readonly targetIds?: TensorValues | undefined;
}

/** An encoder that tells what stands in masked places: immutable; what would change it gives a new one. */
export interface MaskedLM<Config = unknown, Params extends Tree = Tree, T extends MaskTokenizer = MaskTokenizer>
  extends EncoderTask<Config, Params, MaskedLMHeadParams, CompileTrainingOptions, MaskedLM<Config, Params, T>> {
  /** Null: inputs are tokens, and no text is read. */
  readonly preprocessor: AnyMaskedLMPreprocessor<T> | null;
  /** The preprocessor's. */
  readonly tokenizer: T | null;
  /** Logits of the places that are asked for, `[batch, positions, vocabularySize]` float32, as an expression. */
  readonly apply: (inputs: MaskedLMTokens, context?: EncoderContext) => Tensor;
  /**
   * Logits of given places, or the loss there, as an expression.
   *
   * @throws {ArgumentError} If the mode is no mode, targets are missing, or the intercept is for a site that is not there.
   */
  readonly score: (request: MaskedLMScoreRequest) => Tensor;
  /**
   * The likeliest tokens for the masks of texts: for each mask a list, likeliest first.
   *
   * @param x - A text or a pair with the tokenizer's mask token in it, or a list of these.
   * @returns For one text the list of its masks, for several a list of these.
   * @throws {ArgumentError} If there is no preprocessor, or a text has no mask.
   */
  readonly fillMask: {
    (x: string, options?: FillMaskOptions): Promise<readonly (readonly FilledMask[])[]>;
    (x: TextSamples, options?: FillMaskOptions): Promise<readonly (readonly (readonly FilledMask[])[])[]>;
  };
}

/** What makes a masked LM. */
export interface MaskedLMParts<Config, Params extends Tree, T extends MaskTokenizer> {
  readonly backbone: EncoderBackbone<Config, Params>;
  /** Default null. */
  readonly preprocessor?: AnyMaskedLMPreprocessor<T> | null;
  /** The head's parameters. Default: random ones from `headSeed`. */
  readonly headParams?: MaskedLMHeadParams;
  /** Default 0. */
  readonly headSeed?: number;
  /** What `compile` made of its options. Default: its defaults. */
  readonly training?: CompiledTraining;
  /** Where the optimizer stands. Default: at its beginning. */
  readonly optimizerState?: OptimizerState | undefined;
}

/** KerasHub's learning rate where `compile` is told none. */
const LEARNING_RATE = 5e-5;

/**
 * A masked language model from its parts.
 *
 * @param head - The head's functions for the backbone's config.
 */
export const maskedLM = <Config, Params extends Tree, T extends MaskTokenizer>(
  name: string,
  head: Head<MaskedLMHeadParams, MaskedLMHeadInputs>,
  parts: MaskedLMParts<Config, Params, T>,
): MaskedLM<Config, Params, T> => {
  const { backbone, preprocessor = null, headSeed = 0, optimizerState } = parts;
  const { headParams = head.init(headSeed), training = compileTraining({}, LEARNING_RATE) } = parts;
  const { model } = backbone;

  const prepare: Prepare = (x, y, sampleWeight, seeds) => {
    if (!isTokens(x)) {
      if (y !== undefined || sampleWeight !== undefined)
        throw new ArgumentError(
          `fit: expected no ${y === undefined ? 'sampleWeight' : 'y'} with texts, whose targets are what was masked, got one; pass { tokenIds, maskPositions, … } to choose them`,
        );
      const own = forTexts('fit', preprocessor);
      const made = own(x as TextSamples, undefined, undefined, seeds === undefined ? {} : { seed: seeds });
      tellTruncation(name, own, x, made.x.tokenIds);
      return { x: encoderArrays('fit', made.x, model), y: made.y, sampleWeight: made.sampleWeight };
    }
    if (!('maskPositions' in x))
      throw new ArgumentError(
        `fit: expected maskPositions with tokenIds, got ${Object.keys(x).join(', ')}; they say which places are to be told`,
      );
    const arrays = encoderArrays('fit', x as MaskedLMTokens, model);
    const { shape } = arrays.maskPositions!;
    return {
      x: arrays,
      ...(y === undefined
        ? {}
        : {
            y: targetsOf('fit', y, shape, {
              high: model.vocabularySize,
              why: `vocabularySize ${model.vocabularySize}`,
            }),
          }),
      ...(sampleWeight === undefined
        ? {}
        : { sampleWeight: weightsOf('fit', sampleWeight, [shape, shape.slice(0, 1)]) }),
    };
  };

  const remake = (changes: EncoderTaskChanges<Config, Params, MaskedLMHeadParams>): MaskedLM<Config, Params, T> =>
    maskedLM(name, head, { ...parts, headParams, training, ...changes });

  const { members, forward, open } = encoderTask<
    Config,
    Params,
    MaskedLMHeadParams,
    MaskedLMHeadInputs,
    CompileTrainingOptions,
    MaskedLM<Config, Params, T>
  >(
    {
      name,
      backbone,
      head,
      headParams,
      read: ({ sequence }, { maskPositions }, tokenTable) => {
        if (maskPositions === undefined)
          throw new ArgumentError(`${name}: expected maskPositions, [batch, positions], got none`);
        return { sequence, maskPositions, tokenTable };
      },
      prepare,
      training,
      optimizerState,
    },
    remake,
    (options = {}) => {
      refuseUnknown('compile', options, compileTrainingOptions);
      return compileTraining(options, LEARNING_RATE);
    },
  );

  const apply = ({ maskPositions, ...inputs }: MaskedLMTokens, context?: EncoderContext): Tensor =>
    forward(
      members.params,
      { ...encoderTensors(inputs), maskPositions: tensor(maskPositions, { dtype: 'int32' }) },
      context,
    );

  const score = (request: MaskedLMScoreRequest): Tensor =>
    scoreEncoder(members, request, 'target token ids as targetIds, [batch, positions]', (context) =>
      apply(request, context),
    );

  const fillMask = async (x: TextSamples, options: FillMaskOptions = {}): Promise<unknown> => {
    refuseUnknown('fillMask', options, ['topK']);
    const { topK: k = 5 } = options;
    if (!Number.isInteger(k) || k < 1 || k > model.vocabularySize)
      throw new ArgumentError(`fillMask: expected topK from 1 to ${model.vocabularySize} (vocabularySize), got ${k}`);
    if (x === null || (typeof x !== 'string' && typeof x !== 'object'))
      throw new ArgumentError(`fillMask: expected a text or a list of texts, got ${describe(x)}`);
    const own = forTexts('fillMask', preprocessor);
    const isOne = typeof x === 'string' || (!Array.isArray(x) && 'first' in x && typeof x.first === 'string');
    const { x: packed, sampleWeight } = own.fillMaskPreprocess(isOne ? ([x] as TextSamples) : x);
    const arrays = encoderArrays('fillMask', packed, model);
    const { device, params } = await open();
    const inputs = Object.fromEntries(Object.entries(arrays).map(([input, array]) => [input, tensor(array)]));
    const { values, indices } = topK(softmax(forward(params, inputs)), k);
    const [scores, ids] = await device.evaluate([values, indices]);
    const { tokenizer } = own;
    const special = new Set(tokenizer.specialTokenIds.filter((id) => id !== tokenizer.maskTokenId));
    const [, length = 0] = arrays.tokenIds!.shape;
    const [rows = 0, places = 0] = arrays.maskPositions!.shape;
    const filled = Array.from({ length: rows }, (_, row) => {
      const given = Array.from(arrays.tokenIds!.data.subarray(row * length, (row + 1) * length));
      return Array.from({ length: places }, (_, place) => row * places + place)
        .filter((at) => sampleWeight.data[at] === 1)
        .map((at) =>
          Array.from({ length: k }, (_, rank): FilledMask => {
            const tokenId = ids!.data[at * k + rank]!;
            const written = given.map((id, i) => (i === arrays.maskPositions!.data[at] ? tokenId : id));
            return {
              sequence: tokenizer.detokenize(written.filter((id) => !special.has(id))),
              token: tokenizer.idToToken(tokenId),
              tokenId,
              score: scores!.data[at * k + rank]!,
            };
          }),
        );
    });
    return isOne ? filled[0]! : filled;
  };

  return Object.freeze<MaskedLM<Config, Params, T>>({
    ...members,
    preprocessor,
    tokenizer: preprocessor?.tokenizer ?? null,
    apply,
    score,
    fillMask: fillMask as MaskedLM<Config, Params, T>['fillMask'],
  });
};
