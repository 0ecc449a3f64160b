import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import {
  BartSeq2SeqLMPreprocessor,
  BartTokenizer,
  type Seq2SeqLengths,
  type Seq2SeqTexts,
  type Seq2SeqTokens,
  type Texts,
} from '../../src/tokenizers/index.ts';
import { fixture, presetPath } from '../support/fixtures.ts';
import { right } from '../weights/helpers.ts';

type Recorded = Readonly<Record<keyof Seq2SeqTokens, unknown>>;

interface Recording {
  readonly preset: string;
  readonly records: readonly {
    readonly rows: readonly string[];
    readonly inputs: Texts | Seq2SeqTexts;
    readonly options: Seq2SeqLengths;
    readonly override?: Seq2SeqLengths;
    readonly x?: Recorded;
    readonly y?: unknown;
    readonly sampleWeight?: unknown;
    readonly generatePreprocess: Recorded;
    readonly generatePostprocess?: string | string[];
  }[];
  readonly tokenizer: readonly { readonly text: string; readonly keras: number[]; readonly transformers: number[] }[];
  readonly special: { readonly keras: number[]; readonly start: number; readonly end: number; readonly pad: number };
}

const { preset, records, tokenizer: recorded, special } = fixture<Recording>('bart/preprocess');
const file = (name: string): string => readFileSync(`${presetPath(preset)}/${name}`, 'utf8');
const files = { vocabularyJson: file('vocab.json'), mergesText: file('merges.txt') };
const tokenizer = right(BartTokenizer.fromFiles(files));

/** An array as nested lists. */
const nested = ({ data, shape, dtype }: NDArray): unknown => {
  const values = Array.from(data, (value) => (dtype === 'bool' ? value !== 0 : value));
  const width = shape.at(-1)!;
  return shape.length === 1
    ? values
    : Array.from({ length: shape[0]! }, (_, row) => values.slice(row * width, (row + 1) * width));
};

const plain = (x: Seq2SeqTokens): unknown =>
  Object.fromEntries(Object.entries(x).map(([name, array]) => [name, nested(array)]));

describe('BartTokenizer', () => {
  it.each(recorded)('S99: tokenizes $text as KerasHub and as transformers do', ({ text, keras, transformers }) => {
    expect(tokenizer.tokenize(text)).toEqual(keras);
    expect(right(BartTokenizer.fromFiles({ ...files, findsMasks: true })).tokenize(text)).toEqual(transformers);
    expect(right(BartTokenizer.fromTokenizerJson(file('tokenizer.json'))).tokenize(text)).toEqual(transformers);
  });

  it('S101: has <s> 0, <pad> 1 and </s> 2, and no other special tokens', () => {
    expect([...tokenizer.specialTokenIds].sort()).toEqual(special.keras);
    expect([tokenizer.startTokenId, tokenizer.padTokenId, tokenizer.endTokenId]).toEqual([0, 1, 2]);
    expect([special.start, special.pad, special.end]).toEqual([0, 1, 2]);
  });

  it('names the special tokens that a vocabulary lacks', () => {
    expect(() => BartTokenizer({ vocabulary: { '<s>': 0, a: 1 }, merges: [] })).toThrow(
      'BartTokenizer: expected special tokens "<s>", "<pad>", "</s>" in the vocabulary, got 2 tokens without "<pad>", "</s>"; is this another family\'s file?',
    );
  });
});

describe('BartSeq2SeqLMPreprocessor', () => {
  it.each(records)('$rows: packs $inputs to $options$override', ({ inputs, options, override, ...expected }) => {
    const preprocessor = BartSeq2SeqLMPreprocessor({ tokenizer, ...options });
    const prompt = preprocessor.generatePreprocess(inputs, override);
    expect(plain(prompt)).toEqual(expected.generatePreprocess);
    if (expected.x === undefined) return;
    const [x, y, sampleWeight] = preprocessor(inputs as Seq2SeqTexts) as unknown as [Seq2SeqTokens, NDArray, NDArray];
    expect(plain(x)).toEqual(expected.x);
    expect(nested(y)).toEqual(expected.y);
    expect(nested(sampleWeight)).toEqual(expected.sampleWeight);
    expect(preprocessor.generatePostprocess(prompt)).toEqual(expected.generatePostprocess);
  });

  it('S94: reads 1024 tokens on either side, unless it is told otherwise', () => {
    const preprocessor = BartSeq2SeqLMPreprocessor({ tokenizer });
    expect([preprocessor.encoderSequenceLength, preprocessor.decoderSequenceLength]).toEqual([1024, 1024]);
    const other = preprocessor.withLengths({ encoderSequenceLength: 7, sequenceLength: 9 });
    expect([other.encoderSequenceLength, other.decoderSequenceLength, other.sequenceLength]).toEqual([7, 9, 9]);
    const one = { tokenizer, sequenceLength: 5, decoderSequenceLength: 6 };
    expect(BartSeq2SeqLMPreprocessor(one).sequenceLength).toBe(6);
  });

  it('says what it got instead of two texts', () => {
    const preprocessor = BartSeq2SeqLMPreprocessor({ tokenizer, encoderSequenceLength: 8, decoderSequenceLength: 8 });
    const given = (x: unknown) => () => preprocessor(x as Seq2SeqTexts);
    const prompt = (x: unknown) => () => preprocessor.generatePreprocess(x as Seq2SeqTexts);
    expect(given('a')).toThrow('BartSeq2SeqLMPreprocessor: expected { encoderText, decoderText }, got ');
    expect(given({ encoderText: 'a' })).toThrow('got an object with encoderText');
    expect(prompt({ decoderText: 'a' })).toThrow('got an object with decoderText');
    expect(prompt({ encoderText: 5 })).toThrow('expected encoderText to be a string or a list of strings');
    expect(prompt({ encoderText: null })).toThrow('expected encoderText to be a string or a list of strings');
    expect(prompt([])).toThrow('expected encoderText to be a string or a list of strings (at least one)');
    expect(prompt({ encoderText: ['a'], decoderText: 'b' })).toThrow('to be two strings or two lists, got a list of 1');
    expect(prompt({ encoderText: ['a'], decoderText: ['b', 'c'] })).toThrow(
      'expected a decoderText for each encoderText, got a list of 1 and a list of 2',
    );
    expect(() => BartSeq2SeqLMPreprocessor({ tokenizer, encoderSequenceLength: 0 })).toThrow('encoderSequenceLength');
    expect(() => preprocessor.generatePreprocess('a', { decoderSequenceLength: 1 })).toThrow('to be 2 or more');
  });
});
