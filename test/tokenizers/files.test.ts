import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { GPT2Tokenizer, parseMerges, parseTokenizerJson, parseVocabulary } from '../../src/tokenizers/index.ts';
import { merges, tokenizer, vocabulary } from './vocabulary.ts';

const message = (result: E.Either<Error, unknown>): string => {
  if (E.isRight(result)) throw new Error('expected an error');
  expect(result.left.name).toBe('TokenizerFileError');
  return result.left.message;
};

const mergesText = `#version: 0.2\n${merges.join('\n')}\n`;
const vocabularyJson = JSON.stringify(vocabulary);
const text = ' the quick fox, 123 é 👍<|endoftext|>';

describe('parseVocabulary', () => {
  it('reads ids by token, tokens named like members of objects too', () => {
    const parsed = parseVocabulary('{"__proto__": 5, "toString": 0, "": 2}');
    expect(parsed).toEqual(E.right(new Map(Object.entries(JSON.parse('{"__proto__": 5, "toString": 0, "": 2}')))));
  });

  it.each([
    ['', 'vocabulary.json: expected JSON, got an empty file'],
    ['{"a": 1', 'vocabulary.json: expected JSON, got "{\\"a\\": 1"'],
    ['[1]', 'expected a vocabulary of ids by token (a record or a Map), got an array of 1'],
    ['null', 'got null'],
    ['{"a": 0, "b": 0}', 'expected each id once, got 0 for both "a" and "b"'],
    ['{"a": 0.5}', 'expected the id of token "a" to be an integer from 0 to 2^31 - 1, got the number 0.5'],
    ['{"a": -1}', 'got the number -1'],
    ['{"a": 1e400}', 'got the number Infinity'],
    ['{"a": 9007199254740993}', 'got the number 9007199254740992'],
    ['{"a": "1"}', 'got the string "1"'],
    ['{"a": {"b": 1}}', 'got an object'],
    ['['.repeat(200_000), 'at most 64 deep'],
  ])('refuses %.20s', (json, expected) => {
    expect(message(parseVocabulary(json))).toContain(expected);
  });

  it('quotes no more than the beginning of what it refuses', () => {
    expect(message(parseVocabulary(`{"${'x'.repeat(1e6)}": -1}`)).length).toBeLessThan(300);
    expect(message(parseVocabulary('x'.repeat(1e6))).length).toBeLessThan(300);
  });
});

describe('parseMerges', () => {
  it('reads lines in LF and CRLF, with and without a version line and a last line end', () => {
    for (const file of ['a b\nab c', 'a b\nab c\n', '#version: 0.2\r\na b\r\nab c\r\n', '#version: 0.2\na b\nab c'])
      expect(parseMerges(file)).toEqual(E.right(['a b', 'ab c']));
    expect(parseMerges('')).toEqual(E.right([]));
    expect(parseMerges('# b\n__proto__ x')).toEqual(E.right(['# b', '__proto__ x']));
  });

  it.each([
    ['a b\n\nab c\n', 'merges.txt: line 2: expected two tokens with one space between them, got ""'],
    ['a b\n\n', 'merges.txt: line 2'],
    ['#version: 0.2\na b\r\n\r\n', 'merges.txt: line 3'],
    ['a b\nabc', 'line 2: expected two tokens with one space between them, got "abc"'],
    ['a b c', 'line 1: expected two tokens with one space between them, got "a b c"'],
    ['a  b', 'got "a  b"'],
    [' a', 'got " a"'],
    ['a b ', 'got "a b "'],
    ['a b\nab c\na b', 'line 3: expected each merge once, got "a b" again'],
  ])('refuses %j', (file, expected) => {
    expect(message(parseMerges(file))).toContain(expected);
  });
});

/** A tokenizer.json as transformers writes it. */
const tokenizerJson = (changes: Record<string, unknown> = {}, model: Record<string, unknown> = {}): string =>
  JSON.stringify({
    version: '1.0',
    added_tokens: [{ id: vocabulary['<|endoftext|>'], content: '<|endoftext|>', lstrip: false, special: true }],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: { type: 'ByteLevel' },
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      vocab: vocabulary,
      merges,
      ...model,
    },
    ...changes,
  });

describe('GPT2Tokenizer from files', () => {
  it('gives the same ids from vocabulary and merges files and from tokenizer.json, merges as strings or pairs', () => {
    const pairs = merges.map((merge) => merge.split(' '));
    for (const made of [
      GPT2Tokenizer.fromFiles({ vocabularyJson, mergesText }),
      GPT2Tokenizer.fromFiles({ vocabularyJson, mergesText: mergesText.replaceAll('\n', '\r\n') }),
      GPT2Tokenizer.fromTokenizerJson(tokenizerJson()),
      GPT2Tokenizer.fromTokenizerJson(tokenizerJson({}, { merges: pairs })),
    ]) {
      if (E.isLeft(made)) throw made.left;
      expect(made.right.tokenize(text)).toEqual(tokenizer.tokenize(text));
      expect(made.right.merges).toEqual(merges);
    }
  });

  it('lets an added token with lstrip swallow the white space before it', () => {
    const added = [
      { id: 5000, content: '<mask>', lstrip: true },
      { id: 5001, content: '<user>' },
    ];
    const made = GPT2Tokenizer.fromTokenizerJson(tokenizerJson({ added_tokens: added }));
    if (E.isLeft(made)) throw made.left;
    const { tokenize, lstripTokens } = made.right;
    expect(lstripTokens).toEqual(['<mask>']);
    expect(tokenize('word \n\u3000<mask> word<user> <mask>')).toEqual([
      ...tokenize('word'),
      5000,
      ...tokenize(' word'),
      5001,
      5000,
    ]);
    expect(tokenize('word <user>')).toEqual([...tokenize('word '), 5001]);
  });

  it('takes added tokens that are not in the vocabulary, and add_prefix_space', () => {
    const added = [
      { id: 5000, content: '<user>' },
      { id: vocabulary['<|endoftext|>'], content: '<|endoftext|>' },
    ];
    const made = GPT2Tokenizer.fromTokenizerJson(
      tokenizerJson({ added_tokens: added, pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } }),
    );
    if (E.isLeft(made)) throw made.left;
    expect(made.right.tokenize('<user>the')).toEqual([5000, vocabulary.Ġthe]);
  });

  it('is an error, not an exception, when the special token is missing', () => {
    expect(message(GPT2Tokenizer.fromFiles({ vocabularyJson: '{"a": 0}', mergesText: '' }))).toBe(
      'GPT2Tokenizer: expected special token "<|endoftext|>" in the vocabulary, got 1 tokens without it; give it an id',
    );
    expect(message(GPT2Tokenizer.fromFiles({ vocabularyJson: '{', mergesText: '' }))).toContain('vocabulary.json');
    expect(message(GPT2Tokenizer.fromFiles({ vocabularyJson, mergesText: 'x' }))).toContain('merges.txt: line 1');
  });

  it.each([
    ['{}', 'tokenizer.json: expected model to be an object, got undefined'],
    ['[]', 'tokenizer.json: expected an object, got an array of 0'],
    ['', 'tokenizer.json: expected JSON, got an empty file'],
    [tokenizerJson({}, { type: 'Unigram' }), 'expected a BPE model, got one of type the string "Unigram"'],
    [tokenizerJson({}, { byte_fallback: true }), 'model.byte_fallback is not supported'],
    [tokenizerJson({}, { end_of_word_suffix: '</w>' }), 'model.end_of_word_suffix is not supported'],
    [tokenizerJson({}, { vocab: [['a', 0]] }), 'expected a vocabulary of ids by token'],
    [tokenizerJson({}, { vocab: { a: 0, '<unk>': 1 }, unk_token: '<unk>' }), 'model.unk_token is supported only where'],
    [tokenizerJson({}, { merges: [['a', 'b', 'c']] }), 'merges[0]: expected a string "left right", got an array of 3'],
    [tokenizerJson({}, { merges: [['a b', 'c']] }), 'merges[0]: expected two tokens with one space between them'],
    [tokenizerJson({ normalizer: { type: 'NFC' } }), 'a normalizer is not supported'],
    [tokenizerJson({ pre_tokenizer: { type: 'Whitespace' } }), 'expected a ByteLevel pre_tokenizer'],
    [tokenizerJson({ pre_tokenizer: { type: 'ByteLevel', use_regex: false } }), 'use_regex false'],
    [tokenizerJson({ decoder: { type: 'WordPiece' } }), 'expected a ByteLevel decoder'],
    [tokenizerJson({ added_tokens: [{ content: 'a', id: 9999 }] }), 'expected token "a" to keep its id'],
    [tokenizerJson({ added_tokens: [{ content: '<m>', id: 3 }] }), 'expected each id once, got 3'],
    [tokenizerJson({ added_tokens: [{ content: '<m>', id: 9999, rstrip: true }] }), 'rstrip is not supported'],
    [tokenizerJson({ added_tokens: [{ content: 5, id: 9999 }] }), 'added_tokens[0]: expected an object with a content'],
    [tokenizerJson({ added_tokens: {} }), 'expected added_tokens to be a list'],
  ])('refuses %.60s', (json, expected) => {
    expect(message(parseTokenizerJson(json))).toContain(expected);
  });
});
