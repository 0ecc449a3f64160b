import { ArgumentError } from '../tensor/errors.ts';
import { type NDArray, ndarray } from '../tensor/ndarray.ts';
import type { SequenceOptions } from './causalLMPreprocessor.ts';
import {
  type EncoderInput,
  type EncoderInputs,
  type EncoderLayout,
  encoderInputs,
  packSamples,
  packTokenized,
} from './encoderInputs.ts';
import { quote } from './errors.ts';
import { type MaskSeed, maskedLMMaskGenerator } from './maskedLMMaskGenerator.ts';
import { type MaskTokenizer, tokenizeWithMasks } from './maskTokenizer.ts';
import { checkTruncate, type Truncate } from './multiSegmentPacker.ts';
import { checkSequenceLength } from './startEndPacker.ts';
import { examplesOf } from './textClassifierPreprocessor.ts';
import { samplesOf, type TextSamples } from './textSegments.ts';

/** What a masked language model reads: an encoder's inputs, and where tokens are to be told. */
export type MaskedLMInputs<K extends EncoderInput = never> = EncoderInputs<K> & {
  /** `[selections]` or `[batch, selections]`, int32: places in the row; 0 behind the last. */
  readonly maskPositions: NDArray;
};

/** What a masked language model learns from. Also unpacks as `[x, y, sampleWeight]`. */
export interface MaskedLMExamples<K extends EncoderInput> extends Iterable<MaskedLMInputs<K> | NDArray> {
  /** Masked ids and the places that were masked. */
  readonly x: MaskedLMInputs<K>;
  /** The ids that stood in those places, same shape as `maskPositions`, int32. */
  readonly y: NDArray;
  /** Same shape, float32: 1 for a masked place, 0 for what fills the row. */
  readonly sampleWeight: NDArray;
}

/** What one call may change. */
export interface MaskingOptions extends SequenceOptions {
  /** What decides the draws: one number, or one for each row. Default: the preprocessor's, else fresh draws each time. */
  readonly seed?: MaskSeed | undefined;
}

/** What a masked language model's preprocessor is made of. */
export interface MaskedLMPreprocessorOptions<T extends MaskTokenizer> {
  /** What makes ids of texts. */
  readonly tokenizer: T;
  /** The length of every row. Default 512. */
  readonly sequenceLength?: number | undefined;
  /** How segments share a row that is too short. Default `'round_robin'`. */
  readonly truncate?: Truncate | undefined;
  /** With which probability a token is selected. Default 0.15. */
  readonly maskSelectionRate?: number | undefined;
  /** How many tokens of a row are selected at most. Default 96. */
  readonly maskSelectionLength?: number | undefined;
  /** How often a selected token becomes the mask token. Default 0.8. */
  readonly maskTokenRate?: number | undefined;
  /** How often it becomes a random one; else it stays. Default 0.1. */
  readonly randomTokenRate?: number | undefined;
  /** What decides the draws of every call that has no seed. Default: fresh draws each time. */
  readonly seed?: number | undefined;
}

/** Texts and pairs of texts to what a masked language model trains on and fills in. */
export interface MaskedLMPreprocessor<T extends MaskTokenizer = MaskTokenizer, K extends EncoderInput = EncoderInput> {
  /**
   * Examples for training: rows as a text classifier reads them, some tokens masked; special tokens and padding never are.
   *
   * @param x - A text, a pair `{ first, second }`, a list of these or of `[first, second]`, or a pair of lists.
   * @param y - Passed over, as is `sampleWeight`: both are made here.
   */
  (x: TextSamples, y?: unknown, sampleWeight?: unknown, options?: MaskingOptions): MaskedLMExamples<K>;
  /**
   * Inputs for texts in which mask tokens stand, to fill them in: `maskPositions` are their places, and `sampleWeight` tells
   * them from what fills the row. Nothing is drawn.
   *
   * @param x - As for a call; every sample has a mask.
   * @param options - The length of every row. Default: as long as the longest needs, the preprocessor's at most;
   *   the preprocessor's in FNet, which sees padding.
   * @throws {ArgumentError} If a sample has no mask, or loses one because it is too long.
   */
  readonly fillMaskPreprocess: (
    x: TextSamples,
    options?: SequenceOptions,
  ) => { readonly x: MaskedLMInputs<K>; readonly sampleWeight: NDArray };
  /** The same preprocessor with another sequence length. */
  readonly withSequenceLength: (sequenceLength: number) => MaskedLMPreprocessor<T, K>;
  /** What makes ids of texts. */
  readonly tokenizer: T;
  /** The length of every row. */
  readonly sequenceLength: number;
  /** How segments share a row that is too short. */
  readonly truncate: Truncate;
  /** With which probability a token is selected. */
  readonly maskSelectionRate: number;
  /** How many tokens of a row are selected at most. */
  readonly maskSelectionLength: number;
  /** How often a selected token becomes the mask token. */
  readonly maskTokenRate: number;
  /** How often it becomes a random one. */
  readonly randomTokenRate: number;
  /** What decides the draws of calls that have no seed; `undefined` for fresh ones. */
  readonly seed: number | undefined;
}

const occurrences = (row: ArrayLike<number>, id: number): number[] => {
  const places: number[] = [];
  for (let at = 0; at < row.length; at++) if (row[at] === id) places.push(at);
  return places;
};

/**
 * A masked language model's preprocessor over any tokenizer that has a mask token.
 *
 * @param layout - The family's name, its inputs and its separators.
 * @throws {ArgumentError} If a length is no integer from 1, a rate not from 0 to 1, or `truncate` no strategy.
 * @see keras_hub.models.MaskedLMPreprocessor
 */
export const maskedLMPreprocessor = <T extends MaskTokenizer, K extends EncoderInput>(
  layout: EncoderLayout<K>,
  options: MaskedLMPreprocessorOptions<T>,
): MaskedLMPreprocessor<T, K> => {
  const { name } = layout;
  const {
    tokenizer,
    sequenceLength = 512,
    truncate = 'round_robin',
    maskSelectionRate = 0.15,
    maskSelectionLength = 96,
    maskTokenRate = 0.8,
    randomTokenRate = 0.1,
    seed: ownSeed,
  } = options;
  const { padTokenId, maskTokenId, vocabularySize, specialTokenIds, maskToken } = tokenizer;
  checkSequenceLength(name, sequenceLength);
  checkTruncate(name, truncate);
  const mask = maskedLMMaskGenerator({
    vocabularySize,
    maskSelectionRate,
    maskTokenId,
    maskSelectionLength,
    unselectableTokenIds: [...specialTokenIds, padTokenId, maskTokenId],
    maskTokenRate,
    randomTokenRate,
  });

  const fillMaskPreprocess: MaskedLMPreprocessor<T, K>['fillMaskPreprocess'] = (x, { sequenceLength: asked } = {}) => {
    const { samples, batched } = samplesOf(name, x);
    const tokenized = samples.map((segments) => segments.map((text) => tokenizeWithMasks(tokenizer, text)));
    const wanted = tokenized.map((row) => occurrences(row.flat(), maskTokenId).length);
    const without = wanted.indexOf(0);
    if (without >= 0)
      throw new ArgumentError(
        `${name}: expected ${maskToken} in every sample, got none in ${quote(samples[without]!.join(' '))} (index ${without})`,
      );
    const longest = Math.max(...tokenized.map((row) => row.flat().length + 2 + (row.length - 1) * layout.separators));
    // A model that sees padding is given as much as always, so that no text changes another's masks.
    const isSeen = !layout.inputs.some((input) => input === 'paddingMask');
    const length = checkSequenceLength(name, asked ?? (isSeen ? sequenceLength : Math.min(sequenceLength, longest)));
    const packed = packTokenized(
      layout,
      { tokenizer, sequenceLength: length, truncate },
      batched ? tokenized : tokenized[0]!,
    );
    const places = samples.map((_, row) =>
      occurrences(packed.tokenIds.data.subarray(row * length, (row + 1) * length), maskTokenId),
    );
    const lost = places.findIndex((row, index) => row.length < wanted[index]!);
    if (lost >= 0)
      throw new ArgumentError(
        `${name}: expected every ${maskToken} within sequenceLength ${length}, got ${wanted[lost]! - places[lost]!.length} of ` +
          `${wanted[lost]} cut off in sample ${lost}; shorten the text or raise sequenceLength`,
      );
    const most = Math.max(...wanted);
    const shape = batched ? [samples.length, most] : [most];
    const filled = places.flatMap((row) => Array.from({ length: most }, (_, slot) => row[slot] ?? 0));
    const weights = places.flatMap((row) => Array.from({ length: most }, (_, slot) => (slot < row.length ? 1 : 0)));
    return {
      x: Object.freeze({
        ...encoderInputs(layout.inputs, packed, padTokenId),
        maskPositions: ndarray(Int32Array.from(filled), shape, 'int32'),
      }),
      sampleWeight: ndarray(Float32Array.from(weights), shape, 'float32'),
    };
  };

  return Object.freeze(
    Object.assign(
      (
        x: TextSamples,
        _y?: unknown,
        _sampleWeight?: unknown,
        { sequenceLength: asked, seed }: MaskingOptions = {},
      ): MaskedLMExamples<K> => {
        const length = checkSequenceLength(name, asked ?? sequenceLength);
        const packed = packSamples(layout, { tokenizer, sequenceLength: length, truncate }, x);
        const { tokenIds, maskPositions, maskIds, maskWeights } = mask(packed.tokenIds, { seed: seed ?? ownSeed });
        const inputs = encoderInputs(layout.inputs, packed, padTokenId);
        return examplesOf(Object.freeze({ ...inputs, tokenIds, maskPositions }), maskIds, maskWeights);
      },
      {
        fillMaskPreprocess,
        withSequenceLength: (length: number): MaskedLMPreprocessor<T, K> =>
          maskedLMPreprocessor(layout, { ...options, sequenceLength: length }),
        tokenizer,
        sequenceLength,
        truncate,
        maskSelectionRate,
        maskSelectionLength,
        maskTokenRate,
        randomTokenRate,
        seed: ownSeed,
      },
    ),
  );
};
