import { threefry2x32 } from '../ops/threefry.ts';
import { ArgumentError, ShapeError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import { describe } from './errors.ts';
import type { TokenIds } from './tokenizer.ts';

/** What masking is made of. */
export interface MaskedLMMaskGeneratorOptions {
  /** How many ids there are: a random token is any of them. */
  readonly vocabularySize: number;
  /** With which probability a token is selected, from 0 to 1. */
  readonly maskSelectionRate: number;
  /** The id of the mask token. */
  readonly maskTokenId: number;
  /** How many tokens of a row are selected at most; the outputs have this length. Default: the row's length. */
  readonly maskSelectionLength?: number | undefined;
  /** Ids that are never selected. Default `[0]`. */
  readonly unselectableTokenIds?: readonly number[] | undefined;
  /** How often a selected token becomes the mask token. Default 0.8. */
  readonly maskTokenRate?: number | undefined;
  /** How often it becomes a random one; else it stays. Default 0.1. */
  readonly randomTokenRate?: number | undefined;
}

/** Whole numbers of 53 bits that decide all draws: one for a call, each row of which draws otherwise, or one a row. */
export type MaskSeed = number | readonly number[];

/** Rows of ids after masking, and what was masked. */
export interface MaskedTokens {
  /** `[length]` or `[batch, length]`, int32: the ids, some of them replaced. */
  readonly tokenIds: NDArray;
  /** `[selections]` or `[batch, selections]`, int32: where tokens were selected, in order, then 0. */
  readonly maskPositions: NDArray;
  /** Same shape, int32: what stood there, then 0. */
  readonly maskIds: NDArray;
  /** Same shape, float32: 1 for a selected token, 0 behind them. */
  readonly maskWeights: NDArray;
}

const WORD = 2 ** 32;

// Streams of a row's key: which tokens are selected, and what becomes of them.
const SELECTION = 0;
const REPLACEMENT = 1;

type Key = readonly [number, number];

const keyOf = (seed: unknown): Key => {
  if (typeof seed !== 'number' || !Number.isSafeInteger(seed))
    throw new ArgumentError(
      `maskedLMMaskGenerator: expected a seed that is a whole number of 53 bits at most, got ${describe(seed)}`,
    );
  const high = Math.floor(seed / WORD);
  return [seed - high * WORD, high];
};

const keysOf = (seed: MaskSeed | undefined, rows: number): readonly Key[] => {
  if (typeof seed === 'object') {
    if (seed.length !== rows)
      throw new ArgumentError(`maskedLMMaskGenerator: expected a seed for each of ${rows} rows, got ${seed.length}`);
    return seed.map(keyOf);
  }
  const [low, high] =
    seed === undefined ? ([...globalThis.crypto.getRandomValues(new Uint32Array(2))] as unknown as Key) : keyOf(seed);
  return Array.from({ length: rows }, (_, row) => threefry2x32(low, high, row, 0));
};

const checkRates = (name: string, rates: Readonly<Record<string, number>>): void => {
  for (const [rate, value] of Object.entries(rates))
    if (typeof value !== 'number' || !(value >= 0 && value <= 1))
      throw new ArgumentError(`${name}: expected ${rate} to be a number from 0 to 1, got ${describe(value)}`);
};

/**
 * A function that masks rows of ids for masked language modelling, as BERT was trained: each token that may be selected is
 * so with one probability; where more are than a row may have, chance leaves some out. A selected token becomes the mask
 * token, a random one (any id, special ones and itself too), or stays.
 *
 * Draws are counter-based: a row's seed decides them alone, whatever stands in other rows. Without a seed every call draws
 * anew.
 *
 * @throws {ArgumentError} If a rate is not from 0 to 1, the mask token is not in the vocabulary, or a length is none.
 * @see Devlin et al. 2018, section 3.1; keras_hub.layers.MaskedLMMaskGenerator
 * @example
 * const mask = maskedLMMaskGenerator({ vocabularySize: 10, maskSelectionRate: 0.2, maskTokenId: 3, maskSelectionLength: 5 });
 * const { tokenIds, maskPositions, maskIds, maskWeights } = mask([[4, 5, 6, 0], [7, 8, 9, 4]], { seed: 1 });
 */
export const maskedLMMaskGenerator = ({
  vocabularySize,
  maskSelectionRate,
  maskTokenId,
  maskSelectionLength,
  unselectableTokenIds = [0],
  maskTokenRate = 0.8,
  randomTokenRate = 0.1,
}: MaskedLMMaskGeneratorOptions): ((
  tokenIds: TokenIds | readonly TokenIds[] | NDArray,
  options?: { readonly seed?: MaskSeed | undefined },
) => MaskedTokens) => {
  const name = 'maskedLMMaskGenerator';
  checkRates(name, { maskSelectionRate, maskTokenRate, randomTokenRate });
  if (maskTokenRate + randomTokenRate > 1 + 1e-9)
    throw new ArgumentError(
      `${name}: expected maskTokenRate and randomTokenRate to be 1 at most together, got ${maskTokenRate} and ${randomTokenRate}`,
    );
  if (!Number.isInteger(maskTokenId) || maskTokenId < 0 || maskTokenId >= vocabularySize)
    throw new ArgumentError(
      `${name}: expected maskTokenId to be an integer from 0 to ${vocabularySize - 1} (vocabularySize ${vocabularySize}), got ${describe(maskTokenId)}`,
    );
  if (maskSelectionLength !== undefined && (!Number.isSafeInteger(maskSelectionLength) || maskSelectionLength < 1))
    throw new ArgumentError(
      `${name}: expected maskSelectionLength to be an integer from 1, got ${describe(maskSelectionLength)}`,
    );
  const unselectable = new Set(unselectableTokenIds);

  /** Where a row's tokens are selected, in order. */
  const selected = (row: TokenIds, [low, high]: Key, most: number): readonly number[] => {
    const drawn: { readonly at: number; readonly order: number }[] = [];
    row.forEach((id, at) => {
      const [chance, order] = threefry2x32(low, high, at, SELECTION);
      if (!unselectable.has(id) && chance < maskSelectionRate * WORD) drawn.push({ at, order });
    });
    const kept = drawn.length > most ? drawn.sort((a, b) => a.order - b.order || a.at - b.at).slice(0, most) : drawn;
    return kept.map(({ at }) => at).sort((a, b) => a - b);
  };

  const replaced = (id: number, at: number, [low, high]: Key): number => {
    const [chance, token] = threefry2x32(low, high, at, REPLACEMENT);
    if (chance < maskTokenRate * WORD) return maskTokenId;
    return chance < (maskTokenRate + randomTokenRate) * WORD ? Math.floor((token / WORD) * vocabularySize) : id;
  };

  return (input, { seed } = {}) => {
    const { rows, batched, length } = rowsOf(name, input);
    const most = maskSelectionLength ?? length;
    const keys = keysOf(seed, rows.length);
    const tokenIds = new Int32Array(rows.length * length);
    const maskPositions = new Int32Array(rows.length * most);
    const maskIds = new Int32Array(rows.length * most);
    const maskWeights = new Float32Array(rows.length * most);
    rows.forEach((row, index) => {
      const key = keys[index]!;
      tokenIds.set(row, index * length);
      selected(row, key, most).forEach((at, slot) => {
        maskPositions[index * most + slot] = at;
        maskIds[index * most + slot] = row[at]!;
        maskWeights[index * most + slot] = 1;
        tokenIds[index * length + at] = replaced(row[at]!, at, key);
      });
    });
    const shape = (columns: number): readonly number[] => (batched ? [rows.length, columns] : [columns]);
    return {
      tokenIds: { data: tokenIds, shape: shape(length), dtype: 'int32' },
      maskPositions: { data: maskPositions, shape: shape(most), dtype: 'int32' },
      maskIds: { data: maskIds, shape: shape(most), dtype: 'int32' },
      maskWeights: { data: maskWeights, shape: shape(most), dtype: 'float32' },
    };
  };
};

/** Rows of one length from a row, a list of rows or an array. */
const rowsOf = (
  name: string,
  input: TokenIds | readonly TokenIds[] | NDArray,
): { readonly rows: readonly TokenIds[]; readonly batched: boolean; readonly length: number } => {
  if ('shape' in input) {
    const { data, shape, dtype } = input;
    if (dtype !== 'int32' || shape.length < 1 || shape.length > 2)
      throw new ShapeError(
        `${name}: expected tokenIds of int32, [length] or [batch, length], got ${dtype} [${shape.join(', ')}]`,
      );
    const length = shape.at(-1)!;
    const count = shape.length === 2 ? shape[0]! : 1;
    const rows = Array.from({ length: count }, (_, row) =>
      Int32Array.from(data.subarray(row * length, (row + 1) * length)),
    );
    return { rows, batched: shape.length === 2, length };
  }
  const batched = typeof input[0] === 'object';
  const rows = (batched ? input : [input]) as readonly TokenIds[];
  const length = rows[0]!.length;
  const other = rows.findIndex((row) => row.length !== length);
  if (other >= 0)
    throw new ShapeError(
      `${name}: expected rows of one length, got ${length} in row 0, ${rows[other]!.length} in row ${other}`,
    );
  return { rows, batched, length };
};
