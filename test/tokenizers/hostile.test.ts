import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { cutAround } from '../../src/tokenizers/cutAround.ts';
import { TokenizerFileError } from '../../src/tokenizers/errors.ts';
import { parseMerges, parseTokenizerJson, parseVocabulary } from '../../src/tokenizers/files.ts';
import { GemmaTokenizer, GPT2Tokenizer, XLMRobertaTokenizer } from '../../src/tokenizers/index.ts';
import { parseUnigramJson } from '../../src/tokenizers/unigramJson.ts';
import { parseVocabularyText } from '../../src/tokenizers/wordPieceFiles.ts';
import { processorMs } from '../support/mutate.ts';

/** The message of a left, which must be an error of a tokenizer's file; nothing where it is a right. */
const problem = (read: E.Either<Error, unknown>): string => {
  if (E.isRight(read)) return 'nothing';
  expect(read.left).toBeInstanceOf(TokenizerFileError);
  return read.left.message;
};

const bytes = 'abcdefghijklmnopqrstuvwxyz'.split('');
const vocabulary = Object.fromEntries(['<|endoftext|>', ...bytes, 'ab'].map((token, id) => [token, id]));

const bpe = (changes: object, model: object = {}): string =>
  JSON.stringify({
    pre_tokenizer: { type: 'ByteLevel' },
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab: vocabulary, merges: ['a b'], ...model },
    ...changes,
  });

const unigram = (
  changes: object,
  vocab: unknown = [
    ['<unk>', 0],
    ['a', -1],
  ],
): string => JSON.stringify({ model: { type: 'Unigram', unk_id: 0, vocab }, ...changes });

describe('cutAround', () => {
  it('cuts where a regular expression of the tokens would, the longest first', () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ unit: fc.constantFrom('a', 'b', '.', '\u{1f600}', '\u{1f601}'), minLength: 1, maxLength: 4 }),
        ),
        fc.string({ unit: fc.constantFrom('a', 'b', '.', '\u{1f600}', '\u{1f601}', ' ', 'é'), maxLength: 30 }),
        (tokens, text) => {
          const alternatives = [...tokens]
            .sort((a, b) => b.length - a.length)
            .map((token) => token.replaceAll('.', '\\.'));
          const expected = tokens.length === 0 ? [text] : text.split(new RegExp(`(${alternatives.join('|')})`, 'u'));
          expect(cutAround(tokens)(text)).toEqual(expected);
        },
      ),
    ));

  it('finds ten thousand tokens and more without delay', () => {
    const tokens = Array.from({ length: 100_000 }, (_, i) => `<token ${i}>`);
    const started = processorMs();
    const parts = cutAround(tokens)('<token 7> and <token 99999> <token 100000> '.repeat(1000));
    expect(parts.length).toBe(4001);
    // Tens of milliseconds; a regular expression takes minutes.
    expect(processorMs() - started).toBeLessThan(5000);
  });
});

describe('a tokenizer’s file that lies', () => {
  it.each<readonly [string, E.Either<Error, unknown>, string]>([
    ['half a character in vocabulary.json', parseVocabulary('{"\\ud800":0}'), 'expected tokens of whole characters'],
    [
      'half a character in model.vocab',
      parseTokenizerJson(bpe({}, { vocab: { '\udc00': 0 }, merges: [] })),
      'whole characters',
    ],
    ['half a character in a unigram', parseUnigramJson(unigram({}, [['\ud83d', 0]])), 'expected model.vocab[0]'],
    [
      'a merge of tokens that are none',
      parseTokenizerJson(bpe({}, { merges: ['a b', 'x é'] })),
      'merges[1]: expected tokens of the vocabulary',
    ],
    [
      'a merge to a token that is none',
      parseTokenizerJson(bpe({}, { merges: ['x y'] })),
      'merges[0]: expected tokens of the vocabulary',
    ],
    [
      'merges without a vocabulary',
      parseTokenizerJson(bpe({}, { vocab: {} })),
      'merges[0]: expected tokens of the vocabulary',
    ],
    ['an id below zero', parseTokenizerJson(bpe({}, { vocab: { ...vocabulary, z: -1 } })), 'from 0 to 2^31 - 1'],
    ['an id beyond 2^31', parseTokenizerJson(bpe({}, { vocab: { ...vocabulary, z: 2 ** 31 } })), 'from 0 to 2^31 - 1'],
    ['an id twice', parseTokenizerJson(bpe({}, { vocab: { ...vocabulary, z: 1 } })), 'expected each id once'],
    [
      'an added token with an id below zero',
      XLMRobertaTokenizer.fromTokenizerJson(
        unigram({ added_tokens: [{ id: -1, content: 'a' }] }, [
          ...['<s>', '<pad>', '</s>', '<unk>', 'a', 'b'].map((piece) => [piece, 0] as const),
        ]),
      ),
      'expected an id from 0, got -1',
    ],
    [
      'an added token with another id',
      parseTokenizerJson(bpe({ added_tokens: [{ id: 9, content: 'a' }] })),
      'to keep its id',
    ],
    [
      'a regular expression that never ends',
      parseTokenizerJson(bpe({ pre_tokenizer: { type: 'Split', pattern: { Regex: '(a+)+$' } } })),
      'expected a ByteLevel pre_tokenizer',
    ],
    [
      'such a normalizer',
      parseUnigramJson(unigram({ normalizer: { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: '' } })),
      'is not supported',
    ],
    ['two million and one lines of merges', parseMerges('\n'.repeat(2 ** 21 + 1)), 'expected at most 2097152 lines'],
    ['two million and one tokens', parseVocabularyText('\n'.repeat(2 ** 21 + 1)), 'expected at most 2097152 lines'],
    [
      'a million objects for merges',
      parseTokenizerJson(`{"model":{"merges":[${'{},'.repeat(2 ** 20)}{}]}}`),
      'at most 65536 objects',
    ],
    ['deep merges', parseTokenizerJson(`{"model":{"merges":${'['.repeat(1000)}${']'.repeat(1000)}}}`), '64 deep'],
    [
      'a deep normalizer',
      parseUnigramJson(unigram({ normalizer: JSON.parse('['.repeat(60) + ']'.repeat(60)) })),
      'normalizer',
    ],
    [
      'replacements that double a text forty times',
      parseUnigramJson(
        unigram({
          normalizer: {
            type: 'Sequence',
            normalizers: Array.from({ length: 40 }, () => ({
              type: 'Replace',
              pattern: { String: 'a' },
              content: 'aa',
            })),
          },
        }),
      ),
      'expected normalizers that make texts 64 times as long or less',
    ],
  ])('is refused: %s', (_, read, expected) => {
    expect(problem(read)).toContain(expected);
  });

  it('takes names that every object has for tokens like others', () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
    const own = `{${['<|endoftext|>', ...names].map((name, id) => `"${name}":${id}`).join(',')}}`;
    const read = parseVocabulary(own);
    expect(E.isRight(read) && [...read.right]).toEqual(['<|endoftext|>', ...names].map((name, id) => [name, id]));
    const tokenizer = GPT2Tokenizer.fromFiles({ vocabularyJson: own, mergesText: '' });
    expect(E.isRight(tokenizer) && tokenizer.right.vocabularySize).toBe(5);
  });

  it('is refused where a SentencePiece model of long tokens would take minutes to check', () => {
    const vocab = Object.fromEntries(Array.from({ length: 600 }, (_, id) => [`${id}`.padStart(8000, 'x'), id]));
    const started = processorMs();
    const said = problem(
      GemmaTokenizer.fromTokenizerJson(
        JSON.stringify({
          normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
          decoder: {
            type: 'Sequence',
            decoders: [
              { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
              { type: 'ByteFallback' },
              { type: 'Fuse' },
            ],
          },
          model: { type: 'BPE', vocab, merges: [] },
        }),
      ),
    );
    expect(said).toContain('expected tokens of fewer characters');
    expect(processorMs() - started).toBeLessThan(5000);
  });
});
