import { checkIntercept, type Intercept } from '../layers/intercept.ts';
import type { SiteInfo } from '../layers/sites.ts';
import type { CausalContext } from '../models/causalModel.ts';
import type { LoraOptions } from '../models/lora.ts';
import { type Device, getDevice, holderOf } from '../runtime/device.ts';
import type { Sampler } from '../samplers/sampler.ts';
import { getSampler, type SamplerLike } from '../samplers/samplers.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import { type Tensor, topological } from '../tensor/tensor.ts';
import { leaves, type Tree } from '../tensor/tree.ts';
import type { CausalLMPreprocessor } from '../tokenizers/index.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { OptimizerState } from '../training/index.ts';
import { type BackboneInputs, type CausalBackbone, causalInputs } from './backbone.ts';
import type { Prepare } from './batches.ts';
import type { History } from './fit.ts';
import { firstStop, type GenerationProgress, generateTokens, shortestPrompt, type TokenBatch } from './generation.ts';
import { asWeights, describe, type TokenInputs, tokenBatch, tokenExamples } from './inputs.ts';
import { realizeParams } from './loadWeights.ts';
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

/** Options of `generate` and `stream`. */
export interface GenerateOptions {
  /**
   * Tokens of prompt and answer together, the start token included. Default: the preprocessor's sequenceLength. Token
   * inputs are as long as they are padded, and this is ignored.
   */
  readonly maxLength?: number;
  /** Ids that end a row, each by itself; `'auto'` (the default) is the tokenizer's end token; null fills every row. */
  readonly stopTokenIds?: 'auto' | null | readonly number[];
  /** Leave the prompt out of the result. Default false. */
  readonly stripPrompt?: boolean;
  /** Seed of random choices, for all rows or one a row. Default: the sampler's seed, else a new one for each row. */
  readonly seed?: number | readonly number[];
  /** Ends the generation; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Called with the activation at every site, in the prefill and in cached steps; see docs/sites.md. It is called while a
   * pass is traced: hand over the same function to every call, and the passes are traced once.
   */
  readonly intercept?: Intercept;
  /** In which passes the intercept is in force: 0 is the prefill, 1 the first cached step, … Default: in all. */
  readonly when?: (step: number) => boolean;
  /** Called with the number of tokens that all rows have got since the last call, up to their stop ids. */
  readonly onTokens?: (count: number) => void;
}

/** Tokens that `generate` gives back for tokens. */
export interface GeneratedTokens {
  /** `[batch, length]` int32 (or `[length]`, as given). */
  readonly tokenIds: NDArray;
  /** True up to and including the first generated stop id; all true without stop ids. */
  readonly paddingMask: NDArray;
}

/** Batches of prompts, one after the other. */
export type PromptBatches = AsyncIterable<string | readonly string[]> | Iterable<readonly string[]>;

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
   * @param inputs - A text, a list of texts, an iterable of batches, or `{ tokenIds, paddingMask }`.
   * @throws {ArgumentError} If there is no preprocessor for texts or for `stopTokenIds: 'auto'`, or an option is wrong.
   * @throws {RangeError} If a length exceeds the position table, or an id the vocabulary.
   */
  readonly generate: {
    (inputs: string, options?: GenerateOptions): Promise<string>;
    (inputs: readonly string[] | PromptBatches, options?: GenerateOptions): Promise<string[]>;
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

const streamOptions = ['maxLength', 'stopTokenIds', 'seed', 'signal', 'intercept', 'when', 'onTokens'];
const generateOptions = [...streamOptions, 'stripPrompt'];

const isTokenInputs = (inputs: unknown): inputs is TokenInputs =>
  typeof inputs === 'object' && inputs !== null && 'tokenIds' in inputs;

const isBatches = (inputs: object): inputs is PromptBatches =>
  Symbol.asyncIterator in inputs || Symbol.iterator in inputs;

/** Random keys of the rows, two words each. */
const rowKeys = (name: string, batch: number, seed: number | readonly number[] | undefined): Int32Array => {
  if (seed === undefined) return globalThis.crypto.getRandomValues(new Int32Array(2 * batch));
  const seeds = typeof seed === 'number' ? new Array<number>(batch).fill(seed) : seed;
  if (seeds.length !== batch || !seeds.every(Number.isSafeInteger))
    throw new ArgumentError(
      `${name}: expected a whole number as seed, or one for each of the ${batch} rows, got ${JSON.stringify(seed)}`,
    );
  return Int32Array.from(seeds.flatMap((own) => [Math.floor(own / 2 ** 32) | 0, own | 0]));
};

const realizedParams = new WeakMap<object, WeakMap<Device, Promise<Tree>>>();

/** Whether evaluating a tensor computes something: it is neither a leaf nor a view of one. */
const isComputed = (tensor: Tensor): boolean =>
  topological([tensor]).some(({ op }) => op.kernel.kind !== 'leaf' && op.kernel.kind !== 'view');

/** Parameters as they are, or, where they are still expressions (random ones), their values, computed once a device. */
export const heldParams = <Params extends Tree>(device: Device, params: Params): Promise<Params> => {
  let ofParams = realizedParams.get(params);
  if (ofParams === undefined) {
    ofParams = new WeakMap();
    realizedParams.set(params, ofParams);
  }
  let held = ofParams.get(device);
  if (held === undefined) {
    held = realizeParams(device, params, isComputed);
    ofParams.set(device, held);
    // A failure is not remembered.
    held.catch(() => ofParams.delete(device));
  }
  return held as Promise<Params>;
};

/** The device that a backbone's parameters are on, else the default one. */
export const deviceOf = async ({
  device,
  params,
}: {
  readonly device: Device | undefined;
  readonly params: Tree;
}): Promise<Device> => device ?? holderOf(leaves(params)) ?? getDevice();

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

  const stopIds = (stop: GenerateOptions['stopTokenIds']): readonly number[] | null => {
    if (stop === null) return null;
    if (stop === undefined || stop === 'auto') {
      if (tokenizer === null)
        throw new ArgumentError(
          `generate: expected a preprocessor for stopTokenIds 'auto', got none; pass stopTokenIds: null or a list of ids`,
        );
      return [tokenizer.endTokenId];
    }
    if (!Array.isArray(stop) || !stop.every((id) => Number.isInteger(id)))
      throw new ArgumentError(
        `generate: expected stopTokenIds to be 'auto', null or a list of ids, got ${JSON.stringify(stop)}`,
      );
    return stop;
  };

  const texts = (): CausalLMPreprocessor<T> => {
    if (preprocessor === null)
      throw new ArgumentError(
        'generate: expected { tokenIds, paddingMask }, since this model has no preprocessor, got text; attach a preprocessor or tokenize it first',
      );
    return preprocessor;
  };

  const checkLength = (length: number, what: string): number => {
    if (!Number.isInteger(length) || length < 1)
      throw new ArgumentError(`generate: expected ${what} to be a whole number from 1, got ${length}`);
    if (model.maxSequenceLength !== undefined && length > model.maxSequenceLength)
      throw new RangeError(
        `generate: expected ${what} of at most ${model.maxSequenceLength} (the model's maxSequenceLength), got ${length}; pass a smaller maxLength`,
      );
    return length;
  };

  const run = async function* (
    prompt: TokenBatch,
    options: GenerateOptions,
    stopTokenIds: readonly number[] | null,
  ): AsyncGenerator<GenerationProgress, GenerationProgress> {
    const { intercept, when } = options;
    if (intercept !== undefined) checkIntercept(model.name, intercept, model.sites);
    if (when !== undefined && (intercept === undefined || typeof when !== 'function'))
      throw new ArgumentError(
        `generate: expected a function as when, together with an intercept, got ${intercept === undefined ? 'no intercept' : describe(when)}`,
      );
    const keys = rowKeys('generate', prompt.batch, options.seed ?? sampler.seed);
    options.signal?.throwIfAborted();
    const device = await deviceOf(backbone);
    const running = generateTokens({
      device,
      model,
      params: await heldParams(device, params),
      sampler,
      prompt,
      stopTokenIds,
      keys,
      intercept,
      when,
      signal: options.signal,
    });
    if (options.onTokens === undefined) return yield* running;
    let told = 0;
    for (;;) {
      const next = await running.next();
      if (next.done === true) return next.value;
      const { tokenIds, end } = next.value;
      const made = generated(prompt, tokenIds, end, stopTokenIds);
      options.onTokens(made - told);
      told = made;
      yield next.value;
    }
  };

  /** Tokens of a whole generation, with the mask that says which of them count. */
  const finish = async (prompt: TokenBatch, options: GenerateOptions): Promise<TokenBatch> => {
    const stopTokenIds = stopIds(options.stopTokenIds);
    const { batch, length } = prompt;
    const running = run(prompt, options, stopTokenIds);
    let next = await running.next();
    while (next.done !== true) next = await running.next();
    const { tokenIds, end } = next.value;
    const paddingMask = new Uint8Array(batch * length);
    for (let row = 0; row < batch; row++) {
      const stop = stopTokenIds === null ? undefined : firstStop(tokenIds, prompt, row, end, stopTokenIds);
      paddingMask.fill(1, row * length, row * length + (stop === undefined ? length : stop + 1));
    }
    const all: TokenBatch = { tokenIds: Int32Array.from(tokenIds), paddingMask, batch, length };
    return options.stripPrompt === true ? strip(prompt, all) : all;
  };

  const encode = (prompts: readonly string[], maxLength: number | undefined): TokenBatch => {
    const own = texts();
    const sequenceLength = checkLength(
      maxLength ?? own.sequenceLength,
      maxLength === undefined ? 'a sequenceLength' : 'a maxLength',
    );
    return tokenBatch('generate', own.generatePreprocess(prompts, { sequenceLength }), model.vocabularySize);
  };

  const decode = ({ tokenIds, paddingMask, batch, length }: TokenBatch): string[] =>
    texts().generatePostprocess({
      tokenIds: { data: tokenIds, shape: [batch, length], dtype: 'int32' },
      paddingMask: { data: paddingMask, shape: [batch, length], dtype: 'bool' },
    }) as string[];

  const generateTexts = async (prompts: readonly string[], options: GenerateOptions): Promise<string[]> => {
    if (prompts.length === 0) throw new ArgumentError('generate: expected at least one prompt, got an empty list');
    return decode(await finish(encode(prompts, options.maxLength), options));
  };

  const generate = async (inputs: unknown, options: GenerateOptions = {}): Promise<unknown> => {
    refuseUnknown('generate', options, generateOptions);
    if (typeof inputs === 'string') return (await generateTexts([inputs], options))[0]!;
    if (Array.isArray(inputs)) return generateTexts(inputs as readonly string[], options);
    if (isTokenInputs(inputs)) {
      const prompt = tokenBatch('generate', inputs, model.vocabularySize);
      checkLength(prompt.length, 'token ids');
      if (shortestPrompt(prompt) === 0)
        throw new ArgumentError(
          'generate: expected at least one given token in every row, got a row whose paddingMask is all false',
        );
      const { tokenIds, paddingMask, batch, length } = await finish(prompt, options);
      const shape = [batch, length];
      return {
        tokenIds: { data: tokenIds, shape, dtype: 'int32' },
        paddingMask: { data: paddingMask, shape, dtype: 'bool' },
      } satisfies GeneratedTokens;
    }
    if (typeof inputs === 'object' && inputs !== null && isBatches(inputs)) {
      const all: string[] = [];
      for await (const batch of inputs) {
        const generated = await generate(batch, options);
        all.push(...(Array.isArray(generated) ? (generated as string[]) : [generated as string]));
      }
      return all;
    }
    throw new ArgumentError(
      `generate: expected a string, a list of strings, batches of them, or { tokenIds, paddingMask }, got ${describe(inputs)}`,
    );
  };

  const stream = async function* (prompt: string, options: GenerateOptions = {}): AsyncGenerator<string, void> {
    if (typeof prompt !== 'string')
      throw new ArgumentError(`stream: expected one prompt as a string, got ${describe(prompt)}`);
    refuseUnknown('stream', options, streamOptions);
    const batch = encode([prompt], options.maxLength);
    const stopTokenIds = stopIds(options.stopTokenIds);
    const own = texts();
    const special = new Set(own.tokenizer.specialTokenIds);
    const text = own.tokenizer.textStream();
    let at = shortestPrompt(batch);
    for await (const { tokenIds, end } of run(batch, options, stopTokenIds)) {
      const stop = stopTokenIds === null ? undefined : firstStop(tokenIds, batch, 0, end, stopTokenIds);
      const last = stop === undefined ? end : stop + 1;
      let piece = '';
      for (; at < last; at++) if (!special.has(tokenIds[at]!)) piece += text.push(tokenIds[at]!);
      if (piece !== '') yield piece;
    }
    const rest = text.end();
    if (rest !== '') yield rest;
  };

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

/** How many tokens were generated before column `end`, up to each row's stop id. */
const generated = (
  prompt: TokenBatch,
  tokenIds: Int32Array,
  end: number,
  stopTokenIds: readonly number[] | null,
): number => {
  let total = 0;
  for (let row = 0; row < prompt.batch; row++) {
    const stop = stopTokenIds === null ? undefined : firstStop(tokenIds, prompt, row, end, stopTokenIds);
    const last = stop === undefined ? end : stop + 1;
    for (let at = 0; at < last; at++) if (prompt.paddingMask[row * prompt.length + at] === 0) total++;
  }
  return total;
};

/** Each row rolled so that what was generated comes first, with a mask that is true for that alone. */
const strip = (prompt: TokenBatch, all: TokenBatch): TokenBatch => {
  const { batch, length } = all;
  const tokenIds = new Int32Array(batch * length);
  const paddingMask = new Uint8Array(batch * length);
  for (let row = 0; row < batch; row++) {
    const given = prompt.paddingMask.subarray(row * length, (row + 1) * length).reduce((sum, own) => sum + own, 0);
    for (let at = 0; at < length; at++) {
      const from = row * length + ((at + given) % length);
      tokenIds[row * length + at] = all.tokenIds[from]!;
      // Rolled masks of prompt and result, where they differ.
      paddingMask[row * length + at] = prompt.paddingMask[from]! ^ all.paddingMask[from]!;
    }
  }
  return { tokenIds, paddingMask, batch, length };
};
