// Files that are not what they should be: clear errors, and no crash, hang or large allocation.
import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { sentencePiece, TokenizerFileError } from '../../src/tokenizers/index.ts';
import { bytePieces, field, modelBytes, pieceField, proto, right } from './sentencePieceModels.ts';

/** What is wrong with a file. */
const problem = (bytes: Uint8Array): string => {
  const read = sentencePiece(bytes, 'vocabulary.spm');
  expect(read).toMatchObject({ _tag: 'Left', left: expect.any(TokenizerFileError) });
  return E.isLeft(read) ? read.left.message : '';
};

const texts = ['', 'The fox\u3000 é😀', 'aab<mask>\0<0x41>', '\ufb01 ABCD\ufffd'];

/** Reads a file; if it can be read, uses it. Anything but an Either is a failure. */
const survives = (bytes: Uint8Array): boolean => {
  const read = sentencePiece(bytes);
  if (E.isLeft(read)) {
    expect(read.left).toBeInstanceOf(TokenizerFileError);
    return false;
  }
  for (const text of texts) read.right.decode(read.right.encode(text));
  read.right.decode(Array.from({ length: Math.min(read.right.size, 50) }, (_, id) => id));
  return true;
};

const unknown = pieceField('<unk>', 2);

describe('a file that is no SentencePiece model', () => {
  it('S100 is an error at whatever byte a model is cut short', () => {
    for (const name of ['gemma', 'bpe_symbols', 'unigram_changed', 'gemma_page']) {
      const bytes = modelBytes(name);
      const readable = Array.from({ length: bytes.length }, (_, length) => length).filter((length) =>
        survives(bytes.subarray(0, length)),
      );
      // Only denormalizer_spec, field 5, may be missing.
      expect(readable.map((length) => bytes[length])).toEqual(readable.slice(0, 1).map(() => 0x2a));
    }
  });

  it('S100 is an error or another model, whatever bytes of a model are changed', () => {
    const models = ['gemma', 'bpe_symbols', 'unigram_changed', 'unigram_rules_suffix', 'char', 'gemma_page'].map(
      modelBytes,
    );
    const change = fc.record({
      at: fc.nat(),
      remove: fc.nat(3),
      insert: fc.array(fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xff)), { maxLength: 6 }),
    });
    fc.assert(
      fc.property(fc.constantFrom(...models), fc.array(change, { minLength: 1, maxLength: 4 }), (bytes, changes) => {
        const altered = [...bytes];
        for (const { at, remove, insert } of changes) altered.splice(at % altered.length, remove, ...insert);
        survives(Uint8Array.from(altered));
      }),
      { numRuns: 400 },
    );
  });

  it('S100 is an error for bytes of any kind', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void survives(bytes)),
      { numRuns: 500 },
    );
    expect(problem(new Uint8Array(0))).toBe('vocabulary.spm: expected a SentencePiece model, got an empty file');
    expect(problem(new TextEncoder().encode('{"model": {}}'))).toMatch(/^vocabulary.spm: expected /);
    expect(problem(new TextEncoder().encode('PK\u0003\u0004'))).toMatch(/^vocabulary.spm: expected /);
    expect(problem('vocabulary.spm' as never)).toContain('expected bytes (a Uint8Array), got the string');
  });

  it('is not believed when it says how long something is', () => {
    for (const length of [
      [0x7f],
      [0xff, 0xff, 0xff, 0xff, 0x0f],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ])
      expect(problem(Uint8Array.from([0x0a, ...length, 1, 2, 3]))).toMatch(
        /expected \d+ bytes of field 1 of the model at byte \d+, got \d+; is the file cut short\?/,
      );
    expect(problem(Uint8Array.from([0x0a, ...new Array<number>(12).fill(0xff)]))).toContain(
      'a varint of at most 10 bytes',
    );
    expect(problem(Uint8Array.from([0x0b]))).toContain('got wire type 3');
    expect(problem(Uint8Array.from([0x02, 0]))).toContain('got the field number 0');
  });

  it('is named by what is wrong with its pieces', () => {
    const of = (pieces: readonly (readonly number[])[], trainer: readonly number[] = []) =>
      problem(proto(pieces, trainer));
    const fallback = field(35, 1);
    expect(of([])).toContain('got a file without pieces');
    expect(problem(Uint8Array.from(unknown))).toContain(
      'expected trainer_spec after the 1 pieces, got none; is the file cut short?',
    );
    expect(of([pieceField('a')])).toContain('expected an unknown piece (type 2), got 1 pieces without one');
    expect(of([unknown, pieceField('<u>', 2)])).toContain('expected one unknown piece, got pieces 0 and 1');
    expect(of([unknown, pieceField('')])).toContain('expected piece 1 to be a text, got an empty one');
    expect(of([unknown, pieceField([0xff, 0x61])])).toContain('expected piece 1 to be UTF-8, got "\ufffda"');
    expect(of([unknown, pieceField([0xed, 0xa0, 0x80])])).toContain('expected piece 1 to be UTF-8');
    expect(of([unknown, pieceField('a\0b')])).toContain('expected pieces without NUL, got "a\\u0000b" as piece 1');
    expect(of([unknown, pieceField('a'.repeat(8000))])).toContain('expected pieces of fewer than 8000 bytes, got 8000');
    expect(of([unknown, pieceField('a'), pieceField('a')])).toContain(
      'expected each piece once, got "a" as pieces 1 and 2',
    );
    expect(of([unknown, pieceField('a', 3), pieceField('a')], field(3, 2))).toContain(
      'expected each piece once, got "a"',
    );
    expect(of([unknown, pieceField('a', 1, Number.NaN)])).toContain(
      'expected the score of piece 1 to be a finite number, got NaN',
    );
    expect(of([unknown, pieceField('a', 7)])).toContain(
      'expected the type of piece 1 to be from 1 (normal) to 6 (byte), got 7',
    );
    expect(of([unknown, pieceField('<0x00>', 6)])).toContain(
      'expected no byte pieces without trainer_spec.byte_fallback',
    );
    expect(of([unknown, pieceField('<0x0>', 6)], fallback)).toContain(
      'expected byte pieces <0x00> to <0xFF>, got "<0x0>" as piece 1',
    );
    expect(of([unknown, pieceField('<0x00>', 6)], fallback)).toContain('expected a piece for each of 256 bytes');
    expect(of([unknown], field(3, 5))).toContain(
      'expected trainer_spec.model_type to be 1 (unigram), 2 (BPE), 3 (word) or 4 (character), got 5',
    );
    expect(of([unknown], field(3, 'a'))).toContain(
      'expected trainer_spec.model_type to be a varint, got bytes of a length',
    );
    expect(of([field(1, [...field(1, 5), 0])])).toContain('expected piece 0 to be bytes of a length, got a varint');
    expect(problem(Uint8Array.from([...unknown, ...field(2, []), ...field(3, 7)]))).toContain(
      'expected normalizer_spec to be bytes',
    );
    expect(right(sentencePiece(proto([unknown, bytePieces()], fallback))).size).toBe(257);
  });
});

describe('a character map', () => {
  /** A map whose units are all 0 but these. */
  const map = (units: Readonly<Record<number, number>>, texts: readonly number[] = [0], size = 256): Uint8Array => {
    const words = new Uint32Array(size);
    for (const [at, unit] of Object.entries(units)) words[Number(at)] = unit;
    return Uint8Array.from([
      ...new Uint8Array(Uint32Array.of(size * 4).buffer),
      ...new Uint8Array(words.buffer),
      ...texts,
    ]);
  };
  const withMap = (charsmap: Uint8Array) =>
    proto([unknown, pieceField('a', 1, -1), pieceField('b', 1, -1)], [], field(2, [...charsmap]));
  const unit = (label: number, offset: number, ends = false): number =>
    ((offset << 10) | (ends ? 0x100 : 0) | label) >>> 0;
  const [a, b] = [0x61, 0x62];

  it('replaces the longest rule that a text begins with', () => {
    // 'a' gives 'b': the root's child by 'a' is 1 ^ a, where a rule ends; its child by 0 has the place of the text.
    const charsmap = map({ 0: unit(0, 1), [1 ^ a]: unit(a, 2, true), [1 ^ a ^ 2]: 0x80000000 }, [b, 0]);
    const piece = right(sentencePiece(withMap(charsmap)));
    expect(piece.normalize('abba')).toBe('▁bbbb');
  });

  it('whose units go round in a circle ends each search', () => {
    // The child of the root by 'a' leads back to the root's children.
    const piece = right(sentencePiece(withMap(map({ 0: unit(0, 1), [1 ^ a]: unit(a, a) }))));
    expect(piece.normalize('a'.repeat(20_000))).toBe(`▁${'a'.repeat(20_000)}`);
  });

  it('is refused where a step or a text would lie outside it', () => {
    const outside = 'expected a double array whose units stay within it in precompiled_charsmap';
    expect(problem(withMap(map({})))).toContain(outside);
    expect(problem(withMap(map({ 0: unit(0, 256) })))).toContain(outside);
    expect(problem(withMap(map({ 0: unit(0, 1), 7: unit(3, 0x1fffff) })))).toContain(outside);
    expect(problem(withMap(map({ 0: unit(0, 1), 7: 0x80000001 })))).toContain(outside);
    expect(problem(withMap(map({ 0: unit(0, 1), 7: unit(3, 1, true) })))).toContain(outside);
    expect(problem(withMap(map({ 0: unit(0, 1) }, [b])))).toContain('to end with a NUL');
    for (const wrong of [[1], [0, 4, 0, 0], [1, 4, 0, 0, 9], [0, 0, 0, 0, 0], [0, 0xfc, 0xff, 0xff, 0]])
      expect(problem(withMap(Uint8Array.from(wrong)))).toContain('to begin with the size of a trie');
  });

  it('of any units is an error or a map that encodes', () => {
    const word = fc.oneof(
      fc.nat(0xffffffff),
      fc.tuple(fc.nat(255), fc.nat(255), fc.boolean()).map((of) => unit(...of)),
    );
    const units = fc.tuple(fc.nat(255), fc.array(word, { minLength: 256, maxLength: 256 }));
    fc.assert(
      fc.property(units, fc.boolean(), ([root, words], tame) => {
        // Units of small offsets without ends are within the array, so that some maps are read.
        const chosen = tame ? words.map((value) => (value & 0x3fcff) >>> 0) : words;
        survives(withMap(map({ ...chosen, 0: unit(0, root) }, [b, 0])));
      }),
      { numRuns: 60 },
    );
  });
});
