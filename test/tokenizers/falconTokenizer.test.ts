import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { byteCharacters, utf8Bytes } from '../../src/tokenizers/bytes.ts';
import { FalconCausalLMPreprocessor } from '../../src/tokenizers/falconCausalLMPreprocessor.ts';
import { falconPattern, falconPieces } from '../../src/tokenizers/falconPattern.ts';
import { FalconTokenizer } from '../../src/tokenizers/falconTokenizer.ts';
import { GPT2Tokenizer } from '../../src/tokenizers/gpt2Tokenizer.ts';
import { fixture, presetPath } from '../support/fixtures.ts';

const { preset, encode, split } = fixture<{
  readonly preset: string;
  readonly encode: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly split: readonly (readonly [text: string, pieces: readonly string[]])[];
}>('falcon/tokenizer');

const json = readFileSync(`${presetPath(preset)}/tokenizer.json`, 'utf8');
const assets = `${presetPath('keras/falcon_c_float32')}/assets/tokenizer`;
const [vocabularyJson, mergesText] = ['vocabulary.json', 'merges.txt'].map((name) =>
  readFileSync(`${assets}/${name}`, 'utf8'),
) as [string, string];

const right = <A>(result: E.Either<Error, A>): A => {
  if (E.isLeft(result)) throw result.left;
  return result.right;
};
const message = (result: E.Either<Error, unknown>): string => (E.isLeft(result) ? result.left.message : '');

const fromJson = right(FalconTokenizer.fromTokenizerJson(json));
const fromFiles = right(FalconTokenizer.fromFiles({ vocabularyJson, mergesText }));

describe.each([
  ['tokenizer.json', fromJson],
  ["KerasHub's assets", fromFiles],
] as const)('FalconTokenizer from %s', (_, tokenizer) => {
  it('S99: gives the ids of transformers for hostile text', () => {
    for (const { text, ids } of encode) expect(tokenizer.tokenize(text), JSON.stringify(text)).toEqual(ids);
  });

  it('gives the text back', () => {
    for (const { text, ids } of encode) expect(tokenizer.detokenize(ids), JSON.stringify(text)).toBe(text);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(tokenizer.detokenize(tokenizer.tokenize(text) as readonly number[])).toBe(text);
      }),
    );
  });

  it('S101: starts and ends with <|endoftext|> and pads with 0', () => {
    const end = tokenizer.tokenToId('<|endoftext|>');
    const { startTokenId, endTokenId, padTokenId, specialTokenIds, split } = tokenizer;
    expect({ startTokenId, endTokenId, padTokenId, specialTokenIds, split }).toEqual({
      startTokenId: end,
      endTokenId: end,
      padTokenId: 0,
      specialTokenIds: [end],
      split: 'falcon',
    });
  });
});

describe('how FalconTokenizer cuts texts', () => {
  it("is GPT-2's way for GPT-2's vocabulary, and as one says", () => {
    const { vocabulary, merges } = fromFiles;
    const end = [...vocabulary].map(([token, id]) => [token, token === '<|endoftext|>' ? 50256 : id] as const);
    const asGpt2 = FalconTokenizer({ vocabulary: new Map(end), merges });
    expect(asGpt2.split).toBe('gpt2');
    const text = "a !b 1234567's";
    const gpt2 = GPT2Tokenizer({ vocabulary, merges });
    expect(asGpt2.tokenize(text)).toEqual(gpt2.tokenize(text));
    expect(FalconTokenizer({ vocabulary, merges, split: 'gpt2' }).tokenize(text)).toEqual(gpt2.tokenize(text));
    expect(fromFiles.tokenize(text)).not.toEqual(gpt2.tokenize(text));
    expect(() => FalconTokenizer({ vocabulary, merges, split: 'llama' as 'gpt2' })).toThrow(
      "FalconTokenizer: expected split to be 'falcon' or 'gpt2'",
    );
  });

  it('has the punctuation of transformers, whatever Unicode says today', () => {
    for (const [text, pieces] of split) {
      const words = Array.from(text.matchAll(falconPattern), ([word]) => utf8Bytes(word));
      const own = words.flatMap((word) =>
        falconPieces(word).map((piece) => Array.from(piece, (byte) => byteCharacters[byte]).join('')),
      );
      expect(own, JSON.stringify(text)).toEqual(pieces);
    }
  });

  it('cuts bytes into pieces that make up the word, digits in threes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        expect(falconPieces(bytes).flatMap((piece) => [...piece])).toEqual([...bytes]);
      }),
    );
    const pieces = (text: string) =>
      falconPieces(Buffer.from(text, 'latin1')).map((piece) => Buffer.from(piece).toString('latin1'));
    expect(pieces(' 1234567')).toEqual([' ', '123', '456', '7']);
    expect(pieces('12\xbd3456')).toEqual(['12\xbd', '345', '6']);
  });

  it("reads GPT-2's tokenizer.json as GPT-2's, and refuses others by name", () => {
    const changed = (preTokenizer: unknown) =>
      FalconTokenizer.fromTokenizerJson(JSON.stringify({ ...JSON.parse(json), pre_tokenizer: preTokenizer }));
    expect(right(changed({ type: 'ByteLevel', add_prefix_space: false, use_regex: true })).split).toBe('gpt2');
    expect(message(changed({ type: 'Sequence', pretokenizers: [] }))).toContain(
      "expected a ByteLevel pre_tokenizer or Falcon's sequence",
    );
    const { pre_tokenizer: own } = JSON.parse(json) as { pre_tokenizer: { pretokenizers: object[] } };
    const others = own.pretokenizers.map((step, i) => (i === 2 ? { ...step, individual_digits: true } : step));
    expect(message(changed({ ...own, pretokenizers: others }))).toContain("Falcon's sequence");
    expect(message(GPT2Tokenizer.fromTokenizerJson(json))).toContain('expected a ByteLevel pre_tokenizer, got one');
    expect(message(FalconTokenizer.fromFiles({ vocabularyJson: '{"a": 0}', mergesText: '' }))).toContain(
      '<|endoftext|>',
    );
  });
});

it('FalconCausalLMPreprocessor packs as GPT-2’s does', () => {
  const preprocessor = FalconCausalLMPreprocessor({ tokenizer: fromFiles, sequenceLength: 6 });
  const { x, y } = preprocessor(['a']);
  const end = fromFiles.endTokenId;
  const [a] = fromFiles.tokenize('a') as readonly number[];
  expect([...x.tokenIds.data]).toEqual([end, a, end, 0, 0, 0]);
  expect([...y.data]).toEqual([a, end, 0, 0, 0, 0]);
});
