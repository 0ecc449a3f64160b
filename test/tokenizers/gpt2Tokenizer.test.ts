import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GPT2Tokenizer } from '../../src/tokenizers/index.ts';
import { endOfText, merges, seedMerges, seedVocabulary, tokenizer, vocabulary } from './vocabulary.ts';

/** Texts with what tokenizers stumble over: white space of all kinds, contractions, special tokens, joined emoji. */
const texts = (): fc.Arbitrary<string> => {
  const hard = [
    ' ',
    '  ',
    '\n',
    '\r\n',
    '\t',
    '\u0000',
    '\u0085',
    '\u00a0',
    '\u3000',
    '\ufeff',
    "'s",
    "'S",
    "don't",
    'é',
  ];
  const pieces = [
    ...hard,
    '👨‍👩‍👧',
    '日本',
    '12',
    '²',
    '<|endoftext|>',
    '<|endoftext',
    '__proto__',
    ' the quick fox',
    'aaaa',
    '!',
  ];
  return fc
    .array(fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 12 })
    .map((parts) => parts.join(''));
};

/** The text with U+FFFD for each lone surrogate. */
const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, '\ufffd');

const words = (text: string): string[] => {
  const { tokenize, idToToken } = tokenizer;
  return tokenize(text).map(idToToken);
};

describe('GPT2Tokenizer', () => {
  it('S125 runs the page of the custom vocabulary: merges name pieces without ids, which are dropped', () => {
    const seed = GPT2Tokenizer({ vocabulary: seedVocabulary, merges: seedMerges });
    expect(seed.tokenize(['a quick fox.', 'a fox quick.'])).toEqual([
      [4, 5, 6],
      [4, 6, 5],
    ]);
    expect(seed.detokenize([4, 5, 6])).toBe('a quick fox');
    expect(seed.vocabularySize).toBe(4);
  });

  it('S99 cuts words by the pattern of GPT-2, runs of spaces and digits too', () => {
    expect(words('  the')).toEqual(['Ġ', 'Ġthe']);
    expect(words('the   ')).toEqual(['the', 'ĠĠ', 'Ġ']);
    expect(words('    ')).toEqual(['ĠĠĠĠ']);
    expect(words('1234')).toEqual(['123', '4']);
    expect(words("the's")).toEqual(['the', "'s"]);
    expect(words("the'S")).toEqual(['the', "'", 'S']);
    expect(words('the\n\nfox')).toEqual(['the', 'Ċ', 'Ċ', 'f', 'ox']);
  });

  it('S99 takes Unicode white space, not JavaScript’s: U+0085 parts words as a space, U+FEFF as a sign', () => {
    const split = (sign: string) => words(`${sign}${sign}a`).length;
    expect(split('\u0085')).toBe(5); // \s+(?!\S) leaves one of two for itself: Â ħ | Â ħ | a.
    expect(words('\u0085 a').at(-2)).toBe('Ġ');
    expect(words('\ufeff a')).toEqual(['ï', '»', '¿', 'Ġ', 'a']);
    expect(words(' \ufeff')).toEqual(['Ġ', 'ï', '»', '¿']);
  });

  it('S99 S101 finds the special token inside a text, and it is start and end token; padding is the number 0', () => {
    expect(tokenizer.tokenize('a<|endoftext|><|endoftext|>b')).toEqual([
      vocabulary.a,
      endOfText,
      endOfText,
      vocabulary.b,
    ]);
    expect(tokenizer.tokenize('<|endoftext|')).not.toContain(endOfText);
    expect(tokenizer.startTokenId).toBe(endOfText);
    expect(tokenizer.endTokenId).toBe(endOfText);
    expect(tokenizer.specialTokenIds).toEqual([endOfText]);
    expect(tokenizer.padTokenId).toBe(0);
    expect(tokenizer.idToToken(0)).toBe('!');
  });

  it('gives texts back from their ids', () =>
    fc.assert(
      fc.property(texts(), (text) => {
        expect(tokenizer.detokenize(tokenizer.tokenize(text))).toBe(wellFormed(text));
      }),
    ));

  it('gives the same ids every time, and to a list what it gives to each text', () =>
    fc.assert(
      fc.property(fc.array(texts(), { maxLength: 4 }), (list) => {
        const fresh = GPT2Tokenizer({ vocabulary, merges });
        expect(tokenizer.tokenize(list)).toEqual(list.map((text) => fresh.tokenize(text)));
      }),
      { numRuns: 30 },
    ));

  it('streams pieces that make up detokenize of all ids, whatever the ids', () =>
    fc.assert(
      fc.property(fc.array(fc.nat(tokenizer.vocabularySize + 3), { maxLength: 40 }), (ids) => {
        const stream = tokenizer.textStream();
        const pieces = ids.map(stream.push);
        expect(pieces.join('') + stream.end()).toBe(tokenizer.detokenize(ids));
        expect(stream.end()).toBe('');
      }),
      { numRuns: 1000 },
    ));

  it('never ends a streamed piece inside a character', () =>
    fc.assert(
      fc.property(texts(), (text) => {
        const stream = tokenizer.textStream();
        const pieces = [...tokenizer.tokenize(text).map(stream.push), stream.end()];
        expect(pieces.join('')).toBe(wellFormed(text));
        expect(pieces.every((piece) => piece === wellFormed(piece))).toBe(true);
        if (!wellFormed(text).includes('\ufffd')) expect(pieces.join('')).not.toContain('\ufffd');
      }),
    ));

  it('holds bytes back until their character is whole, and gives U+FFFD at the end for those that never are', () => {
    const [p, q, ...rest] = tokenizer.tokenize('👍'); // F0 9F 91 | 8D
    const stream = tokenizer.textStream();
    expect([stream.push(p!), stream.push(q!)]).toEqual(['', '👍']);
    expect(rest).toEqual([]);
    expect(stream.push(p!) + stream.push(vocabulary.a!)).toBe('\ufffda');
    expect(stream.push(p!) + stream.end()).toBe('\ufffd');
    expect(tokenizer.detokenize([p!, vocabulary.a!, q!])).toBe('\ufffda\ufffd');
  });

  it('gives a lone surrogate the bytes of U+FFFD, and nothing for nothing', () => {
    expect(tokenizer.tokenize('a\ud800b')).toEqual(tokenizer.tokenize('a\ufffdb'));
    expect(tokenizer.tokenize('')).toEqual([]);
    expect(tokenizer.tokenize([])).toEqual([]);
    expect(tokenizer.detokenize([])).toBe('');
    expect(tokenizer.detokenize([[], [vocabulary.a!]])).toEqual(['', 'a']);
    expect(tokenizer.detokenize(new Int32Array([vocabulary.a!, 0]))).toBe('a!');
  });

  it('takes long runs in time that grows with their length', () => {
    for (const unit of ['a', ' ', '!', 'é', '\n', 'ab', '=-']) {
      const text = unit.repeat(100_000);
      expect(tokenizer.detokenize(tokenizer.tokenize(text))).toBe(text);
    }
  });

  it('takes a Map, a record without prototype, ids with gaps and tokens named like members of objects', () => {
    const odd = JSON.parse('{"<|endoftext|>": 7, "__proto__": 900, "constructor": 3, "_": 20}');
    const bare = Object.defineProperties(Object.create(null), Object.getOwnPropertyDescriptors(odd));
    for (const given of [odd, bare, new Map(Object.entries(odd))] as Record<string, number>[]) {
      const own = GPT2Tokenizer({ vocabulary: given, merges: [], unsplittableTokens: ['__proto__'] });
      expect(own.tokenize('_a__proto__')).toEqual([20, 900]);
      expect(own.tokenToId('__proto__')).toBe(900);
      expect(own.detokenize([900, 3, 7, 20])).toBe('__proto__constructor<|endoftext|>_');
      expect(own.vocabularySize).toBe(4);
      expect(() => own.tokenToId('toString')).toThrow('expected a token of the vocabulary');
    }
  });

  it('adds a space before texts and after special tokens when asked', () => {
    const spaced = GPT2Tokenizer({ vocabulary, merges, addPrefixSpace: true });
    expect(spaced.detokenize(spaced.tokenize('the<|endoftext|>fox'))).toBe(' the<|endoftext|> fox');
    expect(spaced.tokenize(' the')).toEqual(tokenizer.tokenize(' the'));
    expect(spaced.tokenize('')).toEqual([]);
  });

  it('finds other tokens that are never split, the longest first', () => {
    const own = { ...vocabulary, '<x>': 1000, '<x>$y(': 1001 };
    const whole = GPT2Tokenizer({ vocabulary: own, merges, unsplittableTokens: ['<x>', '<x>$y('] });
    expect(whole.tokenize('<x>a<x>$y(<x>$y')).toEqual([1000, vocabulary.a, 1001, 1000, vocabulary.$, vocabulary.y]);
    expect(whole.specialTokenIds).toEqual([endOfText]);
  });

  it('is a frozen record, and its vocabulary and merges make the same tokenizer again', () => {
    expect(Object.isFrozen(tokenizer)).toBe(true);
    const again = GPT2Tokenizer(tokenizer);
    expect(again.merges).toEqual(merges);
    expect(again.tokenize(' the quick word')).toEqual(tokenizer.tokenize(' the quick word'));
  });

  it('passes over ids without a token as KerasHub does, and refuses what is no id', () => {
    expect(tokenizer.detokenize([vocabulary.a!, 99_999, vocabulary.b!])).toBe('ab');
    for (const [id, came] of [
      [-1, '-1'],
      [1.5, '1.5'],
      [Number.NaN, 'NaN'],
    ] as const)
      expect(() => tokenizer.detokenize([id])).toThrow(
        `GPT2Tokenizer: expected token ids to be integers from 0, got the number ${came}`,
      );
    expect(() => tokenizer.textStream().push(-1)).toThrow('integers from 0');
    expect(() => tokenizer.idToToken(99_999)).toThrow('expected an id of the vocabulary');
    expect(() => tokenizer.detokenize('a' as never)).toThrow('expected a list of token ids, got the string "a"');
  });

  it('S65 says what it was given in place of texts', () => {
    expect(() => tokenizer.tokenize(3 as never)).toThrow(
      'GPT2Tokenizer: expected a string or a list of strings, got the number 3',
    );
    expect(() => tokenizer.tokenize(['a', null] as never)).toThrow('got null at index 1');
    expect(() => tokenizer.tokenize(new Set(['a']) as never)).toThrow('got an object (Set)');
  });

  it('S101 refuses vocabularies and merges that are not what they should be', () => {
    const made =
      (given: unknown, rules: unknown = []) =>
      () =>
        GPT2Tokenizer({ vocabulary: given as never, merges: rules as never });
    const start = { '<|endoftext|>': 0 };
    expect(made({ a: 0 })).toThrow(
      'GPT2Tokenizer: expected special token "<|endoftext|>" in the vocabulary, got 1 tokens',
    );
    expect(made({ ...start, a: 0 })).toThrow('expected each id once, got 0 for both "<|endoftext|>" and "a"');
    expect(made({ ...start, a: 1.5 })).toThrow(
      'expected the id of token "a" to be an integer from 0 to 2^31 - 1, got the number 1.5',
    );
    expect(made({ ...start, a: -1 })).toThrow('got the number -1');
    expect(made({ ...start, a: 2 ** 31 })).toThrow('got the number 2147483648');
    expect(made({ ...start, a: '1' })).toThrow('got the string "1"');
    expect(made(['<|endoftext|>'])).toThrow(
      'expected a vocabulary of ids by token (a record or a Map), got an array of 1',
    );
    expect(made(start, 'a b')).toThrow('expected a list of merges ("left right"), got the string "a b"');
    expect(made(start, ['a b', 'ab'])).toThrow('merges[1]: expected two tokens with one space between them, got "ab"');
    expect(made(start, ['a b', 'a b'])).toThrow('merges[1]: expected each merge once, got "a b" again');
    expect(made(start, ['#version: 0.2', 'a b'])).not.toThrow();
  });
});
