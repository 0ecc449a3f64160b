// What transformers 5.23.0 and KerasHub 0.32.0 gave: test/reference/record_tokenizer.py and record_preprocess.py.
import { existsSync, readFileSync } from 'node:fs';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import { GPT2CausalLMPreprocessor, GPT2Tokenizer } from '../../src/tokenizers/index.ts';

type Nested<T> = readonly T[] | readonly (readonly T[])[];

interface Packed {
  readonly token_ids: Nested<number>;
  readonly padding_mask: Nested<boolean>;
}

interface Options {
  readonly sequence_length: number;
  readonly add_start_token?: boolean;
  readonly add_end_token?: boolean;
}

interface Recording {
  readonly preset: string;
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly records: readonly {
    readonly inputs: string | readonly string[];
    readonly options: Options;
    readonly call: { readonly x: Packed; readonly y: Nested<number>; readonly sample_weight: Nested<boolean> };
    readonly generatePreprocess: Packed;
    readonly generatePostprocess: string | readonly string[];
  }[];
  readonly sequenceLengthAtTheCall: readonly {
    readonly inputs: string | readonly string[];
    readonly sequence_length: number;
    readonly generatePreprocess: Packed;
  }[];
  readonly labelsGivenAreIgnored: {
    readonly inputs: readonly string[];
    readonly y: Nested<number>;
    readonly sample_weight: Nested<boolean>;
  };
  readonly postprocess: readonly (Packed & { readonly name: string; readonly text: string | readonly string[] })[];
}

interface TokenizerRecording {
  /** A folder in transformers' layout, in `test`, or a preset in KerasHub's, in `presets`. */
  readonly vocabulary: string;
  readonly encode: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly decode: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

const test = new URL('../', import.meta.url);
const root = new URL('../', test);
const read = (path: string): string => readFileSync(new URL(`fixtures/${path}`, test), 'utf8');

const load = (folder: string): GPT2Tokenizer => {
  const base = new URL(`${folder}/`, folder.startsWith('fixtures/') ? test : root);
  const file = (...names: readonly string[]): string =>
    readFileSync(names.map((name) => new URL(name, base)).find((url) => existsSync(url))!, 'utf8');
  const loaded = GPT2Tokenizer.fromFiles({
    vocabularyJson: file('vocab.json', 'assets/tokenizer/vocabulary.json'),
    mergesText: file('merges.txt', 'assets/tokenizer/merges.txt'),
  });
  if (E.isLeft(loaded)) throw loaded.left;
  return loaded.right;
};

const {
  madeBy: _,
  versions: __,
  ...recordings
} = JSON.parse(read('tokenizer.json')) as Readonly<Record<string, TokenizerRecording>>;

describe.each(Object.values(recordings))('GPT2Tokenizer against transformers, $vocabulary', (recorded) => {
  const tokenizer = load(recorded.vocabulary);

  it.each(recorded.encode)('S99 tokenizes $text', ({ text, ids }) => {
    expect(tokenizer.tokenize(text)).toEqual(ids);
  });

  it.each(recorded.decode)('S99 detokenizes $ids, at once and as a stream', ({ ids, text }) => {
    const stream = tokenizer.textStream();
    expect(tokenizer.detokenize(ids)).toBe(text);
    expect(ids.map(stream.push).join('') + stream.end()).toBe(text);
  });
});

const recording: Recording = JSON.parse(read('preprocess.json'));
const tokenizer = load(`fixtures/presets/${recording.preset}`);

/** A recorded array as one of ours; no recorded list of lists is empty. */
const array = (values: Nested<number> | Nested<boolean>, dtype: 'int32' | 'bool'): NDArray => {
  const first = values[0];
  const flat = (values as readonly unknown[]).flat().map(Number);
  return {
    data: dtype === 'int32' ? Int32Array.from(flat) : Uint8Array.from(flat),
    shape: Array.isArray(first) ? [values.length, first.length] : [values.length],
    dtype,
  };
};

const packed = ({ token_ids, padding_mask }: Packed) => ({
  tokenIds: array(token_ids, 'int32'),
  paddingMask: array(padding_mask, 'bool'),
});

it('S99 takes the tokenizer.json that transformers saved for what its vocab.json and merges.txt are', () => {
  const whole = GPT2Tokenizer.fromTokenizerJson(read(`presets/${recording.preset}/tokenizer.json`));
  if (E.isLeft(whole)) throw whole.left;
  expect(whole.right.vocabulary).toEqual(tokenizer.vocabulary);
  expect(whole.right.merges).toEqual(tokenizer.merges);
});

const preprocessor = GPT2CausalLMPreprocessor({ tokenizer, sequenceLength: 8 });

describe('GPT2CausalLMPreprocessor against KerasHub', () => {
  it('S90 S101 has the same defaults and special ids', () => {
    const { sequenceLength, addStartToken, addEndToken } = GPT2CausalLMPreprocessor({ tokenizer });
    expect({
      rows: ['S90'],
      sequence_length: sequenceLength,
      add_start_token: addStartToken,
      add_end_token: addEndToken,
      start_token_id: tokenizer.startTokenId,
      end_token_id: tokenizer.endTokenId,
      pad_token_id: tokenizer.padTokenId,
      vocabulary_size: tokenizer.vocabularySize,
    }).toEqual(recording.defaults);
  });

  it.each(recording.records)('S91 S92 S93 $inputs, $options', ({ inputs, options, ...wanted }) => {
    const own = GPT2CausalLMPreprocessor({
      tokenizer,
      sequenceLength: options.sequence_length,
      addStartToken: options.add_start_token,
      addEndToken: options.add_end_token,
    });
    const { x, y, sampleWeight } = own(inputs);
    expect(x).toEqual(packed(wanted.call.x));
    expect(y).toEqual(array(wanted.call.y, 'int32'));
    expect(sampleWeight).toEqual(array(wanted.call.sample_weight, 'bool'));
    const prompt = own.generatePreprocess(inputs);
    expect(prompt).toEqual(packed(wanted.generatePreprocess));
    expect(own.generatePostprocess(prompt)).toEqual(wanted.generatePostprocess);
  });

  it.each(recording.sequenceLengthAtTheCall)('S92 $inputs cut to $sequence_length at the call', (record) => {
    const options = { sequenceLength: record.sequence_length };
    expect(preprocessor.generatePreprocess(record.inputs, options)).toEqual(packed(record.generatePreprocess));
  });

  it('S91 passes over labels and weights that are given', () => {
    const { inputs, y, sample_weight } = recording.labelsGivenAreIgnored;
    const made = preprocessor(inputs, [1, 2], [0.5, 0.25]);
    expect(made.y).toEqual(array(y, 'int32'));
    expect(made.sampleWeight).toEqual(array(sample_weight, 'bool'));
  });

  it.each(recording.postprocess)('S93 $name', ({ text, ...ids }) => {
    expect(preprocessor.generatePostprocess(packed(ids))).toEqual(text);
  });
});
