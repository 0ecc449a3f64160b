import type { SiteInfo } from '../layers/sites.ts';
import type { CausalContext } from '../models/causalModel.ts';
import type { LoraOptions } from '../models/lora.ts';
import { getSampler, type SamplerLike } from '../samplers/getSampler.ts';
import type { Sampler } from '../samplers/sampler.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import type { CausalLMPreprocessor } from '../tokenizers/index.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { OptimizerState } from '../training/index.ts';
import { type BackboneInputs, type CausalBackbone, causalInputs } from './backbone.ts';
import type { Prepare } from './batches.ts';
import type { History } from './fit.ts';
import {
  checkGiven,
  checkLength,
  type GeneratedText,
  type GenerateOptions,
  generatorOf,
  type PromptBatches,
} from './generate.ts';
import type { TokenBatch } from './generation.ts';
import { deviceOf, heldParams } from './heldParams.ts';
import { asWeights, describe, type TokenInputs, tokenBatch, tokenExamples } from './inputs.ts';
import { type ScoreRequest, score } from './score.ts';
import {
  type CompiledTraining,
  type CompileTrainingOptions,
  compileTraining,
  type EvaluateOptions,
  evaluateTask,
  type FitOptions,
  fitTask,
  type PredictOptions,
  predictTask,
  type TrainableTask,
} from './training.ts';

/** Tokens that `generate` gives back for tokens. */
export interface GeneratedTokens {
  /** `[batch, length]` int32 (or `[length]`, as given). */
  readonly tokenIds: NDArray;
  /** True up to and including the first generated stop id; all true without stop ids. */
  readonly paddingMask: NDArray;
  /** Scores of all beams, where they are asked for, `[batch, beams]` float32; then the others are `[batch, beams, length]`. */
  readonly logProbs?: NDArray;
}

/** Options of `compile`. */
export interface CompileTaskOptions extends CompileTrainingOptions {
  /** `'greedy'`, `'top_k'`, `'top_p'`, `'random'`, a Sampler, or a function from probabilities to tokens. */
  readonly sampler?: SamplerLike;
}

/** A causal language model, end to end: immutable; what would change it gives a new one. */
export interface CausalLM<Config = unknown, Params extends Tree = Tree, T extends Tokenizer = Tokenizer> {
  /** KerasHub's name of its class. */
  readonly name: string;
  /** The model with its parameters. */
  readonly backbone: CausalBackbone<Config, Params>;
  /** Null: inputs are token ids, and no text is read or written. */
  readonly preprocessor: CausalLMPreprocessor<T> | null;
  /** The preprocessor's. */
  readonly tokenizer: T | null;
  /** The backbone's, a plain record under KerasHub's layer names. */
  readonly params: Params;
  /** How the next token is chosen; `compile` gives another. */
  readonly sampler: Sampler;
  /**
   * The same task with another sampler, optimizer, loss and metrics; what is not named has its default: top-k with
   * k = 5, Adam(2e-5), sparse categorical cross-entropy, sparse categorical accuracy. The optimizer begins anew.
   */
  readonly compile: (options?: CompileTaskOptions) => CausalLM<Config, Params, T>;
  /** The same task with other parameters. */
  readonly withParams: (params: Params) => CausalLM<Config, Params, T>;
  /** The same task over another backbone. */
  readonly withBackbone: (backbone: CausalBackbone<Config, Params>) => CausalLM<Config, Params, T>;
  /** The same task with LoRA; see the backbone's `enableLora`. */
  readonly enableLora: (options: LoraOptions) => CausalLM<Config, Params, T>;
  /** The same task with plain kernels that have taken up LoRA's factors; see the backbone's `mergeLora`. */
  readonly mergeLora: () => CausalLM<Config, Params, T>;
  /** Logits of every place, `[batch, length, vocabularySize]` float32, as an expression. */
  readonly apply: (inputs: BackboneInputs, context?: CausalContext) => Tensor;
  /** Where an intercept is called, in order: site, layer, and the names of the axes. */
  readonly sites: readonly SiteInfo[];
  /**
   * Scores of given tokens: logits `[batch, length, vocabularySize]`, or the loss at each place `[batch, length]`, as an
   * expression.
   *
   * @throws {ArgumentError} If the mode is no mode, targets are missing, or the intercept is for a site that is not there.
   * @throws {ShapeError} If inputs are not `[batch, length]`, or longer than the position table.
   * @throws {RangeError} If an id is outside the vocabulary.
   * @see keras_hub.models.GPT2CausalLM.score
   */
  readonly score: (request: ScoreRequest) => Tensor;
  /**
   * Writes on from prompts.
   *
   * With `BeamSampler({ returnAllBeams: true })` there is a list of beams, best first, where there is a text otherwise
   * (`generate<Beam[]>('…')`), and tokens are `[batch, beams, length]`, with their scores.
   *
   * @param inputs - A text, a list of texts, an iterable of batches, or `{ tokenIds, paddingMask }`.
   * @throws {ArgumentError} If there is no preprocessor for texts or for `stopTokenIds: 'auto'`, or an option is wrong.
   * @throws {RangeError} If a length exceeds the position table, or an id the vocabulary.
   */
  readonly generate: {
    <Text extends GeneratedText = string>(inputs: string, options?: GenerateOptions): Promise<Text>;
    <Text extends GeneratedText = string>(
      inputs: readonly string[] | PromptBatches,
      options?: GenerateOptions,
    ): Promise<Text[]>;
    (inputs: TokenInputs, options?: GenerateOptions): Promise<GeneratedTokens>;
  };
  /**
   * Trains on data and gives the trained task; this one stays as it is.
   *
   * @param x - Texts, `{ tokenIds, paddingMask }` of `[batch, length]` with targets `y`, or a dataset: any iterable of
   *   batches, each texts, `{ x, y, sampleWeight }` or `[x, y, sampleWeight]`.
   * @returns The trained task, and the loss and metrics of every epoch.
   * @throws {ArgumentError} By rejection, if data or options are not what they must be.
   * @throws {NonFiniteLossError} By rejection, if a loss is not finite.
   * @see keras_hub.models.Task.fit
   */
  readonly fit: (
    x: unknown,
    options?: FitOptions,
  ) => Promise<{ readonly task: CausalLM<Config, Params, T>; readonly history: History }>;
  /** Loss and metrics on data, as `fit` takes it, by name. */
  readonly evaluate: (x: unknown, options?: EvaluateOptions) => Promise<Readonly<Record<string, number>>>;
  /** Logits for data, as `fit` takes it, without targets: `[examples, length, vocabularySize]` float32. */
  readonly predict: (x: unknown, options?: PredictOptions) => Promise<NDArray>;
  /** Pieces of the answer to one prompt as they are decided; no piece ends inside a character. */
  readonly stream: (prompt: string, options?: Omit<GenerateOptions, 'stripPrompt'>) => AsyncGenerator<string, void>;
}

/** What makes a causal language model. */
export interface CausalLMParts<Config, Params extends Tree, T extends Tokenizer> {
  readonly backbone: CausalBackbone<Config, Params>;
  /** Default null. */
  readonly preprocessor?: CausalLMPreprocessor<T> | null;
  /** Default: `defaultSampler`. */
  readonly sampler?: SamplerLike;
  /** What `compile` takes that is told none. Default `'top_k'`. */
  readonly defaultSampler?: SamplerLike;
  /** What `compile` made of its options. Default: its defaults. */
  readonly training?: CompiledTraining;
  /** Where the optimizer stands. Default: at its beginning. */
  readonly optimizerState?: OptimizerState | undefined;
}

const compileOptions = [
  'sampler',
  'optimizer',
  'loss',
  'lossWeights',
  'weightedMetrics',
  'metrics',
  'stepsPerExecution',
];

const isTokenInputs = (inputs: unknown): inputs is TokenInputs =>
  typeof inputs === 'object' && inputs !== null && 'tokenIds' in inputs;

/** KerasHub's learning rate where `compile` is told none. */
const LEARNING_RATE = 2e-5;

/** A causal language model from its parts. */
export const causalLM = <Config, Params extends Tree, T extends Tokenizer>(
  name: string,
  {
    backbone,
    preprocessor = null,
    defaultSampler = 'top_k',
    sampler: samplerLike = defaultSampler,
    training = compileTraining({}, LEARNING_RATE),
    optimizerState,
  }: CausalLMParts<Config, Params, T>,
): CausalLM<Config, Params, T> => {
  const { model, params } = backbone;
  const sampler = getSampler(samplerLike);
  const tokenizer = preprocessor?.tokenizer ?? null;

  const texts = (): CausalLMPreprocessor<T> => {
    if (preprocessor === null)
      throw new ArgumentError(
        'generate: expected { tokenIds, paddingMask }, since this model has no preprocessor, got text; attach a preprocessor or tokenize it first',
      );
    return preprocessor;
  };

  const encode = (prompts: readonly string[], maxLength: number | undefined): TokenBatch => {
    const own = texts();
    if (prompts.length === 0) throw new ArgumentError('generate: expected at least one prompt, got an empty list');
    const what = maxLength === undefined ? 'a sequenceLength' : 'a maxLength';
    const sequenceLength = checkLength(model, maxLength ?? own.sequenceLength, what);
    return tokenBatch('generate', own.generatePreprocess(prompts, { sequenceLength }), model.vocabularySize);
  };

  const { generate, stream } = generatorOf<Params>({
    model,
    backbone,
    sampler,
    tokenizer,
    expected: 'a string, a list of strings, batches of them, or { tokenIds, paddingMask }',
    read: (inputs, maxLength) => {
      if (typeof inputs === 'string') return { form: 'text', tokens: encode([inputs], maxLength) };
      if (Array.isArray(inputs)) return { form: 'texts', tokens: encode(inputs as readonly string[], maxLength) };
      if (!isTokenInputs(inputs)) return undefined;
      return { form: 'tokens', tokens: checkGiven(model, tokenBatch('generate', inputs, model.vocabularySize)) };
    },
    texts: ({ tokenIds, paddingMask, batch, length }) =>
      texts().generatePostprocess({
        tokenIds: { data: tokenIds, shape: [batch, length], dtype: 'int32' },
        paddingMask: { data: paddingMask, shape: [batch, length], dtype: 'bool' },
      }) as string[],
    tokens: (tokenIds, paddingMask): GeneratedTokens => ({ tokenIds, paddingMask }),
  });

  const withBackbone = (other: CausalBackbone<Config, Params>): CausalLM<Config, Params, T> =>
    causalLM(name, { backbone: other, preprocessor, sampler, defaultSampler, training });

  /** Texts or tokens as what the model learns from. */
  const prepare: Prepare = (x, y, sampleWeight) => {
    if (typeof x === 'string' || (Array.isArray(x) && typeof x[0] === 'string')) {
      if (typeof x === 'string')
        throw new ArgumentError('fit: expected x to have a batch axis (a list of texts), got one text');
      if (y !== undefined || sampleWeight !== undefined)
        throw new ArgumentError(
          `fit: expected no ${y === undefined ? 'sampleWeight' : 'y'} with texts, whose targets are their own next tokens, got one; pass { tokenIds, paddingMask } to choose targets and weights`,
        );
      const { x: packed, y: next, sampleWeight: counted } = texts()(x as readonly string[]);
      return { x: { ...packed }, y: next, sampleWeight: asWeights(counted) };
    }
    if (!isTokenInputs(x))
      throw new ArgumentError(`fit: expected texts or { tokenIds, paddingMask }, got ${describe(x)}`);
    return tokenExamples('fit', x, y, sampleWeight, model.vocabularySize);
  };

  const trainable: TrainableTask<Params> = {
    isTrainable: (path) => backbone.trainable.has(path),
    forward: (own, { tokenIds, paddingMask }, { dropoutKey }) => {
      const held = own as Params;
      const dropout = dropoutKey === undefined ? undefined : { key: dropoutKey };
      return model.logits(held, model.apply(held, { tokenIds: tokenIds!, paddingMask }, { dropout }).hidden);
    },
    setup: training,
    // What comes later is not seen, so that columns at the end that weigh nothing are only work.
    trims: training.isWeighted,
    open: async () => {
      const device = await deviceOf(backbone);
      return { device, params: await heldParams(device, params) };
    },
    prepare,
    optimizerState,
  };

  const self: CausalLM<Config, Params, T> = Object.freeze<CausalLM<Config, Params, T>>({
    name,
    backbone,
    preprocessor,
    tokenizer,
    params,
    sampler,
    compile: (options: CompileTaskOptions = {}) => {
      refuseUnknown('compile', options, compileOptions);
      const { sampler: other = defaultSampler, ...learning } = options;
      return causalLM(name, {
        backbone,
        preprocessor,
        sampler: other,
        defaultSampler,
        training: compileTraining(learning, LEARNING_RATE),
      });
    },
    withParams: (other) => withBackbone(backbone.withParams(other)),
    withBackbone,
    enableLora: (options) => withBackbone(backbone.enableLora(options)),
    mergeLora: () => withBackbone(backbone.mergeLora()),
    apply: (inputs, context) =>
      model.logits(params, model.apply(params, causalInputs(inputs), context).hidden, context),
    sites: model.sites,
    score: (request) => score(model, params, request),
    generate: generate as CausalLM<Config, Params, T>['generate'],
    stream,
    fit: async (x, options) => {
      const { params: trained, optimizerState: state, history } = await fitTask(trainable, x, options);
      return {
        task: causalLM(name, {
          backbone: backbone.withParams(trained),
          preprocessor,
          sampler,
          defaultSampler,
          training,
          optimizerState: state,
        }),
        history,
      };
    },
    evaluate: (x, options) => evaluateTask(trainable, x, options),
    predict: (x, options) => predictTask(trainable, x, options),
  });
  return self;
};
