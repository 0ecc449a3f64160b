import { checkIntercept, type Intercept } from '../layers/intercept.ts';
import type { CausalModel } from '../models/causalModel.ts';
import { type Device, holderOf } from '../runtime/device.ts';
import type { Draft } from '../samplers/decoding.ts';
import type { Sampler } from '../samplers/sampler.ts';
import { ArgumentError, refuseUnknown } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import { leaves, type Tree } from '../tensor/tree.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { TokenBatch } from './decodingLoop.ts';
import { type Beams, firstStop, type GenerationProgress, generateTokens, repeatRows } from './generation.ts';
import { deviceOf, heldParams } from './heldParams.ts';
import { describe } from './inputs.ts';
import { shortestPrompt } from './prompt.ts';

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

/** One of several answers to a prompt. */
export interface Beam {
  /** The answer, with its prompt unless that was stripped. */
  readonly text: string;
  /** Sum of the logarithms of its tokens' probabilities. */
  readonly logProb: number;
}

/** An answer: text; with `BeamSampler({ returnAllBeams: true })` all beams, best first. */
export type GeneratedText = string | readonly Beam[];

/** Batches of prompts, one after the other. */
export type PromptBatches<One = string> = AsyncIterable<One | readonly One[]> | Iterable<readonly One[]>;

/** What `generate` goes on from. */
export interface Prompt<Params extends Tree> {
  /** Ids that are given, and room for those to come. */
  readonly tokens: TokenBatch;
  /** What came, and what goes back: tokens, one text, or a list of them. */
  readonly form: 'tokens' | 'text' | 'texts';
  /**
   * Computes what the model reads besides its own tokens, as `context.memory`: tensors whose first axis is the batch.
   * The caller releases them when the generation has ended.
   */
  readonly memory?: (run: MemoryRun<Params>) => Promise<Tree>;
}

/** What the computation of a memory may use. */
export interface MemoryRun<Params extends Tree> {
  readonly device: Device;
  /** The backbone's, held by the device. */
  readonly params: Params;
  /** The one in force in the prefill, if there is one. */
  readonly intercept: Intercept | undefined;
}

/** What a task must say of itself to have `generate` and `stream`. */
export interface Generating<Params extends Tree> {
  readonly model: CausalModel<Params>;
  readonly backbone: { readonly device: Device | undefined; readonly params: Params };
  readonly sampler: Sampler;
  /** Null where there is no preprocessor. */
  readonly tokenizer: Tokenizer | null;
  /** Inputs that are understood, for messages. */
  readonly expected: string;
  /** Reads inputs; undefined where they are neither tokens, nor a text, nor a list of texts. */
  readonly read: (inputs: unknown, maxLength: number | undefined) => Prompt<Params> | undefined;
  /** Texts of the tokens that a mask leaves. */
  readonly texts: (tokens: TokenBatch) => readonly string[];
  /** Tokens under the names that the task gives them. */
  readonly tokens: (tokenIds: NDArray, paddingMask: NDArray) => object;
}

const streamOptions = ['maxLength', 'stopTokenIds', 'seed', 'signal', 'intercept', 'when', 'onTokens'];
const generateOptions = [...streamOptions, 'stripPrompt'];

/** Whether inputs can be gone through, batch by batch. */
const isBatches = (inputs: unknown): inputs is AsyncIterable<unknown> | Iterable<unknown> =>
  typeof inputs === 'object' && inputs !== null && (Symbol.asyncIterator in inputs || Symbol.iterator in inputs);

/**
 * A length that a model can generate to.
 *
 * @throws {ArgumentError} If it is no whole number from 1.
 * @throws {RangeError} If it exceeds the position table.
 */
export const checkLength = (
  { maxSequenceLength }: Pick<CausalModel, 'maxSequenceLength'>,
  length: number,
  what: string,
): number => {
  if (!Number.isInteger(length) || length < 1)
    throw new ArgumentError(`generate: expected ${what} to be a whole number from 1, got ${length}`);
  if (maxSequenceLength !== undefined && length > maxSequenceLength)
    throw new RangeError(
      `generate: expected ${what} of at most ${maxSequenceLength} (the model's maxSequenceLength), got ${length}; pass a smaller maxLength`,
    );
  return length;
};

/**
 * Token inputs that a model can go on from.
 *
 * @throws {ArgumentError} If a row has no given token.
 * @throws {RangeError} If rows are longer than the position table.
 */
export const checkGiven = (model: Pick<CausalModel, 'maxSequenceLength'>, prompt: TokenBatch): TokenBatch => {
  checkLength(model, prompt.length, 'token ids');
  if (shortestPrompt(prompt) === 0)
    throw new ArgumentError(
      'generate: expected at least one given token in every row, got a row whose paddingMask is all false',
    );
  return prompt;
};

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

/** Refuses a draft model that does not speak the model's language. */
const checkDraft = ({ vocabularySize }: CausalModel, { decoding: { draft } }: Sampler): void => {
  if (draft !== undefined && draft.backbone.model.vocabularySize !== vocabularySize)
    throw new ArgumentError(
      `speculative: expected a draft of the model's vocabulary, ${vocabularySize} tokens, got ${draft.name} of ${draft.backbone.model.vocabularySize}`,
    );
};

/** Refuses a draft model whose parameters another device holds. */
const checkDraftOn = (device: Device, { name, backbone: { params } }: Draft): void => {
  const holder = holderOf(leaves(params));
  if (holder !== undefined && holder !== device)
    throw new ArgumentError(
      `speculative: expected a draft on the model's device (${device.name}), got ${name} on ${holder.name}; load it with that device`,
    );
};

/** `generate` and `stream` of a task. */
export interface Generator {
  /** Tokens, a text or a list of texts for inputs of that form; a list for batches. */
  readonly generate: (inputs: unknown, options?: GenerateOptions) => Promise<unknown>;
  /** Pieces of the answer to one prompt. */
  readonly stream: (input: unknown, options?: GenerateOptions) => AsyncGenerator<string, void>;
}

/** `generate` and `stream` for whatever a task reads and writes. */
export const generatorOf = <Params extends Tree>(task: Generating<Params>): Generator => {
  const { model, backbone, sampler, tokenizer } = task;
  const { isAll = false } = sampler.decoding;
  checkDraft(model, sampler);

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

  const run = async function* (
    { tokens: prompt, memory: remember }: Prompt<Params>,
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
    const draftLength = sampler.decoding.draft?.backbone.model.maxSequenceLength;
    if (draftLength !== undefined && prompt.length > draftLength)
      throw new RangeError(
        `generate: expected a length of at most ${draftLength} (the draft's maxSequenceLength), got ${prompt.length}; pass a smaller maxLength`,
      );
    options.signal?.throwIfAborted();
    const device = await deviceOf(backbone);
    const params = await heldParams(device, backbone.params);
    const { draft } = sampler.decoding;
    if (draft !== undefined) checkDraftOn(device, draft);
    const inForce = when === undefined || when(0) ? intercept : undefined;
    const running = generateTokens({
      device,
      model,
      params,
      sampler,
      ...(draft === undefined ? {} : { draftParams: await heldParams(device, draft.backbone.params) }),
      prompt,
      ...(remember === undefined ? {} : { memory: () => remember({ device, params, intercept: inForce }) }),
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

  /** Tokens of a whole generation, with the mask that says which of them count; of beams, all if they are asked for. */
  const finish = async (
    own: Prompt<Params>,
    options: GenerateOptions,
  ): Promise<{ readonly tokens: TokenBatch; readonly beams: Beams | undefined }> => {
    const stopTokenIds = stopIds(options.stopTokenIds);
    const running = run(own, options, stopTokenIds);
    let next = await running.next();
    while (next.done !== true) next = await running.next();
    const beams = isAll ? next.value.beams : undefined;
    const { tokenIds } = beams ?? next.value;
    const prompt = repeatRows(own.tokens, beams?.count ?? 1);
    const { batch, length } = prompt;
    const paddingMask = new Uint8Array(batch * length);
    for (let row = 0; row < batch; row++) {
      const stop = stopTokenIds === null ? undefined : firstStop(tokenIds, prompt, row, next.value.end, stopTokenIds);
      paddingMask.fill(1, row * length, row * length + (stop === undefined ? length : stop + 1));
    }
    const all: TokenBatch = { tokenIds: Int32Array.from(tokenIds), paddingMask, batch, length };
    return { tokens: options.stripPrompt === true ? strip(prompt, all) : all, beams };
  };

  /** Results of a generation from tokens, in the task's form. */
  const asTokens = ({ tokenIds, paddingMask, batch, length }: TokenBatch, beams: Beams | undefined): object => {
    const rows = beams === undefined ? [batch] : [batch / beams.count, beams.count];
    const shape = [...rows, length];
    const made = task.tokens({ data: tokenIds, shape, dtype: 'int32' }, { data: paddingMask, shape, dtype: 'bool' });
    return beams === undefined ? made : { ...made, logProbs: { data: beams.logProbs, shape: rows, dtype: 'float32' } };
  };

  /** A text for each prompt; of beams, a list of them with their scores. */
  const asTexts = (tokens: TokenBatch, beams: Beams | undefined): readonly (string | readonly Beam[])[] => {
    const texts = task.texts(tokens);
    if (beams === undefined) return texts;
    const { count, logProbs } = beams;
    return Array.from({ length: texts.length / count }, (_, row) =>
      Array.from({ length: count }, (_, at) => ({
        text: texts[row * count + at]!,
        logProb: logProbs[row * count + at]!,
      })),
    );
  };

  /** What inputs of one batch give, one result or several; undefined for what is no batch. */
  const generateBatch = async (
    inputs: unknown,
    options: GenerateOptions,
  ): Promise<{ readonly one: unknown } | { readonly several: readonly unknown[] } | undefined> => {
    const own = task.read(inputs, options.maxLength);
    if (own === undefined) return undefined;
    const { tokens, beams } = await finish(own, options);
    if (own.form === 'tokens') return { one: asTokens(tokens, beams) };
    const texts = asTexts(tokens, beams);
    return own.form === 'text' ? { one: texts[0]! } : { several: texts };
  };

  const generate = async (inputs: unknown, options: GenerateOptions = {}): Promise<unknown> => {
    refuseUnknown('generate', options, generateOptions);
    const made = await generateBatch(inputs, options);
    if (made !== undefined) return 'one' in made ? made.one : made.several;
    if (!isBatches(inputs)) throw new ArgumentError(`generate: expected ${task.expected}, got ${describe(inputs)}`);
    const all: unknown[] = [];
    for await (const batch of inputs) {
      const next = await generateBatch(batch, options);
      if (next === undefined)
        throw new ArgumentError(`generate: expected batches, each ${task.expected}, got ${describe(batch)}`);
      all.push(...('one' in next ? [next.one] : next.several));
    }
    return all;
  };

  const stream = async function* (input: unknown, options: GenerateOptions = {}): AsyncGenerator<string, void> {
    refuseUnknown('stream', options, streamOptions);
    const own = isBatches(input) ? undefined : task.read(input, options.maxLength);
    if (own?.form !== 'text' || tokenizer === null)
      throw new ArgumentError(`stream: expected one prompt as a string, got ${describe(input)}`);
    const stopTokenIds = stopIds(options.stopTokenIds);
    const special = new Set(tokenizer.specialTokenIds);
    const text = tokenizer.textStream();
    let at = shortestPrompt(own.tokens);
    for await (const { tokenIds, end } of run(own, options, stopTokenIds)) {
      const stop = stopTokenIds === null ? undefined : firstStop(tokenIds, own.tokens, 0, end, stopTokenIds);
      const last = stop === undefined ? end : stop + 1;
      let piece = '';
      for (; at < last; at++) if (!special.has(tokenIds[at]!)) piece += text.push(tokenIds[at]!);
      if (piece !== '') yield piece;
    }
    const rest = text.end();
    if (rest !== '') yield rest;
  };

  return { generate, stream };
};
