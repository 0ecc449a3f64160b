import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError, ShapeError } from '../../src/tensor/errors.ts';
import {
  BertMaskedLMPreprocessor,
  BertTokenizer,
  type MaskedTokens,
  maskedLMMaskGenerator,
} from '../../src/tokenizers/index.ts';

const PAD = 0;
const START = 1;
const END = 2;
const MASK = 3;
const VOCABULARY = 54;
const options = {
  vocabularySize: VOCABULARY,
  maskSelectionRate: 0.15,
  maskTokenId: MASK,
  unselectableTokenIds: [PAD, START, END, MASK],
};

/** Sum of (observed - expected)^2 / expected. */
const chiSquare = (observed: readonly number[], expected: readonly number[]): number =>
  observed.reduce((sum, count, at) => sum + (count - expected[at]!) ** 2 / expected[at]!, 0);

// What chi-square exceeds once in ten thousand draws of right numbers; the seeds are fixed, so these tests never flicker.
const limits = { 1: 15.14, 2: 18.42, 49: 94.4, 53: 99.9, 119: 183.0 } as const;

/** A row of `[start] words [end]`, every word another. */
const LENGTH = 120;
const ROWS = 250;
const row = [START, ...Array.from({ length: LENGTH }, (_, at) => 4 + (at % (VOCABULARY - 4))), END, PAD, PAD];
const rows = Array.from({ length: ROWS }, () => row);

/** The chosen slots of a batch: row, place, what stood there, what stands there now. */
const chosen = ({ tokenIds, maskPositions, maskIds, maskWeights }: MaskedTokens) => {
  const most = maskPositions.shape[1]!;
  const length = tokenIds.shape[1]!;
  return Array.from(maskWeights.data, (weight, slot) => ({ weight, slot }))
    .filter(({ weight }) => weight === 1)
    .map(({ slot }) => {
      const index = Math.floor(slot / most);
      const place = maskPositions.data[slot]!;
      return { index, place, before: maskIds.data[slot]!, after: tokenIds.data[index * length + place]! };
    });
};

describe('Statistics of masking', () => {
  const drawn = chosen(maskedLMMaskGenerator(options)(rows, { seed: 20 }));
  const total = ROWS * LENGTH;

  it('S96 selects 15 % of the tokens', () => {
    const expected = [0.15 * total, 0.85 * total];
    expect(chiSquare([drawn.length, total - drawn.length], expected)).toBeLessThan(limits[1]);
  });

  it('S96 selects every place alike', () => {
    const counts = new Array<number>(LENGTH).fill(0);
    for (const { place } of drawn) counts[place - 1]! += 1;
    expect(chiSquare(counts, new Array<number>(LENGTH).fill(drawn.length / LENGTH))).toBeLessThan(limits[119]);
  });

  it('S96 selects a place whatever happened to its neighbour, and to the same place of the row before', () => {
    const set = new Set(drawn.map(({ index, place }) => index * LENGTH + place - 1));
    for (const step of [1, LENGTH]) {
      let both = 0;
      for (let at = step; at < total; at++) if (set.has(at) && set.has(at - step)) both += 1;
      const expected = 0.15 ** 2 * (total - step);
      expect(chiSquare([both, total - step - both], [expected, total - step - expected])).toBeLessThan(limits[1]);
    }
  });

  it('S96 makes 80 % masks, 10 % random tokens and leaves 10 %', () => {
    const masks = drawn.filter(({ after }) => after === MASK).length;
    const stayed = drawn.filter(({ before, after }) => after === before).length;
    const each = 0.1 / VOCABULARY; // A random token is the mask, or what stood there, once in a vocabulary.
    const expected = [0.8 + each, 0.1 + each, 0.1 - 2 * each].map((rate) => rate * drawn.length);
    expect(chiSquare([masks, stayed, drawn.length - masks - stayed], expected)).toBeLessThan(limits[2]);
  });

  it('S96 draws random tokens from the whole vocabulary', () => {
    const always = maskedLMMaskGenerator({ ...options, maskSelectionRate: 1, maskTokenRate: 0, randomTokenRate: 1 });
    const counts = new Array<number>(VOCABULARY).fill(0);
    const all = chosen(always(rows.slice(0, 100), { seed: 21 }));
    for (const { after } of all) counts[after]! += 1;
    expect(all).toHaveLength(100 * LENGTH);
    expect(chiSquare(counts, new Array<number>(VOCABULARY).fill(all.length / VOCABULARY))).toBeLessThan(limits[53]);
  });

  it('S96 lets chance leave out what is over the limit', () => {
    const limited = maskedLMMaskGenerator({ ...options, maskSelectionRate: 0.5, maskSelectionLength: 10 });
    const kept = chosen(limited(rows, { seed: 22 }));
    expect(kept).toHaveLength(10 * ROWS);
    const counts = new Array<number>(LENGTH).fill(0);
    for (const { place } of kept) counts[place - 1]! += 1;
    expect(chiSquare(counts, new Array<number>(LENGTH).fill(kept.length / LENGTH))).toBeLessThan(limits[119]);
  });
});

describe('maskedLMMaskGenerator', () => {
  const batches = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 20 })).chain(([count, length]) =>
    fc.array(fc.array(fc.integer({ min: 0, max: VOCABULARY - 1 }), { minLength: length, maxLength: length }), {
      minLength: count,
      maxLength: count,
    }),
  );

  it('S95 S96 never selects a special token, never more than the limit, and says all that it changed', () => {
    fc.assert(
      fc.property(
        batches,
        fc.integer({ min: 1, max: 6 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer(),
        (batch, most, rate, seed) => {
          const mask = maskedLMMaskGenerator({ ...options, maskSelectionRate: rate, maskSelectionLength: most });
          const made = mask(batch, { seed });
          const { tokenIds, maskPositions, maskIds, maskWeights } = made;
          const length = batch[0]!.length;
          expect([tokenIds.shape, maskPositions.shape]).toEqual([
            [batch.length, length],
            [batch.length, most],
          ]);
          expect([maskIds.shape, maskWeights.shape]).toEqual([maskPositions.shape, maskPositions.shape]);
          const back = Array.from(tokenIds.data);
          for (const { index, place, before } of chosen(made)) {
            expect(options.unselectableTokenIds).not.toContain(before);
            expect(before).toBe(batch[index]![place]);
            back[index * length + place] = before;
          }
          expect(back).toEqual(batch.flat());
          for (let index = 0; index < batch.length; index++) {
            const count = [...maskWeights.data.subarray(index * most, (index + 1) * most)].filter(Boolean).length;
            const places = [...maskPositions.data.subarray(index * most, (index + 1) * most)];
            // In order, each once, then zeros.
            expect(places.slice(0, count)).toEqual([...new Set(places.slice(0, count))].sort((a, b) => a - b));
            expect(places.slice(count).every((place) => place === 0)).toBe(true);
          }
        },
      ),
    );
  });

  it('S96 gives a row with its own seed the same masks alone and in any batch', () => {
    const mask = maskedLMMaskGenerator({ ...options, maskSelectionRate: 0.5 });
    fc.assert(
      fc.property(batches, fc.array(fc.integer(), { minLength: 5, maxLength: 5 }), (batch, seeds) => {
        const { tokenIds, maskPositions } = mask(batch, { seed: seeds.slice(0, batch.length) });
        const length = batch[0]!.length;
        batch.forEach((ids, index) => {
          const alone = mask(ids, { seed: [seeds[index]!] });
          expect(alone.tokenIds.shape).toEqual([length]);
          expect(alone.tokenIds.data).toEqual(tokenIds.data.slice(index * length, (index + 1) * length));
          expect(alone.maskPositions.data).toEqual(maskPositions.data.slice(index * length, (index + 1) * length));
        });
      }),
      { numRuns: 30 },
    );
  });

  it('S96 gives equal masks for equal seeds, others for others, and fresh ones for none', () => {
    const mask = maskedLMMaskGenerator({ ...options, maskSelectionRate: 0.5 });
    const ids = (seed?: number): readonly number[] => [...mask([row, row], { seed }).tokenIds.data];
    expect(ids(7)).toEqual(ids(7));
    expect(ids(7)).not.toEqual(ids(8));
    expect(ids(2 ** 33)).not.toEqual(ids(0));
    expect(ids()).not.toEqual(ids());
    // One seed for a batch: its rows are masked in different places.
    expect(ids(7).slice(0, row.length)).not.toEqual(ids(7).slice(row.length));
  });

  it('S96 draws what it drew when this was written', () => {
    const mask = maskedLMMaskGenerator({ ...options, maskSelectionLength: 8 });
    const { tokenIds, maskPositions } = mask(row.slice(0, 30), { seed: 5 });
    expect([...maskPositions.data]).toEqual([3, 4, 6, 7, 14, 16, 19, 24]);

    expect([...tokenIds.data]).toEqual(
      row.slice(0, 30).map((id, at) => (at === 7 ? 32 : [...maskPositions.data].includes(at) ? MASK : id)),
    );
  });

  it('S96 takes arrays as they come from a packer, and gives what it was given where the rate is 0', () => {
    const never = maskedLMMaskGenerator({ ...options, maskSelectionRate: 0 });
    const given = { data: Int32Array.from([1, 5, 6, 2]), shape: [2, 2], dtype: 'int32' } as const;
    const { tokenIds, maskPositions, maskWeights } = never(given);
    expect(tokenIds).toEqual(given);
    expect(maskPositions.shape).toEqual([2, 2]);
    expect([...maskWeights.data]).toEqual([0, 0, 0, 0]);
  });

  it('S65 says what is wrong', () => {
    expect(() => maskedLMMaskGenerator({ ...options, maskTokenId: VOCABULARY })).toThrow(
      'maskedLMMaskGenerator: expected maskTokenId to be an integer from 0 to 53 (vocabularySize 54), got the number 54',
    );
    for (const rates of [{ maskSelectionRate: -0.1 }, { maskTokenRate: Number.NaN }, { randomTokenRate: '1' as never }])
      expect(() => maskedLMMaskGenerator({ ...options, ...rates })).toThrow('to be a number from 0 to 1, got');
    const mask = maskedLMMaskGenerator(options);
    expect(() => mask([row], { seed: 0.5 })).toThrow(ArgumentError);
    expect(() => mask([row], { seed: [1, 2] })).toThrow('expected a seed for each of 1 rows, got 2');
    expect(() => mask([[1, 2], [1]])).toThrow(ShapeError);
    expect(() => mask({ data: new Float32Array(2), shape: [2], dtype: 'float32' })).toThrow(
      'expected tokenIds of int32',
    );
  });
});

describe('BertMaskedLMPreprocessor', () => {
  const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'the', 'quick', 'fox', 'dog'];
  const tokenizer = BertTokenizer({ vocabulary });
  const text = 'the quick fox the quick dog the fox';

  it('S95 masks with its own seed, that of the call, or afresh', () => {
    const fresh = BertMaskedLMPreprocessor({ tokenizer, sequenceLength: 12, maskSelectionRate: 0.5 });
    const seeded = BertMaskedLMPreprocessor({ tokenizer, sequenceLength: 12, maskSelectionRate: 0.5, seed: 4 });
    const ids = (made: ReturnType<typeof fresh>) => [...made.x.tokenIds.data].join();
    expect(ids(seeded(text))).toBe(ids(seeded(text)));
    expect(ids(seeded(text))).toBe(ids(fresh(text, undefined, undefined, { seed: 4 })));
    expect(ids(seeded(text, undefined, undefined, { seed: 5 }))).not.toBe(ids(seeded(text)));
    const many = new Set(Array.from({ length: 8 }, () => ids(fresh(text))));
    expect(many.size).toBeGreaterThan(1);
  });

  it('S95 gives x, y and weights that unpack, and passes over labels given', () => {
    const preprocessor = BertMaskedLMPreprocessor({ tokenizer, sequenceLength: 12, maskSelectionLength: 3, seed: 1 });
    const [x, y, weight] = preprocessor([text, 'fox'], [1, 2], [3, 4]);
    expect(Object.keys(x as object)).toEqual(['tokenIds', 'paddingMask', 'segmentIds', 'maskPositions']);
    expect(y).toMatchObject({ shape: [2, 3], dtype: 'int32' });
    expect(weight).toMatchObject({ shape: [2, 3], dtype: 'float32' });
  });

  it('S96 may mask unknown tokens, which are no special ones to KerasHub', () => {
    const all = BertMaskedLMPreprocessor({
      tokenizer,
      sequenceLength: 6,
      maskSelectionRate: 1,
      maskTokenRate: 1,
      randomTokenRate: 0,
    });
    expect([...all('cat [MASK]').x.tokenIds.data]).toEqual([2, 4, 4, 4, 4, 3]);
  });
});
