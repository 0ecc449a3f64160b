import { ArgumentError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import { describe } from './errors.ts';
import type { TokenIds } from './tokenizer.ts';

/** Rows of ids filled up to one length, and where they are real. */
export interface PackedTokens {
  /** `[length]` or `[batch, length]`, int32. */
  readonly tokenIds: NDArray;
  /** Same shape, bool: true at tokens of the text and at start and end values. */
  readonly paddingMask: NDArray;
}

/** What a packer puts around and behind ids. */
export interface StartEndPackerOptions {
  /** The length of every row. */
  readonly sequenceLength: number;
  /** What stands before the ids: one id or several. Default nothing. */
  readonly startValue?: number | readonly number[];
  /** What stands after them. Default nothing. */
  readonly endValue?: number | readonly number[];
  /** What fills the rest. Default 0. */
  readonly padValue?: number;
}

/** What one call of a packer may change. */
export interface PackOptions {
  /** Default: the packer's. */
  readonly sequenceLength?: number | undefined;
  /** Default `true`. */
  readonly addStartValue?: boolean | undefined;
  /** Default `true`. */
  readonly addEndValue?: boolean | undefined;
}

/** Gives the length back if it is an integer from 1. @throws {ArgumentError} If it is not. */
export const checkSequenceLength = (name: string, sequenceLength: number): number => {
  if (!Number.isSafeInteger(sequenceLength) || sequenceLength < 1)
    throw new ArgumentError(
      `${name}: expected sequenceLength to be an integer from 1, got ${describe(sequenceLength)}`,
    );
  return sequenceLength;
};

const list = (value: number | readonly number[] | undefined): readonly number[] =>
  value === undefined ? [] : typeof value === 'number' ? [value] : value;

const isRow = (ids: TokenIds | readonly TokenIds[]): ids is TokenIds => typeof ids[0] !== 'object';

/**
 * A function that cuts rows of ids to a length and puts a start value before and an end value after them: both stay
 * whatever is cut. The rest is filled on the right.
 *
 * One list of ids gives `[length]`, a list of lists `[batch, length]`.
 *
 * @throws {ArgumentError} If the length is no integer from 1, or too small for the start and end values.
 * @see keras_hub.layers.StartEndPacker, which goes wrong where the length is too small
 */
export const startEndPacker = (
  defaults: StartEndPackerOptions,
): ((ids: TokenIds | readonly TokenIds[], options?: PackOptions) => PackedTokens) => {
  checkSequenceLength('startEndPacker', defaults.sequenceLength);
  return (ids, { sequenceLength = defaults.sequenceLength, addStartValue = true, addEndValue = true } = {}) => {
    const length = checkSequenceLength('startEndPacker', sequenceLength);
    const start = addStartValue ? list(defaults.startValue) : [];
    const end = addEndValue ? list(defaults.endValue) : [];
    const room = length - start.length - end.length;
    if (room < 0)
      throw new ArgumentError(
        `startEndPacker: expected sequenceLength to be ${start.length + end.length} or more, for start and end values, got ${length}`,
      );

    const rows = isRow(ids) ? [ids] : ids;
    const shape = isRow(ids) ? [length] : [rows.length, length];
    const tokenIds = new Int32Array(rows.length * length).fill(defaults.padValue ?? 0);
    const paddingMask = new Uint8Array(rows.length * length);
    rows.forEach((row, index) => {
      const packed = [...start, ...row.slice(0, room), ...end];
      tokenIds.set(packed, index * length);
      paddingMask.fill(1, index * length, index * length + packed.length);
    });
    return {
      tokenIds: { data: tokenIds, shape, dtype: 'int32' },
      paddingMask: { data: paddingMask, shape, dtype: 'bool' },
    };
  };
};
