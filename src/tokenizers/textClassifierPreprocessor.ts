import type { SequenceOptions } from './causalLMPreprocessor.ts';
import {
  type EncoderInput,
  type EncoderInputs,
  type EncoderLayout,
  encoderInputs,
  packSamples,
} from './encoderInputs.ts';
import { checkTruncate, type Truncate } from './multiSegmentPacker.ts';
import { checkSequenceLength } from './startEndPacker.ts';
import type { TextSamples } from './textSegments.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Samples with their labels and weights. Also unpacks as `[x, y, sampleWeight]`. */
export interface TextClassifierExamples<K extends EncoderInput, Y = undefined, W = undefined>
  extends Iterable<EncoderInputs<K> | Y | W> {
  /** What the model reads. */
  readonly x: EncoderInputs<K>;
  /** The labels as they were given. */
  readonly y: Y;
  /** The weights as they were given. */
  readonly sampleWeight: W;
}

/** What a text classifier's preprocessor is made of. */
export interface TextClassifierPreprocessorOptions<T extends Tokenizer> {
  /** What makes ids of texts. */
  readonly tokenizer: T;
  /** The length of every row. Default 512. */
  readonly sequenceLength?: number | undefined;
  /** How segments share a row that is too short. Default `'round_robin'`. */
  readonly truncate?: Truncate | undefined;
}

/** Texts and pairs of texts to what a text classifier reads. */
export interface TextClassifierPreprocessor<T extends Tokenizer = Tokenizer, K extends EncoderInput = EncoderInput> {
  /**
   * Rows of start token, segments with separators behind them, and padding.
   *
   * @param x - A text, a pair `{ first, second }`, a list of these or of `[first, second]`, or a pair of lists. A list of two
   *   strings is two texts, never a pair, nor a text and its label.
   * @param y - Labels, handed on.
   * @param sampleWeight - Weights, handed on.
   */
  <Y = undefined, W = undefined>(
    x: TextSamples,
    y?: Y,
    sampleWeight?: W,
    options?: SequenceOptions,
  ): TextClassifierExamples<K, Y, W>;
  /** The same preprocessor with another sequence length. */
  readonly withSequenceLength: (sequenceLength: number) => TextClassifierPreprocessor<T, K>;
  /** What makes ids of texts. */
  readonly tokenizer: T;
  /** The length of every row. */
  readonly sequenceLength: number;
  /** How segments share a row that is too short. */
  readonly truncate: Truncate;
}

/** A record of examples that unpacks. */
export const examplesOf = <X, Y, W>(
  x: X,
  y: Y,
  sampleWeight: W,
): { readonly x: X; readonly y: Y; readonly sampleWeight: W } & Iterable<X | Y | W> =>
  Object.freeze(
    Object.defineProperty({ x, y, sampleWeight }, Symbol.iterator, {
      value: () => [x, y, sampleWeight].values(),
    }) as { readonly x: X; readonly y: Y; readonly sampleWeight: W } & Iterable<X | Y | W>,
  );

/**
 * A text classifier's preprocessor over any tokenizer.
 *
 * @param layout - The family's name, its inputs and its separators.
 * @throws {ArgumentError} If the sequence length is no integer from 1, or `truncate` is no strategy.
 * @see keras_hub.models.TextClassifierPreprocessor
 */
export const textClassifierPreprocessor = <T extends Tokenizer, K extends EncoderInput>(
  layout: EncoderLayout<K>,
  { tokenizer, sequenceLength = 512, truncate = 'round_robin' }: TextClassifierPreprocessorOptions<T>,
): TextClassifierPreprocessor<T, K> => {
  const { name } = layout;
  checkSequenceLength(name, sequenceLength);
  checkTruncate(name, truncate);
  return Object.freeze(
    Object.assign(
      <Y = undefined, W = undefined>(
        x: TextSamples,
        y?: Y,
        sampleWeight?: W,
        options: SequenceOptions = {},
      ): TextClassifierExamples<K, Y, W> => {
        const length = checkSequenceLength(name, options.sequenceLength ?? sequenceLength);
        const packed = packSamples(layout, { tokenizer, sequenceLength: length, truncate }, x);
        return examplesOf(encoderInputs(layout.inputs, packed, tokenizer.padTokenId), y as Y, sampleWeight as W);
      },
      {
        withSequenceLength: (length: number): TextClassifierPreprocessor<T, K> =>
          textClassifierPreprocessor(layout, { tokenizer, sequenceLength: length, truncate }),
        tokenizer,
        sequenceLength,
        truncate,
      },
    ),
  );
};
