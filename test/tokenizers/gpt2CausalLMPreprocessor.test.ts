import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import { GPT2CausalLMPreprocessor, GPT2Tokenizer, startEndPacker } from '../../src/tokenizers/index.ts';
import { endOfText, seedMerges, seedVocabulary, tokenizer, vocabulary } from './vocabulary.ts';

const rows = ({ data, shape }: NDArray): number[] | number[][] => {
  const width = shape.at(-1)!;
  return shape.length === 1
    ? Array.from(data)
    : Array.from({ length: shape[0]! }, (_, row) => Array.from(data.subarray(row * width, (row + 1) * width)));
};

const seed = GPT2CausalLMPreprocessor({
  tokenizer: GPT2Tokenizer({ vocabulary: seedVocabulary, merges: seedMerges }),
  sequenceLength: 6,
});

const lists = fc.array(fc.string({ unit: fc.constantFrom('a', ' ', 'the', '!', '<|endoftext|>') }), {
  minLength: 1,
  maxLength: 4,
});

describe('GPT2CausalLMPreprocessor', () => {
  it('S90 packs to 1024 with start and end token unless told otherwise', () => {
    const preprocessor = GPT2CausalLMPreprocessor({ tokenizer });
    const { sequenceLength, addStartToken, addEndToken } = preprocessor;
    expect([sequenceLength, addStartToken, addEndToken]).toEqual([1024, true, true]);
    expect(preprocessor.tokenizer).toBe(tokenizer);
    expect(preprocessor('a').y.shape).toEqual([1024]);
  });

  it('S91 S125 gives ids, the next ids and where they are real, as KerasHub does', () => {
    const { x, y, sampleWeight } = seed(['a quick fox.', 'a fox quick.']);
    expect(rows(x.tokenIds)).toEqual([
      [0, 4, 5, 6, 0, 0],
      [0, 4, 6, 5, 0, 0],
    ]);
    expect(rows(x.paddingMask)).toEqual(Array(2).fill([1, 1, 1, 1, 1, 0]));
    expect(rows(y)).toEqual([
      [4, 5, 6, 0, 0, 0],
      [4, 6, 5, 0, 0, 0],
    ]);
    expect(rows(sampleWeight)).toEqual(Array(2).fill([1, 1, 1, 1, 0, 0]));
    expect([x.tokenIds.dtype, x.paddingMask.dtype, y.dtype, sampleWeight.dtype]).toEqual([
      'int32',
      'bool',
      'int32',
      'bool',
    ]);
  });

  it('S91 gives one text one row without a batch axis, and unpacks as a triple', () => {
    const [x, y, sampleWeight] = seed('a');
    expect(x).toEqual(seed('a').x);
    expect(rows(y as NDArray)).toEqual([4, 0, 0, 0, 0, 0]);
    expect(rows(sampleWeight as NDArray)).toEqual([1, 1, 0, 0, 0, 0]);
    expect(seed(['a']).y.shape).toEqual([1, 6]);
  });

  it('S91 keeps the end token of a text that is too long, and takes another length for one call', () => {
    const { x, y } = GPT2CausalLMPreprocessor({ tokenizer, sequenceLength: 3 })('abcdef');
    expect(rows(x.tokenIds)).toEqual([endOfText, vocabulary.a, vocabulary.b]);
    expect(rows(y)).toEqual([vocabulary.a, vocabulary.b, endOfText]);
    expect(seed('a', undefined, undefined, { sequenceLength: 1 }).x.tokenIds.data).toEqual(Int32Array.of(0));
  });

  it('S91 leaves start and end token away when told so', () => {
    const bare = GPT2CausalLMPreprocessor({ tokenizer, sequenceLength: 3, addStartToken: false, addEndToken: false });
    const { x, y, sampleWeight } = bare('ab');
    expect(rows(x.tokenIds)).toEqual([vocabulary.a, vocabulary.b, 0]);
    expect(rows(y)).toEqual([vocabulary.b, 0, 0]);
    expect(rows(sampleWeight)).toEqual([1, 0, 0]);
    // parity 19: the start token of a prompt stays.
    expect(rows(bare.generatePreprocess('a').tokenIds)).toEqual([endOfText, vocabulary.a, 0]);
  });

  it('S91 labels are the ids moved by one, weighted where they are real', () =>
    fc.assert(
      fc.property(lists, fc.integer({ min: 1, max: 12 }), (texts, sequenceLength) => {
        const { x, y, sampleWeight } = GPT2CausalLMPreprocessor({ tokenizer, sequenceLength })(texts);
        for (const array of [x.tokenIds, x.paddingMask, y, sampleWeight])
          expect(array.shape).toEqual([texts.length, sequenceLength]);
        texts.forEach((text, row) => {
          const ids = [endOfText, ...tokenizer.tokenize(text).slice(0, sequenceLength - 1), endOfText];
          const at = <T>(array: NDArray): T => (rows(array) as number[][])[row] as T;
          const filled = (values: readonly number[]) =>
            Array.from({ length: sequenceLength + 1 }, (_, i) => values[i] ?? 0);
          expect(at(x.tokenIds)).toEqual(filled(ids).slice(0, -1));
          expect(at(y)).toEqual(filled(ids).slice(1));
          expect(at(x.paddingMask)).toEqual(filled(ids.map(() => 1)).slice(0, -1));
          expect(at(sampleWeight)).toEqual(filled(ids.map(() => 1)).slice(1));
        });
      }),
    ));

  it('S92 packs prompts: start token, ids, padding, no end token, cut to the length', () => {
    const { tokenIds, paddingMask } = seed.generatePreprocess(['a quick fox', 'a']);
    expect(rows(tokenIds)).toEqual([
      [0, 4, 5, 6, 0, 0],
      [0, 4, 0, 0, 0, 0],
    ]);
    expect(rows(paddingMask)).toEqual([
      [1, 1, 1, 1, 0, 0],
      [1, 1, 0, 0, 0, 0],
    ]);
    expect(rows(seed.generatePreprocess('a quick fox', { sequenceLength: 2 }).tokenIds)).toEqual([0, 4]);
    expect(rows(seed.generatePreprocess('').paddingMask)).toEqual([1, 0, 0, 0, 0, 0]);
  });

  it('S63 S93 leaves out masked places and special ids wherever they stand, and keeps a padding id that is real', () => {
    const { generatePostprocess } = GPT2CausalLMPreprocessor({ tokenizer });
    const { a, b } = vocabulary as { readonly a: number; readonly b: number };
    const tokenIds: NDArray = {
      data: Int32Array.of(endOfText, a, 0, endOfText, b, 0, endOfText, b, b, b, b, b),
      shape: [2, 6],
      dtype: 'int32',
    };
    const paddingMask: NDArray = {
      data: Uint8Array.of(1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1),
      shape: [2, 6],
      dtype: 'bool',
    };
    expect(generatePostprocess({ tokenIds, paddingMask })).toEqual(['a!b', 'bb']);
    expect(() => generatePostprocess({ tokenIds, paddingMask: { ...paddingMask, shape: [12] } })).toThrow(
      'expected tokenIds and paddingMask of one shape, [length] or [batch, length], got [2, 6] and [12]',
    );
  });

  it('S93 undoes S92: a text that fits comes back, one alone or in a list', () =>
    fc.assert(
      fc.property(lists, (texts) => {
        const preprocessor = GPT2CausalLMPreprocessor({ tokenizer, sequenceLength: 80 });
        const plain = texts.map((text) => text.replaceAll('<|endoftext|>', ''));
        const { generatePreprocess, generatePostprocess } = preprocessor;
        expect(generatePostprocess(generatePreprocess(texts))).toEqual(plain);
        expect(generatePostprocess(generatePreprocess(texts[0]!))).toBe(plain[0]);
      }),
    ));

  it('changes nothing: another length is another preprocessor', () => {
    const longer = seed.withSequenceLength(9);
    expect([seed.sequenceLength, longer.sequenceLength, longer.tokenizer]).toEqual([6, 9, seed.tokenizer]);
    expect(longer('a').y.shape).toEqual([9]);
    expect(Object.isFrozen(seed)).toBe(true);
  });

  it('S65 says what it was given in place of texts', () => {
    for (const [x, came] of [
      [3, 'the number 3'],
      [null, 'null'],
      [[], 'an array of 0'],
      [['a', 3], 'a list with the number 3 at index 1'],
      [Int32Array.of(1), 'an object (Int32Array)'],
    ] as const)
      for (const call of [seed, seed.generatePreprocess])
        expect(() => call(x as never)).toThrow(
          `GPT2CausalLMPreprocessor: expected x to be a string or a list of strings (at least one), got ${came}`,
        );
  });

  it('refuses lengths that are no integer from 1', () => {
    for (const sequenceLength of [0, -1, 2.5, Number.NaN, Number.POSITIVE_INFINITY, '4' as never]) {
      const expected = 'GPT2CausalLMPreprocessor: expected sequenceLength to be an integer from 1';
      expect(() => GPT2CausalLMPreprocessor({ tokenizer, sequenceLength })).toThrow(expected);
      expect(() => seed('a', undefined, undefined, { sequenceLength })).toThrow(expected);
      expect(() => seed.generatePreprocess('a', { sequenceLength })).toThrow(expected);
      expect(() => seed.withSequenceLength(sequenceLength)).toThrow(expected);
    }
  });
});

describe('startEndPacker', () => {
  it('packs start, ids and end into every row, with the mask true over them alone', () => {
    const values = fc.array(fc.nat(9), { maxLength: 2 });
    const ids = fc.array(fc.array(fc.nat(99), { maxLength: 8 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(
        ids,
        values,
        values,
        fc.integer({ min: 4, max: 9 }),
        (batch, startValue, endValue, sequenceLength) => {
          const pack = startEndPacker({ sequenceLength, startValue, endValue, padValue: 77 });
          const { tokenIds, paddingMask } = pack(batch);
          const room = sequenceLength - startValue.length - endValue.length;
          const whole = batch.map((row) => [...startValue, ...row.slice(0, room), ...endValue]);
          const filled = (row: readonly number[], fill: number) =>
            [...row, ...Array(sequenceLength).fill(fill)].slice(0, sequenceLength);
          expect(rows(tokenIds)).toEqual(whole.map((row) => filled(row, 77)));
          expect(rows(paddingMask)).toEqual(
            whole.map((row) =>
              filled(
                row.map(() => 1),
                0,
              ),
            ),
          );
          expect(rows(pack(batch[0]!).tokenIds)).toEqual((rows(tokenIds) as number[][])[0]);
        },
      ),
    );
  });

  it('refuses a length that start and end values do not fit in', () => {
    expect(() => startEndPacker({ sequenceLength: 2, startValue: [1, 2], endValue: 3 })([5])).toThrow(
      'startEndPacker: expected sequenceLength to be 3 or more, for start and end values, got 2',
    );
  });
});
