import { ArgumentError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import { describe } from './errors.ts';
import { checkSequenceLength } from './startEndPacker.ts';
import type { TokenIds } from './tokenizer.ts';

/**
 * How segments share a row that is too short for all of them: `'round_robin'` gives one place to each in turn,
 * `'waterfall'` gives the first all it needs, then the second what is left.
 */
export type Truncate = 'round_robin' | 'waterfall';

/** Rows of ids from several segments, filled up to one length, and whose ids they are. */
export interface PackedSegments {
  /** `[length]` or `[batch, length]`, int32. */
  readonly tokenIds: NDArray;
  /** Same shape, int32: the number of the segment, whose separator is its own; 0 at the start value and in padding. */
  readonly segmentIds: NDArray;
}

/** What a packer of segments puts around, between and behind them. */
export interface MultiSegmentPackerOptions {
  /** The length of every row. */
  readonly sequenceLength: number;
  /** What stands before the first segment: one id or several. */
  readonly startValue: number | readonly number[];
  /** What stands behind the last segment. */
  readonly endValue: number | readonly number[];
  /** What stands behind every other segment. Default: `endValue`. */
  readonly sepValue?: number | readonly number[] | undefined;
  /** What fills the rest. Default 0. */
  readonly padValue?: number | undefined;
  /** How segments share a row that is too short. Default `'round_robin'`. */
  readonly truncate?: Truncate | undefined;
}

const list = (value: number | readonly number[]): readonly number[] => (typeof value === 'number' ? [value] : value);

/** How many ids each segment keeps when they take turns: the largest equal share, and the rest to the first in need. */
const roundRobin = (lengths: readonly number[], room: number): readonly number[] => {
  const taken = (share: number): number => lengths.reduce((total, length) => total + Math.min(length, share), 0);
  let share = 0;
  for (let above = Math.min(room, Math.max(...lengths)) + 1; share + 1 < above; ) {
    const middle = Math.floor((share + above) / 2);
    if (taken(middle) <= room) share = middle;
    else above = middle;
  }
  let rest = room - taken(share);
  return lengths.map((length) => {
    if (length <= share || rest === 0) return Math.min(length, share);
    rest -= 1;
    return share + 1;
  });
};

/** How many ids each segment keeps when the first goes before the second. */
const waterfall = (lengths: readonly number[], room: number): readonly number[] => {
  let rest = room;
  return lengths.map((length) => {
    const kept = Math.min(length, rest);
    rest -= kept;
    return kept;
  });
};

/** Gives the name back if it is one. @throws {ArgumentError} If it is none. */
export const checkTruncate = (name: string, truncate: Truncate): Truncate => {
  if (truncate !== 'round_robin' && truncate !== 'waterfall')
    throw new ArgumentError(`${name}: expected truncate to be 'round_robin' or 'waterfall', got ${describe(truncate)}`);
  return truncate;
};

const isBatch = (segments: readonly TokenIds[] | readonly (readonly TokenIds[])[]): boolean =>
  typeof segments[0]?.[0] === 'object';

/**
 * A function that packs segments into one row: the start value, then each segment with a separator behind it, the end
 * value behind the last; segments are cut so that all of these fit. The rest is filled on the right.
 *
 * A list of segments gives `[length]`, a list of such lists `[batch, length]`. Rows may differ in their number of segments.
 *
 * @throws {ArgumentError} If the length is no integer from 1, or too small for start, separators and end.
 * @see keras_hub.layers.MultiSegmentPacker, whose rows get too long where the length is too small
 * @example
 * const pack = multiSegmentPacker({ sequenceLength: 8, startValue: 101, endValue: 102 });
 * pack([[1, 2, 3, 4], [11, 12, 13, 14]]).tokenIds.data; // [101, 1, 2, 3, 102, 11, 12, 102]
 */
export const multiSegmentPacker = ({
  sequenceLength,
  startValue,
  endValue,
  sepValue = endValue,
  padValue = 0,
  truncate = 'round_robin',
}: MultiSegmentPackerOptions): ((
  segments: readonly TokenIds[] | readonly (readonly TokenIds[])[],
  options?: { readonly sequenceLength?: number | undefined },
) => PackedSegments) => {
  const [start, separator, end] = [list(startValue), list(sepValue), list(endValue)];
  checkSequenceLength('multiSegmentPacker', sequenceLength);
  const share = checkTruncate('multiSegmentPacker', truncate) === 'waterfall' ? waterfall : roundRobin;

  return (segments, options = {}) => {
    const length = checkSequenceLength('multiSegmentPacker', options.sequenceLength ?? sequenceLength);
    const batched = isBatch(segments);
    const rows = (batched ? segments : [segments]) as readonly (readonly TokenIds[])[];
    const tokenIds = new Int32Array(rows.length * length).fill(padValue);
    const segmentIds = new Int32Array(rows.length * length);
    rows.forEach((row, index) => {
      if (row.length === 0)
        throw new ArgumentError(`multiSegmentPacker: expected at least one segment, got none in row ${index}`);
      const around = start.length + (row.length - 1) * separator.length + end.length;
      if (length < around)
        throw new ArgumentError(
          `multiSegmentPacker: expected sequenceLength to be ${around} or more, for what stands around ` +
            `${row.length === 1 ? 'a segment' : `${row.length} segments`}, got ${length}`,
        );
      const kept = share(
        row.map((ids) => ids.length),
        length - around,
      );
      let at = index * length;
      const put = (ids: TokenIds, segment: number): void => {
        tokenIds.set(ids, at);
        segmentIds.fill(segment, at, at + ids.length);
        at += ids.length;
      };
      put(start, 0);
      row.forEach((ids, segment) => {
        put(ids.slice(0, kept[segment]!), segment);
        put(segment === row.length - 1 ? end : separator, segment);
      });
    });
    const shape = batched ? [rows.length, length] : [length];
    return {
      tokenIds: { data: tokenIds, shape, dtype: 'int32' },
      segmentIds: { data: segmentIds, shape, dtype: 'int32' },
    };
  };
};
