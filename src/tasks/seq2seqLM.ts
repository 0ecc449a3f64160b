import { type Intercept, identityIntercept } from '../layers/intercept.ts';
import { applySeq2Seq, type EncoderContext, type Seq2SeqModel } from '../models/seq2seqModel.ts';
import { tensor } from '../ops/constant.ts';
import type { Device } from '../runtime/device.ts';
import type { Compiled } from '../runtime/webgpu/compile.ts';
import { ArgumentError, ShapeError } from '../tensor/errors.ts';
import { type NDArray, ndarray } from '../tensor/ndarray.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import type { Seq2SeqLMPreprocessor, Seq2SeqTexts, Seq2SeqTokens } from '../tokenizers/seq2seqLMPreprocessor.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import { type Batch, type Prepare, trimmed } from './batches.ts';
import type { TokenBatch } from './decodingLoop.ts';
import {
  checkGiven,
  checkLength,
  type GeneratedText,
  type GenerateOptions,
  generatorOf,
  type MemoryRun,
  type Prompt,
} from './generate.ts';
import { asWeights, describe, forTexts, tokenBatch, tokenExamples } from './inputs.ts';
import { type LanguageModel, type LanguageModelParts, languageModel } from './languageModel.ts';
import { remembered } from './remembered.ts';
import { expectBothSides, type Seq2SeqBackbone, type Seq2SeqBackboneInputs, seq2seqInputs } from './seq2seqBackbone.ts';
import { type Seq2SeqScoreRequest, scoreSeq2Seq } from './seq2seqScore.ts';

/** What `generate` reads: a text or a list for the encoder, or texts of both sides. */
export type Seq2SeqPrompts = string | readonly string[] | Seq2SeqTexts;

/** Tokens that `generate` gives back for tokens. */
export interface GeneratedSeq2SeqTokens {
  /** `[batch, length]` int32. */
  readonly decoderTokenIds: NDArray;
  /** True up to and including the first generated stop id; all true without stop ids. */
  readonly decoderPaddingMask: NDArray;
  /** Scores of all beams, where they are asked for, `[batch, beams]` float32; then the others are `[batch, beams, length]`. */
  readonly logProbs?: NDArray;
}

/**
 * A sequence-to-sequence language model, end to end: an encoder reads one text, a decoder writes another. Immutable; what
 * would change it gives a new one.
 */
export interface Seq2SeqLM<Config = unknown, Params extends Tree = Tree, T extends Tokenizer = Tokenizer>
  extends LanguageModel<
    Seq2SeqBackbone<Config, Params>,
    Seq2SeqLMPreprocessor<T>,
    T,
    Params,
    Seq2SeqLM<Config, Params, T>
  > {
  /** Logits of every place of the decoder, `[batch, length, vocabularySize]` float32, as an expression. */
  readonly apply: (inputs: Seq2SeqBackboneInputs, context?: EncoderContext) => Tensor;
  /**
   * Scores of the decoder's given tokens: logits `[batch, length, vocabularySize]`, or the loss at each place
   * `[batch, length]`, as an expression.
   *
   * @throws {ArgumentError} If the mode is no mode, targets are missing, or an intercept is for a site that is not there.
   * @throws {ShapeError} If inputs are not `[batch, length]`, or longer than their position table.
   * @throws {RangeError} If an id is outside the vocabulary.
   */
  readonly score: (request: Seq2SeqScoreRequest) => Tensor;
  /**
   * Writes what the decoder says of texts that the encoder reads. `maxLength` is the decoder's length, prompt included.
   *
   * @param inputs - A text or a list of texts for the encoder; `{ encoderText, decoderText }`, where the decoder goes on from
   *   a text; an iterable of batches of such; or tokens under four names (see `Seq2SeqBackboneInputs`), the decoder's padded
   *   to the length they are to have.
   * @throws {ArgumentError} If there is no preprocessor for texts or for `stopTokenIds: 'auto'`, or an option is wrong.
   * @throws {RangeError} If a length exceeds the position table, or an id the vocabulary.
   */
  readonly generate: {
    <Text extends GeneratedText = string>(
      inputs: string | { readonly encoderText: string; readonly decoderText?: string },
      options?: GenerateOptions,
    ): Promise<Text>;
    <Text extends GeneratedText = string>(
      inputs:
        | readonly string[]
        | { readonly encoderText: readonly string[]; readonly decoderText?: readonly string[] }
        | AsyncIterable<Seq2SeqPrompts>
        | Iterable<Exclude<Seq2SeqPrompts, string>>,
      options?: GenerateOptions,
    ): Promise<Text[]>;
    (inputs: Seq2SeqBackboneInputs, options?: GenerateOptions): Promise<GeneratedSeq2SeqTokens>;
  };
  /** Pieces of the answer to one prompt as they are decided; no piece ends inside a character. */
  readonly stream: (
    prompt: string | { readonly encoderText: string; readonly decoderText?: string },
    options?: Omit<GenerateOptions, 'stripPrompt'>,
  ) => AsyncGenerator<string, void>;
}

/** What makes a sequence-to-sequence language model. */
export type Seq2SeqLMParts<Config, Params extends Tree, T extends Tokenizer> = LanguageModelParts<
  Seq2SeqBackbone<Config, Params>,
  Seq2SeqLMPreprocessor<T>
>;

/** Lengths that the encoder reads are multiples of this, so that a few plans serve all. */
const ENCODER_STEP = 16;

/**
 * Rows without the last columns that are masked in all of them: keys that are masked are inert, so that they are only work.
 * Where a row has nothing but masked places, all columns stay, since it may look at them.
 */
export const withoutPadding = ({ tokenIds, paddingMask, batch, length }: TokenBatch): TokenBatch => {
  let longest = 0;
  for (let row = 0; row < batch; row++) {
    const last = paddingMask.subarray(row * length, (row + 1) * length).lastIndexOf(1);
    if (last === -1) return { tokenIds, paddingMask, batch, length };
    longest = Math.max(longest, last + 1);
  }
  const kept = Math.min(length, Math.ceil(longest / ENCODER_STEP) * ENCODER_STEP);
  const rows = <A extends Int32Array | Uint8Array>(data: A): A => data.filter((_, at) => at % length < kept) as A;
  return { tokenIds: rows(tokenIds), paddingMask: rows(paddingMask), batch, length: kept };
};

const arraysOf = ({ tokenIds, paddingMask, batch, length }: TokenBatch) => ({
  encoderTokenIds: ndarray(tokenIds, [batch, length], 'int32'),
  encoderPaddingMask: ndarray(paddingMask, [batch, length], 'bool'),
});

/** A batch without the decoder's last columns if they weigh nothing; see `trimmed`. */
const trimmedDecoder = (batch: Batch): Batch => {
  const { decoderTokenIds, decoderPaddingMask, ...rest } = batch.x;
  const { x, ...kept } = trimmed({
    ...batch,
    x: { decoderTokenIds: decoderTokenIds!, decoderPaddingMask: decoderPaddingMask! },
  });
  return { ...kept, x: { ...rest, ...x } };
};

/** What encodes a batch of texts and gives what the decoder reads of it. */
type Encode = Compiled<readonly [Tensor, Tensor], Tree>;

const encodes = new WeakMap<Device, WeakMap<object, WeakMap<Intercept, Encode>>>();

/** The compiled encoder of a model's parameters under an intercept: traced once, replayed by every later call. */
const encodeOf = <Params extends Tree>(
  model: Seq2SeqModel<Params>,
  { device, params, intercept = identityIntercept }: MemoryRun<Params>,
): Encode => {
  const ofDevice = remembered(encodes, device, () => new WeakMap<object, WeakMap<Intercept, Encode>>());
  const ofParams = remembered(ofDevice, params, () => new WeakMap<Intercept, Encode>());
  return remembered(ofParams, intercept, () =>
    device.compile((tokenIds: Tensor, paddingMask: Tensor): Tree => {
      const encoded = model.encode(params, { tokenIds, paddingMask }, { intercept });
      return model.remember(params, encoded, paddingMask, { intercept });
    }),
  );
};

const has = (inputs: unknown, ...names: readonly string[]): inputs is Readonly<Record<string, unknown>> =>
  typeof inputs === 'object' && inputs !== null && names.some((name) => name in inputs);

const isTokens = (inputs: unknown): inputs is Seq2SeqBackboneInputs =>
  has(inputs, 'encoderTokenIds', 'decoderTokenIds');

const isTexts = (inputs: unknown): inputs is Seq2SeqTexts => has(inputs, 'encoderText', 'decoderText');

/** A sequence-to-sequence language model from its parts. */
export const seq2seqLM = <Config, Params extends Tree, T extends Tokenizer>(
  name: string,
  parts: Seq2SeqLMParts<Config, Params, T>,
): Seq2SeqLM<Config, Params, T> => {
  const { backbone, preprocessor = null } = parts;
  const { model, params } = backbone;
  const { decoder, vocabularySize } = model;

  const texts = (): Seq2SeqLMPreprocessor<T> =>
    forTexts('generate', preprocessor, '{ encoderTokenIds, encoderPaddingMask, decoderTokenIds, decoderPaddingMask }');

  /** Tokens of both sides, checked. */
  const bothSides = (
    what: string,
    given: Seq2SeqBackboneInputs | Seq2SeqTokens,
  ): { readonly encoder: TokenBatch; readonly prompt: TokenBatch } => {
    const { encoderTokenIds, encoderPaddingMask, decoderTokenIds, decoderPaddingMask } = given;
    expectBothSides(what, given);
    const mask = <M>(values: M | undefined) => (values === undefined ? {} : { paddingMask: values });
    const encoder = tokenBatch(
      `${what}: encoder`,
      { tokenIds: encoderTokenIds, ...mask(encoderPaddingMask) },
      vocabularySize,
    );
    const prompt = tokenBatch(
      `${what}: decoder`,
      { tokenIds: decoderTokenIds, ...mask(decoderPaddingMask) },
      vocabularySize,
    );
    if (encoder.batch !== prompt.batch)
      throw new ShapeError(
        `${what}: expected as many rows for the encoder as for the decoder, got ${encoder.batch} and ${prompt.batch}`,
      );
    const { maxSequenceLength = Number.POSITIVE_INFINITY } = model;
    if (encoder.length > maxSequenceLength)
      throw new RangeError(
        `${what}: expected an encoder's length of at most ${maxSequenceLength} (the model's maxSequenceLength), got ${encoder.length}; give the preprocessor a smaller encoderSequenceLength`,
      );
    return { encoder: withoutPadding(encoder), prompt };
  };

  const promptOf = (form: Prompt<Params>['form'], given: Seq2SeqBackboneInputs | Seq2SeqTokens): Prompt<Params> => {
    const { encoder, prompt } = bothSides('generate', given);
    return {
      form,
      tokens: checkGiven(decoder, prompt),
      memory: async (run) => {
        const encode = encodeOf(model, run);
        const { tokenIds, paddingMask, batch, length } = encoder;
        try {
          return await encode.run(
            tensor(tokenIds, { shape: [batch, length], dtype: 'int32' }),
            tensor(paddingMask, { shape: [batch, length], dtype: 'bool' }),
          );
        } finally {
          encode.release();
        }
      },
    };
  };

  const encodeTexts = (prompts: Seq2SeqPrompts, maxLength: number | undefined): Seq2SeqTokens => {
    const own = texts();
    const what = maxLength === undefined ? "a decoder's sequence length" : 'a maxLength';
    const decoderSequenceLength = checkLength(decoder, maxLength ?? own.decoderSequenceLength, what);
    return own.generatePreprocess(prompts, { decoderSequenceLength });
  };

  /** Texts of both sides or tokens as what the model learns from. */
  const prepare: Prepare = (x, y, sampleWeight) => {
    if (isTexts(x)) {
      if (y !== undefined || sampleWeight !== undefined)
        throw new ArgumentError(
          `fit: expected no ${y === undefined ? 'sampleWeight' : 'y'} with texts, whose targets are the decoder's next tokens, got one; pass tokens to choose targets and weights`,
        );
      if (typeof x.encoderText === 'string')
        throw new ArgumentError('fit: expected x to have a batch axis (lists of texts), got one text for the encoder');
      const { x: packed, y: next, sampleWeight: counted } = texts()(x);
      const { encoder } = bothSides('fit', packed);
      return { x: { ...packed, ...arraysOf(encoder) }, y: next, sampleWeight: asWeights(counted) };
    }
    if (!isTokens(x))
      throw new ArgumentError(
        `fit: expected { encoderText, decoderText } or tokens of both sides, got ${typeof x === 'string' || (Array.isArray(x) && typeof x[0] === 'string') ? 'texts without a side: each example is two texts' : describe(x)}`,
      );
    const { encoder } = bothSides('fit', x);
    const { decoderTokenIds: tokenIds, decoderPaddingMask } = x;
    const own = { tokenIds, ...(decoderPaddingMask === undefined ? {} : { paddingMask: decoderPaddingMask }) };
    const decoded = tokenExamples('fit: decoder', own, y, sampleWeight, vocabularySize);
    return {
      ...decoded,
      x: {
        ...arraysOf(encoder),
        decoderTokenIds: decoded.x.tokenIds!,
        decoderPaddingMask: decoded.x.paddingMask!,
      },
    };
  };

  const core = languageModel<
    Config,
    Params,
    Seq2SeqModel<Params>,
    Seq2SeqBackbone<Config, Params>,
    T,
    Seq2SeqLMPreprocessor<T>,
    Seq2SeqLM<Config, Params, T>
  >(
    name,
    parts,
    {
      forward: (own, x, { dropoutKey }) => {
        const held = own as Params;
        const context = dropoutKey === undefined ? {} : { dropout: { key: dropoutKey } };
        const inputs = {
          encoderTokenIds: x.encoderTokenIds!,
          encoderPaddingMask: x.encoderPaddingMask,
          decoderTokenIds: x.decoderTokenIds!,
          decoderPaddingMask: x.decoderPaddingMask,
        };
        return decoder.logits(held, applySeq2Seq(model, held, inputs, context).decoderSequenceOutput);
      },
      prepare,
      trim: trimmedDecoder,
    },
    (other) => seq2seqLM(name, other),
  );

  const { generate, stream } = generatorOf<Params>({
    model: decoder,
    backbone,
    sampler: core.sampler,
    tokenizer: core.tokenizer,
    expected: 'a string, a list of strings, { encoderText, decoderText }, batches of them, or tokens of both sides',
    read: (inputs, maxLength) => {
      if (typeof inputs === 'string') return promptOf('text', encodeTexts([inputs], maxLength));
      if (Array.isArray(inputs) && !inputs.some((text) => typeof text === 'object')) {
        if (inputs.length === 0) throw new ArgumentError('generate: expected at least one prompt, got an empty list');
        return promptOf('texts', encodeTexts(inputs as readonly string[], maxLength));
      }
      if (isTexts(inputs))
        return promptOf(typeof inputs.encoderText === 'string' ? 'text' : 'texts', encodeTexts(inputs, maxLength));
      return isTokens(inputs) ? promptOf('tokens', inputs) : undefined;
    },
    texts: ({ tokenIds, paddingMask, batch, length }) =>
      texts().generatePostprocess({
        decoderTokenIds: { data: tokenIds, shape: [batch, length], dtype: 'int32' },
        decoderPaddingMask: { data: paddingMask, shape: [batch, length], dtype: 'bool' },
      }) as string[],
    tokens: (decoderTokenIds, decoderPaddingMask): GeneratedSeq2SeqTokens => ({ decoderTokenIds, decoderPaddingMask }),
  });

  return Object.freeze<Seq2SeqLM<Config, Params, T>>({
    ...core,
    apply: (inputs, context = {}) =>
      decoder.logits(
        params,
        applySeq2Seq(model, params, seq2seqInputs(inputs), context).decoderSequenceOutput,
        context,
      ),
    score: (request) => scoreSeq2Seq(model, params, request),
    generate: generate as Seq2SeqLM<Config, Params, T>['generate'],
    stream,
  });
};
