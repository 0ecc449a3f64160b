import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../src/tensor/errors.ts';
import { GemmaTokenizer, TokenizerFileError } from '../../src/tokenizers/index.ts';
import { hostileTexts, modelBytes, recording, right } from './sentencePieceModels.ts';

const tokenizer = GemmaTokenizer({ proto: modelBytes('gemma') });

describe.each(recording.gemmaTokenizer)('GemmaTokenizer against KerasHub, $model', (recorded) => {
  const own = GemmaTokenizer({ proto: modelBytes(recorded.model) });

  it('S101 finds its special tokens by their piece', () => {
    expect([own.startTokenId, own.endTokenId, own.padTokenId]).toEqual([
      recorded.startTokenId,
      recorded.endTokenId,
      recorded.padTokenId,
    ]);
    expect([...own.specialTokenIds].sort((a, b) => a - b)).toEqual(recorded.specialTokenIds);
    expect(own.vocabularySize).toBe(recorded.vocabularySize);
  });

  it('S100 tokenizes and detokenizes lists as KerasHub does', () => {
    expect(own.tokenize(recorded.texts)).toEqual(recorded.ids);
    expect(own.detokenize(recorded.ids)).toEqual(recorded.detokenized);
  });
});

describe('GemmaTokenizer', () => {
  it('S101 has the ids of Gemma’s own file', () => {
    const { startTokenId, endTokenId, padTokenId, tokenToId } = tokenizer;
    expect([padTokenId, endTokenId, startTokenId, tokenToId('<unk>')]).toEqual([0, 1, 2, 3]);
    expect(tokenizer.specialTokenIds).toEqual([2, 1, 0]);
    expect(tokenizer.idToToken(2)).toBe('<bos>');
  });

  it('takes special tokens in a text for text, and the user’s symbols for tokens', () => {
    expect(tokenizer.tokenize('<bos>')).not.toContain(tokenizer.startTokenId);
    expect(tokenizer.tokenize('<start_of_turn>\n\n\n')).toEqual(['<start_of_turn>', '\n\n\n'].map(tokenizer.tokenToId));
    expect(tokenizer.detokenize([2, ...tokenizer.tokenize('The fox'), 1, 0, 0])).toBe('The fox');
  });

  it('streams pieces with their spaces, which make up detokenize of all ids', () => {
    const stream = tokenizer.textStream();
    const pieces = tokenizer.tokenize(' The fox  and').map(stream.push);
    expect(pieces.join('')).toBe(' The fox  and');
    expect(pieces).toContain(' fox');
    fc.assert(
      fc.property(hostileTexts(tokenizer.model), (text) => {
        const fresh = tokenizer.textStream();
        const ids = tokenizer.tokenize(text);
        expect(ids.map(fresh.push).join('') + fresh.end()).toBe(tokenizer.detokenize(ids));
      }),
      { numRuns: 40 },
    );
  });

  it('is a frozen record that makes the same tokenizer again', () => {
    expect(Object.isFrozen(tokenizer)).toBe(true);
    expect(GemmaTokenizer(tokenizer).tokenize(recording.texts)).toEqual(tokenizer.tokenize(recording.texts));
    expect(right(GemmaTokenizer.fromProto(tokenizer.proto)).vocabularySize).toBe(tokenizer.vocabularySize);
    expect(tokenizer.tokenize([])).toEqual([]);
    expect(tokenizer.tokenize('')).toEqual([]);
    expect(tokenizer.detokenize(new Int32Array([2, 0]))).toBe('');
  });

  it('S65 says what it was given in place of texts, ids, tokens and files', () => {
    expect(() => tokenizer.tokenize(3 as never)).toThrow(
      'GemmaTokenizer: expected a string or a list of strings, got the number 3',
    );
    expect(() => tokenizer.detokenize('a' as never)).toThrow(
      'GemmaTokenizer: expected a list of token ids, got the string "a"',
    );
    expect(() => tokenizer.detokenize([tokenizer.vocabularySize])).toThrow(
      'expected token ids to be integers from 0 to',
    );
    expect(() => tokenizer.tokenToId('<none>')).toThrow('GemmaTokenizer: expected a token of the vocabulary');
    expect(() => GemmaTokenizer({ proto: 'vocabulary.spm' as never })).toThrow(
      'GemmaTokenizer: expected proto to be the bytes of a SentencePiece model (a Uint8Array), got the string "vocabulary.spm"; read the file first',
    );
    expect(() => GemmaTokenizer({ proto: new Uint8Array(3) })).toThrow(ArgumentError);
    expect(GemmaTokenizer.fromProto(new Uint8Array(3))).toMatchObject({ left: expect.any(TokenizerFileError) });
  });

  it('S101 names the special tokens that another family’s file lacks', () => {
    const other = GemmaTokenizer.fromProto(modelBytes('bpe'));
    expect(E.isLeft(other) && other.left.message).toBe(
      'GemmaTokenizer: expected special tokens "<bos>", "<eos>", "<pad>" among the pieces, got 240 pieces without ' +
        '"<bos>", "<eos>", "<pad>"; is this another family\'s file?',
    );
  });
});
