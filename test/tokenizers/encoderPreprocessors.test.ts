// What KerasHub 0.32.0 gave: test/reference/record_encoder_tokenizers.py.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../src/tensor/errors.ts';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import {
  AlbertMaskedLMPreprocessor,
  AlbertTextClassifierPreprocessor,
  AlbertTokenizer,
  BertMaskedLMPreprocessor,
  BertTextClassifierPreprocessor,
  BertTokenizer,
  DebertaV3MaskedLMPreprocessor,
  DebertaV3TextClassifierPreprocessor,
  DebertaV3Tokenizer,
  DistilBertMaskedLMPreprocessor,
  DistilBertTextClassifierPreprocessor,
  DistilBertTokenizer,
  FNetMaskedLMPreprocessor,
  FNetTextClassifierPreprocessor,
  FNetTokenizer,
  multiSegmentPacker,
  RobertaMaskedLMPreprocessor,
  RobertaTextClassifierPreprocessor,
  RobertaTokenizer,
  type TextSamples,
  type Truncate,
  XLMRobertaMaskedLMPreprocessor,
  XLMRobertaTextClassifierPreprocessor,
  XLMRobertaTokenizer,
} from '../../src/tokenizers/index.ts';

type Nested<T> = readonly T[] | readonly (readonly T[])[];
type Settings = Readonly<Record<string, number | string>>;
type Family = 'Bert' | 'DistilBert' | 'Roberta' | 'XLMRoberta' | 'Albert' | 'DebertaV3' | 'FNet';

interface Recording {
  readonly packers: readonly {
    readonly truncate: Truncate;
    readonly length: number;
    readonly sep: readonly number[];
    readonly pad: number;
    readonly segments: readonly (readonly number[])[];
    readonly tokenIds: readonly number[];
    readonly segmentIds: readonly number[];
  }[];
  readonly defaults: Settings;
  readonly records: readonly {
    readonly family: Family;
    readonly task: 'TextClassifier' | 'MaskedLM';
    readonly kind: 'one' | 'texts' | 'pairs';
    readonly settings: Settings;
    readonly x: string | readonly string[] | readonly [readonly string[], readonly string[]];
    readonly output: Readonly<Record<string, Nested<number> | Nested<boolean>>>;
    readonly y?: Nested<number>;
    readonly sampleWeight?: Nested<number>;
  }[];
}

const test = new URL('../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(`fixtures/${path}`, test), 'utf8');
const recording: Recording = JSON.parse(read('encoders/preprocess.json'));
const { vocabulary } = JSON.parse(read('encoders/wordpiece.json')) as { readonly vocabulary: readonly string[] };
const proto = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`fixtures/encoders/${name}.spm`, test)));
const smallBpe = 'presets/transformers/c_float32';

const roberta = (): RobertaTokenizer => {
  const small: Readonly<Record<string, number>> = JSON.parse(read(`${smallBpe}/vocab.json`));
  const tokens = Object.keys(small)
    .filter((token) => token !== '<|endoftext|>')
    .sort((a, b) => small[a]! - small[b]!);
  const all = ['<s>', '<pad>', '</s>', '<unk>', ...tokens, '<mask>'];
  return RobertaTokenizer({
    vocabulary: Object.fromEntries(all.map((token, id) => [token, id])),
    merges: read(`${smallBpe}/merges.txt`).trim().split('\n').slice(1),
  });
};

const bert = BertTokenizer({ vocabulary, lowercase: true });
const classifiers = {
  Bert: (options: object) => BertTextClassifierPreprocessor({ tokenizer: bert, ...options }),
  DistilBert: (options: object) =>
    DistilBertTextClassifierPreprocessor({ tokenizer: DistilBertTokenizer({ vocabulary }), ...options }),
  Roberta: (options: object) => RobertaTextClassifierPreprocessor({ tokenizer: roberta(), ...options }),
  XLMRoberta: (options: object) =>
    XLMRobertaTextClassifierPreprocessor({
      tokenizer: XLMRobertaTokenizer({ proto: proto('xlm_roberta') }),
      ...options,
    }),
  Albert: (options: object) =>
    AlbertTextClassifierPreprocessor({ tokenizer: AlbertTokenizer({ proto: proto('albert') }), ...options }),
  DebertaV3: (options: object) =>
    DebertaV3TextClassifierPreprocessor({ tokenizer: DebertaV3Tokenizer({ proto: proto('deberta_v3') }), ...options }),
  FNet: (options: object) =>
    FNetTextClassifierPreprocessor({ tokenizer: FNetTokenizer({ proto: proto('f_net') }), ...options }),
};
const maskers = {
  Bert: (options: object) => BertMaskedLMPreprocessor({ tokenizer: bert, ...options }),
  DistilBert: (options: object) =>
    DistilBertMaskedLMPreprocessor({ tokenizer: DistilBertTokenizer({ vocabulary }), ...options }),
  Roberta: (options: object) => RobertaMaskedLMPreprocessor({ tokenizer: roberta(), ...options }),
  XLMRoberta: (options: object) =>
    XLMRobertaMaskedLMPreprocessor({ tokenizer: XLMRobertaTokenizer({ proto: proto('xlm_roberta') }), ...options }),
  Albert: (options: object) =>
    AlbertMaskedLMPreprocessor({ tokenizer: AlbertTokenizer({ proto: proto('albert') }), ...options }),
  DebertaV3: (options: object) =>
    DebertaV3MaskedLMPreprocessor({ tokenizer: DebertaV3Tokenizer({ proto: proto('deberta_v3') }), ...options }),
  FNet: (options: object) =>
    FNetMaskedLMPreprocessor({ tokenizer: FNetTokenizer({ proto: proto('f_net') }), ...options }),
};

const camel = (name: string): string => name.replace(/_./g, (at) => at[1]!.toUpperCase());
const camelKeys = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [camel(key), value]));

/** An array of ours as nested lists. */
const lists = ({ data, shape, dtype }: NDArray): unknown => {
  const values = Array.from(data, (value) => (dtype === 'bool' ? value !== 0 : value));
  const length = shape.at(-1)!;
  return shape.length === 1
    ? values
    : Array.from({ length: shape[0]! }, (_, row) => values.slice(row * length, (row + 1) * length));
};
const listsOf = (inputs: object): unknown =>
  Object.fromEntries(Object.entries(inputs).map(([key, value]: [string, NDArray]) => [key, lists(value)]));

const samples = ({ kind, x }: Recording['records'][number]): TextSamples =>
  kind === 'pairs' ? { first: x[0] as readonly string[], second: x[1] as readonly string[] } : (x as TextSamples);

const ofTask = (task: string) => recording.records.filter((record) => record.task === task);

describe('multiSegmentPacker against KerasHub', () => {
  it.each(recording.packers)('S97 $truncate of $segments into $length', (record) => {
    const pack = multiSegmentPacker({
      sequenceLength: record.length,
      startValue: 1,
      endValue: 2,
      sepValue: record.sep,
      padValue: record.pad,
      truncate: record.truncate,
    });
    const { tokenIds, segmentIds } = pack(record.segments);
    expect(lists(tokenIds)).toEqual(record.tokenIds);
    expect(lists(segmentIds)).toEqual(record.segmentIds);
    const batch = pack([record.segments, [[7]]]);
    expect(batch.tokenIds.shape).toEqual([2, record.length]);
    expect(Array.from(batch.tokenIds.data.subarray(0, record.length))).toEqual(record.tokenIds);
  });
});

describe('Preprocessors of text classifiers against KerasHub', () => {
  it.each(ofTask('TextClassifier'))('S97 $family, $kind, $settings', (record) => {
    const { x, y, sampleWeight } = classifiers[record.family](camelKeys(record.settings))(samples(record));
    expect(listsOf(x)).toEqual(camelKeys(record.output));
    expect([y, sampleWeight]).toEqual([undefined, undefined]);
  });
});

describe('Preprocessors of masked language models against KerasHub', () => {
  it('S95 have its defaults', () => {
    expect({ ...maskers.Bert({}) }).toMatchObject(camelKeys(recording.defaults));
  });

  it.each(ofTask('MaskedLM'))('S95 S97 $family, $kind, $settings', (record) => {
    const preprocessor = maskers[record.family](camelKeys(record.settings));
    const { x, y, sampleWeight } = preprocessor(samples(record));
    const most = Number(record.settings.mask_selection_length);
    const wanted = camelKeys(record.output);
    const places = wanted.maskPositions as Nested<number>;
    // Where more tokens are selected than a row may have, chance chooses.
    const isDrawn = most < 20;
    if (isDrawn) {
      expect(Object.keys(x).sort()).toEqual(Object.keys(wanted).sort());
      expect(sampleWeight.shape).toEqual(x.maskPositions.shape);
      expect(lists(x.maskPositions)).toHaveLength(places.length);
    } else {
      expect(listsOf(x)).toEqual(wanted);
      expect(lists(y)).toEqual(record.y);
      expect(lists(sampleWeight)).toEqual(record.sampleWeight);
    }
    expect(x.maskPositions.shape.at(-1)).toBe(most);
    expect([...sampleWeight.data].filter(Boolean)).toHaveLength(record.sampleWeight!.flat().filter(Boolean).length);
  });
});

const words = ['the', 'quick', 'fox', 'dog', 'foxes', 'jumped', 'unaffable', 'a b c', ''];
const texts = fc.array(fc.constantFrom(...words), { maxLength: 8 }).map((parts) => parts.join(' '));

describe('Laws of packing', () => {
  it('S97 no row exceeds its length, all segments stand in order, and what is cut is cut from the end', () => {
    const sample = fc.array(fc.array(fc.integer({ min: 10, max: 99 }), { maxLength: 12 }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(
        sample,
        fc.nat(30),
        fc.constantFrom<Truncate>('round_robin', 'waterfall'),
        (segments, more, truncate) => {
          const length = segments.length + 1 + more;
          const pack = multiSegmentPacker({ sequenceLength: length, startValue: 1, endValue: 2, truncate });
          const { tokenIds, segmentIds } = pack(segments);
          expect(tokenIds.data).toHaveLength(length);
          const row = [...tokenIds.data];
          const kept = segments.map((_, at) => row.filter((id, place) => id > 2 && segmentIds.data[place] === at));
          kept.forEach((ids, at) => {
            expect(ids).toEqual(segments[at]!.slice(0, ids.length));
          });
          const total = segments.flat().length;
          expect(kept.flat()).toHaveLength(Math.min(total, more));
          expect(row.filter((id) => id === 2)).toHaveLength(segments.length);
          // Round robin: no segment that was cut is more than one longer than another that was cut.
          const cut = kept.filter((ids, at) => ids.length < segments[at]!.length).map((ids) => ids.length);
          if (truncate === 'round_robin' && cut.length > 0) expect(Math.max(...cut) - Math.min(...cut)).toBeLessThan(2);
          if (truncate === 'waterfall' && cut.length > 0) {
            const first = kept.findIndex((ids, at) => ids.length < segments[at]!.length);
            expect(kept.slice(first + 1).flat()).toEqual([]);
          }
        },
      ),
    );
  });

  it('S97 pairs may be written in four ways, and two strings are two texts', () => {
    const preprocess = classifiers.Bert({ sequenceLength: 16 });
    fc.assert(
      fc.property(fc.array(fc.tuple(texts, texts), { minLength: 1, maxLength: 3 }), (pairs) => {
        const wanted = listsOf(preprocess(pairs).x);
        expect(listsOf(preprocess(pairs.map(([first, second]) => ({ first, second }))).x)).toEqual(wanted);
        const [first, second] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
        expect(listsOf(preprocess({ first, second }).x)).toEqual(wanted);
        const one = preprocess({ first: first[0]!, second: second[0]! }).x;
        expect(one.tokenIds.shape).toEqual([16]);
        expect([...one.tokenIds.data]).toEqual((wanted as { tokenIds: number[][] }).tokenIds[0]);
      }),
      { numRuns: 30 },
    );
    expect(preprocess(['the fox', 'a dog']).x.segmentIds.data.every((id) => id === 0)).toBe(true);
    expect(preprocess([['the fox', 'a dog']]).x.segmentIds.data.some((id) => id === 1)).toBe(true);
  });

  it('hands labels and weights on, and unpacks', () => {
    const [x, y, weight] = classifiers.Bert({ sequenceLength: 8 })(['a', 'b'], [1, 0], [0.5, 1]);
    expect([Object.keys(x as object), y, weight]).toEqual([
      ['tokenIds', 'paddingMask', 'segmentIds'],
      [1, 0],
      [0.5, 1],
    ]);
  });

  it('takes another length at the call or for good', () => {
    const preprocess = classifiers.FNet({ sequenceLength: 8, truncate: 'waterfall' });
    expect(preprocess('the fox', undefined, undefined, { sequenceLength: 5 }).x.tokenIds.shape).toEqual([5]);
    const longer = preprocess.withSequenceLength(12);
    expect({ ...longer }).toMatchObject({ sequenceLength: 12, truncate: 'waterfall' });
    expect(longer(['the fox']).x.segmentIds.shape).toEqual([1, 12]);
    const masked = maskers.Roberta({ sequenceLength: 8, maskSelectionRate: 0.5, seed: 3 }).withSequenceLength(9);
    expect({ ...masked }).toMatchObject({ sequenceLength: 9, maskSelectionRate: 0.5, seed: 3 });
    expect(masked('the fox').x.tokenIds.shape).toEqual([9]);
  });

  it('masks a padding id in the middle, as KerasHub does', () => {
    const { x } = classifiers.Roberta({ sequenceLength: 6 })('a<pad>b');
    expect([...x.paddingMask.data]).toEqual([1, 1, 0, 1, 1, 0]);
  });
});

describe('Filling in masks', () => {
  it.each(Object.keys(maskers) as Family[])('%s finds the places of masks', (family) => {
    const preprocessor = maskers[family]({ sequenceLength: 32 });
    const { tokenizer } = preprocessor;
    const mask = tokenizer.maskToken;
    const { x, sampleWeight } = preprocessor.fillMaskPreprocess([`the ${mask} fox`, `${mask} and ${mask}`]);
    expect(x.maskPositions.shape).toEqual([2, 2]);
    expect([...sampleWeight.data]).toEqual([1, 0, 1, 1]);
    const length = x.tokenIds.shape[1]!;
    [...x.maskPositions.data].forEach((place, slot) => {
      const id = x.tokenIds.data[Math.floor(slot / 2) * length + place];
      if (sampleWeight.data[slot] === 1) expect(id).toBe(tokenizer.maskTokenId);
    });
    // As long as the longest needs: one of the rows has no padding. FNet, which sees padding, always has the same.
    const paddings = [0, 1].map((row) =>
      [...x.tokenIds.data.subarray(row * length, (row + 1) * length)].includes(tokenizer.padTokenId),
    );
    if (family === 'FNet') expect(length).toBe(32);
    else expect(paddings).toContain(false);
    const one = preprocessor.fillMaskPreprocess(`the ${mask}`, { sequenceLength: 20 });
    expect([one.x.tokenIds.shape, one.x.maskPositions.shape]).toEqual([[20], [1]]);
    const pair = preprocessor.fillMaskPreprocess({ first: 'the fox', second: `a ${mask}` });
    expect(pair.x.tokenIds.data[pair.x.maskPositions.data[0]!]).toBe(tokenizer.maskTokenId);
  });

  it('S65 says which text has no mask, and which loses one', () => {
    const preprocessor = maskers.Bert({ sequenceLength: 6 });
    expect(() => preprocessor.fillMaskPreprocess(['a [MASK]', 'the fox'])).toThrow(
      'BertMaskedLMPreprocessor: expected [MASK] in every sample, got none in "the fox" (index 1)',
    );
    expect(() => preprocessor.fillMaskPreprocess('a b c a b c [MASK]')).toThrow(
      'expected every [MASK] within sequenceLength 6, got 1 of 1 cut off in sample 0; shorten the text or raise sequenceLength',
    );
  });
});

describe('Bad input', () => {
  const preprocess = classifiers.Bert({ sequenceLength: 8 });

  it.each([
    [3, 'expected x to be a string, a pair { first, second } or a list of these (at least one), got the number 3'],
    [[], 'got an array of 0'],
    [[['a'], 3], 'got the number 3 at index 1'],
    [[[]], 'got an array of 0 at index 0'],
    [[['a', 3]], 'got an array of 2 at index 0'],
    [{ first: 'a' }, 'expected x to be a string'],
    [{ first: ['a', 'b'], second: ['c'] }, 'expected as many second texts as first ones, got 2 first and 1 second'],
    [{ first: ['a'], second: 'c' }, 'expected x to be a string'],
    [null, 'got null'],
  ])('S65 %o is refused', (x, wanted) => {
    expect(() => preprocess(x as never)).toThrow(ArgumentError);
    expect(() => preprocess(x as never)).toThrow(`BertTextClassifierPreprocessor: `);
    expect(() => preprocess(x as never)).toThrow(wanted);
  });

  it('S65 so are lengths, strategies and rates that are none', () => {
    expect(() => classifiers.Bert({ sequenceLength: 0 })).toThrow('expected sequenceLength to be an integer from 1');
    expect(() => classifiers.Bert({ truncate: 'roundRobin' })).toThrow(
      "expected truncate to be 'round_robin' or 'waterfall'",
    );
    expect(() => maskers.Bert({ maskSelectionRate: 1.5 })).toThrow(
      'expected maskSelectionRate to be a number from 0 to 1',
    );
    expect(() => maskers.Bert({ maskTokenRate: 0.8, randomTokenRate: 0.3 })).toThrow('to be 1 at most together');
    expect(() => maskers.Bert({ maskSelectionLength: 0 })).toThrow(
      'expected maskSelectionLength to be an integer from 1',
    );
    expect(() => classifiers.Roberta({ sequenceLength: 3 })([['a', 'b']])).toThrow(
      'expected sequenceLength to be 4 or more, for what stands around 2 segments, got 3',
    );
    expect(() => multiSegmentPacker({ sequenceLength: 4, startValue: 1, endValue: 2 })([])).toThrow(
      'expected at least one segment, got none in row 0',
    );
  });
});
