import type { SiteInfo } from '../layers/sites.ts';
import type { LoraOptions } from '../models/lora.ts';
import { getSampler, type SamplerLike } from '../samplers/getSampler.ts';
import type { Sampler } from '../samplers/sampler.ts';
import { refuseUnknown } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import type { Tree } from '../tensor/tree.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { OptimizerState } from '../training/index.ts';
import type { Backbone, BackboneModel } from './backbone.ts';
import type { History } from './fit.ts';
import { deviceOf, heldParams } from './heldParams.ts';
import type { QuantizationMode, QuantizeOptions } from './quantize.ts';
import type { SavesToPreset } from './savable.ts';
import {
  type CompiledTraining,
  type CompileTrainingOptions,
  compileTraining,
  compileTrainingOptions,
  type EvaluateOptions,
  evaluateTask,
  type FitOptions,
  fitTask,
  type PredictOptions,
  predictTask,
  type TrainableTask,
} from './training.ts';

/** Options of `compile`. */
export interface CompileTaskOptions extends CompileTrainingOptions {
  /** `'greedy'`, `'top_k'`, `'top_p'`, `'random'`, a Sampler, or a function from probabilities to tokens. */
  readonly sampler?: SamplerLike;
}

/** What tasks that write text have in common: immutable; what would change one gives a new one. `Self` is its own kind. */
export interface LanguageModel<B, P, T extends Tokenizer, Params extends Tree, Self> extends SavesToPreset {
  /** KerasHub's name of its class. */
  readonly name: string;
  /** The model with its parameters. */
  readonly backbone: B;
  /** Null: inputs are token ids, and no text is read or written. */
  readonly preprocessor: P | null;
  /** The preprocessor's. */
  readonly tokenizer: T | null;
  /** The backbone's, a plain record under KerasHub's layer names. */
  readonly params: Params;
  /** How the next token is chosen; `compile` gives another. */
  readonly sampler: Sampler;
  /**
   * The same task with another sampler, optimizer, loss and metrics; what is not named has its default: the family's
   * sampler, Adam(2e-5), sparse categorical cross-entropy, sparse categorical accuracy. The optimizer begins anew.
   */
  readonly compile: (options?: CompileTaskOptions) => Self;
  /** The same task with other parameters. */
  readonly withParams: (params: Params) => Self;
  /** The same task over another backbone. */
  readonly withBackbone: (backbone: B) => Self;
  /** The same task with LoRA; see the backbone's `enableLora`. */
  readonly enableLora: (options: LoraOptions) => Self;
  /** The same task with kernels in whole numbers of 8 or 4 bits; see the backbone's `quantize`. */
  readonly quantize: (mode: QuantizationMode, options?: QuantizeOptions) => Promise<Self>;
  /** The same task with plain kernels that have taken up LoRA's factors; see the backbone's `mergeLora`. */
  readonly mergeLora: () => Self;
  /** Where an intercept is called, in order: site, layer, and the names of the axes. */
  readonly sites: readonly SiteInfo[];
  /**
   * Trains on data and gives the trained task; this one stays as it is.
   *
   * @param x - Texts, tokens of `[batch, length]` with targets `y`, or a dataset: any iterable of batches, each texts,
   *   `{ x, y, sampleWeight }` or `[x, y, sampleWeight]`.
   * @returns The trained task, and the loss and metrics of every epoch.
   * @throws {ArgumentError} By rejection, if data or options are not what they must be.
   * @throws {NonFiniteLossError} By rejection, if a loss is not finite.
   * @see keras_hub.models.Task.fit
   */
  readonly fit: (x: unknown, options?: FitOptions) => Promise<{ readonly task: Self; readonly history: History }>;
  /** Loss and metrics on data, as `fit` takes it, by name. */
  readonly evaluate: (x: unknown, options?: EvaluateOptions) => Promise<Readonly<Record<string, number>>>;
  /** Logits for data, as `fit` takes it, without targets: `[examples, length, vocabularySize]` float32. */
  readonly predict: (x: unknown, options?: PredictOptions) => Promise<NDArray>;
}

/** What makes a task that writes text. */
export interface LanguageModelParts<B, P> {
  readonly backbone: B;
  /** Default null. */
  readonly preprocessor?: P | null;
  /** Default: `defaultSampler`. */
  readonly sampler?: SamplerLike;
  /** What `compile` takes that is told none. Default `'top_k'`. */
  readonly defaultSampler?: SamplerLike;
  /** What `compile` made of its options. Default: its defaults. */
  readonly training?: CompiledTraining;
  /** Where the optimizer stands. Default: at its beginning. */
  readonly optimizerState?: OptimizerState | undefined;
}

const compileOptions = ['sampler', ...compileTrainingOptions];

/** KerasHub's learning rate where `compile` is told none. */
const LEARNING_RATE = 2e-5;

/** How a kind of task learns: the rest is said by its backbone and by `compile`. */
export type LanguageModelTraining<Params extends Tree> = Pick<TrainableTask<Params>, 'forward' | 'prepare' | 'trim'>;

/**
 * What tasks that write text have in common, from their parts.
 *
 * @param make - A task of this kind from other parts.
 */
export const languageModel = <
  Config,
  Params extends Tree,
  Model extends BackboneModel,
  B extends Backbone<Config, Params, Model, B>,
  T extends Tokenizer,
  P extends { readonly tokenizer: T },
  Self,
>(
  name: string,
  {
    backbone,
    preprocessor = null,
    defaultSampler = 'top_k',
    sampler: samplerLike = defaultSampler,
    training = compileTraining({}, LEARNING_RATE),
    optimizerState,
  }: LanguageModelParts<B, P>,
  { forward, prepare, trim }: LanguageModelTraining<Params>,
  make: (parts: LanguageModelParts<B, P>) => Self,
): LanguageModel<B, P, T, Params, Self> => {
  const { params } = backbone;
  const sampler = getSampler(samplerLike);
  const withBackbone = (other: B): Self => make({ backbone: other, preprocessor, sampler, defaultSampler, training });

  const trainable: TrainableTask<Params> = {
    isTrainable: (path) => backbone.trainable.has(path),
    forward,
    setup: training,
    // What comes later is not seen, so that columns at the end that weigh nothing are only work.
    trims: training.isWeighted,
    trim,
    open: async () => {
      const device = await deviceOf(backbone);
      return { device, params: await heldParams(device, params) };
    },
    prepare,
    optimizerState,
  };

  return {
    name,
    backbone,
    preprocessor,
    tokenizer: preprocessor?.tokenizer ?? null,
    params,
    sampler,
    compile: (options: CompileTaskOptions = {}) => {
      refuseUnknown('compile', options, compileOptions);
      const { sampler: other = defaultSampler, ...learning } = options;
      return make({
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
    quantize: async (mode, options) => withBackbone(await backbone.quantize(mode, options)),
    mergeLora: () => withBackbone(backbone.mergeLora()),
    sites: backbone.model.sites,
    saveToPreset: async (folder, options) => {
      const { saveTask } = await import('./saveToPreset.ts');
      await saveTask(folder, { name, backbone, preprocessor }, options);
    },
    fit: async (x, options) => {
      const { params: trained, optimizerState: state, history } = await fitTask(trainable, x, options);
      const task = make({
        backbone: backbone.withParams(trained),
        preprocessor,
        sampler,
        defaultSampler,
        training,
        optimizerState: state,
      });
      return { task, history };
    },
    evaluate: (x, options) => evaluateTask(trainable, x, options),
    predict: (x, options) => predictTask(trainable, x, options),
  };
};
