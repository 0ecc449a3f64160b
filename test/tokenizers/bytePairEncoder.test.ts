import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytePairEncoder, type Merge } from '../../src/tokenizers/bytePairEncoder.ts';
import { openBytes, tokenBytes, utf8Bytes, utf8Text } from '../../src/tokenizers/bytes.ts';

/** The algorithm as the paper has it: join the leftmost of the best pairs, look at everything again. */
const naive = (word: string, merges: readonly Merge[]): string[] => {
  const pieces = [...word];
  for (;;) {
    const ranks = pieces.map((left, i) => merges.findIndex(([a, b]) => a === left && b === pieces[i + 1]));
    const best = Math.min(...ranks.filter((rank) => rank >= 0));
    if (!Number.isFinite(best)) return pieces;
    const at = ranks.indexOf(best);
    pieces.splice(at, 2, pieces[at]! + pieces[at + 1]!);
  }
};

/** Rules whose parts are letters or earlier wholes, in any order of rank. */
const rules = (): fc.Arbitrary<readonly Merge[]> =>
  fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 12 }).chain((picks) => {
    const pieces = ['a', 'b', 'c'];
    const found = new Map<string, Merge>();
    for (const [left, right] of picks) {
      const merge: Merge = [pieces[left % pieces.length]!, pieces[right % pieces.length]!];
      found.set(merge.join(' '), merge);
      pieces.push(merge.join(''));
    }
    return fc.shuffledSubarray([...found.values()]);
  });

const ids = (tokens: Iterable<string>): ReadonlyMap<string, number> =>
  new Map([...new Set(tokens)].map((token, id) => [token, id]));

describe('bytePairEncoder', () => {
  it('joins pairs as the plain algorithm does', () =>
    fc.assert(
      fc.property(rules(), fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 40 }), (merges, word) => {
        const vocabulary = ids(['a', 'b', 'c', ...merges.map((merge) => merge.join(''))]);
        expect(bytePairEncoder(vocabulary, merges)(utf8Bytes(word))).toEqual(
          naive(word, merges).map((piece) => vocabulary.get(piece)),
        );
      }),
    ));

  it('drops pieces without an id after the joining, and bytes that nothing knows before it', () => {
    const encode = bytePairEncoder(ids(['a', 'abc', 'ad']), [
      ['a', 'b'],
      ['ab', 'c'],
      ['a', 'd'],
    ]);
    expect(encode(utf8Bytes('abc'))).toEqual([1]);
    expect(encode(utf8Bytes('aab'))).toEqual([0]); // 'ab' has no id.
    expect(encode(utf8Bytes('axd'))).toEqual([2]); // As transformers: x goes first, then a and d are neighbours.
    expect(encode(utf8Bytes('xyz'))).toEqual([]);
  });

  it('encodes 300 kB of one letter without taking quadratic time', () => {
    const encode = bytePairEncoder(ids(['a', 'aa', 'aaaa']), [
      ['a', 'a'],
      ['aa', 'aa'],
    ]);
    expect(encode(new Uint8Array(300_003).fill(97))).toHaveLength(75_002);
  });
});

describe('bytes', () => {
  it('reads a token of other characters as its own UTF-8', () => {
    expect(Array.from(tokenBytes('Ġa'))).toEqual([32, 97]);
    expect(Array.from(tokenBytes('日 a'))).toEqual([...utf8Bytes('日 a')]);
  });

  it('splits bytes where the text of both parts is the text of the whole', () => {
    const byte = fc.oneof(
      fc.nat(255),
      fc.constantFrom(0x61, 0x80, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xe2, 0xed, 0xf0, 0xf4, 0xf5),
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 12 }), fc.array(byte, { maxLength: 6 }), (before, after) => {
        const decided = before.length - openBytes(before);
        const rest = [...before.slice(decided), ...after];
        expect(utf8Text(before.slice(0, decided)) + utf8Text(rest)).toBe(utf8Text([...before, ...after]));
      }),
      { numRuns: 3000 },
    );
  });
});
