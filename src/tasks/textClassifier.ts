import type { ClassifierHeadParams, Head } from '../models/encoder/heads.ts';
import type { EncoderOutputs } from '../models/encoderModel.ts';
import type { EncoderContext } from '../models/seq2seqModel.ts';
import type { TensorValues } from '../ops/constant.ts';
import { relu } from '../ops/relu.ts';
import { sigmoid } from '../ops/sigmoid.ts';
import { softmax } from '../ops/softmax.ts';
import { tanh } from '../ops/tanh.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import type { TextClassifierPreprocessor } from '../tokenizers/textClassifierPreprocessor.ts';
import type { TextSamples } from '../tokenizers/textSegments.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { OptimizerState } from '../training/index.ts';
import { SparseCategoricalCrossentropy } from '../training/index.ts';
import type { Prepare } from './batches.ts';
import type { EncoderBackbone } from './encoderBackbone.ts';
import {
  type EncoderBackboneInputs,
  encoderArrays,
  encoderTensors,
  isTokens,
  targetsOf,
  weightsOf,
} from './encoderInputs.ts';
import { type EncoderScore, scoreEncoder } from './encoderScore.ts';
import { type EncoderTask, type EncoderTaskChanges, encoderTask } from './encoderTask.ts';
import { forTexts } from './inputs.ts';
import {
  type CompiledTraining,
  type CompileTrainingOptions,
  compileTraining,
  compileTrainingOptions,
} from './training.ts';
import { tellTruncation } from './truncation.ts';

/** What is done to the classes' logits last. */
export type ClassifierActivation = 'linear' | 'softmax' | 'sigmoid' | 'relu' | 'tanh';

const activations: Readonly<Record<ClassifierActivation, (logits: Tensor) => Tensor>> = {
  linear: (logits) => logits,
  softmax: (logits) => softmax(logits),
  sigmoid,
  relu,
  tanh,
};

/** What a classifier is besides its backbone and head. */
export interface ClassifierOptions {
  /** How many classes there are, from 2. */
  readonly numClasses: number;
  /** Default `'linear'`: what comes out are logits. */
  readonly activation?: ClassifierActivation;
  /** Dropout before the head's dense layers while training. Default: the family's in KerasHub. */
  readonly dropout?: number;
  /** Width of the dense layer over the first place, in families without a pooler. Default: the backbone's. */
  readonly hiddenDim?: number;
}

/** A preprocessor of a classifier, whatever its family reads besides tokens. */
export type AnyTextClassifierPreprocessor<T extends Tokenizer = Tokenizer> = TextClassifierPreprocessor<T, never>;

/** A request for the logits of the classes, or for losses, which need labels. */
export interface ClassifierScoreRequest extends EncoderBackboneInputs, EncoderScore {
  /** `'logits'` (the default): `[batch, numClasses]`. `'loss'`: `[batch]`. */
  readonly scoringMode?: 'logits' | 'loss' | undefined;
  /** The right classes, `[batch]` int32; for `'loss'`. */
  readonly targetIds?: TensorValues | undefined;
}

/** An encoder that tells which class a text is of: immutable; what would change it gives a new one. */
export interface TextClassifier<Config = unknown, Params extends Tree = Tree, T extends Tokenizer = Tokenizer>
  extends EncoderTask<Config, Params, ClassifierHeadParams, CompileTrainingOptions, TextClassifier<Config, Params, T>> {
  /** Null: inputs are tokens, and no text is read. */
  readonly preprocessor: AnyTextClassifierPreprocessor<T> | null;
  /** The preprocessor's. */
  readonly tokenizer: T | null;
  /** How many classes there are. */
  readonly numClasses: number;
  /** What is done to the logits last. */
  readonly activation: ClassifierActivation;
  /** Dropout before the head's dense layers while training; undefined: the family's in KerasHub. */
  readonly dropout: number | undefined;
  /** What the classes get, `[batch, numClasses]` float32, as an expression. */
  readonly apply: (inputs: EncoderBackboneInputs, context?: EncoderContext) => Tensor;
  /**
   * Logits of the classes, or the loss of given ones, as an expression.
   *
   * @throws {ArgumentError} If the mode is no mode, targets are missing, or the intercept is for a site that is not there.
   */
  readonly score: (request: ClassifierScoreRequest) => Tensor;
}

/** What makes a classifier. */
export interface TextClassifierParts<Config, Params extends Tree, T extends Tokenizer> extends ClassifierOptions {
  readonly backbone: EncoderBackbone<Config, Params>;
  /** Default null. */
  readonly preprocessor?: AnyTextClassifierPreprocessor<T> | null;
  /** The head's parameters. Default: random ones from `headSeed`. */
  readonly headParams?: ClassifierHeadParams;
  /** Default 0. */
  readonly headSeed?: number;
  /** What `compile` made of its options. Default: its defaults. */
  readonly training?: CompiledTraining;
  /** Where the optimizer stands. Default: at its beginning. */
  readonly optimizerState?: OptimizerState | undefined;
}

/** @throws {ArgumentError} If there are fewer than two classes, or an option is no option. */
const checkClassifier = (
  name: string,
  { numClasses, activation = 'linear', dropout = 0, hiddenDim = 1 }: ClassifierOptions,
): void => {
  if (!Number.isInteger(numClasses) || numClasses < 2)
    throw new ArgumentError(`${name}: expected numClasses to be a whole number from 2, got ${numClasses}`);
  if (!Object.hasOwn(activations, activation))
    throw new ArgumentError(
      `${name}: expected an activation among ${Object.keys(activations).join(', ')}, got ${JSON.stringify(activation)}`,
    );
  if (!(dropout >= 0 && dropout < 1))
    throw new ArgumentError(`${name}: expected dropout from 0 to below 1, got ${dropout}`);
  if (!Number.isInteger(hiddenDim) || hiddenDim < 1)
    throw new ArgumentError(`${name}: expected hiddenDim to be a whole number from 1, got ${hiddenDim}`);
};

/**
 * A text classifier from its parts.
 *
 * @param headOf - The head's functions for these options.
 * @param learningRate - Of the default optimizer.
 */
export const textClassifier = <Config, Params extends Tree, T extends Tokenizer>(
  name: string,
  headOf: (options: ClassifierOptions) => Head<ClassifierHeadParams, EncoderOutputs>,
  learningRate: number,
  parts: TextClassifierParts<Config, Params, T>,
): TextClassifier<Config, Params, T> => {
  checkClassifier(name, parts);
  const { backbone, preprocessor = null, numClasses, activation = 'linear', headSeed = 0, optimizerState } = parts;
  const head = headOf(parts);

  // Classes are counted without weights, and probabilities need no softmax in the loss.
  const compiled = (options: CompileTrainingOptions = {}): CompiledTraining => {
    refuseUnknown('compile', options, compileTrainingOptions);
    const { loss = 'auto', metrics = ['sparse_categorical_accuracy'], weightedMetrics = [], ...rest } = options;
    return compileTraining(
      {
        ...rest,
        loss: loss === 'auto' ? SparseCategoricalCrossentropy({ fromLogits: activation !== 'softmax' }) : loss,
        metrics,
        weightedMetrics: weightedMetrics === 'auto' ? [] : weightedMetrics,
      },
      learningRate,
    );
  };
  const { headParams = head.init(headSeed), training = compiled() } = parts;
  const { model } = backbone;

  const prepare: Prepare = (x, y, sampleWeight) => {
    const own = isTokens(x) ? undefined : forTexts('fit', preprocessor);
    const inputs = own === undefined ? (x as EncoderBackboneInputs) : own(x as TextSamples).x;
    const arrays = encoderArrays('fit', inputs, model);
    if (own !== undefined) tellTruncation(name, own, x, arrays.tokenIds!);
    const examples = arrays.tokenIds!.shape.slice(0, 1);
    return {
      x: arrays,
      ...(y === undefined
        ? {}
        : { y: targetsOf('fit', y, examples, { high: numClasses, why: `numClasses ${numClasses}` }) }),
      ...(sampleWeight === undefined ? {} : { sampleWeight: weightsOf('fit', sampleWeight, [examples]) }),
    };
  };

  const remake = (
    changes: EncoderTaskChanges<Config, Params, ClassifierHeadParams>,
  ): TextClassifier<Config, Params, T> =>
    textClassifier(name, headOf, learningRate, { ...parts, headParams, training, ...changes });

  const { members, forward, logits } = encoderTask<
    Config,
    Params,
    ClassifierHeadParams,
    EncoderOutputs,
    CompileTrainingOptions,
    TextClassifier<Config, Params, T>
  >(
    {
      name,
      backbone,
      head,
      headParams,
      read: (outputs) => outputs,
      finish: activations[activation],
      prepare,
      training,
      optimizerState,
    },
    remake,
    compiled,
  );

  return Object.freeze<TextClassifier<Config, Params, T>>({
    ...members,
    preprocessor,
    tokenizer: preprocessor?.tokenizer ?? null,
    numClasses,
    activation,
    dropout: parts.dropout,
    apply: (inputs, context) => forward(members.params, encoderTensors(inputs), context),
    score: (request) =>
      scoreEncoder(members, request, 'classes as targetIds, [batch]', (context) =>
        logits(members.params, encoderTensors(request), context),
      ),
  });
};
