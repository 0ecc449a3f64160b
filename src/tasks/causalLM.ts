import type { CausalContext, CausalModel } from '../models/causalModel.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Tree } from '../tensor/tree.ts';
import type { CausalLMPreprocessor } from '../tokenizers/index.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import { type BackboneInputs, type CausalBackbone, causalInputs } from './backbone.ts';
import { type Prepare, trimmed } from './batches.ts';
import type { TokenBatch } from './decodingLoop.ts';
import {
  checkGiven,
  checkLength,
  type GeneratedText,
  type GenerateOptions,
  generatorOf,
  type PromptBatches,
} from './generate.ts';
import { asWeights, describe, forTexts, type TokenInputs, tokenBatch, tokenExamples } from './inputs.ts';
import { type LanguageModel, type LanguageModelParts, languageModel } from './languageModel.ts';
import { type ScoreRequest, score } from './score.ts';

/** Tokens that `generate` gives back for tokens. */
export interface GeneratedTokens {
  /** `[batch, length]` int32 (or `[length]`, as given). */
  readonly tokenIds: NDArray;
  /** True up to and including the first generated stop id; all true without stop ids. */
  readonly paddingMask: NDArray;
  /** Scores of all beams, where they are asked for, `[batch, beams]` float32; then the others are `[batch, beams, length]`. */
  readonly logProbs?: NDArray;
}

/** A causal language model, end to end: immutable; what would change it gives a new one. */
export interface CausalLM<Config = unknown, Params extends Tree = Tree, T extends Tokenizer = Tokenizer>
  extends LanguageModel<
    CausalBackbone<Config, Params>,
    CausalLMPreprocessor<T>,
    T,
    Params,
    CausalLM<Config, Params, T>
  > {
  /** Logits of every place, `[batch, length, vocabularySize]` float32, as an expression. */
  readonly apply: (inputs: BackboneInputs, context?: CausalContext) => Tensor;
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
  /** Pieces of the answer to one prompt as they are decided; no piece ends inside a character. */
  readonly stream: (prompt: string, options?: Omit<GenerateOptions, 'stripPrompt'>) => AsyncGenerator<string, void>;
}

/** What makes a causal language model. */
export type CausalLMParts<Config, Params extends Tree, T extends Tokenizer> = LanguageModelParts<
  CausalBackbone<Config, Params>,
  CausalLMPreprocessor<T>
>;

const isTokenInputs = (inputs: unknown): inputs is TokenInputs =>
  typeof inputs === 'object' && inputs !== null && 'tokenIds' in inputs;

/** A causal language model from its parts. */
export const causalLM = <Config, Params extends Tree, T extends Tokenizer>(
  name: string,
  parts: CausalLMParts<Config, Params, T>,
): CausalLM<Config, Params, T> => {
  const { backbone, preprocessor = null } = parts;
  const { model, params } = backbone;

  const texts = (): CausalLMPreprocessor<T> => forTexts('generate', preprocessor, '{ tokenIds, paddingMask }');

  const encode = (prompts: readonly string[], maxLength: number | undefined): TokenBatch => {
    const own = texts();
    if (prompts.length === 0) throw new ArgumentError('generate: expected at least one prompt, got an empty list');
    const what = maxLength === undefined ? 'a sequenceLength' : 'a maxLength';
    const sequenceLength = checkLength(model, maxLength ?? own.sequenceLength, what);
    return tokenBatch('generate', own.generatePreprocess(prompts, { sequenceLength }), model.vocabularySize);
  };

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

  const core = languageModel<
    Config,
    Params,
    CausalModel<Params>,
    CausalBackbone<Config, Params>,
    T,
    CausalLMPreprocessor<T>,
    CausalLM<Config, Params, T>
  >(
    name,
    parts,
    {
      forward: (own, { tokenIds, paddingMask }, { dropoutKey }) => {
        const held = own as Params;
        const dropout = dropoutKey === undefined ? undefined : { key: dropoutKey };
        return model.logits(held, model.apply(held, { tokenIds: tokenIds!, paddingMask }, { dropout }).hidden);
      },
      prepare,
      trim: trimmed,
    },
    (other) => causalLM(name, other),
  );

  const { generate, stream } = generatorOf<Params>({
    model,
    backbone,
    sampler: core.sampler,
    tokenizer: core.tokenizer,
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

  return Object.freeze<CausalLM<Config, Params, T>>({
    ...core,
    apply: (inputs, context) =>
      model.logits(params, model.apply(params, causalInputs(inputs), context).hidden, context),
    score: (request) => score(model, params, request),
    generate: generate as CausalLM<Config, Params, T>['generate'],
    stream,
  });
};
