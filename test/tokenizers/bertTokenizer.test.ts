import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../src/tensor/errors.ts';
import {
  BertTokenizer,
  DistilBertTokenizer,
  formatVocabularyText,
  parseVocabularyText,
  tokenizeWithMasks,
} from '../../src/tokenizers/index.ts';
import { right } from './sentencePieceModels.ts';

const special = ['[UNK]', '[CLS]', '[SEP]', '[PAD]', '[MASK]'];
const vocabulary = [...special, 'The', 'quick', 'brown', 'fox', '##es', 'jumped', '.', ',', 'a', '##a', 'the'];
const tokenizer = BertTokenizer({ vocabulary });
const transformers = BertTokenizer({ vocabulary, lowercase: true, follows: 'transformers' });

const message = (result: E.Either<Error, unknown>): string => {
  if (E.isRight(result)) throw new Error('expected an error');
  expect(result.left.name).toBe('TokenizerFileError');
  return result.left.message;
};

describe('BertTokenizer', () => {
  it('S98 tokenizes the page’s example', () => {
    expect(tokenizer.tokenize('The quick brown fox jumped.')).toEqual([5, 6, 7, 8, 10, 11]);
    expect(tokenizer.tokenize(['The foxes', ''])).toEqual([[5, 8, 9], []]);
    expect(tokenizer.detokenize([5, 8, 9, 11])).toBe('The foxes .');
    expect(transformers.detokenize([5, 8, 9, 11])).toBe('The foxes.');
  });

  it('S98 takes special tokens in a text for text, unless it is told or is transformers’', () => {
    const told = BertTokenizer({ vocabulary, specialTokensInStrings: true });
    expect(tokenizer.tokenize('[MASK]')).toEqual([0, 0, 0]);
    expect(told.tokenize('The[MASK] [UNK]')).toEqual([5, 4, 0, 0, 0]);
    expect(transformers.tokenize('the[MASK] [UNK]')).toEqual([15, 4, 0]);
    expect(BertTokenizer({ ...transformers, specialTokensInStrings: false }).tokenize('[MASK]')).toEqual([0, 0, 0]);
  });

  it('finds masks in any behaviour for those who fill them in', () => {
    for (const own of [tokenizer, transformers]) {
      expect(tokenizeWithMasks(own, 'the [MASK] fox[MASK]')).toEqual([15, 4, 8, 4]);
      expect(tokenizeWithMasks(own, 'fox')).toEqual([8]);
    }
  });

  it('gives back words of its vocabulary', () => {
    const words = fc.array(fc.constantFrom('The', 'quick', 'fox', 'foxes', 'a', 'aa', 'aaa', '.', ','), {
      minLength: 1,
    });
    fc.assert(
      fc.property(words, (parts) => {
        const text = parts.join(' ');
        expect(tokenizer.detokenize(tokenizer.tokenize(text))).toBe(text);
      }),
    );
  });

  it('gives only ids of the vocabulary, those of a list one by one, and streams what detokenize gives', () => {
    const texts = fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...vocabulary)), { maxLength: 6 });
    fc.assert(
      fc.property(texts, fc.boolean(), (parts, other) => {
        const own = other ? transformers : tokenizer;
        const ids = own.tokenize(parts.join(' '));
        expect(ids.every((id) => id >= 0 && id < vocabulary.length)).toBe(true);
        expect(own.tokenize(parts)).toEqual(parts.map((part) => own.tokenize(part)));
        const stream = own.textStream();
        expect(ids.map(stream.push).join('') + stream.end()).toBe(own.detokenize(ids));
      }),
    );
  });

  it('takes a lone surrogate for U+FFFD', () => {
    const own = BertTokenizer({ vocabulary: [...vocabulary, '\ufffd'] });
    expect(own.tokenize('\ud800')).toEqual([vocabulary.length]);
    expect(transformers.tokenize('a\udc00a')).toEqual([13, 14]);
  });

  it('takes long texts in time that grows with their length', () => {
    // Every prefix of a long word is a piece, so that each step looks far ahead.
    const piece = (length: number): string => 'a'.repeat(length);
    const deep = BertTokenizer({
      vocabulary: [...special, ...Array.from({ length: 99 }, (_, at) => piece(at + 1)), '##b', '##a'],
    });
    for (const text of [
      piece(1e6),
      `${piece(99)}b `.repeat(2e4),
      ' '.repeat(1e6),
      'é'.repeat(1e6),
      '\u0301'.repeat(1e5),
    ]) {
      const start = performance.now();
      deep.tokenize(text);
      BertTokenizer({ ...deep, lowercase: true, follows: 'transformers' }).tokenize(text);
      expect(performance.now() - start).toBeLessThan(5000);
    }
  });

  it('is a frozen record that makes the same tokenizer again', () => {
    expect(Object.isFrozen(transformers)).toBe(true);
    expect(BertTokenizer(transformers).tokenize('The fox, [MASK]')).toEqual(transformers.tokenize('The fox, [MASK]'));
    const map = new Map(vocabulary.map((token, id) => [token, id]));
    expect(DistilBertTokenizer({ vocabulary: map }).vocabulary).toEqual(vocabulary);
    expect(right(BertTokenizer.fromVocabularyText(formatVocabularyText(vocabulary))).vocabulary).toEqual(vocabulary);
  });

  it('S65 says what it was given in place of texts, ids and tokens', () => {
    expect(() => tokenizer.tokenize(3 as never)).toThrow(
      'BertTokenizer: expected a string or a list of strings, got the number 3',
    );
    for (const id of [-1, 16, 0.5])
      expect(() => tokenizer.detokenize([id])).toThrow(
        'BertTokenizer: expected token ids to be integers from 0 to 15, got',
      );
    expect(() => tokenizer.idToToken(16)).toThrow(ArgumentError);
    expect(() => tokenizer.tokenToId('dog')).toThrow(
      'BertTokenizer: expected a token of the vocabulary (16 tokens), got the string "dog"',
    );
    expect(() => BertTokenizer({ vocabulary, follows: 'keras' as never })).toThrow(
      "expected follows to be 'kerasHub' or 'transformers'",
    );
  });

  it.each([
    [vocabulary.filter((token) => token !== '[MASK]'), 'got 15 tokens without "[MASK]"'],
    [['[UNK]', '[PAD]'], 'got 2 tokens without "[CLS]", "[SEP]", "[MASK]"'],
    [[], 'got an empty one'],
    [{}, 'got an empty one'],
    [[...vocabulary, 'fox'], 'expected each token once, got "fox" as 8 and as 16'],
    [[...vocabulary, 3 as never], 'expected every token to be a string, got the number 3 as 16'],
    ['vocabulary.txt' as never, 'expected a vocabulary of ids by token'],
    [{ '[UNK]': 0, '[CLS]': 0 }, 'expected each id once'],
    [{ '[UNK]': 0, '[CLS]': 2 ** 31 - 1 }, 'expected ids without large gaps'],
  ])('S65 refuses a vocabulary and names what is wrong: %#', (bad, wanted) => {
    expect(() => BertTokenizer({ vocabulary: bad })).toThrow(ArgumentError);
    expect(() => BertTokenizer({ vocabulary: bad })).toThrow(wanted);
  });

  it('S65 names tokens that are to be found in texts and have no id', () => {
    expect(() => BertTokenizer({ vocabulary, specialTokens: ['[E1]'] })).toThrow('without "[E1]"');
    expect(() => BertTokenizer({ vocabulary, oovToken: '<unk>' })).toThrow('without "<unk>"');
  });
});

describe('vocabulary.txt', () => {
  it('S98 counts a blank line, which no text has', () => {
    const text = `${special.join('\n')}\n\nfox\n\n\n##es\n`;
    expect(parseVocabularyText(text)).toEqual(E.right([...special, '', 'fox', '', '', '##es']));
    expect(right(BertTokenizer.fromVocabularyText(text)).tokenize('foxes  fox')).toEqual([6, 9, 6]);
  });

  it('S65 names the lines of a token that stands twice, and an empty file', () => {
    expect(message(parseVocabularyText('a\nb\na\n', 'vocab.txt'))).toBe(
      'vocab.txt: expected each token once, got "a" in lines 1 and 3',
    );
    expect(message(parseVocabularyText(''))).toBe('vocabulary.txt: expected a token a line, got an empty file');
    expect(message(BertTokenizer.fromVocabularyText('a\nb\n'))).toContain(
      'without "[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"',
    );
  });
});

/** A tokenizer.json as transformers writes it. */
const tokenizerJson = (changes: object = {}, model: object = {}, normalizer: object = {}): string =>
  JSON.stringify({
    added_tokens: special.map((content, id) => ({ id, content, lstrip: false, normalized: false, special: true })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
      ...normalizer,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
      ...model,
    },
    ...changes,
  });

describe('tokenizer.json of WordPiece', () => {
  it('takes added tokens behind the vocabulary, with lstrip', () => {
    const added = [...special.map((content, id) => ({ id, content })), { id: 16, content: '[E1]', lstrip: true }];
    const own = right(BertTokenizer.fromTokenizerJson(tokenizerJson({ added_tokens: added })));
    expect(own.vocabularySize).toBe(17);
    expect(own.tokenize('a [E1]a')).toEqual([13, 16, 13]);
    expect(own.lstripTokens).toEqual(['[E1]']);
  });

  it('lets settings that are given go before it', () => {
    const own = right(BertTokenizer.fromTokenizerJson(tokenizerJson(), { lowercase: false, splitOnCjk: undefined }));
    expect(own).toMatchObject({ lowercase: false, stripAccents: false, splitOnCjk: true });
  });

  it.each([
    ['not JSON', 'expected JSON'],
    ['[]', 'expected an object'],
    [tokenizerJson({}, { type: 'BPE' }), 'expected a WordPiece model, got one of type the string "BPE"'],
    [
      tokenizerJson({}, { max_input_chars_per_word: 200 }),
      'expected model.max_input_chars_per_word to be 100, got the number 200',
    ],
    [tokenizerJson({}, { unk_token: null }), 'expected model.unk_token to be a string, got null'],
    [tokenizerJson({}, { unk_token: '<unk>' }), 'without "<unk>"'],
    [tokenizerJson({}, { vocab: { a: 1.5 } }), 'expected the id of token "a"'],
    [tokenizerJson({ normalizer: null }), 'expected normalizer to be an object, got null'],
    [tokenizerJson({}, {}, { type: 'NFKC' }), 'expected a BertNormalizer'],
    [tokenizerJson({}, {}, { clean_text: false }), 'got clean_text false'],
    [tokenizerJson({ pre_tokenizer: { type: 'Whitespace' } }), 'expected a BertPreTokenizer'],
    [tokenizerJson({ decoder: { type: 'WordPiece', cleanup: false } }), 'got cleanup false'],
    [
      tokenizerJson({ decoder: { type: 'WordPiece', prefix: '@@' } }),
      "expected the decoder's prefix to be the model's",
    ],
    [tokenizerJson({ added_tokens: [{ id: 99, content: '[E1]', normalized: true }] }), 'normalized is not supported'],
    [tokenizerJson({ added_tokens: [{ id: 99, content: '[E1]', rstrip: true }] }), 'rstrip is not supported'],
    [tokenizerJson({ added_tokens: [{ id: 3, content: '[CLS]' }] }), 'to keep its id 1'],
  ])('S65 refuses %.60s', (text, wanted) => {
    expect(message(BertTokenizer.fromTokenizerJson(text))).toContain(wanted);
  });
});
