import { ArgumentError, ShapeError } from '../tensor/errors.ts';
import { type NDArray, ndarray } from '../tensor/ndarray.ts';
import { count, formatShape, sameShape } from '../tensor/shape.ts';
import { describe } from './errors.ts';
import { checkSequenceLength, type PackedTokens, type PackOptions, startEndPacker } from './startEndPacker.ts';
import type { Tokenizer } from './tokenizer.ts';

/** A text, or a list of at least one. */
export type Texts = string | readonly string[];

/**
 * What a language model learns from: `y[i]` is the id after place `i` of the ids in `x`. Also unpacks as
 * `[x, y, sampleWeight]`.
 */
export interface LMExamples<X> extends Iterable<X | NDArray> {
  /** Ids and their masks, `[length]` for one text and `[batch, length]` for a list. */
  readonly x: X;
  /** The next ids, same shape, int32. */
  readonly y: NDArray;
  /** Where `y` is real, same shape, bool. */
  readonly sampleWeight: NDArray;
}

/** What a causal language model learns from. */
export type CausalLMExamples = LMExamples<PackedTokens>;

/** What one call may change. */
export interface SequenceOptions {
  /** The length of every row. Default: the preprocessor's. */
  readonly sequenceLength?: number | undefined;
}

/** What a causal language model's preprocessor is made of. */
export interface CausalLMPreprocessorOptions<T extends Tokenizer> {
  readonly tokenizer: T;
  /** The length of every row. Default 1024. */
  readonly sequenceLength?: number | undefined;
  /** Put the start token before every text when training. Default `true`. */
  readonly addStartToken?: boolean | undefined;
  /** Put the end token after every text when training. Default `true`. */
  readonly addEndToken?: boolean | undefined;
}

/** Texts to what a causal language model trains on and generates from, and back. */
export interface CausalLMPreprocessor<T extends Tokenizer = Tokenizer> {
  /**
   * Examples for training: a text between start and end token is packed to one more than the sequence length; `x` lacks
   * the last id, `y` and `sampleWeight` the first.
   *
   * @param x - A text or a list of texts.
   * @param y - Passed over, as is `sampleWeight`: both are made here.
   */
  (x: Texts, y?: unknown, sampleWeight?: unknown, options?: SequenceOptions): CausalLMExamples;
  /** Prompts: start token (always), ids, padding; no end token. */
  readonly generatePreprocess: (x: Texts, options?: SequenceOptions) => PackedTokens;
  /** Texts of generated ids: places with a false mask and special ids are left out wherever they stand. */
  readonly generatePostprocess: (x: PackedTokens) => string | string[];
  /** The same preprocessor with another sequence length. */
  readonly withSequenceLength: (sequenceLength: number) => CausalLMPreprocessor<T>;
  readonly tokenizer: T;
  readonly sequenceLength: number;
  readonly addStartToken: boolean;
  readonly addEndToken: boolean;
}

/** Columns `from` to `to` of the last axis. */
export const columns = ({ data, shape, dtype }: NDArray, from: number, to: number): NDArray => {
  const length = shape.at(-1)!;
  const kept = data.filter((_, at) => at % length >= from && at % length < to);
  return ndarray(kept, [...shape.slice(0, -1), to - from], dtype);
};

/** Examples that also unpack as a list of three. */
export const examples = <X>(x: X, y: NDArray, sampleWeight: NDArray): LMExamples<X> =>
  Object.freeze(
    Object.defineProperty({ x, y, sampleWeight }, Symbol.iterator, {
      value: () => [x, y, sampleWeight].values(),
    }) as LMExamples<X>,
  );

/**
 * Ids of a text, or of a list of at least one.
 *
 * @param name - Whose texts they are, for messages; `what` names the argument.
 * @throws {ArgumentError} If they are something else.
 */
export const tokenizeTexts = (name: string, what: string, tokenizer: Tokenizer, x: unknown): number[] | number[][] => {
  if (typeof x === 'string') return tokenizer.tokenize(x);
  const wrong = Array.isArray(x) ? x.findIndex((text) => typeof text !== 'string') : -1;
  if (!Array.isArray(x) || x.length === 0 || wrong >= 0)
    throw new ArgumentError(
      `${name}: expected ${what} to be a string or a list of strings (at least one), got ${
        wrong >= 0 ? `a list with ${describe((x as unknown[])[wrong])} at index ${wrong}` : describe(x)
      }`,
    );
  return tokenizer.tokenize(x as readonly string[]);
};

/**
 * Texts of rows of ids: places with a false mask and special ids are left out wherever they stand.
 *
 * @param name - Whose they are, and `names` what they are called, for messages.
 * @throws {ShapeError} If the shapes differ, or are not `[length]` or `[batch, length]`.
 */
export const textsOf = (
  name: string,
  names: readonly [tokenIds: string, paddingMask: string],
  tokenizer: Tokenizer,
  { tokenIds, paddingMask }: PackedTokens,
): string | string[] => {
  const special = new Set(tokenizer.specialTokenIds);
  const { data, shape } = tokenIds;
  if (shape.length < 1 || shape.length > 2 || !sameShape(shape, paddingMask.shape))
    throw new ShapeError(
      `${name}: expected ${names.join(' and ')} of one shape, [length] or [batch, length], got ${formatShape(shape)} and ${formatShape(paddingMask.shape)}`,
    );
  const length = shape.at(-1)!;
  const rows = Array.from({ length: count(shape.slice(0, -1)) }, (_, row) =>
    Array.from(data.subarray(row * length, (row + 1) * length)).filter(
      (id, at) => paddingMask.data[row * length + at] !== 0 && !special.has(id),
    ),
  );
  return shape.length === 1 ? tokenizer.detokenize(rows[0]!) : rows.map((row) => tokenizer.detokenize(row));
};

/**
 * A causal language model's preprocessor over any tokenizer.
 *
 * @param name - The constructor's name, for messages.
 * @throws {ArgumentError} If the sequence length is no integer from 1.
 * @see keras_hub.models.CausalLMPreprocessor
 */
export const causalLMPreprocessor = <T extends Tokenizer>(
  name: string,
  { tokenizer, sequenceLength = 1024, addStartToken = true, addEndToken = true }: CausalLMPreprocessorOptions<T>,
): CausalLMPreprocessor<T> => {
  checkSequenceLength(name, sequenceLength);
  const pack = startEndPacker({
    sequenceLength,
    startValue: tokenizer.startTokenId,
    endValue: tokenizer.endTokenId,
    padValue: tokenizer.padTokenId,
  });
  const packed = (x: unknown, options: PackOptions & { readonly sequenceLength: number }): PackedTokens =>
    pack(tokenizeTexts(name, 'x', tokenizer, x), options);

  return Object.freeze(
    Object.assign(
      (x: Texts, _y?: unknown, _sampleWeight?: unknown, options: SequenceOptions = {}): CausalLMExamples => {
        const length = checkSequenceLength(name, options.sequenceLength ?? sequenceLength);
        // One id more than asked for, since the last has no next.
        const { tokenIds, paddingMask } = packed(x, {
          sequenceLength: length + 1,
          addStartValue: addStartToken,
          addEndValue: addEndToken,
        });
        return examples(
          { tokenIds: columns(tokenIds, 0, length), paddingMask: columns(paddingMask, 0, length) },
          columns(tokenIds, 1, length + 1),
          columns(paddingMask, 1, length + 1),
        );
      },
      {
        generatePreprocess: (x: Texts, options: SequenceOptions = {}): PackedTokens =>
          packed(x, {
            sequenceLength: checkSequenceLength(name, options.sequenceLength ?? sequenceLength),
            addEndValue: false,
          }),
        generatePostprocess: (x: PackedTokens): string | string[] =>
          textsOf(name, ['tokenIds', 'paddingMask'], tokenizer, x),
        withSequenceLength: (length: number): CausalLMPreprocessor<T> =>
          causalLMPreprocessor(name, { tokenizer, sequenceLength: length, addStartToken, addEndToken }),
        tokenizer,
        sequenceLength,
        addStartToken,
        addEndToken,
      },
    ),
  );
};
