import type { NDArray } from '../tensor/ndarray.ts';
import { multiSegmentPacker, type PackedSegments, type Truncate } from './multiSegmentPacker.ts';
import { samplesOf } from './textSegments.ts';
import type { TokenIds, Tokenizer } from './tokenizer.ts';

/** What a family's model reads beside token ids. */
export type EncoderInput = 'paddingMask' | 'segmentIds';

/** What an encoder reads, each `[length]` for one sample and `[batch, length]` for a batch. */
export type EncoderInputs<K extends EncoderInput = never> = {
  /** int32. */
  readonly tokenIds: NDArray;
} & {
  /** `paddingMask`: bool, false at padding ids. `segmentIds`: int32, the number of each id's segment. */
  readonly [key in K]: NDArray;
};

/** How a family's rows are made up. */
export interface EncoderLayout<K extends EncoderInput> {
  /** The constructor's name, for messages. */
  readonly name: string;
  /** What the model reads beside token ids. */
  readonly inputs: readonly K[];
  /** How many end tokens stand between two segments. */
  readonly separators: 1 | 2;
}

/** What packing needs beside samples. */
export interface PackingOptions {
  readonly tokenizer: Tokenizer;
  readonly sequenceLength: number;
  readonly truncate: Truncate;
}

/** Token ids of segments in a row. @throws {ArgumentError} If the length is too small for what stands around them. */
export const packTokenized = (
  { separators }: Pick<EncoderLayout<EncoderInput>, 'separators'>,
  { tokenizer, sequenceLength, truncate }: PackingOptions,
  rows: readonly TokenIds[] | readonly (readonly TokenIds[])[],
): PackedSegments =>
  multiSegmentPacker({
    sequenceLength,
    startValue: tokenizer.startTokenId,
    endValue: tokenizer.endTokenId,
    sepValue: new Array<number>(separators).fill(tokenizer.endTokenId),
    padValue: tokenizer.padTokenId,
    truncate,
  })(rows);

/** Samples, tokenized and packed. @throws {ArgumentError} If `x` is none of the forms of `TextSamples`. */
export const packSamples = (
  layout: Pick<EncoderLayout<EncoderInput>, 'name' | 'separators'>,
  options: PackingOptions,
  x: unknown,
): PackedSegments => {
  const { samples, batched } = samplesOf(layout.name, x);
  const rows = samples.map((segments) => segments.map((text) => options.tokenizer.tokenize(text)));
  return packTokenized(layout, options, batched ? rows : rows[0]!);
};

/** What a model reads of packed ids; the mask is false wherever the padding id stands, in a text too, as KerasHub's is. */
export const encoderInputs = <K extends EncoderInput>(
  inputs: readonly K[],
  { tokenIds, segmentIds }: PackedSegments,
  padTokenId: number,
): EncoderInputs<K> => {
  const made: Record<EncoderInput, () => NDArray> = {
    paddingMask: () => ({
      data: Uint8Array.from(tokenIds.data, (id) => (id === padTokenId ? 0 : 1)),
      shape: tokenIds.shape,
      dtype: 'bool',
    }),
    segmentIds: () => segmentIds,
  };
  return Object.freeze({
    tokenIds,
    ...Object.fromEntries(inputs.map((input) => [input, made[input]()])),
  }) as EncoderInputs<K>;
};
